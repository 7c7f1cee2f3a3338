//! A source that breaks off, lies, refuses or goes away: each has a stated outcome, nothing is
//! half-done, nothing resolves, and no zero is printed.

use std::sync::Arc;

use chrono::TimeDelta;
use postrider::clock::Clock;
use postrider::demo::org::{Call, Fault, Id, On, Org, Value};
use postrider::store::records::DatasetState;

use crate::harness::records::{Channel, account, channel, ended, metric, metric_at};
use crate::harness::{HEAD, TRAFFIC, TestPostrider};

const CONFIG: &str = r#"
[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
  left join Account account on account.Id = session.EndUserAccountId
"""

[report_types.metrics]
from = """
  MessagingSessionMetrics metric
  join MessagingSession session on session.Id = metric.MessagingSessionId
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[reports.accounts]
title = "Sessions by account"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
group_by = ["account as Account"]
columns = ["count() as Sessions", "count(session.AcceptTime) as Accepted"]
sort = "Sessions desc"
total = true

[reports.origins]
title = "Sessions by origin"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
group_by = ["session.Origin as Origin"]
columns = ["count() as Sessions"]
total = true

[digests.daily]
reports = ["accounts", "origins"]
schedule = "0 8 * * *"
to = ["ana@example.com"]

[rules.longest]
title = "A customer waited too long"
type = "metrics"
date = "metric.CreatedDate"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "10 min"
every = "5 min"
levels = [["warning", "> 300"]]

[[routes]]
to = ["ops-mail"]
"#;

struct World {
    t: TestPostrider,
    sessions: Vec<Id>,
    account: Id,
}

/// Three sessions of yesterday, of one account, and the org's account record.
fn fill(org: &Org) -> (Channel, Id, Vec<Id>) {
    let web = channel(org, "Web");
    let acme = account(org, "Acme");
    let of = [("EndUserAccountId", acme.into())];
    let sessions =
        ["10", "11", "12"].map(|hour| ended(org, &web, &format!("2026-11-22T{hour}:00:00Z"), &of));
    for session in sessions {
        metric_at(org, session, "MaxAgentResponseTime", 20, "2026-11-22T13:00:00Z");
    }
    (web, acme, sessions.into())
}

/// At 07:30 in Berlin, with or without a first pull.
async fn world(pulled: bool) -> World {
    let config = format!("{HEAD}{CONFIG}");
    let mut filled = None;
    let keep = |org: &Org| filled = Some(fill(org));
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", keep).await;
    if pulled {
        t.beat().await;
    }
    let (_, account, sessions) = filled.expect("filled");
    World { t, sessions, account }
}

impl World {
    fn state(&self, dataset: &str) -> DatasetState {
        let states = self.t.app.engine().store().dataset_states().unwrap();
        states.into_iter().find(|state| state.dataset == dataset).expect("a dataset")
    }

    async fn pull(&self) {
        self.t.patiently(self.t.app.engine().pull_due("salesforce")).await.unwrap();
    }

    /// The daily mail, made at eight or as soon as it can be.
    async fn daily(&self) -> crate::harness::Letter {
        self.t.advance_to("2026-11-23T07:15:00Z").await;
        let mut letters = self.t.letters_to("ana@example.com");
        assert_eq!(letters.len(), 1);
        letters.remove(0)
    }
}

/// A trouble that passes: the pull gets through it, and the figures are right.
async fn survives(fault: Fault, on: On, times: u32) {
    let told = format!("{fault:?}");
    let w = world(false).await;
    w.t.org.faults().next(fault, on, times);
    w.pull().await;
    assert_eq!(w.t.org.faults().waiting(), 0, "{told}: it was met");
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records, &state.failure), (true, 3, &None), "{told}");
    assert!(w.daily().await.words().contains("Acme 3 3"), "{told}");
    assert!(w.t.letters_to("owner@example.com").is_empty(), "{told}: nobody is told");
}

#[tokio::test]
async fn trouble_that_passes_costs_nothing() {
    let sessions = || On::soql("FROM MessagingSession ");
    survives(Fault::TruncatedJson, sessions(), 2).await;
    survives(Fault::Disconnect, sessions(), 2).await;
    survives(Fault::HtmlOk, sessions(), 2).await;
    survives(Fault::Html(503), sessions(), 2).await;
    survives(Fault::Unavailable, sessions(), 2).await;
    survives(Fault::TokenExpired, sessions(), 1).await;
}

