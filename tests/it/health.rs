//! What one source, one load or one spent quota must not do to the rest, and that it is told.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use postrider::clock::Clock;
use postrider::config::{Config, SourceSettings};
use postrider::demo::org::{Call, Fault, On, Org, Serving};
use postrider::domain::dataset::Dataset;
use postrider::engine::pull::Lane;
use postrider::store::records::DatasetState;

use crate::harness::process::Folder;
use crate::harness::records::{account, channel, ended};
use crate::harness::{HEAD, PATIENCE, TestPostrider};

const CONFIG: &str = r#"
[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
  left join Account account on account.Id = session.EndUserAccountId
"""

[reports.accounts]
title = "Sessions by account"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
group_by = ["account as Account", "session.Origin as Origin"]
columns = ["count() as Sessions", "count(session.AcceptTime) as Accepted"]
sort = "Sessions desc"
total = true

[digests.daily]
reports = ["accounts"]
schedule = "0 8 * * *"
to = ["ana@example.com"]

[rules.many]
title = "Many sessions wait"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "count()"
every = "1 min"
levels = [["warning", "> 10"]]

[[routes]]
to = ["ops-mail"]
"#;

fn fill(org: &Org) {
    let web = channel(org, "Web");
    let acme = account(org, "Acme");
    for hour in 10..13 {
        let more = [("EndUserAccountId", acme.into()), ("Origin", "TriggeredOutbound".into())];
        ended(org, &web, &format!("2026-11-22T{hour}:00:00Z"), &more);
    }
}

async fn started() -> TestPostrider {
    let t = TestPostrider::start(&format!("{HEAD}{CONFIG}"), "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    t
}

fn state(t: &TestPostrider, dataset: &str) -> DatasetState {
    let states = t.app.engine().store().dataset_states().unwrap();
    states.into_iter().find(|state| state.dataset == dataset).expect("a dataset")
}

/// The config with accounts coming from another org.
async fn second_org(t: &TestPostrider) -> (Arc<Org>, Serving, Config) {
    let org = Org::empty(Arc::clone(&t.clock) as Arc<dyn Clock>);
    account(&org, "Acme");
    let serving = org.start().await.unwrap();
    let mut config = t.config(&format!("{HEAD}{CONFIG}"));
    let SourceSettings::Salesforce(mut settings) = config.sources["salesforce"].clone() else {
        unreachable!("the head's source")
    };
    settings.name = "crm".to_owned();
    settings.login_url = serving.url();
    config.sources.insert("crm".to_owned(), SourceSettings::Salesforce(settings));
    for dataset in &mut config.datasets {
        if dataset.name == "Account" {
            *dataset = Arc::new(Dataset { source: "crm".into(), ..Dataset::clone(dataset) });
        }
    }
    (org, serving, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_hangs_holds_up_no_other_one() {
    let mut t =
        TestPostrider::start(&format!("{HEAD}{CONFIG}"), "2026-11-23T06:30:00Z", fill).await;
    t.may_owe = true;
    let (org, _serving, config) = second_org(&t).await;
    t.app.reload(config).await.unwrap();
    org.faults().always(Fault::Slow(Duration::from_secs(50)), On::any());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let here = &t;
    let watching = async {
        let until = |pulled| async move {
            while state(here, "MessagingSession").pulled_at.is_none_or(|at| at < pulled) {
                tokio::task::yield_now().await;
            }
        };
        until(t.clock.now()).await;
        for _ in 0..2 {
            t.clock.advance(TimeDelta::minutes(6));
            until(t.clock.now()).await;
        }
        assert!(org.seen().is_empty() || !state(&t, "Account").ready, "the other one hangs");
        stop.send(()).unwrap();
    };
    let running = t.app.run(async {
        let _ = stopped.await;
    });
    let both = async { tokio::join!(running, watching) };
    let (ran, ()) = tokio::time::timeout(Duration::from_secs(40), both).await.expect("in time");
    ran.unwrap();
}

/// The config with the history of the source bounded to these days.
fn with_history(t: &TestPostrider, days: Option<i64>) -> Config {
    let mut config = t.config(&format!("{HEAD}{CONFIG}"));
    let Some(SourceSettings::Salesforce(settings)) = config.sources.get_mut("salesforce") else {
        unreachable!("the head's source")
    };
    settings.history = days.map(TimeDelta::days);
    config
}

#[tokio::test]
async fn a_load_holds_up_nothing_that_rules_wait_for() {
    let mut t =
        TestPostrider::start(&format!("{HEAD}{CONFIG}"), "2026-11-23T06:30:00Z", fill).await;
    t.may_owe = true;
    t.app.reload(with_history(&t, Some(30))).await.unwrap();
    t.beat().await;
    // A longer history is asked for: sessions are loaded again, which takes long.
    t.app.reload(with_history(&t, None)).await.unwrap();
    let slow = Fault::Slow(Duration::from_secs(50));
    t.org.faults().next(slow, On::soql("FROM MessagingSession "), 1);
    t.org.forget_requests();
    t.clock.advance(TimeDelta::minutes(6));
    let engine = t.app.engine();
    let loading = engine.take_turn("salesforce", Lane::Loads);
    tokio::pin!(loading);
    for _ in 0..3 {
        let fresh = engine.take_turn("salesforce", Lane::Fresh);
        let pulled = tokio::select! {
            _ = &mut loading => panic!("the load is slow"),
            pulled = tokio::time::timeout(PATIENCE, fresh) => pulled.unwrap().unwrap(),
        };
        assert_eq!(pulled, 2, "channels and accounts");
        let lanes: Vec<Lane> = engine.lanes().into_iter().map(|(_, lane)| lane).collect();
        assert_eq!(lanes, [Lane::Fresh, Lane::Checks], "one load at a time");
        assert_eq!(engine.take_turn("salesforce", Lane::Loads).await.unwrap(), 0);
        t.clock.advance(TimeDelta::minutes(6));
    }
    assert_eq!(t.org.faults().waiting(), 0, "the load was asked for");
    let asked = t.org.seen();
    let first = |object: &str| {
        let from = format!("FROM {object}");
        let of = |soql: &str| soql.contains(&from);
        asked.iter().position(|seen| seen.soql.as_deref().is_some_and(of))
    };
    let (ruled, other) = (first("MessagingChannel"), first("Account"));
    assert!(ruled.is_some() && ruled < other, "rules first: {asked:#?}");
}

#[tokio::test]
async fn where_requests_are_short_loads_stop_first_and_rules_last() {
    let t = TestPostrider::start(&format!("{HEAD}{CONFIG}"), "2026-11-23T06:30:00Z", fill).await;
    t.app.reload(with_history(&t, Some(30))).await.unwrap();
    t.beat().await;
    t.app.reload(with_history(&t, None)).await.unwrap();
    let turn = |lane| t.patiently(t.app.engine().take_turn("salesforce", lane));
    let failed = |dataset| state(&t, dataset).failure.map(|(_, why)| why).unwrap_or_default();
    t.org.faults().limit_info(Some("api-usage=85000/100000"));
    t.clock.advance(TimeDelta::minutes(6));
    assert_eq!(turn(Lane::Fresh).await.unwrap(), 2, "channels and accounts");
    assert_eq!(turn(Lane::Loads).await.unwrap(), 0);
    assert!(failed("MessagingSession").contains("85000 of 100000"), "a load can wait");
    t.org.faults().limit_info(Some("api-usage=95000/100000"));
    t.clock.advance(TimeDelta::minutes(6));
    assert_eq!(turn(Lane::Fresh).await.unwrap(), 1);
    assert_eq!(failed("MessagingChannel"), "", "a rule reads it");
    assert!(failed("Account").contains("95000 of 100000"), "digests alone read it");
}

#[tokio::test]
async fn a_pull_with_nothing_new_is_one_request() {
    let t = started().await;
    t.advance(TimeDelta::minutes(20)).await;
    let before = state(&t, "Account");
    t.org.forget_requests();
    t.clock.advance(TimeDelta::minutes(6));
    t.patiently(t.app.engine().pull_due("salesforce")).await.unwrap();
    assert_eq!(t.org.requests().into_iter().collect::<Vec<_>>(), [(Call::QueryAll, 3)]);
    let after = state(&t, "Account");
    assert_eq!(after.requests, before.requests + 1);
    assert!(before.watermark < after.watermark);
}

#[tokio::test]
async fn a_restart_does_not_forget_what_was_spent() {
    let mut t = started().await;
    let config = format!("{HEAD}{CONFIG}");
    // What we know we spent, logins too, and what the org was asked.
    let agrees = |t: &TestPostrider, when: &str| {
        let known = t.app.engine().health(true).unwrap();
        let known = known.sources["salesforce"].spent.total(t.clock.now());
        assert_eq!(known, t.org.requests().values().sum::<u64>(), "{when}");
        known
    };
    let first = agrees(&t, "after the first load");
    // Pulls that fail cost as much.
    t.org.faults().always(Fault::Html(503), On::any());
    t.advance(TimeDelta::minutes(6)).await;
    t.org.faults().clear();
    let failing = agrees(&t, "while it fails");
    assert!(first < failing, "{first} {failing}");
    t.restart(&config).await;
    assert_eq!(agrees(&t, "after a restart"), failing);
    t.advance(TimeDelta::minutes(6)).await;
    let went_on = agrees(&t, "after more pulls");
    assert!(failing < went_on);
    t.app.reload(t.config(&config)).await.unwrap();
    assert_eq!(agrees(&t, "after a reload"), went_on, "nothing is counted twice");
    t.advance(TimeDelta::minutes(6)).await;
    agrees(&t, "in the end");
}

#[tokio::test]
async fn a_spent_share_is_told_once_in_its_own_words() {
    let t = started().await;
    t.org.faults().limit_info(Some("api-usage=99000/100000"));
    t.advance(TimeDelta::minutes(8)).await;
    assert!(state(&t, "Account").failure.is_some());
    assert!(t.letters_to("owner@example.com").is_empty(), "it may pass");
    t.advance_to("2026-11-23T07:40:00Z").await;
    let letters = t.letters_to("owner@example.com");
    let [letter] = letters.as_slice() else { panic!("{} mails", letters.len()) };
    assert!(
        letter.subject.contains("share of requests for postrider is spent"),
        "{}",
        letter.subject
    );
    for words in ["99000 of 100000", "daily", "many", "Nothing is asked for before", "Rules blind"]
    {
        assert!(letter.words().contains(words), "`{words}` not in\n{}", letter.text);
    }
    assert!(!letter.words().contains("gives no data"), "{}", letter.text);
    t.org.faults().clear();
    t.advance(TimeDelta::minutes(20)).await;
    let letters = t.letters_to("owner@example.com");
    assert_eq!(letters.len(), 2);
    assert!(letters[1].subject.contains("gives data again"), "{}", letters[1].subject);
}

#[tokio::test]
async fn a_digest_says_what_is_missing_in_its_own_locale() {
    let config = CONFIG.replace("[digests.daily]\n", "[digests.daily]\nlocale = \"de-DE\"\n");
    assert_ne!(config, CONFIG);
    let t = TestPostrider::start(&format!("{HEAD}{config}"), "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    t.org.faults().always(Fault::Html(503), On::any());
    t.advance_to("2026-11-23T07:15:00Z").await;
    let words = t.letters_to("ana@example.com")[0].words();
    assert!(words.contains("has given nothing of"), "{words}");
    assert!(words.contains("since 23.11.2026 07:3"), "{words}");
    t.org.faults().clear();
}

#[tokio::test]
async fn of_two_sources_the_one_that_is_down_is_named_with_what_reads_it() {
    let t = TestPostrider::start(&format!("{HEAD}{CONFIG}"), "2026-11-23T06:30:00Z", fill).await;
    let (org, _serving, config) = second_org(&t).await;
    t.app.reload(config).await.unwrap();
    t.beat().await;
    assert!(state(&t, "Account").ready);
    org.faults().always(Fault::Html(503), On::any());
    t.advance(TimeDelta::minutes(25)).await;
    let letters = t.letters_to("owner@example.com");
    let [letter] = letters.as_slice() else { panic!("{} mails", letters.len()) };
    assert!(letter.subject.contains("source crm gives no Account"), "{}", letter.subject);
    let words = letter.words();
    assert!(words.contains("Digests affected: daily") || words.contains("Digests affected daily"));
    assert!(words.contains("Rules blind: none") || words.contains("Rules blind none"), "{words}");
    // What comes of the other source goes on, and the mail says what is missing since when.
    assert_eq!(state(&t, "MessagingSession").failure, None);
    t.advance_to("2026-11-23T07:15:00Z").await;
    let daily = &t.letters_to("ana@example.com")[0];
    let said = "Source crm has given nothing of Account since 23 Nov 2026 07:3";
    assert!(daily.words().contains(said), "{}", daily.text);
    // The other one goes down too, and both come back.
    t.org.faults().always(Fault::Html(503), On::any());
    t.advance(TimeDelta::minutes(25)).await;
    let both = t.letters_to("owner@example.com");
    assert_eq!(both.len(), 2);
    assert!(both[1].subject.contains("source salesforce gives no data"), "{}", both[1].subject);
    assert!(both[1].words().contains("many"), "{}", both[1].text);
    org.faults().clear();
    t.org.faults().clear();
    t.advance(TimeDelta::minutes(10)).await;
    let back: Vec<String> =
        t.letters_to("owner@example.com")[2..].iter().map(|l| l.subject.clone()).collect();
    assert_eq!(back.len(), 2, "{back:?}");
    for source in ["crm", "salesforce"] {
        let told = format!("source {source} gives data again");
        assert!(back.iter().any(|subject| subject.contains(&told)), "{back:?}");
    }
}

#[tokio::test]
async fn mails_say_what_could_not_be_read_and_what_is_not_shown() {
    let config = format!("{HEAD}{CONFIG}");
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    let lie = Fault::Value { field: "AcceptTime", json: "\"yesterday\"" };
    t.org.faults().hide_field("MessagingSession", "Origin");
    t.org.faults().always(lie, On::soql("FROM MessagingSession "));
    t.beat().await;
    t.advance_to("2026-11-23T07:15:00Z").await;
    let letter = &t.letters_to("ana@example.com")[0];
    let words = letter.words();
    assert!(words.contains("3 values of MessagingSession could not be read"), "{}", letter.text);
    assert!(words.contains("`Origin` of MessagingSession is not shown"), "{}", letter.text);
    assert!(!words.contains("`AcceptTime` of"), "{}", letter.text);
}

#[tokio::test]
async fn labels_are_those_of_the_source_and_values_stay_what_they_are() {
    let t = started().await;
    let check = || t.app.engine().take_turn("salesforce", Lane::Checks);
    t.patiently(check()).await.unwrap();
    let seen = t.org.seen();
    let described = seen.iter().filter(|seen| seen.call == Call::Describe);
    let mut described: Vec<&str> =
        described.filter_map(|seen| seen.target.split('/').nth_back(1)).collect();
    described.sort();
    assert_eq!(described, ["Account", "MessagingChannel", "MessagingSession"]);
    t.advance(TimeDelta::minutes(5)).await;
    t.patiently(check()).await.unwrap();
    assert_eq!(t.org.requests_of(Call::Describe), 3, "once a day");
    t.advance_to("2026-11-23T07:05:00Z").await;
    let letter = &t.letters_to("ana@example.com")[0];
    // Our own list has `Triggered outbound`.
    assert!(letter.words().contains("Acme Triggered Outbound 3"), "{}", letter.text);
    t.jump_to("2026-11-24T06:40:00Z").await;
    t.patiently(check()).await.unwrap();
    assert_eq!(t.org.requests_of(Call::Describe), 6);
}

#[tokio::test]
async fn metrics_are_written_each_minute_and_whole() {
    let t = started().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postrider.prom");
    let mut config = t.config(&format!("{HEAD}{CONFIG}"));
    config.metrics = Some(path.clone());
    t.app.reload(config).await.unwrap();
    t.org.faults().always(Fault::Html(503), On::soql("FROM Account"));
    t.advance(TimeDelta::minutes(6)).await;
    let engine = t.app.engine();
    Arc::clone(engine).metrics_due().await.unwrap();
    let first = std::fs::read_to_string(&path).unwrap();
    let of = r#"{source="salesforce",dataset="MessagingSession"}"#;
    for line in [
        format!("postrider_dataset_records{of} 3"),
        format!("postrider_dataset_ready{of} 1"),
        "postrider_up 1".to_owned(),
        r#"postrider_dataset_failing{source="salesforce",dataset="Account"} 1"#.to_owned(),
    ] {
        assert!(first.lines().any(|known| known == line), "{line}\n{first}");
    }
    let watermark = format!("postrider_dataset_watermark_timestamp_seconds{of} 17954");
    assert!(first.contains(&watermark), "{first}");
    t.clock.advance(TimeDelta::seconds(30));
    Arc::clone(engine).metrics_due().await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first, "once a minute");
    t.clock.advance(TimeDelta::seconds(31));
    Arc::clone(engine).metrics_due().await.unwrap();
    assert_ne!(std::fs::read_to_string(&path).unwrap(), first);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    t.org.faults().clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stops_leaves_no_job_at_the_org() {
    let bulk = "pull_every = \"5 min\"\nbulk_above = 1";
    let config = format!("{HEAD}{CONFIG}").replace("pull_every = \"5 min\"", bulk);
    let mut t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.may_owe = true;
    t.org.faults().always(Fault::JobPolls(1_000_000), On::any());
    let (org, clock) = (Arc::clone(&t.org), Arc::clone(&t.clock));
    let under_way = async move {
        while org.requests_of(Call::BulkCreate) == 0 {
            tokio::task::yield_now().await;
        }
        // Between two looks at the job.
        clock.parked(1).await;
    };
    let ran = tokio::time::timeout(PATIENCE, t.app.run(under_way)).await;
    ran.expect("in time").unwrap();
    let made = t.org.requests_of(Call::BulkCreate);
    assert!(made > 0);
    assert_eq!(t.org.requests_of(Call::BulkAbort), made);
    assert_eq!(t.org.requests_of(Call::BulkDelete), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_interrupted_ends_in_order() {
    let folder = Folder::new().await;
    folder.write(&format!("{HEAD}{CONFIG}"));
    fill(&folder.org);
    let slow = Fault::Slow(Duration::from_secs(50));
    folder.org.faults().next(slow, On::soql("FROM MessagingSession "), 1);
    let pull = folder.begin(&["--log", "postrider=debug", "pull"]);
    let met = async {
        while folder.org.faults().waiting() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, met).await.expect("it asks");
    pull.signal("INT");
    assert_eq!(pull.ended().await.code(), Some(1), "stopped, not killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_how_every_dataset_is() {
    let folder = Folder::new().await;
    folder.write(&format!("{HEAD}{CONFIG}"));
    let web = channel(&folder.org, "Web");
    for hours in 2..5 {
        ended(&folder.org, &web, &folder.ago(TimeDelta::hours(hours)), &[]);
    }
    folder.done(&["pull"]);
    let facts: serde_json::Value =
        serde_json::from_str(&folder.done(&["status", "--json"])).unwrap();
    let datasets = facts["datasets"].as_array().unwrap();
    let session = datasets.iter().find(|d| d["dataset"] == "MessagingSession").unwrap();
    assert_eq!(session["records"], 3);
    assert_eq!(session["requests_day"], session["requests"]);
    assert!(session["lag_seconds"].as_f64().is_some_and(|lag| lag >= 60.0), "{session}");
    assert!(session["pull_seconds"].is_number() && session["loading"].is_null(), "{session}");
    let people = folder.done(&["status"]);
    assert!(people.contains("PULL TOOK") && people.contains("REQUESTS A DAY"), "{people}");
    let metrics = folder.done(&["status", "--metrics"]);
    assert!(metrics.contains("postrider_up 0\n"), "{metrics}");
    let verified = folder.done(&["pull", "--verify", "MessagingChannel"]);
    assert_eq!(verified, "MessagingChannel: it is read whole at every pull\n");
    assert_eq!(folder.run(&["pull", "--dry-run"]).status.code(), Some(2));
}
