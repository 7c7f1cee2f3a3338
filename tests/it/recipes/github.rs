//! `GET /repos/{owner}/{repo}/issues` as GitHub documents it: a bare array, `since`, `per_page`,
//! `page`, and a `Link` header that names the next page until the last.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const AUTHORS: [&str; 3] = ["ada", "grace", "linus"];

struct Issue {
    number: u64,
    author: &'static str,
    created: DateTime<Utc>,
    closed: Option<DateTime<Utc>>,
    pull: bool,
}

#[derive(Default)]
struct Site {
    issues: Mutex<Vec<Issue>>,
    pages: Mutex<usize>,
    address: Mutex<String>,
}

/// The server.
pub(crate) struct GitHub {
    site: Arc<Site>,
}

impl GitHub {
    /// 230 issues, one an hour, the last an hour before `now`.
    pub(crate) async fn start(now: DateTime<Utc>) -> GitHub {
        let site = Arc::new(Site::default());
        for number in 1..=230 {
            let created = now - TimeDelta::hours(231 - number as i64);
            site.issues.lock().unwrap().push(Issue {
                number,
                author: AUTHORS[number as usize % 3],
                created,
                closed: (number % 4 == 0).then(|| created + TimeDelta::minutes(30)),
                pull: number % 10 == 0,
            });
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        *site.address.lock().unwrap() = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/repos/acme/shop/issues", get(issues))
            .with_state(Arc::clone(&site));
        tokio::spawn(async move { axum::serve(listener, router).await });
        GitHub { site }
    }

    pub(crate) fn url(&self) -> String {
        self.site.address.lock().unwrap().clone()
    }

    pub(crate) fn pages_asked(&self) -> usize {
        *self.site.pages.lock().unwrap()
    }

    /// Opens issues now.
    pub(crate) fn open(&self, count: u64, now: DateTime<Utc>) {
        let mut issues = self.site.issues.lock().unwrap();
        for _ in 0..count {
            let number = issues.len() as u64 + 1;
            issues.push(Issue { number, author: "ada", created: now, closed: None, pull: false });
        }
    }

    /// Author, opened, open: of issues that are no pull requests and were created in the span.
    pub(crate) fn expected(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Vec<(String, u64, u64)> {
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for issue in self.site.issues.lock().unwrap().iter() {
            if !issue.pull && (from..to).contains(&issue.created) {
                let count = counts.entry(issue.author).or_default();
                count.0 += 1;
                count.1 += u64::from(issue.closed.is_none());
            }
        }
        counts
            .into_iter()
            .map(|(author, (opened, open))| (author.to_owned(), opened, open))
            .collect()
    }
}

impl Issue {
    fn updated(&self) -> DateTime<Utc> {
        self.closed.unwrap_or(self.created)
    }

    fn json(&self, home: &str) -> Value {
        let Issue { number, author, .. } = self;
        let stamp = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let url = format!("{home}/repos/acme/shop/issues/{number}");
        let mut issue = json!({
            "id": 1_000_000 + number,
            "node_id": format!("I_kw{number}"),
            "url": url,
            "number": number,
            "state": if self.closed.is_some() { "closed" } else { "open" },
            "title": format!("Something is wrong ({number})"),
            "body": "It does not work.\r\n",
            "user": { "login": author, "id": 7, "type": "User", "site_admin": false },
            "labels": [{ "id": 208_045_946, "name": "bug", "color": "f29513", "default": true }],
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "locked": false,
            "comments": number % 5,
            "closed_at": self.closed.map(stamp),
            "created_at": stamp(self.created),
            "updated_at": stamp(self.updated()),
            "author_association": "CONTRIBUTOR",
        });
        if self.pull {
            issue["pull_request"] = json!({ "url": url.replace("issues", "pulls") });
        }
        issue
    }
}

async fn issues(
    State(site): State<Arc<Site>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header("authorization") != Some("Bearer secret") {
        return (StatusCode::UNAUTHORIZED, r#"{"message":"Bad credentials"}"#).into_response();
    }
    assert_eq!(header("x-github-api-version"), Some("2022-11-28"));
    *site.pages.lock().unwrap() += 1;
    let number = |name: &str, default: usize| -> usize {
        query.get(name).map_or(default, |text| text.parse().unwrap())
    };
    let since: Option<DateTime<Utc>> = query.get("since").map(|since| since.parse().unwrap());
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    let home = site.address.lock().unwrap().clone();
    let issues = site.issues.lock().unwrap();
    let mut found: Vec<&Issue> =
        issues.iter().filter(|issue| since.is_none_or(|since| issue.updated() >= since)).collect();
    found.sort_by_key(|issue| issue.updated());
    let pages = found.len().div_ceil(size).max(1);
    let shown: Vec<Value> =
        found.iter().skip((page - 1) * size).take(size).map(|issue| issue.json(&home)).collect();
    let link = |page: usize, rel: &str| {
        let mut url = url::Url::parse(&format!("{home}/repos/acme/shop/issues")).unwrap();
        let others = query.iter().filter(|(name, _)| *name != "page");
        url.query_pairs_mut().extend_pairs(others).append_pair("page", &page.to_string());
        format!("<{url}>; rel=\"{rel}\"")
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(link(page - 1, "prev"));
    }
    if page < pages {
        links.extend([link(page + 1, "next"), link(pages, "last")]);
    }
    let mut response = (
        [("content-type", "application/json; charset=utf-8")],
        serde_json::to_string(&shown).unwrap(),
    )
        .into_response();
    if !links.is_empty() {
        response.headers_mut().insert("link", links.join(", ").parse().unwrap());
    }
    response
}