#[tokio::test]
async fn a_token_that_dies_between_pages_loses_and_doubles_nothing() {
    let w = world(false).await;
    w.t.org.faults().next(Fault::Page(1), sessions_query(), 1);
    w.t.org.faults().next(Fault::TokenExpired, On::call(Call::QueryMore), 1);
    w.pull().await;
    assert_eq!(w.t.org.faults().waiting(), 0);
    assert_eq!(w.state("MessagingSession").records, 3);
    assert!(w.daily().await.words().contains("Acme 3 3"));
}

/// The query of the records; they are counted first.
fn sessions_query() -> On {
    On::soql("IsDeleted FROM MessagingSession ")
}

/// A trouble that lasts from the first pull on: never a figure, always the reason.
async fn never_loads(fault: Fault, says: &str) {
    let told = format!("{fault:?}");
    let w = world(false).await;
    w.t.org.faults().always(fault, sessions_query());
    w.pull().await;
    let state = w.state("MessagingSession");
    let (_, why) = state.failure.clone().unwrap_or_else(|| panic!("{told}: no failure noted"));
    assert!(why.contains(says), "{told}: `{why}` does not say `{says}`");
    assert_eq!((state.ready, state.records), (false, 0), "{told}");
    let letter = w.daily().await;
    let words = letter.words();
    assert!(words.contains("could not be made"), "{told}: {}", letter.text);
    assert!(words.contains("still being loaded"), "{told}: {}", letter.text);
    assert!(!words.contains("Total 0") && !words.contains("Nothing in this period"), "{words}");
}

#[tokio::test]
async fn trouble_that_lasts_is_a_failed_section_and_never_a_zero() {
    never_loads(Fault::TruncatedJson, "unreadable").await;
    never_loads(Fault::HtmlOk, "unreadable").await;
    never_loads(Fault::Html(500), "is down").await;
    never_loads(Fault::SessionRefused, "refuses us").await;
    never_loads(Fault::RequestLimit, "daily requests").await;
}

/// A trouble that begins after the data was there: the data stays, and the mail says how far it goes.
async fn goes_stale(fault: Fault) {
    let told = format!("{fault:?}");
    let w = world(true).await;
    w.t.org.faults().always(fault, On::any());
    let before = w.state("MessagingSession");
    w.t.advance_to("2026-11-23T06:50:00Z").await;
    let after = w.state("MessagingSession");
    assert_eq!((after.ready, after.records), (true, 3), "{told}");
    assert_eq!(after.watermark, before.watermark, "{told}");
    assert!(after.failure.is_some(), "{told}");
    // Yesterday was complete before the trouble began: nothing about it is provisional.
    assert!(w.daily().await.words().contains("Acme 3 3"), "{told}");
}

#[tokio::test]
async fn data_that_was_there_stays_whole_when_the_source_breaks() {
    goes_stale(Fault::TruncatedJson).await;
    goes_stale(Fault::Html(500)).await;
    goes_stale(Fault::SessionRefused).await;
}

#[tokio::test]
async fn a_page_that_breaks_off_later_leaves_nothing_half_visible() {
    let w = world(true).await;
    let watermark = w.state("MessagingSession").watermark;
    for session in &w.sessions {
        w.t.org.update(*session, &[("AcceptTime", Value::Null)]).unwrap();
    }
    // The first page comes, the second never.
    w.t.org.faults().always(Fault::Html(500), On::call(Call::QueryMore));
    w.t.org.faults().always(Fault::Page(1), On::any());
    w.t.advance(TimeDelta::minutes(9)).await;
    let state = w.state("MessagingSession");
    assert!(state.failure.is_some());
    assert_eq!((state.records, state.watermark), (3, watermark));
    w.t.org.faults().clear();
    let letter = w.daily().await;
    assert!(letter.words().contains("Acme 3 0"), "{}", letter.text);
}

#[tokio::test]
async fn a_value_of_a_wrong_type_is_counted_and_left_out_alone() {
    let w = world(false).await;
    let lie = Fault::Value { field: "AcceptTime", json: "\"yesterday\"" };
    w.t.org.faults().next(lie, sessions_query(), 1);
    w.pull().await;
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records, state.misfits), (true, 3, 3));
    assert!(state.misfit_samples[0].contains("AcceptTime"), "{:?}", state.misfit_samples);
    let letter = w.daily().await;
    assert!(letter.words().contains("Acme 3"), "{}", letter.text);
}

