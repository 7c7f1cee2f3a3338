//! `[digests]`: scheduled mails made of reports.

use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior};

use super::super::ReceiverSettings;
use super::super::problem::{Findings, closest, suggestion};
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::{DigestToml, Text};
use super::{Names, address, fingerprint, twice, word, zone};
use crate::domain::digest::{Digest, Headline};
use crate::domain::expr::Mistake;
use crate::domain::report::Report;
use crate::domain::schedule::{Missed, Schedule};

mod template;

/// At most so many reports in one mail, and so many people to get it.
const REPORTS_MAX: usize = 50;
const RECIPIENTS_MAX: usize = 500;

/// What a subject can say.
const SUBJECT_WORDS: [&str; 5] = ["period", "headline", "digest", "date", "time"];
/// Longest template of a subject, in bytes.
const SUBJECT_MAX: usize = 500;

/// Lowers one digest. Places that ask for mail are added to `mails`.
pub(super) fn lower(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    names: &Names,
    mails: &mut Vec<(At, String)>,
    surroundings: Surroundings<'_>,
) -> Option<Digest> {
    let canonical = raw.canonical();
    let table = raw.shape::<DigestToml>(found, &[]);
    let wire = &table.wire;
    let before = found.count();
    let reports = reports(found, names, &table);
    let headline =
        wire.headline.as_ref().map(|text| headline(found, &table, text, reports.as_deref()));
    let subject = subject(found, &table);
    let template = template::template(found, &table, surroundings);
    let schedule = schedule(found, names, &table);
    let wait_up_to = (wire.wait_up_to.as_ref())
        .and_then(|text| found.value(table.at(text), units::duration(text.get_ref())));
    let recipients = recipients(found, names, &table, mails);
    (found.count() == before).then_some(())?;
    let (schedule, (to, webhooks)) = (schedule?, recipients?);
    let hash = fingerprint(&[&canonical, schedule.zone.name()]);
    Some(Digest {
        subject,
        headline: match headline {
            Some(headline) => Some(headline?),
            None => None,
        },
        preheader: None,
        intro: wire.intro.as_ref().map(|text| text.get_ref().clone()),
        reports: reports?,
        required: Default::default(),
        schedule,
        wait_up_to: wait_up_to.unwrap_or(Digest::WAIT_UP_TO),
        to,
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: None,
        attach: Vec::new(),
        locale: None,
        template: template?,
        bytes_max: Digest::BYTES_MAX,
        webhooks,
        hash,
        name: table.name,
    })
}

/// The reports in order; `None` where one of them is unknown or broken.
fn reports(
    found: &mut Findings<'_>,
    names: &Names,
    table: &Shaped<DigestToml>,
) -> Option<Vec<Arc<Report>>> {
    let list = table.required(found, "reports", &table.wire.reports, "[\"q1\"]")?;
    if list.get_ref().is_empty() || list.get_ref().len() > REPORTS_MAX {
        let message = format!("a digest has 1 to {REPORTS_MAX} reports");
        found.problem(table.at(list), message, None);
    }
    twice(found, table.file, list.get_ref(), "report");
    let each = list.get_ref().iter().map(|name| names.reports.find(found, table.file, name));
    // Every name is looked up before one that is missing ends it.
    each.collect::<Vec<_>>().into_iter().collect()
}

