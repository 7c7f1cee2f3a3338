//! Records that a source lost without a word, and records we lost: found by counting, mended, told.

use chrono::TimeDelta;
use postrider::clock::Clock;
use postrider::demo::org::{Call, Id, Org};
use postrider::engine::verify::Verified;

use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC, TestPostrider};

const DIGEST: &str = "\n[digests.daily]\nreports = [\"traffic\"]\nschedule = \"0 8 * * *\"\n\
                      to = [\"ana@example.com\"]\n";

struct World {
    t: TestPostrider,
    sessions: Vec<Id>,
}

/// Two sessions on each of five days, pulled on 23 November at 07:30 in Berlin.
async fn world() -> World {
    let mut sessions = Vec::new();
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        for day in 16..=20 {
            for hour in [10, 23] {
                sessions.push(ended(org, &web, &format!("2026-11-{day}T{hour}:00:00Z"), &[]));
            }
        }
    };
    let config = format!("{HEAD}{TRAFFIC}{DIGEST}");
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    World { t, sessions }
}

impl World {
    fn sessions(&self) -> u64 {
        let states = self.t.app.engine().store().dataset_states().unwrap();
        states.iter().find(|state| state.dataset == "MessagingSession").unwrap().records
    }

    async fn verify(&self, dry: bool) -> Verified {
        let engine = self.t.app.engine();
        let plant = engine.plant();
        let dataset = plant.datasets.iter().find(|d| d.name == "MessagingSession").unwrap();
        self.t.patiently(engine.verify(&plant, dataset, dry)).await.unwrap()
    }

    /// What nobody waits for.
    async fn check(&self) {
        let engine = self.t.app.engine();
        let checks = engine.take_turn("salesforce", postrider::engine::pull::Lane::Checks);
        self.t.patiently(checks).await.unwrap();
    }

    /// Removes sessions for good while nobody asks.
    fn purge(&self, which: &[usize]) {
        for at in which {
            self.t.org.delete(self.sessions[*at]).unwrap();
            self.t.org.purge(self.sessions[*at]).unwrap();
        }
    }

    /// The days whose records were asked for again, in order: pulls ask for deleted records too, and
    /// for changes.
    fn reread(&self) -> Vec<String> {
        let asked = self.t.org.seen();
        let queries = asked.iter().filter(|seen| seen.call == Call::Query);
        let queries = queries.filter_map(|seen| seen.soql.as_deref());
        let records = queries.filter(|soql| soql.starts_with("SELECT Id"));
        let from = records.filter_map(|soql| soql.split_once("WHERE CreatedDate >= "));
        from.map(|(_, from)| from[..10].to_owned()).collect()
    }
}

#[tokio::test]
async fn records_purged_while_nobody_asked_are_found_and_leave_every_figure() {
    let w = world().await;
    assert_eq!(w.verify(false).await.words(), "no day differed");
    w.purge(&[0, 1, 5]);
    w.t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(w.sessions(), 10, "no pull can tell");
    let dry = w.verify(true).await;
    assert_eq!(dry.words(), "2 days differed, 0 records removed, 0 added, 2 not mended");
    assert_eq!((w.sessions(), w.reread().len()), (10, 0), "it only looked");
    let found = w.verify(false).await;
    assert_eq!(found.words(), "2 days differed, 3 records removed, 0 added");
    let days: Vec<_> =
        found.days.iter().map(|day| (day.day.to_string(), day.ours, day.theirs)).collect();
    assert_eq!(days, [("2026-11-16".into(), 2, 0), ("2026-11-18".into(), 2, 1)]);
    assert_eq!(w.sessions(), 7);
    // The day with most difference first.
    assert_eq!(w.reread(), ["2026-11-16", "2026-11-18"]);
    let told = w.t.ledger("MessagingSession");
    let told: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(told, ["verified MessagingSession: 2 days differed, 3 records removed, 0 added"]);

    let spent = || {
        let health = w.t.app.engine().health(true).unwrap();
        health.sources["salesforce"].spent.total(w.t.clock.now())
    };
    let before = (w.t.org.requests().values().sum::<u64>(), spent());
    assert_eq!(w.verify(false).await.words(), "no day differed");
    let after = (w.t.org.requests().values().sum::<u64>(), spent());
    assert_eq!(after, (before.0 + 1, before.1 + 1), "one request counts them all, and is counted");
}

#[tokio::test]
async fn records_that_were_lost_here_are_added_again() {
    let w = world().await;
    let file = w.t.app.engine().store().records().path().to_owned();
    let lost = rusqlite::Connection::open(file).unwrap();
    assert_eq!(lost.execute("DELETE FROM MessagingSession WHERE rowid <= 4", []).unwrap(), 4);
    drop(lost);
    let found = w.verify(false).await;
    assert!(found.words().ends_with("0 records removed, 4 added"), "{}", found.words());
    assert_eq!(w.verify(false).await.words(), "no day differed");
}

#[tokio::test]
async fn an_org_that_counts_nothing_is_not_believed() {
    let w = world().await;
    w.purge(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let found = w.verify(false).await;
    assert!(found.words().contains("counts no record although 10 are known"), "{}", found.words());
    assert_eq!((w.sessions(), w.reread().len()), (10, 0));
}

#[tokio::test]
async fn the_daemon_verifies_once_a_day_and_not_on_the_day_of_the_load() {
    let w = world().await;
    w.purge(&[0]);
    for _ in 0..12 {
        w.check().await;
        w.t.clock.advance(TimeDelta::hours(1));
        w.t.beat().await;
    }
    assert_eq!(w.reread().len(), 0, "the load is of today");
    w.t.jump_to("2026-11-24T07:00:00Z").await;
    w.check().await;
    assert_eq!((w.reread().len(), w.sessions()), (1, 9));
    w.purge(&[1]);
    for _ in 0..20 {
        w.check().await;
        w.t.clock.advance(TimeDelta::hours(1));
        w.t.beat().await;
    }
    assert_eq!(w.reread().len(), 1, "once a day");
    w.t.jump_to("2026-11-25T08:00:00Z").await;
    w.check().await;
    assert_eq!((w.reread().len(), w.sessions()), (2, 8));
}