#[tokio::test]
async fn an_unknown_picklist_value_is_shown_as_it_is() {
    let w = world(false).await;
    let new = Fault::Value { field: "Origin", json: "\"Telepathy\"" };
    w.t.org.faults().next(new, sessions_query(), 1);
    w.pull().await;
    assert_eq!(w.state("MessagingSession").records, 3);
    let letter = w.daily().await;
    assert!(letter.words().contains("Telepathy 3"), "{}", letter.text);
}

#[tokio::test]
async fn names_from_records_break_no_mail_and_run_nowhere() {
    let w = world(false).await;
    let name = "Evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>";
    w.t.org.update(w.account, &[("Name", name.into())]).unwrap();
    let formula = "=HYPERLINK(\"http://evil.example\",\"Acme\")";
    let formula = w.t.org.insert("Account", &[("Name", formula.into())]).unwrap();
    w.t.org.update(w.sessions[0], &[("EndUserAccountId", formula.into())]).unwrap();
    w.t.advance(TimeDelta::minutes(6)).await;
    let letter = w.daily().await;
    let mail = &w.t.mails_to("ana@example.com")[0];
    assert_eq!(mail.recipients, ["ana@example.com"]);
    let raw = String::from_utf8_lossy(&mail.bytes).into_owned();
    let head = raw.split("\r\n\r\n").next().unwrap();
    assert!(!head.contains("victim"), "{head}");
    assert!(!raw.lines().any(|line| line.starts_with("Bcc:")));
    assert!(!letter.html.contains("<script"), "{}", letter.html);
    assert!(letter.seen().contains("<script>alert(1)</script>"), "{}", letter.seen());
    assert!(letter.seen().contains("=HYPERLINK("), "{}", letter.seen());
    assert!(!letter.html.contains("href=\"http://evil"), "{}", letter.html);
}

#[tokio::test]
async fn a_field_of_eight_megabytes_is_cut_and_counted() {
    let w = world(false).await;
    let huge: &'static str = Box::leak(format!("\"{}\"", "x".repeat(8 << 20)).into_boxed_str());
    let huge = Fault::Value { field: "Name", json: huge };
    w.t.org.faults().next(huge, On::soql("IsDeleted FROM Account"), 1);
    w.pull().await;
    assert_eq!(w.t.org.faults().waiting(), 0);
    let state = w.state("Account");
    assert_eq!((state.ready, state.records, state.misfits), (true, 1, 1));
    let letter = w.daily().await;
    assert!(letter.words().contains(" 3 3"), "{}", letter.text);
    assert!(letter.html.len() < 90_000, "{} bytes", letter.html.len());
}

#[tokio::test]
async fn a_spent_quota_stops_asking_until_there_is_more() {
    let w = world(true).await;
    w.t.org.faults().limit_info(Some("api-usage=99000/100000"));
    w.t.advance(TimeDelta::minutes(12)).await;
    let (_, why) = w.state("MessagingSession").failure.expect("a failure");
    assert!(why.contains("99000 of 100000"), "{why}");
    w.t.org.forget_requests();
    w.t.advance(TimeDelta::minutes(30)).await;
    let asked: u64 = w.t.org.requests().values().sum();
    assert!(asked <= 15, "{asked} requests with nothing left to use");
    w.t.org.faults().clear();
    w.t.advance(TimeDelta::minutes(20)).await;
    assert_eq!(w.state("MessagingSession").failure, None);
}

