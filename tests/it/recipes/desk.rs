//! `GET /api/v2/incremental/tickets/cursor.json` as Zendesk documents it: `start_time` begins, then
//! `cursor` goes on from `after_cursor` until `end_of_stream`; a page has a hundred tickets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PAGE: usize = 100;
const STATUSES: [&str; 5] = ["new", "open", "pending", "solved", "closed"];

#[derive(Clone)]
struct Ticket {
    id: u64,
    status: &'static str,
    priority: Option<&'static str>,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
}

#[derive(Default)]
struct Site {
    tickets: Mutex<Vec<Ticket>>,
    pages: Mutex<usize>,
    address: Mutex<String>,
}

/// The server.
pub(crate) struct Zendesk {
    site: Arc<Site>,
}

impl Zendesk {
    /// 250 tickets, one an hour, the last an hour before `now`.
    pub(crate) async fn start(now: DateTime<Utc>) -> Zendesk {
        let site = Arc::new(Site::default());
        for id in 1..=250 {
            let created = now - TimeDelta::hours(251 - id as i64);
            site.tickets.lock().unwrap().push(Ticket {
                id,
                status: STATUSES[id as usize % 5],
                priority: [None, Some("low"), Some("normal")][id as usize % 3],
                created,
                updated: created + TimeDelta::minutes(5),
            });
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        *site.address.lock().unwrap() = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/api/v2/incremental/tickets/cursor.json", get(tickets))
            .with_state(Arc::clone(&site));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Zendesk { site }
    }

    pub(crate) fn url(&self) -> String {
        self.site.address.lock().unwrap().clone()
    }

    pub(crate) fn pages_asked(&self) -> usize {
        *self.site.pages.lock().unwrap()
    }

    /// Urgent tickets come in.
    pub(crate) fn urgent(&self, count: u64, now: DateTime<Utc>) {
        let mut tickets = self.site.tickets.lock().unwrap();
        for _ in 0..count {
            let id = tickets.len() as u64 + 1;
            let (status, priority) = ("new", Some("urgent"));
            tickets.push(Ticket { id, status, priority, created: now, updated: now });
        }
    }

    /// All urgent tickets are solved.
    pub(crate) fn solve_urgent(&self, now: DateTime<Utc>) {
        let mut tickets = self.site.tickets.lock().unwrap();
        for ticket in tickets.iter_mut().filter(|ticket| ticket.priority == Some("urgent")) {
            (ticket.status, ticket.updated) = ("solved", now);
        }
    }

    /// Tickets by status, of those created in the span.
    pub(crate) fn expected(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for ticket in self.site.tickets.lock().unwrap().iter() {
            if (from..to).contains(&ticket.created) {
                *counts.entry(ticket.status).or_default() += 1;
            }
        }
        counts
    }
}

impl Ticket {
    fn json(&self, home: &str) -> Value {
        let stamp = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        json!({
            "id": self.id,
            "url": format!("{home}/api/v2/tickets/{}.json", self.id),
            "external_id": null,
            "via": { "channel": "web", "source": { "from": {}, "to": {}, "rel": null } },
            "subject": format!("Help, no. {}", self.id),
            "status": self.status,
            "priority": self.priority,
            "requester_id": 20_978_392_u64,
            "assignee_id": if self.id.is_multiple_of(2) { json!(235_323) } else { Value::Null },
            "tags": ["enterprise", "other_tag"],
            "satisfaction_rating": { "score": if self.id.is_multiple_of(9) { "bad" } else { "unoffered" } },
            "custom_fields": [{ "id": 27_642, "value": "745" }],
            "created_at": stamp(self.created),
            "updated_at": stamp(self.updated),
            "generated_timestamp": self.updated.timestamp(),
        })
    }
}

async fn tickets(
    State(site): State<Arc<Site>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let login = format!("Basic {}", STANDARD.encode("agent@acme.example/token:secret"));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(login.as_str()) {
        return (StatusCode::UNAUTHORIZED, r#"{"error":"Couldn't authenticate you"}"#)
            .into_response();
    }
    *site.pages.lock().unwrap() += 1;
    let all = site.tickets.lock().unwrap().clone();
    let mut all: Vec<Ticket> = all;
    all.sort_by_key(|ticket| (ticket.updated, ticket.id));
    // A cursor is opaque; here it is a second and an id.
    let behind: (i64, u64) = match (query.get("cursor"), query.get("start_time")) {
        (Some(cursor), _) => {
            let text = String::from_utf8(STANDARD.decode(cursor).unwrap()).unwrap();
            let (second, id) = text.split_once('|').unwrap();
            (second.parse().unwrap(), id.parse().unwrap())
        }
        (None, Some(start)) => (start.parse::<i64>().unwrap() - 1, u64::MAX),
        (None, None) => {
            return (StatusCode::BAD_REQUEST, r#"{"error":"start_time is missing"}"#)
                .into_response();
        }
    };
    let place = |ticket: &Ticket| (ticket.updated.timestamp(), ticket.id);
    let left: Vec<&Ticket> = all.iter().filter(|ticket| place(ticket) > behind).collect();
    let shown = &left[..left.len().min(PAGE)];
    let last = shown.last().map_or(behind, |ticket| place(ticket));
    let cursor = STANDARD.encode(format!("{}|{}", last.0, last.1));
    let home = site.address.lock().unwrap().clone();
    let body = json!({
        "tickets": shown.iter().map(|ticket| ticket.json(&home)).collect::<Vec<_>>(),
        "after_url": format!("{home}/api/v2/incremental/tickets/cursor.json?cursor={cursor}"),
        "after_cursor": cursor,
        "before_url": null,
        "before_cursor": null,
        "end_of_stream": left.len() <= PAGE,
    });
    ([("content-type", "application/json; charset=utf-8")], body.to_string()).into_response()
}
