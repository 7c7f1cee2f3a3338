//! A small org that has the Bulk API, and whatever a test wants it to do otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::server::{Asked, Reply, Server, SmallOrg, matches, reply};
use super::super::{LeapingClock, NOW, NOW_HTTP, settings, token};
use crate::source::salesforce::Salesforce;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Count(String),
    Query(String),
    Create(String),
    Look(String),
    Results(String, Option<String>),
    Abort(String),
    Delete(String),
    Other,
}

impl Route {
    /// Its kind, for counting.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Route::Count(_) => "count",
            Route::Query(_) => "query",
            Route::Create(_) => "create",
            Route::Look(_) => "look",
            Route::Results(..) => "results",
            Route::Abort(_) => "abort",
            Route::Delete(_) => "delete",
            Route::Other => "other",
        }
    }
}

/// What a request to the org asks; `None` for a login.
pub(super) fn route(asked: &Asked) -> Option<Route> {
    if asked.is_login() {
        return None;
    }
    if let Some(soql) = asked.soql() {
        let count = soql.starts_with("SELECT COUNT() ");
        return Some(if count { Route::Count(soql) } else { Route::Query(soql) });
    }
    let Some(rest) = asked.path.strip_prefix("/services/data/v62.0/jobs/query") else {
        return Some(Route::Other);
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let locator = query.split('&').find_map(|pair| pair.strip_prefix("locator="));
    let body = || serde_json::from_str::<Value>(&asked.body).unwrap();
    Some(match (asked.method(), parts.as_slice()) {
        ("post", []) => {
            let body = body();
            assert_eq!(body["operation"], "queryAll");
            assert_eq!(body["contentType"], "CSV");
            Route::Create(body["query"].as_str().unwrap().to_owned())
        }
        ("get", [job]) => Route::Look(job.to_string()),
        ("get", [job, "results"]) => {
            assert!(asked.head.contains("accept: text/csv"), "{}", asked.head);
            assert!(query.starts_with("maxRecords=100000"), "{query}");
            Route::Results(job.to_string(), locator.map(str::to_owned))
        }
        ("patch", [job]) => {
            assert_eq!(body()["state"], "Aborted");
            Route::Abort(job.to_string())
        }
        ("delete", [job]) => Route::Delete(job.to_string()),
        other => panic!("{other:?}"),
    })
}

/// The org.
pub(super) struct Bulk {
    /// Keys and stamps.
    pub(super) records: Vec<(String, DateTime<Utc>)>,
    /// Those of them that are deleted.
    pub(super) deleted: Vec<String>,
    /// Records a page of results.
    pub(super) page: usize,
    /// Looks before a job is complete.
    pub(super) looks: usize,
}

impl Bulk {
    pub(super) fn new(records: Vec<(String, DateTime<Utc>)>) -> Bulk {
        let page = if records.len() < 100 { 10 } else { 200 };
        Bulk { records, deleted: vec![], page, looks: 2 }
    }

    fn rest(&self) -> SmallOrg {
        SmallOrg { records: self.records.clone(), page: 2000 }
    }

    /// The records a statement asks for, in no order of theirs.
    fn found(&self, soql: &str) -> Vec<&(String, DateTime<Utc>)> {
        let all = self.records.iter().filter(|(key, at)| matches(soql, key, *at));
        let mut found: Vec<_> = all.collect();
        found.sort_by_key(|(key, _)| key.bytes().rev().collect::<Vec<_>>());
        found
    }

    /// A page of the results of a statement.
    pub(super) fn results(&self, soql: &str, locator: Option<&str>) -> Reply {
        let (_, rest) = soql.split_once("SELECT ").unwrap();
        let columns: Vec<&str> = rest.split_once(" FROM").unwrap().0.split(", ").collect();
        let found = self.found(soql);
        let begin: usize = locator.map_or(0, |text| text.parse().unwrap());
        let end = found.len().min(begin + self.page);
        let quoted = |name: &&str| format!("\"{name}\"");
        let mut csv = columns.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
        for (key, at) in &found[begin..end] {
            let value = |name: &&str| match *name {
                "Id" => format!("\"{key}\""),
                "SystemModstamp" => format!("\"{}\"", at.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
                "IsDeleted" => format!("\"{}\"", self.deleted.contains(key)),
                _ => "\"\"".to_owned(),
            };
            csv += &(columns.iter().map(value).collect::<Vec<_>>().join(",") + "\n");
        }
        let next = if end < found.len() { end.to_string() } else { "null".to_owned() };
        reply(200, csv)
            .with("content-type", "text/csv")
            .with("sforce-numberofrecords", (end - begin).to_string())
            .with("sforce-locator", next)
    }

    /// What the org says where a test has no other wish.
    fn answer(&self, route: &Route, asked: &Asked, jobs: &mut Jobs) -> Reply {
        match route {
            Route::Count(soql) => counted(self.found(soql).len() as u64),
            Route::Query(_) | Route::Other => self.rest().answer(asked),
            Route::Create(soql) => {
                let id = format!("750J{}", jobs.created.len());
                jobs.created.push(soql.clone());
                job(&id, "UploadComplete", "")
            }
            Route::Look(id) => {
                let looks = jobs.looks.entry(id.clone()).or_default();
                *looks += 1;
                let number = self.found(&jobs.created[number(id)]).len();
                match *looks > self.looks {
                    true => job(
                        id,
                        "JobComplete",
                        &format!(r#","numberRecordsProcessed":{number},"retries":0"#),
                    ),
                    false => job(id, "InProgress", ""),
                }
            }
            Route::Results(id, locator) => {
                self.results(&jobs.created[number(id)], locator.as_deref())
            }
            Route::Abort(id) => job(id, "Aborted", ""),
            Route::Delete(_) => reply(204, ""),
        }
    }
}

/// The number of a job by its name.
pub(super) fn number(id: &str) -> usize {
    id.strip_prefix("750J").unwrap().parse().unwrap()
}

#[derive(Default)]
struct Jobs {
    created: Vec<String>,
    looks: HashMap<String, usize>,
}

/// The answer to a count.
pub(super) fn counted(records: u64) -> Reply {
    reply(200, format!(r#"{{"totalSize":{records},"done":true,"records":[]}}"#))
}

/// A job's description.
pub(super) fn job(id: &str, state: &str, more: &str) -> Reply {
    let fixed = r#""operation":"queryAll","object":"X","apiVersion":62.0"#;
    reply(200, format!(r#"{{"id":"{id}","state":"{state}",{fixed}{more}}}"#))
}

/// The server with everything asked of it.
pub(super) struct Far {
    pub(super) server: Server,
    pub(super) salesforce: Salesforce,
    pub(super) clock: Arc<LeapingClock>,
}

impl Far {
    /// What was asked, logins left out.
    pub(super) fn routes(&self) -> Vec<Route> {
        self.server.asked().iter().filter_map(route).collect()
    }

    /// The kinds of what was asked, runs of the same counted: `count create look*3 ...`.
    pub(super) fn story(&self) -> String {
        let mut runs: Vec<(&'static str, usize)> = Vec::new();
        for route in self.routes() {
            match runs.last_mut() {
                Some((kind, count)) if *kind == route.kind() => *count += 1,
                _ => runs.push((route.kind(), 1)),
            }
        }
        let run = |(kind, count): &(&str, usize)| match count {
            1 => (*kind).to_owned(),
            count => format!("{kind}*{count}"),
        };
        runs.iter().map(run).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn statements(&self) -> Vec<String> {
        let created = |route| match route {
            Route::Create(soql) => Some(soql),
            _ => None,
        };
        self.routes().into_iter().filter_map(created).collect()
    }
}

/// Starts the org. `otherwise` is asked first, with what is asked and how many of its kind were
/// asked before; reads of more than ten records go by Bulk.
pub(super) async fn start(
    bulk: Bulk,
    otherwise: impl Fn(&Bulk, &Route, usize) -> Option<Reply> + Send + Sync + 'static,
) -> Far {
    let jobs = Mutex::new(Jobs::default());
    let counts = Mutex::new(HashMap::<&'static str, usize>::new());
    let server = Server::start(move |asked, home| {
        let Some(route) = route(asked) else {
            return token(home, "t0");
        };
        let before = {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(route.kind()).or_default();
            *count += 1;
            *count - 1
        };
        let own = otherwise(&bulk, &route, before);
        let mut jobs = jobs.lock().unwrap();
        own.unwrap_or_else(|| bulk.answer(&route, asked, &mut jobs)).with("date", NOW_HTTP)
    })
    .await;
    let clock = LeapingClock::at(NOW);
    let mut settings = settings(&server.url);
    settings.bulk_above = Some(10);
    let salesforce = Salesforce::new(settings, clock.clone()).unwrap();
    Far { server, salesforce, clock }
}