/// `report.'Column'` or `report.Column`: a figure of one of the digest's reports.
fn headline(
    found: &mut Findings<'_>,
    table: &Shaped<DigestToml>,
    text: &Text,
    reports: Option<&[Arc<Report>]>,
) -> Option<Headline> {
    let written = text.get_ref();
    let Some((name, column)) = written.split_once('.') else {
        let message = format!("`{written}` is not a figure of a report");
        let help = "write a report and one of its columns, e.g. `q1.'Mean of sessions'`";
        found.problem(table.at(text), message, help);
        return None;
    };
    let quoted = column.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    // As in SQL, a quote inside quotes is written twice.
    let heading = quoted.map_or_else(|| column.to_owned(), |quoted| quoted.replace("''", "'"));
    let heading = heading.as_str();
    let reports = reports?;
    let Some(index) = reports.iter().position(|report| report.name == name) else {
        let help = suggestion(name, reports.iter().map(|report| report.name.as_str()));
        let message = format!("`{name}` is not one of the digest's reports");
        found.mistake(table.file, text, Mistake { at: 0..name.len(), message, help });
        return None;
    };
    let report = &reports[index];
    let at = name.len() + 1..written.len();
    let shown = report.query.columns_shown();
    let (column, trouble) = match shown.iter().position(|column| column.name == heading) {
        None => (0, Some(format!("the report `{name}` has no column `{heading}`"))),
        Some(column) if shown[column].grouping => {
            (column, Some(format!("`{heading}` names the rows of `{name}`, it is not a figure")))
        }
        Some(column) => (column, None),
    };
    if let Some(message) = trouble {
        let figures = shown.iter().filter(|column| !column.grouping);
        let help = suggestion(heading, figures.map(|column| column.name.as_str()));
        found.mistake(table.file, text, Mistake { at, message, help });
        return None;
    }
    if report.query.list || !(report.query.total || report.query.groups.is_empty()) {
        let message = format!("the report `{name}` has no total to take `{heading}` from");
        let help =
            Some(format!("write `total = true` in `[reports.{name}]`, which must be grouped"));
        found.mistake(table.file, text, Mistake { at, message, help });
        return None;
    }
    Some(Headline { report: index, column })
}

/// The subject's template, compiled once here so that it cannot fail on a Monday morning.
fn subject(found: &mut Findings<'_>, table: &Shaped<DigestToml>) -> String {
    let has_headline = table.wire.headline.is_some();
    let Some(text) = &table.wire.subject else {
        let default =
            if has_headline { "{{ digest }}: {{ headline }}" } else { "{{ digest }} {{ date }}" };
        return default.to_owned();
    };
    let written = text.get_ref();
    let mut strict = Environment::new();
    strict.set_undefined_behavior(UndefinedBehavior::Strict);
    match strict.template_from_str(written) {
        Err(err) => {
            let message = err.detail().map_or_else(|| err.to_string(), str::to_owned);
            let at = 0..written.len();
            let help = Some("write e.g. `{{ digest }}: {{ headline }}`".to_owned());
            let message = format!("the subject is not a template: {message}");
            found.mistake(table.file, text, Mistake { at, message, help });
        }
        Ok(template) => {
            let mut asked: Vec<String> = template.undeclared_variables(false).into_iter().collect();
            asked.sort();
            for name in asked {
                let at = written.find(&name).map_or(0..written.len(), |at| at..at + name.len());
                let mistake = if !SUBJECT_WORDS.contains(&name.as_str()) {
                    let help = suggestion(&name, SUBJECT_WORDS);
                    Mistake { at, message: format!("a subject knows no `{name}`"), help }
                } else if name == "headline" && !has_headline {
                    let message = "the digest has no `headline`".to_owned();
                    let help = Some("write e.g. `headline = \"q1.Mean\"`".to_owned());
                    Mistake { at, message, help }
                } else {
                    continue;
                };
                found.mistake(table.file, text, mistake);
            }
        }
    }
    if written.len() > SUBJECT_MAX {
        let message = format!("a subject template is at most {SUBJECT_MAX} bytes long");
        found.problem(table.at(text), message, None);
    }
    if written.contains(char::is_control) {
        found.problem(table.at(text), "a subject is one line", None);
    }
    written.clone()
}