#[tokio::test]
async fn an_outage_resolves_nothing_is_told_once_and_its_missed_slots_are_replayed() {
    let w = world(true).await;
    let owner = || w.t.letters_to("owner@example.com");
    let ops = || w.t.letters_to("ops@example.com");
    metric(&w.t.org, w.sessions[0], "MaxAgentResponseTime", 400);
    w.t.advance(TimeDelta::minutes(12)).await;
    assert_eq!(ops().len(), 1, "it fires");
    w.t.org.faults().always(Fault::Html(503), On::any());
    w.t.advance_to("2026-11-23T07:30:00Z").await;
    // A second wait comes and goes while nobody can see.
    metric(&w.t.org, w.sessions[1], "MaxAgentResponseTime", 900);
    w.t.advance_to("2026-11-23T09:00:00Z").await;
    assert_eq!(ops().len(), 1, "what cannot be seen is neither over nor news");
    assert_eq!(w.t.incidents().len(), 1);
    let subjects: Vec<String> = owner().into_iter().map(|letter| letter.subject).collect();
    assert_eq!(subjects.len(), 1, "one source, one mail: {subjects:?}");
    let told = &owner()[0];
    assert!(told.words().contains("daily"), "which digests: {}", told.text);
    assert!(told.words().contains("longest"), "which rules: {}", told.text);

    w.t.org.faults().clear();
    w.t.advance(TimeDelta::minutes(15)).await;
    let subjects: Vec<String> = owner().into_iter().map(|letter| letter.subject).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(subjects[1].contains("again"), "{subjects:?}");
    // The first incident's records ended, the second wait was seen on its own slots.
    let letters = ops();
    assert!(letters.len() >= 2, "{}", letters.len());
    assert!(w.t.incidents().is_empty());
    let ledger = w.t.ledger("longest");
    let waits = ledger.iter().filter(|(_, text)| text.contains("900")).count();
    assert!(waits > 0, "the wait of 900 s was never seen: {ledger:#?}");
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_an_outage_beside_it_is_told_too() {
    let w = world(true).await;
    let subjects = || -> Vec<String> {
        let letters = w.t.letters_to("owner@example.com");
        letters
            .into_iter()
            .map(|letter| letter.subject.replace("[postrider] source ", ""))
            .collect()
    };
    w.t.org.faults().hide_object("Account");
    w.t.advance(TimeDelta::minutes(7)).await;
    assert_eq!(subjects(), ["salesforce gives no Account"], "a person must mend it");
    assert!(w.t.letters_to("owner@example.com")[0].words().contains("not supported"));
    w.t.advance(TimeDelta::minutes(30)).await;
    assert_eq!(subjects().len(), 1, "once");
    w.t.org.faults().always(Fault::Html(503), On::any());
    w.t.advance(TimeDelta::minutes(25)).await;
    assert_eq!(subjects()[1..], ["salesforce gives no data"], "the rest is another trouble");
    w.t.org.faults().clear();
    w.t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(subjects()[2..], ["salesforce gives data again"; 2], "both are over");
}

#[tokio::test]
async fn a_restart_during_an_outage_neither_repeats_nor_forgets_it() {
    let mut w = world(true).await;
    let config = format!("{HEAD}{CONFIG}");
    w.t.org.faults().always(Fault::Html(503), On::any());
    w.t.advance(TimeDelta::minutes(20)).await;
    w.t.restart(&config).await;
    w.t.advance(TimeDelta::minutes(20)).await;
    assert_eq!(w.t.letters_to("owner@example.com").len(), 1);
    w.t.org.faults().clear();
    w.t.restart(&config).await;
    w.t.advance(TimeDelta::minutes(10)).await;
    let subjects: Vec<String> =
        w.t.letters_to("owner@example.com").into_iter().map(|letter| letter.subject).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(subjects[1].contains("again"), "{subjects:?}");
}

#[tokio::test]
async fn a_digest_whose_data_does_not_come_goes_out_provisional() {
    let w = world(true).await;
    let this_morning = CONFIG.replace("period = \"yesterday\"", "period = \"last 24 h\"");
    let config = w.t.config(&format!("{HEAD}{this_morning}"));
    w.t.app.reload(config).await.unwrap();
    w.t.org.faults().always(Fault::Html(503), On::any());
    w.t.advance_to("2026-11-23T07:08:00Z").await;
    assert!(w.t.letters_to("ana@example.com").is_empty(), "it waits for its data");
    w.t.advance_to("2026-11-23T07:13:00Z").await;
    let letters = w.t.letters_to("ana@example.com");
    assert_eq!(letters.len(), 1);
    assert!(letters[0].words().contains("Provisional"), "{}", letters[0].text);
    assert!(letters[0].seen().contains("Provisional"));
    assert!(letters[0].words().contains("Acme 3 3"), "what is known is shown: {}", letters[0].text);
}

#[tokio::test]
async fn what_was_asked_outside_of_a_pull_that_ended_is_not_forgotten_by_a_restart() {
    let config = format!("{HEAD}{TRAFFIC}");
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", |_| {}).await;
    let source = Arc::clone(&t.app.engine().plant().sources["salesforce"].source);
    let written = || {
        let known = t.app.engine().store().records().spent(t.clock.now()).unwrap();
        known.get("salesforce").map_or(0, |known| known.spent.total(t.clock.now()))
    };
    t.patiently(source.describe("Account")).await.unwrap();
    let spent = source.spent().total(t.clock.now());
    assert!(spent > 0 && written() == 0);
    t.app.close().await;
    assert_eq!(written(), spent);
}
