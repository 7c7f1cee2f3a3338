//! Cases about orgs that differ: logins by JWT under a clock that is off, versions too old, objects
//! and fields of one's own, records that went without a trace.

use std::sync::Arc;

use chrono::TimeDelta;
use postrider::clock::{Clock, ManualClock};
use postrider::config::SourceSettings;
use postrider::demo::org::{self, Call, Fault, On, Org, Settings, Value};
use postrider::domain::dataset::{Batch, Purpose};
use postrider::source::salesforce::{Salesforce, SalesforceAuth, SalesforceSettings};
use postrider::source::{PullRequest, Pulled, Source as _, SourceError};
use secrecy::SecretString;

use super::{SESSIONS, World, cells};
use crate::harness::records::{account, channel, ended};
use crate::harness::{TestPostrider, utc};

const NOON: &str = "2026-11-22T12:00:00Z";

fn fill(org: &Org) {
    let web = channel(org, "Web");
    ended(org, &web, "2026-11-22T10:00:00Z", &[]);
}

/// The settings of the test's org.
fn settings(t: &TestPostrider) -> SalesforceSettings {
    match t.app.config().sources["salesforce"].clone() {
        SourceSettings::Salesforce(settings) => settings,
        _ => panic!("the test's org is Salesforce"),
    }
}

/// Reads the sessions with a source of its own.
async fn read(t: &TestPostrider, settings: SalesforceSettings) -> Result<Pulled, SourceError> {
    let clock = Arc::clone(&t.clock) as Arc<dyn Clock>;
    let source = Salesforce::new(settings, clock)?;
    let config = t.app.config();
    let dataset = config.datasets.iter().find(|one| one.name == "MessagingSession").unwrap();
    let dataset = Arc::clone(dataset);
    let purpose = Purpose::Digest;
    let request = PullRequest { dataset, since: None, resume: None, from: None, purpose };
    let (into, mut batches) = tokio::sync::mpsc::channel::<Batch>(2);
    let both = async {
        tokio::join!(source.pull(request, into), async { while batches.recv().await.is_some() {} })
    };
    t.patiently(both).await.0
}

fn by_jwt(t: &TestPostrider, username: &str) -> SalesforceSettings {
    let auth = SalesforceAuth::JwtBearer {
        client_id: SecretString::from(org::CLIENT_ID),
        username: username.to_owned(),
        private_key: SecretString::from(org::JWT_PRIVATE_KEY),
        audience: "https://login.salesforce.com".to_owned(),
    };
    SalesforceSettings { auth, ..settings(t) }
}

#[tokio::test]
async fn a_jwt_login_survives_a_clock_that_is_off() {
    for (skew, logins) in [(0, 1), (-40, 2), (40, 2), (600, 2)] {
        let w = World::start(SESSIONS, NOON, fill).await;
        w.t.org.faults().clock_skew(TimeDelta::minutes(skew));
        let pulled = read(&w.t, by_jwt(&w.t, org::API_USERNAME)).await.unwrap();
        assert_eq!((pulled.records, w.asked(Call::Token)), (1, logins), "{skew} min");
    }
}

#[tokio::test]
async fn a_jwt_login_of_a_user_nobody_approved_is_explained_and_not_repeated() {
    let w = World::start(SESSIONS, NOON, fill).await;
    let Err(SourceError::Refused { reason, .. }) =
        read(&w.t, by_jwt(&w.t, "stranger@org.example")).await
    else {
        panic!("it was let in")
    };
    assert!(reason.contains("hasn't approved this consumer"), "{reason}");
    assert!(!reason.contains("PRIVATE KEY") && !reason.contains("eyJ"), "{reason}");
    assert_eq!(w.asked(Call::Token), 1);
}

/// A world whose org serves these versions.
async fn serving(versions: std::ops::RangeInclusive<u16>) -> World {
    let clock = Arc::new(ManualClock::new(utc(NOON)));
    let settings = Settings { versions, ..Settings::default() };
    let org = Org::with(settings, Arc::clone(&clock) as Arc<dyn Clock>);
    fill(&org);
    let config = format!("{}{SESSIONS}", crate::harness::HEAD);
    World { t: TestPostrider::over(&config, clock, org).await, config }
}

#[tokio::test]
async fn an_org_older_than_version_62_is_refused_clearly() {
    let w = serving(50..=61).await;
    w.pull().await;
    let why = w.failure("MessagingSession");
    assert!(why.contains("refuses us") && why.contains("61") && why.contains("62"), "{why}");
    assert!(w.statements("MessagingSession").is_empty());
}

