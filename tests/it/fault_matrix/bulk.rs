//! Salesforce by the Bulk API: a first load, which nobody sees anything of before it is whole.

use std::sync::Arc;

use chrono::TimeDelta;
use postrider::demo::org::{Call, Fault, On, Org};

use super::salesforce::Acme;
use super::{Comes, Ends, Fails, Far, Seen, peak_kib};
use crate::harness::records::{Channel, channel};
use crate::harness::{HEAD, TestPostrider, utc};
use crate::salesforce_cases::SESSIONS;

const SESSIONS_MADE: usize = 500;

/// One fault of a job: how the first load ends while it lasts, and what it may cost in that time.
struct Job {
    fault: &'static str,
    arm: fn(&Acme),
    ends: Ends,
    requests_max: u64,
    minutes: i64,
}

/// Pulls that fail are tried so often in twenty minutes.
const PULLS: u64 = 9;

const JOBS: &[Job] = &[
    Job {
        fault: "a token dies",
        arm: |acme| acme.org.faults().next(Fault::TokenExpired, On::call(Call::BulkJob), 1),
        ends: Comes,
        requests_max: 60,
        minutes: 20,
    },
    Job {
        fault: "a 401 that no login mends",
        arm: |acme| always(acme, Fault::SessionRefused, Call::BulkCreate),
        ends: Fails(&["refuses us", "IP ranges"]),
        requests_max: PULLS * 3,
        minutes: 20,
    },
    Job {
        fault: "503 as HTML",
        arm: |acme| always(acme, Fault::Html(503), Call::BulkCreate),
        ends: Fails(&["is down", "503"]),
        requests_max: PULLS * 7,
        minutes: 20,
    },
    Job {
        fault: "503 now and then",
        arm: |acme| {
            for call in [Call::BulkCreate, Call::BulkJob, Call::BulkResults] {
                acme.org.faults().next(Fault::Html(503), On::call(call), 2);
            }
        },
        ends: Comes,
        requests_max: 60,
        minutes: 20,
    },
    Job {
        fault: "reset in the middle of the body",
        arm: |acme| acme.org.faults().next(Fault::Disconnect, On::call(Call::BulkResults), 2),
        ends: Comes,
        requests_max: 60,
        minutes: 20,
    },
    Job {
        fault: "truncated gzip",
        arm: |acme| acme.org.faults().next(Fault::TruncatedGzip, On::call(Call::BulkResults), 2),
        ends: Comes,
        requests_max: 60,
        minutes: 20,
    },
    Job {
        fault: "every body breaks off",
        arm: |acme| always(acme, Fault::Disconnect, Call::BulkResults),
        ends: Fails(&["is down", "broke off"]),
        requests_max: PULLS * 20,
        minutes: 20,
    },
    Job {
        fault: "fewer rows than were said",
        arm: |acme| always(acme, Fault::WrongCount(1), Call::BulkResults),
        ends: Fails(&["unreadable"]),
        requests_max: PULLS * 20,
        minutes: 20,
    },
    Job {
        fault: "results too early",
        arm: |acme| acme.org.faults().early_results(409),
        ends: Comes,
        requests_max: 60,
        minutes: 20,
    },
    Job {
        fault: "the object is refused",
        arm: |acme| acme.org.faults().refuse_bulk("MessagingSession"),
        ends: Comes,
        requests_max: 60,
        minutes: 20,
    },
    Job {
        fault: "a job fails",
        arm: |acme| always(acme, Fault::JobFails("MALFORMED_QUERY: so it is"), Call::BulkCreate),
        ends: Fails(&["MALFORMED_QUERY: so it is"]),
        requests_max: PULLS * 10,
        minutes: 20,
    },
    // Smaller and smaller spans are tried, down to a minute.
    Job {
        fault: "every job takes too long",
        arm: |acme| always(acme, Fault::JobFails("QUERY_TIMEOUT: too long"), Call::BulkCreate),
        ends: Fails(&["is down", "in time"]),
        requests_max: PULLS * 60,
        minutes: 20,
    },
    Job {
        fault: "an admin aborts the job",
        arm: |acme| always(acme, Fault::JobAborted(40), Call::BulkCreate),
        ends: Fails(&["aborted"]),
        requests_max: PULLS * 60,
        minutes: 20,
    },
];

fn always(acme: &Acme, fault: Fault, call: Call) {
    acme.org.faults().always(fault, On::call(call));
}

async fn play(rows: &[Job]) {
    let config = format!("{HEAD}{SESSIONS}").replace("pull_every", "bulk_above = 100\npull_every");
    for row in rows {
        let fault = row.fault;
        let fill = |org: &Org| {
            let web = channel(org, "Web");
            let first = utc("2026-11-20T08:00:00Z");
            let rows =
                (0..SESSIONS_MADE).map(|at| session(&web, first + TimeDelta::minutes(at as i64)));
            org.load("MessagingSession", rows).unwrap();
        };
        let t = TestPostrider::start(&config, "2026-11-22T12:00:00Z", fill).await;
        let acme = Acme::of(Arc::clone(&t.org));
        (row.arm)(&acme);
        let memory = peak_kib();
        t.advance(TimeDelta::minutes(row.minutes)).await;
        let (asked, grown) = (acme.requests(), peak_kib().saturating_sub(memory));
        assert!((1..=row.requests_max).contains(&asked), "{fault}: {asked} requests");
        assert!(grown < super::MEMORY_KIB_MAX, "{fault}: {grown} KiB more");
        let during = Seen::of(&t, "MessagingSession").await;
        if let Fails(words) = row.ends {
            let why = during.failure.clone().unwrap_or_else(|| panic!("{fault}: it came"));
            for word in words {
                assert!(why.contains(word), "{fault}: `{word}` not in `{why}`");
            }
            assert_eq!((during.ready, during.records), (false, 0), "{fault}");
            assert!(during.figures[0].contains("still being loaded"), "{fault}: {during:?}");
            acme.calm();
            t.advance(TimeDelta::minutes(21)).await;
        }
        let after = Seen::of(&t, "MessagingSession").await;
        assert_eq!((after.failure.as_deref(), after.records), (None, 500), "{fault}");
        assert_eq!(after.figures, ["Ended | 500"], "{fault}");
        let rows = t.rows("SELECT count(*) FROM MessagingSession WHERE _deleted = 0");
        assert_eq!(rows, 500, "{fault}: each once");
    }
}

fn session(
    web: &Channel,
    at: chrono::DateTime<chrono::Utc>,
) -> Vec<(&'static str, postrider::demo::org::Value)> {
    crate::salesforce_cases::ended_row(web, at)
}

#[tokio::test]
async fn bulk_jobs() {
    play(&JOBS[..6]).await;
}

#[tokio::test]
async fn bulk_ends() {
    play(&JOBS[6..]).await;
}
