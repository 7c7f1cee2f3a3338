//! What is sent where a notification cannot be written as it should be: an alarm that looks poor is
//! an alarm, one that is lost is none.
//!
//! Nothing here uses templates, locales or pictures: only what the notification says, line by line.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::Rendered;
use super::super::format::clean;
use super::super::subject::line;
use super::NotificationMail;

/// Longest line, in characters.
const LINE_MAX: usize = 300;
/// Incidents and records listed.
const LISTED: usize = 50;

/// Runs what may have a defect; the error says what it panicked with.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "no message".to_owned())
    })
}

/// Draws a notification; where that fails, writes it as plain text that says so.
pub(super) fn guarded(
    mail: &NotificationMail,
    draw: impl FnOnce(&NotificationMail) -> Rendered,
) -> Rendered {
    caught(|| draw(mail)).unwrap_or_else(|problem| plain(mail, &problem))
}

fn plain(mail: &NotificationMail, problem: &str) -> Rendered {
    let problem = cut(problem);
    let mut text = String::new();
    let mut say = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    say(headline(mail));
    say(String::new());
    for item in mail.items.iter().take(LISTED) {
        incident(item, &mut say);
    }
    for record in mail.records.iter().take(LISTED) {
        let shown = record.shown.iter().map(|(name, value)| format!("{name}: {value}"));
        let shown = cut(&shown.collect::<Vec<_>>().join(", "));
        say(format!("{}: {shown}", cut(&record.title)));
        say(format!("  record {}, {}", cut(&record.record), record.at));
        if let Some(link) = &record.link {
            say(format!("  {}", cut(link)));
        }
    }
    let left = mail.more_firing + mail.more_ended + mail.records_more;
    let left = left + mail.items.len().saturating_sub(LISTED) as u64;
    if left > 0 {
        say(format!("and {left} more"));
    }
    say(String::new());
    say(format!("Why you hear of it now: {}", cut(&mail.reason)));
    if let Some((receiver, why)) = &mail.instead_of {
        say(format!("Meant for {}: {}", cut(receiver), cut(why)));
    }
    say(format!(
        "This message could not be written as it should look, so it is told plainly. What went \
         wrong: {problem}"
    ));
    Rendered {
        subject: subject(mail),
        html: html(&headline(mail), &text),
        text,
        language: "en",
        images: Vec::new(),
        attachments: Vec::new(),
        problem: Some(format!("the notification could not be written: {problem}")),
    }
}

fn incident(item: &super::IncidentMail, say: &mut impl FnMut(String)) {
    let group: Vec<String> =
        item.group.iter().map(|(name, value)| format!("{name} {value}")).collect();
    say(cut(&format!("{} ({}): {}", item.title, item.level, group.join(", "))));
    let number = |value: Option<f64>| value.map_or("none".to_owned(), |value| value.to_string());
    let threshold = item.threshold.map(|than| format!(", level {than}")).unwrap_or_default();
    say(format!("  {}: value {}{threshold}", item.kind.word(), number(item.value)));
    let mut times = format!("  since {}", item.began);
    if let Some(resolved) = item.resolved {
        let _ = write!(times, ", ended {resolved}");
    }
    say(format!("{times}, worst {}", number(item.worst)));
    say(format!("  incident {}", cut(&item.incident)));
    if let Some(runbook) = &item.runbook {
        say(format!("  what to do: {}", cut(runbook)));
    }
}

fn headline(mail: &NotificationMail) -> String {
    let what = match (mail.items.len(), mail.records.len()) {
        (0, records) => format!("{records} records"),
        (1, _) => "1 incident".to_owned(),
        (n, _) => format!("{n} incidents"),
    };
    format!("{}: {what}", mail.kind.word())
}

/// As it would have been, where that can be had: a thread stays one.
fn subject(mail: &NotificationMail) -> String {
    caught(|| super::subject(mail))
        .unwrap_or_else(|_| line(&format!("[postrider] {}", headline(mail))))
}

fn cut(text: &str) -> String {
    clean(text).chars().take(LINE_MAX).collect()
}

fn html(headline: &str, text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("<br>\n"),
            c => escaped.push(c),
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Notification</title>\n</head>\n<body>\n<div lang=\"en\" dir=\"ltr\">\n\
         <div style=\"display:none\">{headline}</div>\n<h1 style=\"font-size:20px\">Notification</h1>\n<p>{escaped}</p>\n</div>\n</body>\n</html>\n"
    )
}
