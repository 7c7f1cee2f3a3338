//! Any JSON API.

use std::sync::Arc;
use std::time::Duration;

use postrider::clock::{Clock, ManualClock};
use postrider::demo::org::Org;

use super::desk::{Desk, Wrong};
use super::{Comes, Fails, PULLS, Row};
use crate::harness::{TestPostrider, utc};

const CONFIG: &str = r#"
[postrider]
timezone = "Europe/Berlin"
owner = "owner@example.com"

[smtp]
host = "127.0.0.1"
tls = "none"
from = "Postrider <reports@example.com>"

[sources.desk]
kind = "rest"
base_url = "DESK"
auth = { oauth2 = { token_url = "DESK/token", client_id = "env:SF_ID", client_secret = "env:SF_SECRET" } }
pull_every = "5 min"

[datasets.tickets]
source = "desk"
path = "/tickets"
query = { since = "{watermark}" }
records = "/tickets"
paging = { cursor = "/after", parameter = "cursor" }
max_pages = 50
key = "id"
updated = "updated_at"
fields = { id = "text", status = "text", from = "text", updated_at = "timestamp" }

[reports.tickets]
title = "Tickets"
type = "tickets"
period = "all time"
group_by = ["tickets.status as Status", "tickets.from as From"]
columns = ["count() as Tickets"]

[digests.daily]
reports = ["tickets"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

/// Tries of one request.
const TRIES: u64 = 6;

const ROWS: &[Row<Desk>] = &[
    Row {
        fault: "a token dies",
        arm: |desk| desk.arm(Wrong::TokenDead),
        ends: Comes,
        requests_max: 60,
        minutes: 60,
    },
    Row {
        fault: "a 401 that no login mends",
        arm: |desk| desk.arm(Wrong::EveryToken),
        ends: Fails(&["refuses us", "401", "Bad credentials"]),
        requests_max: PULLS * 4,
        minutes: 60,
    },
    Row {
        fault: "503 as HTML",
        arm: |desk| desk.arm(Wrong::Html(503)),
        ends: Fails(&["is down", "503"]),
        requests_max: PULLS * TRIES,
        minutes: 60,
    },
    Row {
        fault: "406",
        arm: |desk| desk.arm(Wrong::Html(406)),
        ends: Fails(&["refuses us", "406", "check `path` and `headers`"]),
        requests_max: PULLS,
        minutes: 60,
    },
    Row {
        fault: "420",
        arm: |desk| desk.arm(Wrong::Html(420)),
        ends: Fails(&["is down", "420"]),
        requests_max: PULLS * TRIES,
        minutes: 60,
    },
    Row {
        fault: "429 with Retry-After",
        arm: |desk| desk.arm(Wrong::Busy),
        ends: Fails(&["is down"]),
        requests_max: 9,
        minutes: 60,
    },
    Row {
        fault: "reset in the middle of the body",
        arm: |desk| desk.arm(Wrong::Reset),
        ends: Fails(&["is down", "connection"]),
        requests_max: PULLS * TRIES,
        minutes: 60,
    },
    Row {
        fault: "truncated gzip",
        arm: |desk| desk.arm(Wrong::TornGzip),
        ends: Fails(&["broke off"]),
        requests_max: PULLS * TRIES,
        minutes: 60,
    },
    Row {
        fault: "JSON 128 deep",
        arm: |desk| desk.arm(Wrong::Deep(128)),
        ends: Fails(&["unreadable"]),
        requests_max: PULLS * TRIES,
        minutes: 60,
    },
    Row {
        fault: "another charset, said",
        arm: |desk| desk.arm(Wrong::Latin),
        ends: Comes,
        requests_max: 60,
        minutes: 60,
    },
    Row {
        fault: "`done` without records",
        arm: |desk| desk.arm(Wrong::NoRecords),
        ends: Fails(&["unreadable", "/tickets"]),
        requests_max: PULLS * TRIES,
        minutes: 60,
    },
    Row {
        fault: "endless paging",
        arm: |desk| desk.arm(Wrong::Endless),
        ends: Fails(&["unreadable", "50"]),
        requests_max: PULLS * 51,
        minutes: 60,
    },
    Row {
        fault: "pages in a circle",
        arm: |desk| desk.arm(Wrong::Circle),
        ends: Fails(&["unreadable"]),
        requests_max: PULLS * 4,
        minutes: 60,
    },
    Row {
        fault: "every cursor expires",
        arm: |desk| desk.arm(Wrong::CursorGone),
        ends: Fails(&["cursor may have expired"]),
        requests_max: PULLS * TRIES,
        minutes: 60,
    },
];

const BOMB: &[Row<Desk>] = &[Row {
    fault: "gzip bomb",
    arm: |desk| desk.arm(Wrong::Bomb(66 << 20)),
    ends: Fails(&["unreadable", "more than 64 MB"]),
    requests_max: 6,
    minutes: 5,
}];

async fn opened() -> (TestPostrider, Desk) {
    let clock = Arc::new(ManualClock::new(utc("2026-11-22T12:00:00Z")));
    let desk = Desk::open(Arc::clone(&clock)).await;
    let org = Org::empty(Arc::clone(&clock) as Arc<dyn Clock>);
    let config = CONFIG.replace("DESK", desk.url());
    (TestPostrider::over(&config, clock, org).await, desk)
}

/// An exchange may take two minutes; here a fraction of a second, and the drip goes on for longer.
const DRIP: &[Row<Desk>] = &[Row {
    fault: "slow drip",
    arm: |desk| desk.arm(Wrong::Drip),
    ends: Fails(&["is down", "no answer in time"]),
    requests_max: TRIES,
    minutes: 5,
}];

async fn play(rows: &[Row<Desk>]) {
    play_within(rows, None).await;
}

async fn play_within(rows: &[Row<Desk>], exchange: Option<Duration>) {
    for row in rows {
        let (mut t, desk) = opened().await;
        if let Some(exchange) = exchange {
            t.hurry(&CONFIG.replace("DESK", desk.url()), exchange);
        }
        t.beat().await;
        row.play(&t, &desk, "tickets").await;
    }
}

#[tokio::test]
async fn rest_logins_and_statuses() {
    play(&ROWS[..6]).await;
}

#[tokio::test]
async fn rest_bodies_and_pages() {
    play(&ROWS[6..]).await;
}

#[tokio::test]
async fn rest_drip() {
    play_within(DRIP, Some(Duration::from_millis(400))).await;
}

#[tokio::test]
async fn rest_gzip_bomb() {
    play(BOMB).await;
}

/// Latin-1 that is said to be UTF-8: the letters are replaced and that is told; nothing else is lost.
#[tokio::test]
async fn rest_false_utf8() {
    let (t, desk) = opened().await;
    desk.arm(Wrong::FalseUtf8);
    t.beat().await;
    let seen = super::Seen::of(&t, "tickets").await;
    assert_eq!((seen.records, seen.failure), (6, None));
    assert_eq!(seen.figures, ["open | J\u{fffd}rgen M\u{fffd}ller | 6"]);
    let states = t.app.engine().store().dataset_states().unwrap();
    let state = states.into_iter().find(|state| state.dataset == "tickets").unwrap();
    assert!(state.misfits > 0, "it is told");
}
