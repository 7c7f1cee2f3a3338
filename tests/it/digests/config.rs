//! What a digest's config may say, and how its mistakes are told.

use std::path::Path;

use postrider::config::{Config, Given, Mode, Problems, load_text};
use postrider::domain::digest::{Attach, Readers, SendWhen};

/// Reports of two types, one with channels alone.
const BASE: &str = r#"
[smtp]
host = "127.0.0.1"
tls = "none"
from = "reports@example.com"

[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "env:ID", client_secret = "env:ID" }

[receivers.hook]
kind = "webhook"
url = "env:HOOK"

[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
  left join Account account on account.Id = session.EndUserAccountId
"""
[report_types.channels]
from = "MessagingChannel channel"

[reports.q1]
type = "sessions"
date = "session.StartTime"
group_by = ["account as Account"]
columns = ["count() as Sessions", "count(session.EndTime) as '95 % under'"]
total = true

[reports.q2]
type = "channels"
columns = ["count() as Channels"]

[reports.q3]
type = "sessions"
group_by = ["channel as Channel"]
columns = ["count() as Sessions"]
"#;

fn read(digest: &str) -> Result<Config, Problems> {
    let variables = [("ID", "x"), ("HOOK", "https://hooks.example.com/1")];
    let owners = "key,address\nAcme,a@acme.com\nAcme,b@acme.com\n002,x@b.org\n";
    let env = Given {
        variables: variables.map(|(name, value)| (name.into(), value.into())).into(),
        files: [
            ("/etc/postrider/owners.csv".into(), owners.into()),
            ("/etc/postrider/bad.csv".into(), "Acme,a@acme.com\nBeta,nobody\nGamma\n".into()),
        ]
        .into(),
    };
    let text = format!("{BASE}\n[digests.d]\n{digest}\n");
    load_text("config.toml", &text, Path::new("/etc/postrider"), &env, Mode::Run)
        .map(|(config, _)| config)
}

#[track_caller]
fn valid(digest: &str) -> Config {
    read(digest).unwrap_or_else(|problems| panic!("{problems}"))
}

const USUAL: &str = "schedule = \"0 8 * * *\"\nto = [\"ana@example.com\"]\n";

#[test]
fn a_report_with_more_asked_of_it_is_a_variant_of_its_own() {
    let config = valid(&format!(
        "{USUAL}reports = [\"q1\", {{ report = \"q1\", where = \"account.Name = 'Acme'\", title = \
         \"Acme?\", about = \"only\", period = \"yesterday\", top = 5, required = true }}]"
    ));
    let digest = &config.digests["d"];
    let [base, variant] = digest.reports.as_slice() else { panic!("two reports") };
    assert_eq!((base.name.as_str(), variant.name.as_str()), ("q1", "q1"));
    assert_eq!(variant.only.as_deref(), Some("account.Name = 'Acme'"));
    assert_eq!((variant.title.as_str(), variant.about.as_deref()), ("Acme?", Some("only")));
    assert_eq!((variant.period.words(), variant.query.top), ("yesterday", Some(5)));
    assert_ne!(base.hash, variant.hash);
    assert!(base.query.filter.is_none() && variant.query.filter.is_some());
    assert_eq!(digest.required.iter().copied().collect::<Vec<_>>(), [1]);
    // The report itself is as it was.
    assert_eq!(config.reports["q1"].hash, base.hash);
}

#[test]
fn a_digest_says_who_gets_what_and_when() {
    let config = valid(
        "schedule = \"0 8 * * *\"\nreports = [\"q1\", \"q2\"]\nto = [\"a@x.com\", \"hook\"]\n\
         cc = [\"b@x.com\"]\nbcc = [\"c@x.com\"]\nreply_to = \"r@x.com\"\npreheader = \"{{ date }}\"\n\
         attach = [\"csv\", \"xlsx\", \"json\"]\ncsv_bom = true\nlocale = \"de-DE\"\nmax_size = \"2 MB\"\n\
         send_when = \"q1.Sessions > 100 and q1.'95 % under' < 3 or q2.Channels = 0\"\n\
         mask_outside = { domains = [\"X.com\"], columns = [\"Account\"] }",
    );
    let digest = &config.digests["d"];
    assert_eq!(digest.addresses().collect::<Vec<_>>(), ["a@x.com", "b@x.com", "c@x.com"]);
    assert_eq!(digest.webhooks, ["hook"]);
    assert_eq!(digest.attach, [Attach::Csv { bom: true }, Attach::Xlsx, Attach::Json]);
    assert_eq!((digest.locale.as_deref(), digest.bytes_max), (Some("de-DE"), 2_000_000));
    assert!(matches!(&digest.send_when, SendWhen::Condition(_)));
    let mask = digest.mask_outside.as_ref().unwrap();
    assert!(mask.is_outside("a@y.com") && !mask.is_outside("a@x.com"));
    assert_eq!(
        digest.readers_words(),
        "a@x.com, cc b@x.com, bcc c@x.com, hook, if q1.Sessions > 100 and q1.'95 % under' < 3 or \
         q2.Channels = 0"
    );
}

#[test]
fn recipients_of_parts_come_from_records_a_table_or_a_file() {
    let split = |recipients: &str| {
        let config = valid(&format!(
            "schedule = \"0 8 * * *\"\nreports = [\"q1\", \"q3\"]\nsplit_by = \"account as Client\"\n\
             recipients = {recipients}"
        ));
        let split = config.digests["d"].split.clone().unwrap();
        assert_eq!((split.heading.as_str(), split.queries.len()), ("Client", 2));
        split
    };
    let by_records = split("\"account.AccountNumber\"");
    assert_eq!(by_records.readers, Readers::Expression("account.AccountNumber".into()));
    assert!(by_records.queries.iter().all(|query| query.split == 2));
    let named = |rows: &[(&str, &[&str])]| {
        let rows = rows.iter().map(|(key, list)| {
            ((*key).to_owned(), list.iter().map(|address| (*address).to_owned()).collect())
        });
        Readers::Named(rows.collect())
    };
    assert_eq!(
        split("{ Acme = \"a@acme.com\", \"B & C\" = [\"b@b.org\", \"c@c.org\"] }").readers,
        named(&[("Acme", &["a@acme.com"]), ("B & C", &["b@b.org", "c@c.org"])])
    );
    assert_eq!(
        split("\"file:owners.csv\"").readers,
        named(&[("Acme", &["a@acme.com", "b@acme.com"]), ("002", &["x@b.org"])])
    );
}

/// The mistakes of a digest, each with the piece that is underlined.
#[track_caller]
fn check(digest: &str, expected: &[(&str, &str)]) {
    let problems = match read(digest) {
        Ok(_) => panic!("no problem with {digest}"),
        Err(problems) => problems,
    };
    let found: Vec<(&str, &str)> = problems
        .0
        .iter()
        .map(|problem| {
            let piece = problem.place.as_ref().map_or("", |place| place.piece.as_str());
            (piece, problem.message.as_str())
        })
        .collect();
    let matches = found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| a.0 == b.0 && a.1.starts_with(b.1));
    assert!(matches, "{found:#?}\ninstead of\n{expected:#?}");
}

fn usual(lines: &str) -> String {
    format!("{USUAL}reports = [\"q1\", \"q2\"]\n{lines}")
}

#[test]
fn mistakes_in_entries_are_told_where_they_are() {
    check(USUAL, &[("d", "[digests.d] has no `reports`")]);
    check(&format!("{USUAL}reports = 3"), &[("3", "`reports` must be a list")]);
    check(&format!("{USUAL}reports = []"), &[("[]", "a digest has 1 to 50 reports")]);
    let entry = |entry: &str| format!("{USUAL}reports = [\"q1\", {entry}]");
    check(&entry("\"q9\""), &[("\"q9\"", "unknown report `q9`")]);
    check(&entry("\"q1\""), &[("\"q1\"", "report `q1` is written twice")]);
    check(&entry("7"), &[("7", "a report is a name or a table")]);
    check(
        &entry("{ report = \"q1\", wher = \"x\" }"),
        &[("wher", "unknown key `wher` in report 2 of [digests.d]")],
    );
    check(
        &entry("{ where = \"x\" }"),
        &[("{ where = \"x\" }", "report 2 of [digests.d] has no `report`")],
    );
    check(
        &entry("{ report = \"q1\", where = \"channel.Nothing = 1\" }"),
        &[("Nothing", "dataset `MessagingChannel` has no field `Nothing`")],
    );
    check(
        &entry("{ report = \"q2\", period = \"yesterday\" }"),
        &[("\"yesterday\"", "the period `yesterday` of which field?")],
    );
    check(&entry("{ report = \"q2\", top = 0 }"), &[("0", "`top` must be from 1 to 10000")]);
}

#[test]
fn mistakes_in_figures_readers_and_files_are_told_where_they_are() {
    check(&usual("send_when = \"often\""), &[("often", "unknown value `often`")]);
    check(
        &usual("send_when = \"any goal missed\""),
        &[("any goal missed", "no report of the digest has a goal")],
    );
    check(
        &usual("send_when = \"q1.Sesions > 1 and q9.X < 2\""),
        &[
            ("Sesions", "the report `q1` has no column `Sesions`"),
            ("q9", "`q9` is not one of the digest's reports"),
        ],
    );
    check(&usual("headline = \"q1.Account\""), &[("Account", "`Account` names the rows of `q1`")]);
    let twice = format!(
        "{USUAL}reports = [\"q1\", {{ report = \"q1\", top = 3 }}]\nheadline = \"q1.Sessions\""
    );
    check(&twice, &[("q1", "`q1` is in the digest 2 times")]);
    valid(&twice.replace("q1.Sessions", "q1#2.Sessions"));
    check(&usual("cc = [\"hook\"]"), &[("\"hook\"", "`hook` is a webhook")]);
    check(
        &usual("bcc = [\"ANA@example.com\"]"),
        &[("\"ANA@example.com\"", "recipient `ANA@example.com` would get it twice")],
    );
    check(&usual("reply_to = \"me\""), &[("\"me\"", "`me` is not a mail address")]);
    check(&usual("attach = [\"pdf\"]"), &[("\"pdf\"", "unknown value `pdf`")]);
    check(&usual("csv_bom = true"), &[("true", "there is no CSV")]);
    check(&usual("max_size = \"1 GB\""), &[("\"1 GB\"", "`1 GB` is not a size")]);
    check(&usual("max_size = \"1 kB\""), &[("\"1 kB\"", "the largest mail must be from")]);
    check(&usual("locale = \"german\""), &[("\"german\"", "`german` is not a locale")]);
    check(
        &usual("preheader = \"{{ nothing }}\""),
        &[("nothing", "a preheader knows no `nothing`")],
    );
    check(
        &usual("mask_outside = { domains = [\"a@b\"], columns = [\"Acount\"] }"),
        &[
            ("\"a@b\"", "`a@b` is not the domain of an address"),
            ("\"Acount\"", "no report of the digest has a column `Acount`"),
        ],
    );
}

/// What a reader outside must not see in full, he must not see under another heading either.
#[test]
fn what_goes_across_is_not_shortened_and_told_so() {
    let across = |columns: &str, mask: &str| {
        format!(
            "schedule = \"0 8 * * *\"\nto = [\"ana@example.com\"]\nreports = [\"across\"]\n\
             mask_outside = {{ domains = [\"x.com\"], columns = [\"{mask}\"] }}\n\
             [reports.across]\ntype = \"sessions\"\ndate = \"session.StartTime\"\n\
             group_by = [\"account as Account\"]\n\
             pivot_by = \"channel.MessageType as Type\"\ncolumns = [{columns}]"
        )
    };
    let one = "\"count() as Sessions\"";
    let two = "\"count() as Sessions\", \"count(session.EndTime) as Ended\"";
    for columns in [one, two] {
        check(
            &across(columns, "Sessions"),
            &[("\"Sessions\"", "`Sessions` is several columns of `across`")],
        );
        check(&across(columns, "Type"), &[("\"Type\"", "the values of `Type` are headings")]);
        valid(&across(columns, "Account"));
    }
}

#[test]
fn another_period_must_fit_what_the_report_is_compared_with() {
    let compared = |beside: &str, period: &str| {
        format!(
            "schedule = \"0 8 * * *\"\nto = [\"ana@example.com\"]\n\
             reports = [{{ report = \"weeks\", period = \"{period}\" }}]\n\
             [reports.weeks]\ntype = \"sessions\"\ndate = \"session.StartTime\"\n\
             period = \"last 7 days\"\ncolumns = [\"count() as Sessions\"]\n{beside}"
        )
    };
    let (weeks, trend) = ("compare = \"last 4 weeks\"", "trend = \"Sessions over 8 periods\"");
    valid(&compared(weeks, "yesterday"));
    check(
        &compared(weeks, "last 30 days"),
        &[("\"last 30 days\"", "earlier weeks overlap `last 30 days`")],
    );
    check(&compared(weeks, "all time"), &[("\"all time\"", "all time has nothing before it")]);
    valid(&compared(trend, "yesterday"));
    check(&compared(trend, "all time"), &[("\"all time\"", "the report `weeks` has a `trend`")]);
}

#[test]
fn a_subject_that_could_fail_on_a_monday_is_refused_now() {
    // What the mail's own engine does not know is told when the config is read.
    for subject in ["{% for a in 'ab' %}{{ a }}{% endfor %}", "{{ digest|title }}", "{{ 'x' * 9 }}"]
    {
        let problems = read(&usual(&format!("subject = \"{subject}\""))).expect_err(subject);
        assert_eq!(problems.0.len(), 1, "{problems}");
    }
}

#[test]
fn mistakes_of_parts_are_told_where_they_are() {
    let split = |reports: &str, lines: &str| {
        format!("schedule = \"0 8 * * *\"\nreports = {reports}\n{lines}")
    };
    let named = "recipients = { Acme = \"a@acme.com\" }";
    check(
        &split("[\"q1\", \"q2\"]", &format!("split_by = \"account\"\n{named}")),
        &[("account", "`account` is not a field (in report `q2`)")],
    );
    check(
        &split("[\"q1\"]", "split_by = \"account\""),
        &[("\"account\"", "parts without `recipients`")],
    );
    check(
        &format!("{USUAL}reports = [\"q1\"]\n{named}"),
        &[("{ Acme = \"a@acme.com\" }", "`recipients` of what parts?")],
    );
    check(
        &format!("{USUAL}reports = [\"q1\"]\nsplit_by = \"account\"\n{named}"),
        &[("\"ana@example.com\"", "`to` of a digest that is split")],
    );
    check(
        &split("[\"q1\"]", "split_by = \"account\"\nrecipients = \"file:bad.csv\""),
        &[
            ("\"file:bad.csv\"", "`bad.csv`, line 2: `nobody` is not a mail address"),
            ("\"file:bad.csv\"", "`bad.csv`, line 3: 1 cells instead of a key and an address"),
        ],
    );
    check(
        &split("[\"q1\"]", "split_by = \"account\"\nrecipients = \"file:none.csv\""),
        &[("\"file:none.csv\"", "the file `none.csv` cannot be read")],
    );
    check(
        &split("[\"q1\"]", "split_by = \"account\"\nrecipients = \"session.Name\""),
        &[("session.Name", "")],
    );
    check(
        &split("[\"q1\"]", &format!("split_by = \"account\"\nsend_when = \"no rows\"\n{named}")),
        &[("\"no rows\"", "no part of a digest that is split has `no rows`")],
    );
}
