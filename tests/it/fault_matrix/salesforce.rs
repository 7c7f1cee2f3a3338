//! Salesforce over REST.

use std::sync::Arc;
use std::time::Duration;

use postrider::demo::org::{Call, Fault, Id, On, Org, Value};

use super::{Comes, Fails, Far, PULLS, Row};
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TestPostrider};
use crate::salesforce_cases::SESSIONS;

/// An org and its sessions.
pub(super) struct Acme {
    pub(super) org: Arc<Org>,
    sessions: Vec<Id>,
}

impl Far for Acme {
    fn change(&self) {
        // With a letter that is no ASCII, so that a wrong charset has something to spoil.
        for session in &self.sessions {
            let fields = [("Status", Value::Pick("Error")), ("ChannelName", "Grüße".into())];
            self.org.update(*session, &fields).unwrap();
        }
    }
    fn requests(&self) -> u64 {
        self.org.requests().values().sum()
    }
    fn forget(&self) {
        self.org.forget_requests();
    }
    fn calm(&self) {
        self.org.faults().clear();
    }
}

impl Acme {
    /// An org whose sessions nobody changes.
    pub(super) fn of(org: Arc<Org>) -> Acme {
        Acme { org, sessions: Vec::new() }
    }

    fn always(&self, fault: Fault, on: On) {
        self.org.faults().always(fault, on);
    }
}

const LOGINS: &[Row<Acme>] = &[
    Row {
        fault: "a token dies",
        arm: |acme| acme.org.expire_tokens(),
        ends: Comes,
        requests_max: 20,
        minutes: 60,
    },
    Row {
        fault: "every token dies at its first request",
        arm: |acme| {
            acme.org.expire_tokens();
            acme.org.faults().token_calls(Some(0));
        },
        ends: Fails(&["refuses us", "again after a new login"]),
        requests_max: PULLS * 4,
        minutes: 60,
    },
    Row {
        fault: "a 401 that no login mends",
        arm: |acme| acme.always(Fault::SessionRefused, On::any()),
        ends: Fails(&["refuses us", "a new login cannot mend this", "IP ranges"]),
        requests_max: PULLS,
        minutes: 60,
    },
    Row {
        fault: "503 as HTML at the login",
        arm: |acme| {
            acme.org.expire_tokens();
            acme.always(Fault::Html(503), On::call(Call::Token));
        },
        ends: Fails(&["is down", "503"]),
        requests_max: PULLS * 6,
        minutes: 60,
    },
];