fn schedule(
    found: &mut Findings<'_>,
    names: &Names,
    table: &Shaped<DigestToml>,
) -> Option<Schedule> {
    let wire = &table.wire;
    let zone = zone(found, table.file, wire.timezone.as_ref(), &names.general.zone);
    let missed = [("latest", Missed::Latest), ("all", Missed::All), ("none", Missed::None)];
    let missed = wire.missed.as_ref().map(|text| word(found, table.file, text, &missed));
    let lateness = wire
        .max_lateness
        .as_ref()
        .map(|text| found.value(table.at(text), units::duration_above_zero(text.get_ref())));
    let calendar = wire.calendar.as_ref().map(|name| names.calendars.find(found, table.file, name));
    let pattern = table.required(found, "schedule", &wire.schedule, "\"0 8 * * mon-fri\"")?;
    let mut schedule = match Schedule::parse(pattern.get_ref(), zone?) {
        Ok(schedule) => schedule,
        Err(message) => {
            let help =
                "write five fields: minute, hour, day, month, weekday, e.g. `0 8 * * mon-fri`";
            found.problem(table.at(pattern), message, help);
            return None;
        }
    };
    if let Some(missed) = missed {
        schedule.missed = missed?;
    }
    if let Some(lateness) = lateness {
        schedule.max_lateness = Some(lateness?);
    }
    if let Some(calendar) = calendar {
        schedule.calendar = Some(calendar?);
    }
    Some(schedule)
}

/// Who gets it: addresses, and the names of webhooks. A mail receiver stands for its addresses.
fn recipients(
    found: &mut Findings<'_>,
    names: &Names,
    table: &Shaped<DigestToml>,
    mails: &mut Vec<(At, String)>,
) -> Option<(Vec<String>, Vec<String>)> {
    let list = table.required(found, "to", &table.wire.to, "[\"team@example.com\"]")?;
    if list.get_ref().is_empty() {
        let help = "write e.g. `to = [\"team@example.com\"]`";
        found.problem(table.at(list), "nobody to send to", help);
    }
    let (mut to, mut webhooks): (Vec<(String, At)>, Vec<String>) = (Vec::new(), Vec::new());
    twice(found, table.file, list.get_ref(), "recipient");
    for entry in list.get_ref() {
        let at = table.at(entry);
        let (name, known) = (entry.get_ref(), &names.receivers);
        if known.declared.contains(name) {
            match known.made.get(name) {
                Some(ReceiverSettings::Email(addresses)) => {
                    to.extend(addresses.iter().map(|address| (address.clone(), at.clone())));
                }
                Some(ReceiverSettings::Webhook(_)) => webhooks.push(name.clone()),
                None => {}
            }
        } else if name.contains('@') {
            to.extend(address(found, table.file, entry).map(|address| (address, at)));
        } else {
            let receivers = known.declared.iter().map(String::as_str);
            let help = closest(name, receivers).map_or_else(
                || "write a mail address or the name of a receiver".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            found.problem(at, format!("`{name}` is neither a mail address nor a receiver"), help);
        }
    }
    if let Some((_, at)) = to.first() {
        mails.push((at.clone(), format!("the readers of digest `{}`", table.name)));
    }
    let mut addresses: Vec<String> = Vec::new();
    for (address, at) in to {
        // One that is written twice in the list itself was told before.
        if !addresses.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            addresses.push(address);
        } else if !list
            .get_ref()
            .iter()
            .any(|entry| *entry.get_ref() == address && twice_in(list.get_ref(), &address))
        {
            found.problem(
                at,
                format!("recipient `{address}` would get it twice"),
                "remove one of them",
            );
        }
    }
    if addresses.len() > RECIPIENTS_MAX {
        let message = format!("{} recipients are more than {RECIPIENTS_MAX}", addresses.len());
        found.problem(table.at(list), message, "send to a mailing list");
    }
    Some((addresses, webhooks))
}

/// Whether an entry is written more than once in a list.
fn twice_in(list: &[Text], entry: &str) -> bool {
    list.iter().filter(|text| text.get_ref().eq_ignore_ascii_case(entry)).count() > 1
}
