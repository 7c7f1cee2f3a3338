//! What the page shows, ready for its templates.

use std::sync::Arc;

use askama::Template;
use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use super::super::letter::Letter;
use crate::demo::catcher::{Hook, Signed};
use crate::demo::inbox::Mail;

/// The newest entries that are listed, of each kind.
const LISTED_MAX: usize = 200;
/// How much of a text is shown on the page, in bytes; the whole is a link away.
const SHOWN_BYTES_MAX: usize = 256 * 1024;

/// The whole page.
#[derive(Template)]
#[template(path = "inbox/page.html")]
pub(super) struct Whole {
    pub(super) list: List,
    pub(super) reader: Reader,
}

/// The list of what arrived, newest first.
#[derive(Template)]
#[template(path = "inbox/list.html")]
pub(super) struct List {
    /// Changes whenever something arrived.
    pub(super) seen: String,
    mails: Section,
    hooks: Option<Section>,
}

/// Entries of one kind.
struct Section {
    total: usize,
    /// How many more there are than listed.
    more: usize,
    entries: Vec<Entry>,
}

/// A line of the list.
struct Entry {
    href: String,
    title: String,
    detail: String,
    time: Time,
    here: bool,
    badge: Option<Badge>,
}

/// The pane to read in.
pub(super) enum Reader {
    Nothing,
    Missing(&'static str),
    Mail(Box<MailView>),
    Hook(Box<HookView>),
}

/// A mail, one way or another.
pub(super) struct MailView {
    number: u64,
    subject: String,
    letter: Letter,
    time: Time,
    envelope: String,
    way: Way,
    source: String,
    sizes: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Html,
    Text,
    Source,
}

/// A webhook.
pub(super) struct HookView {
    title: String,
    id: String,
    time: Time,
    badge: Badge,
    headers: Vec<(String, String)>,
    body: String,
}

/// A word on a coloured ground; the word alone says it all.
struct Badge {
    class: &'static str,
    text: &'static str,
}

/// An instant, for machines and for people.
struct Time {
    iso: String,
    text: String,
}

impl List {
    /// Lists mails and, where there is a catcher, webhooks; the entry whose address is `at` is
    /// marked. The totals count what has fallen off the shelves too.
    pub(super) fn of(
        mails_total: usize,
        mails: &[Arc<Mail>],
        hooks: Option<(usize, Vec<Arc<Hook>>)>,
        at: &str,
    ) -> List {
        let mails = Section::of(mails_total, mails, |mail| Entry {
            href: format!("/mail/{}", mail.number),
            title: titled(&mail.subject, "(no subject)"),
            detail: mail.recipients.join(", "),
            time: Time::of(mail.received),
            here: at == format!("/mail/{}", mail.number),
            badge: None,
        });
        let hooks = hooks.map(|(total, hooks)| {
            Section::of(total, &hooks, |hook| Entry {
                href: format!("/hook/{}", hook.number),
                title: kind(hook),
                detail: hook.header("webhook-id").unwrap_or("(no id)").to_owned(),
                time: Time::of(hook.received),
                here: at == format!("/hook/{}", hook.number),
                badge: Some(Badge::of(hook.signed)),
            })
        });
        let newest = |section: &Section| {
            let href = section.entries.first().map_or("", |entry| entry.href.as_str());
            format!("{}{href}", section.total)
        };
        let seen = format!("{}-{}", newest(&mails), hooks.as_ref().map(newest).unwrap_or_default());
        List { seen, mails, hooks }
    }

    /// For the window's title and for people who do not see the list change.
    fn summary(&self) -> String {
        let count = |total: usize, one: &str| match total {
            1 => format!("1 {one}"),
            total => format!("{total} {one}s"),
        };
        let mails = count(self.mails.total, "mail");
        match &self.hooks {
            Some(hooks) => format!("{mails}, {}", count(hooks.total, "webhook")),
            None => mails,
        }
    }
}

impl Section {
    fn of<T>(total: usize, things: &[Arc<T>], entry: impl Fn(&T) -> Entry) -> Section {
        let entries: Vec<Entry> =
            things.iter().rev().take(LISTED_MAX).map(|thing| entry(thing)).collect();
        Section { total, more: total.saturating_sub(entries.len()), entries }
    }
}

impl MailView {
    /// A mail to be shown as `html`, `text` or `source`, or else by the richest it has.
    pub(super) fn of(mail: &Mail, letter: Letter, view: &str) -> MailView {
        let richest = match (&letter.html, &letter.text) {
            (Some(_), _) => Way::Html,
            (None, Some(_)) => Way::Text,
            (None, None) => Way::Source,
        };
        let way = match view {
            "html" if letter.html.is_some() => Way::Html,
            "text" if letter.text.is_some() => Way::Text,
            "source" => Way::Source,
            _ => richest,
        };
        let source =
            if way == Way::Source { String::from_utf8_lossy(&mail.bytes) } else { "".into() };
        MailView {
            number: mail.number,
            subject: titled(&letter.subject, "(no subject)"),
            time: Time::of(mail.received),
            envelope: format!("{} to {}", mail.envelope_from, mail.recipients.join(", ")),
            way,
            source: shown(&source),
            sizes: letter.attachments.iter().map(|part| size(part.bytes.len())).collect(),
            letter,
        }
    }

    fn ways(&self) -> Vec<(&'static str, &'static str, bool)> {
        let offered = [
            (self.letter.html.is_some(), "html", "HTML", Way::Html),
            (self.letter.text.is_some(), "text", "Plain text", Way::Text),
            (true, "source", "Source", Way::Source),
        ];
        let offered = offered.into_iter().filter(|(there, ..)| *there);
        offered.map(|(_, view, label, way)| (view, label, way == self.way)).collect()
    }