const STATUSES: &[Row<Acme>] = &[
    Row {
        fault: "503 as HTML",
        arm: |acme| acme.always(Fault::Html(503), On::any()),
        ends: Fails(&["is down", "503"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "503 as JSON",
        arm: |acme| acme.always(Fault::Unavailable, On::any()),
        ends: Fails(&["is down", "SERVER_UNAVAILABLE"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "406",
        arm: |acme| acme.always(Fault::Html(406), On::any()),
        ends: Fails(&["is down", "406"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "420",
        arm: |acme| acme.always(Fault::Html(420), On::any()),
        ends: Fails(&["is down", "420"]),
        requests_max: PULLS * 3,
        minutes: 60,
    },
    Row {
        fault: "429 with Retry-After",
        arm: |acme| acme.always(Fault::Busy { status: 429, retry_after: "600" }, On::any()),
        ends: Fails(&["is down"]),
        requests_max: 8,
        minutes: 60,
    },
    Row {
        fault: "the org's requests are used up",
        arm: |acme| acme.always(Fault::RequestLimit, On::any()),
        ends: Fails(&["daily requests"]),
        requests_max: 12,
        minutes: 60,
    },
    Row {
        fault: "every query takes too long",
        arm: |acme| acme.always(Fault::QueryTimeout, On::any()),
        ends: Fails(&["is down", "in time"]),
        requests_max: PULLS * 12,
        minutes: 60,
    },
];

const BODIES: &[Row<Acme>] = &[
    Row {
        fault: "reset in the middle of the body",
        arm: |acme| acme.always(Fault::Disconnect, On::any()),
        ends: Fails(&["is down", "broke off"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "truncated gzip",
        arm: |acme| acme.always(Fault::TruncatedGzip, On::any()),
        ends: Fails(&["broke off"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "truncated JSON",
        arm: |acme| acme.always(Fault::TruncatedJson, On::any()),
        ends: Fails(&["unreadable"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "a page of HTML with status 200",
        arm: |acme| acme.always(Fault::HtmlOk, On::any()),
        ends: Fails(&["unreadable", "<"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "JSON 128 deep",
        arm: |acme| acme.always(Fault::DeepJson(128), On::any()),
        ends: Fails(&["unreadable", "gave none"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "wrong charset",
        arm: |acme| acme.always(Fault::WrongCharset, On::any()),
        ends: Fails(&["unreadable", "ISO-8859-1", "not in UTF-8"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "`done` without records",
        arm: |acme| acme.always(Fault::NoRecords, On::any()),
        ends: Fails(&["unreadable", "no `records`"]),
        requests_max: PULLS * 5,
        minutes: 60,
    },
    Row {
        fault: "records without `done`",
        arm: |acme| acme.always(Fault::NoDone, On::any()),
        ends: Comes,
        requests_max: 20,
        minutes: 60,
    },
];

const PAGES: &[Row<Acme>] = &[
    Row {
        fault: "endless paging",
        arm: |acme| acme.always(Fault::EndlessPages, On::any()),
        ends: Fails(&["unreadable", "do not end"]),
        requests_max: PULLS * 3,
        minutes: 60,
    },
    Row {
        fault: "endless empty pages",
        arm: |acme| acme.always(Fault::Page(0), On::any()),
        ends: Fails(&["unreadable", "do not end"]),
        requests_max: PULLS * 22,
        minutes: 60,
    },
    Row {
        fault: "pages in a circle",
        arm: |acme| acme.always(Fault::PagesInCircle, On::any()),
        ends: Fails(&["unreadable", "circle"]),
        requests_max: PULLS * 3,
        minutes: 60,
    },
    Row {
        fault: "every locator expires",
        arm: |acme| {
            acme.always(Fault::LocatorExpired, On::call(Call::QueryMore));
            acme.always(Fault::Page(1), On::any());
        },
        ends: Comes,
        requests_max: 60,
        minutes: 60,
    },
    Row {
        fault: "every locator expires behind an empty page",
        arm: |acme| {
            acme.always(Fault::LocatorExpired, On::call(Call::QueryMore));
            acme.always(Fault::Page(0), On::any());
        },
        ends: Fails(&["is down", "INVALID_QUERY_LOCATOR"]),
        requests_max: PULLS * 6,
        minutes: 60,
    },
];

/// Small on the wire; of what it unpacks to, 64 MB are read.
const BOMB: &[Row<Acme>] = &[Row {
    fault: "gzip bomb",
    arm: |acme| acme.always(Fault::GzipBomb(66 << 20), On::call(Call::QueryAll)),
    ends: Fails(&["unreadable", "more than 64 MB"]),
    requests_max: 5,
    minutes: 5,
}];

/// An exchange may take two minutes; here a fraction of a second, and the drip goes on for longer.
const DRIP: &[Row<Acme>] = &[Row {
    fault: "slow drip",
    arm: |acme| acme.always(Fault::Drip(Duration::from_millis(20)), On::call(Call::QueryAll)),
    ends: Fails(&["is down", "no answer in time"]),
    requests_max: 5,
    minutes: 5,
}];

async fn play(rows: &[Row<Acme>]) {
    play_within(rows, None).await;
}

async fn play_within(rows: &[Row<Acme>], exchange: Option<Duration>) {
    for row in rows {
        let mut sessions = Vec::new();
        let fill = |org: &Org| {
            let web = channel(org, "Web");
            sessions = ["08", "09", "10"]
                .map(|hour| ended(org, &web, &format!("2026-11-22T{hour}:00:00Z"), &[]))
                .into();
        };
        let config = format!("{HEAD}{SESSIONS}");
        let mut t = TestPostrider::start(&config, "2026-11-22T12:00:00Z", fill).await;
        if let Some(exchange) = exchange {
            t.hurry(&config, exchange);
        }
        t.beat().await;
        let acme = Acme { org: Arc::clone(&t.org), sessions };
        row.play(&t, &acme, "MessagingSession").await;
    }
}

#[tokio::test]
async fn salesforce_logins() {
    play(LOGINS).await;
}

#[tokio::test]
async fn salesforce_statuses() {
    play(STATUSES).await;
}

#[tokio::test]
async fn salesforce_bodies() {
    play(BODIES).await;
}

#[tokio::test]
async fn salesforce_pages() {
    play(PAGES).await;
}

#[tokio::test]
async fn salesforce_drip() {
    play_within(DRIP, Some(Duration::from_millis(400))).await;
}

#[tokio::test]
async fn salesforce_gzip_bomb() {
    play(BOMB).await;
}