#[tokio::test]
async fn the_newest_version_that_both_know_is_used() {
    let w = serving(60..=64).await;
    w.pull().await;
    assert_eq!(w.count("MessagingSession"), 1);
    assert!(w.queries().iter().all(|seen| seen.target.contains("/v64.0/")), "{:?}", w.queries());
}

const CASES: &str = r#"
[datasets.Case]
source = "salesforce"
fields = { Subject = "text", Status = "text", Owner = "Owner.Name text", Account = "Account.Name text", Rating = "Account.Rating text" }

[report_types.cases]
from = "Case c"

[reports.sessions]
title = "Cases"
type = "cases"
period = "all time"
group_by = ["c.Account as Account", "c.Rating as Rating"]
columns = ["count() as Cases"]
sort = "Cases desc"

[digests.daily]
reports = ["sessions"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

#[tokio::test]
async fn an_object_of_ones_own_with_parents_that_are_null() {
    let fill = |org: &Org| {
        let acme = account(org, "Acme");
        org.update(acme, &[("Rating", Value::Pick("Hot"))]).unwrap();
        let plain = account(org, "Plain");
        for of in [Some(acme), Some(acme), Some(acme), Some(plain), None, None] {
            let mut fields = vec![("Subject", Value::from("It broke"))];
            fields.extend(of.map(|id| ("AccountId", Value::from(id))));
            org.insert("Case", &fields).unwrap();
        }
    };
    let w = World::start(CASES, NOON, fill).await;
    w.pull_again().await;
    let state = w.state("Case");
    assert_eq!((state.records, state.misfits, &state.failure), (6, 0, &None));
    // A parent that is missing and a field of a parent that is empty are both no value.
    let table = w.table("sessions", "2026-11-23T07:00:00Z").await;
    assert_eq!(cells(&table), ["Acme | Hot | 3", "- | - | 2", "Plain | - | 1"]);
}

#[tokio::test]
async fn records_that_went_without_a_trace_are_found_by_verifying() {
    let mut ids = Vec::new();
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        ids = ["08", "09", "10"]
            .map(|hour| ended(org, &web, &format!("2026-11-20T{hour}:00:00Z"), &[]))
            .into();
    };
    let w = World::start(SESSIONS, NOON, fill).await;
    w.pull().await;
    w.t.org.purge(ids[1]).unwrap();
    w.pull_again().await;
    assert_eq!(w.count("MessagingSession"), 3, "no pull can see it");
    let engine = w.t.app.engine();
    let plant = engine.plant();
    let dataset = plant.datasets_in_use().remove(0);
    w.t.patiently(engine.verify(&plant, &dataset, false)).await.unwrap();
    assert_eq!(w.count("MessagingSession"), 2);
}

#[tokio::test]
async fn four_hours_of_small_troubles_change_no_figure() {
    let w = World::start(SESSIONS, NOON, fill).await;
    w.t.org.faults().chaos(Some(7));
    let web = channel(&w.t.org, "More");
    for made in 1..=40_i64 {
        ended(
            &w.t.org,
            &web,
            "2026-11-22T11:00:00Z",
            &[
                ("SystemModstamp", w.t.clock.now().into()),
                ("LastModifiedDate", w.t.clock.now().into()),
            ],
        );
        w.t.advance(TimeDelta::minutes(6)).await;
        assert!(w.count("MessagingSession") <= made + 1);
    }
    w.t.org.faults().clear();
    w.t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(w.count("MessagingSession"), 41);
    let told = w.t.letters_to("owner@example.com");
    assert!(told.is_empty(), "what passes is nobody's business: {told:?}");
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_halved_until_it_comes() {
    let web_sessions = |org: &Org| {
        let web = channel(org, "Web");
        let first = utc("2026-11-01T00:00:00Z");
        let rows = (0..500).map(|at| super::ended_row(&web, first + TimeDelta::hours(at)));
        org.load("MessagingSession", rows).unwrap();
    };
    let w = World::start(SESSIONS, NOON, web_sessions).await;
    let config = format!("{}{SESSIONS}", crate::harness::HEAD);
    let config = config.replace("pull_every", "bulk_above = \"never\"\npull_every");
    let mut w = World { config, ..w };
    w.restart().await;
    w.t.org.faults().timeout_wider("MessagingSession", TimeDelta::days(2));
    w.pull().await;
    assert_eq!(w.count("MessagingSession"), 500);
    // Spans meet without a gap and without an overlap.
    let asked = w.statements("MessagingSession");
    assert!(asked.len() > 8, "{asked:#?}");
    // One that fails once on the way costs one span, not the load.
    w.t.org.faults().next(Fault::QueryTimeout, On::call(Call::QueryAll), 1);
    w.pull_again().await;
    assert_eq!((w.count("MessagingSession"), w.state("MessagingSession").failure), (500, None));
}