    fn is_html(&self) -> bool {
        self.way == Way::Html
    }

    fn body(&self) -> String {
        match self.way {
            Way::Text => shown(self.letter.text.as_deref().unwrap_or_default()),
            Way::Html | Way::Source => self.source.clone(),
        }
    }
}

impl HookView {
    /// A webhook with its JSON spread over lines.
    pub(super) fn of(hook: &Hook) -> HookView {
        let body = String::from_utf8_lossy(&hook.body);
        let body = match serde_json::from_str::<IgnoredAny>(&body) {
            Ok(_) => spread(&body),
            Err(_) => body.into_owned(),
        };
        HookView {
            title: kind(hook),
            id: hook.header("webhook-id").unwrap_or("(none)").to_owned(),
            time: Time::of(hook.received),
            badge: Badge::of(hook.signed),
            headers: hook.headers.clone(),
            body: shown(&body),
        }
    }
}

impl Badge {
    fn of(signed: Signed) -> Badge {
        match signed {
            Signed::Verified => Badge { class: "good", text: "signature verified" },
            Signed::Wrong => Badge { class: "bad", text: "signature wrong" },
            Signed::Unchecked => Badge { class: "plain", text: "signature unchecked" },
            Signed::Unsigned => Badge { class: "plain", text: "not signed" },
        }
    }
}

impl Time {
    fn of(instant: DateTime<Utc>) -> Time {
        Time {
            iso: instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            text: instant.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }
}

/// Has links open in a window of their own: in the frame they would replace the mail.
pub(super) fn links_open_outside(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let head = lower.find("<head").filter(|at| !lower[*at..].starts_with("<header"));
    match head.and_then(|at| Some(at + lower[at..].find('>')? + 1)) {
        Some(at) => format!("{}<base target=\"_blank\">{}", &html[..at], &html[at..]),
        None => html.to_owned(),
    }
}

/// A file name that is nothing but one, in characters any header and system takes.
pub(super) fn file_name(name: &str) -> String {
    let safe = |symbol: char| match symbol {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => symbol,
        _ => '-',
    };
    let name: String = name.chars().take(80).map(safe).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "attachment".into() } else { name.to_owned() }
}

/// Valid JSON spread over lines, its keys in the order they came in.
fn spread(json: &str) -> String {
    let (mut out, mut depth) = (String::with_capacity(json.len() * 2), 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    let mut symbols = json.chars().filter(|symbol| !symbol.is_control()).peekable();
    while let Some(symbol) = symbols.next() {
        if in_string {
            out.push(symbol);
            in_string = escaped || symbol != '"';
            escaped = symbol == '\\' && !escaped;
            continue;
        }
        let broken = |out: &mut String, depth: usize| {
            out.push('\n');
            // Deep nesting is valid too; its indentation alone must not fill the memory.
            out.push_str(&"  ".repeat(depth.min(40)));
        };
        match symbol {
            ' ' => {}
            '{' | '[' => {
                while symbols.next_if_eq(&' ').is_some() {}
                out.push(symbol);
                if let Some(end) = symbols.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    broken(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                broken(&mut out, depth);
                out.push(symbol);
            }
            ',' => {
                out.push(symbol);
                broken(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_string = symbol == '"';
                out.push(symbol);
            }
        }
    }
    out
}

fn kind(hook: &Hook) -> String {
    let json = hook.json();
    titled(json.get("type").and_then(|kind| kind.as_str()).unwrap_or_default(), "(no type)")
}

fn titled(text: &str, otherwise: &str) -> String {
    let text = text.trim();
    if text.is_empty() { otherwise.to_owned() } else { text.to_owned() }
}

fn shown(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    let cut = (0..=SHOWN_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}\n[...]", &text[..cut])
}

fn size(bytes: usize) -> String {
    match bytes {
        0..=999 => format!("{bytes} B"),
        1_000..=999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::{file_name, links_open_outside, shown, size, spread};

    #[test]
    fn file_names_are_nothing_but_names() {
        for (name, expected) in [
            ("chats.csv", "chats.csv"),
            ("../../etc/passwd", "-..-etc-passwd"),
            ("a\"b\r\nc\0.csv", "a-b--c-.csv"),
            ("übersicht.csv", "-bersicht.csv"),
            ("...", "attachment"),
            ("", "attachment"),
        ] {
            assert_eq!(file_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn links_leave_the_frame_where_there_is_a_head() {
        let base = "<base target=\"_blank\">";
        for (html, expected) in [
            ("<html><HEAD lang=x><b>", format!("<html><HEAD lang=x>{base}<b>")),
            ("<header>x</header>", "<header>x</header>".into()),
            ("<p>x", "<p>x".into()),
            ("<head", "<head".into()),
        ] {
            assert_eq!(links_open_outside(html), expected, "{html}");
        }
    }

    #[test]
    fn json_is_spread_over_lines_in_its_own_order() {
        for (json, expected) in [
            (r#"{"b":1,"a":[]}"#, "{\n  \"b\": 1,\n  \"a\": []\n}"),
            ("[1, {} ,\n\t[ ]]", "[\n  1,\n  {},\n  []\n]"),
            (r#""a, {b}: \"c\\""#, r#""a, {b}: \"c\\""#),
            (r#"["\\",2]"#, "[\n  \"\\\\\",\n  2\n]"),
            ("null", "null"),
        ] {
            assert_eq!(spread(json), expected, "{json}");
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = shown(&"é".repeat(200_000));
        assert!(text.ends_with("é\n[...]"));
        assert!(text.len() < 262_200);
        assert_eq!(shown("short"), "short");
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(["12 B", "34 kB", "1.5 MB"], [size(12), size(34_567), size(1_500_000)]);
    }
}
