//! `/jobs/query`: the Bulk API 2.0 for queries.

use std::sync::Arc;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Asked;
use super::answer::{Answer, Content, Kind};
use super::meta::text;
use crate::demo::org::Org;
use crate::demo::org::bulk::{self, Course, Dialect, Job, State};
use crate::demo::org::csv::Csv;
use crate::demo::org::faults::{Fault, Oddities};
use crate::demo::org::soql::bind::{Binder, Query};
use crate::demo::org::soql::parse;
use crate::demo::org::soql::path::Scope;
use crate::demo::org::soql::syntax::{Item, Select, Statement, Term};
use crate::demo::org::soql::{SoqlError, run};
use crate::demo::org::table::Row;
use crate::demo::org::traffic::Call;

/// Pages one `resultPages` answer names.
const PAGES_MAX: usize = 5;

/// Answers whatever is asked of jobs.
pub(crate) fn answer(org: &Arc<Org>, asked: &Asked, now: DateTime<Utc>) -> Answer {
    match (asked.call, &asked.method) {
        (Call::BulkCreate, &Method::POST) => create(org, asked, now),
        (Call::BulkList, &Method::GET) => list(org, asked),
        (Call::BulkJob, &Method::GET) => with_job(org, asked, |_| look(org, asked, now)),
        (Call::BulkAbort, &Method::PATCH) => with_job(org, asked, |_| abort(org, asked, now)),
        (Call::BulkDelete, &Method::DELETE) => with_job(org, asked, |_| delete(org, asked)),
        (Call::BulkResults, &Method::GET) => with_job(org, asked, |job| results(org, asked, job)),
        (Call::BulkPages, &Method::GET) => with_job(org, asked, |job| pages(org, asked, job)),
        _ => {
            let text = format!("HTTP Method '{}' not allowed.", asked.method);
            Answer::error(405, "METHOD_NOT_ALLOWED", &text)
        }
    }
}

/// The statement of the job a request is about, or of the job it makes.
pub(super) fn statement(org: &Org, call: Call, path: &[String], body: &[u8]) -> Option<String> {
    if call == Call::BulkCreate {
        let body: Value = serde_json::from_slice(body).ok()?;
        return Some(body.get("query")?.as_str()?.to_owned());
    }
    org.jobs().job(path.get(5)?).map(|job| job.soql.to_string())
}

/// Goes on with the job the path names, in the version it was made with.
fn with_job(org: &Org, asked: &Asked, then: impl FnOnce(Job) -> Answer) -> Answer {
    let job = asked.path.get(2).and_then(|id| org.jobs().job(id).cloned());
    match job {
        None => Answer::not_found(),
        Some(job) if job.version != asked.version => {
            // The status is documented, code and text are not.
            let text = format!("The job was created with API version {}", job.version);
            Answer::error(409, "VERSION_MISMATCH", &text)
        }
        Some(job) => then(job),
    }
}

fn create(org: &Org, asked: &Asked, now: DateTime<Utc>) -> Answer {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&asked.body) else {
        return Answer::error(400, "JSON_PARSER_ERROR", "The request body is not a JSON object");
    };
    let field = |name: &str, default: &'static str| match body.get(name) {
        None => Some(default.to_owned()),
        Some(value) => value.as_str().map(str::to_owned),
    };
    let invalid = |text: &str| Answer::error(400, "INVALIDJOB", text);
    let with_deleted = match field("operation", "").as_deref() {
        Some("query") => false,
        Some("queryAll") => true,
        _ => return invalid("operation must be query or queryAll"),
    };
    if field("contentType", "CSV").as_deref() != Some("CSV") {
        return invalid("contentType must be CSV");
    }
    let delimiter = field("columnDelimiter", "COMMA").unwrap_or_default();
    let line_ending = field("lineEnding", "LF").unwrap_or_default();
    let Some(dialect) = Dialect::of(&delimiter, &line_ending) else {
        return invalid("columnDelimiter or lineEnding is not a supported value");
    };
    let Some(soql) = field("query", "").filter(|soql| !soql.is_empty()) else {
        return invalid("query is required");
    };
    let query = match check(org, asked, &soql, now) {
        Ok(query) => query,
        Err(error) => return Answer::error(400, error.code, &error.render(&soql)),
    };
    if !org.traffic().may_open_job(now, org.settings.daily_bulk_jobs) {
        let text = "Maximum number of query jobs per rolling 24 hours exceeded";
        return Answer::error(400, "LIMIT_EXCEEDED", text);
    }
    let rows = snapshot(org, &query, with_deleted);
    let course = course(org, asked.fault.as_ref());
    let job = org.jobs().open(now, |id| Job {
        id,
        soql: soql.as_str().into(),
        query: Arc::new(query),
        with_deleted,
        rows,
        dialect,
        version: asked.version.clone(),
        created: now,
        changed: now,
        state: State::UploadComplete,
        course,
    });
    Answer::json(200, &described(org, &job))
}

/// Checks a statement as the Bulk API does, which refuses more than REST.
fn check(org: &Org, asked: &Asked, soql: &str, now: DateTime<Utc>) -> Result<Query, SoqlError> {
    let parsed = parse::parse(soql)?;
    if let Some(what) = unsupported(&parsed) {
        return Err(SoqlError::plain("API_ERROR", format!("{what} not supported in Bulk Query")));
    }
    let (hidden, refused) = {
        let faults = org.faults();
        (faults.hidden.clone(), faults.is_refused_by_bulk(&parsed.from.text))
    };
    if refused {
        let text = format!("Entity '{}' is not supported by the Bulk API.", parsed.from.text);
        return Err(SoqlError::plain("INVALIDENTITY", text));
    }
    let world = org.world();
    let scope = Scope { version: asked.version_number(), hidden: &hidden };
    let zone = world.user_zone();
    (Binder { zone: &zone, scope, tables: &world.tables, now }).bind(&parsed)
}

/// What the Bulk API does not do, if the statement asks for it.
fn unsupported(statement: &Statement) -> Option<&'static str> {
    let is_aggregate = |item: &Item| matches!(item.what, Term::Aggregate { .. });
    let is_compound = |item: &Item| match &item.what {
        Term::Field(path) => bulk::is_compound(&path.last().text),
        _ => false,
    };
    let is_choice = |item: &Item| matches!(item.what, Term::TypeOf(_));
    match &statement.select {
        _ if !statement.group.is_empty() => Some("GROUP BY"),
        _ if statement.offset.is_some() => Some("OFFSET"),
        Select::Count => Some("COUNT()"),
        Select::Items(items) if items.iter().any(is_aggregate) => Some("Aggregate functions"),
        Select::Items(items) if items.iter().any(is_choice) => Some("TYPEOF"),
        Select::Items(items) if items.iter().any(is_compound) => Some("Selecting compound data"),
        Select::Items(_) => None,
    }
}

/// What the query finds now; the job keeps it, whatever happens to the records later.
fn snapshot(org: &Org, query: &Query, with_deleted: bool) -> Arc<[Row]> {
    let world = org.world();
    let table = world.tables.of(query.object);
    let slots = run::select(&world.tables, query, with_deleted);
    slots.into_iter().filter_map(|slot| table.row(slot).cloned()).collect()
}

fn course(org: &Org, fault: Option<&Fault>) -> Course {
    let polls = org.faults().bulk_polls;
    match fault {
        Some(Fault::JobPolls(polls)) => Course { polls: *polls, end: State::JobComplete },
        Some(Fault::JobFails(why)) => Course { polls, end: State::Failed((*why).to_owned()) },
        Some(Fault::JobAborted(polls)) => Course { polls: *polls, end: State::Aborted },
        _ => Course { polls, end: State::JobComplete },
    }
}

fn list(org: &Org, asked: &Asked) -> Answer {
    let jobs = org.jobs();
    let own = jobs.all().filter(|job| job.version == asked.version);
    let records: Vec<Value> = own.take(bulk::LIST_MAX).map(|job| described(org, job)).collect();
    Answer::json(200, &json!({ "done": true, "records": records, "nextRecordsUrl": null }))
}

fn look(org: &Org, asked: &Asked, now: DateTime<Utc>) -> Answer {
    let job = asked.path.get(2).and_then(|id| org.jobs().look(id, now));
    let Some(job) = job else { return Answer::not_found() };
    let mut body = described(org, &job);
    let processed = match job.state {
        State::JobComplete => job.rows.len(),
        _ => 0,
    };
    let spent = (job.changed - job.created).num_milliseconds();
    body["jobType"] = "V2Query".into();
    body["numberRecordsProcessed"] = processed.into();
    body["retries"] = 0.into();
    body["totalProcessingTime"] = spent.into();
    body["isPkChunkingSupported"] = chunks(&job).into();
    if let State::Failed(why) = &job.state {
        body["errorMessage"] = why.as_str().into();
    }
    Answer::json(200, &body)
}

/// Whether the org may split the query by ids.
fn chunks(job: &Job) -> bool {
    let known = ["MessagingSession", "ConversationEntry", "Account", "Contact", "Case", "User"];
    known.contains(&job.query.object.name)
        && job.query.limit.is_none()
        && job.query.order.is_empty()
}

/// What every answer says of a job.
fn described(org: &Org, job: &Job) -> Value {
    let version: f64 = job.version.parse().unwrap_or_default();
    json!({
        "id": job.id.as_str(),
        "operation": if job.with_deleted { "queryAll" } else { "query" },
        "object": job.query.object.name,
        "createdById": org.api_user().as_str(),
        "createdDate": text(job.created.timestamp()),
        "systemModstamp": text(job.changed.timestamp()),
        "state": job.state.name(),
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": version,
        "lineEnding": if job.dialect.crlf { "CRLF" } else { "LF" },
        "columnDelimiter": job.dialect.delimiter.0,
    })
}

fn abort(org: &Org, asked: &Asked, now: DateTime<Utc>) -> Answer {
    let wanted: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    if wanted["state"] != "Aborted" {
        return Answer::error(400, "INVALIDJOBSTATE", "state must be Aborted");
    }
    let ended = asked.path.get(2).and_then(|id| org.jobs().abort(id, now));
    match ended {
        None => Answer::not_found(),
        Some(Ok(job)) => Answer::json(200, &described(org, &job)),
        Some(Err(_)) => {
            let text = "Aborting already Completed Job not allowed";
            Answer::error(400, "INVALIDJOBSTATE", text)
        }
    }
}

fn delete(org: &Org, asked: &Asked) -> Answer {
    let deleted = asked.path.get(2).and_then(|id| org.jobs().delete(id));
    match deleted {
        None => Answer::not_found(),
        Some(true) => Answer::raw(204, Vec::new()),
        Some(false) => {
            let text = "Deleting a job that is not aborted, failed or complete is not allowed";
            Answer::error(400, "API_ERROR", text)
        }
    }
}

/// Why there are no results, if there are none.
fn refused(org: &Org, job: &Job) -> Option<Answer> {
    match &job.state {
        State::JobComplete => None,
        State::Failed(why) => Some(Answer::error(400, "API_ERROR", why)),
        State::Aborted => Some(Answer::error(400, "API_ERROR", "The job was aborted")),
        State::UploadComplete | State::InProgress => match org.faults().early_results {
            204 => Some(Answer::raw(204, Vec::new())),
            status => {
                let text = format!("Job {} is not complete", job.id);
                Some(Answer::error(status, "JOB_NOT_COMPLETE", &text))
            }
        },
    }
}

fn results(org: &Arc<Org>, asked: &Asked, job: Job) -> Answer {
    if let Some(refusal) = refused(org, &job) {
        return refusal;
    }
    let size = match asked.parameter("maxRecords").map(str::parse::<usize>) {
        None => org.settings.bulk_page,
        Some(Ok(size)) if size > 0 => size.min(org.settings.bulk_page),
        Some(_) => return Answer::error(400, "API_ERROR", "maxRecords must be a positive integer"),
    };
    let size = match asked.fault {
        Some(Fault::Page(rows)) => size.min(rows.max(1)),
        _ => size,
    };
    let from = match asked.parameter("locator") {
        None => Some(0),
        Some(locator) => place(locator).filter(|place| *place <= job.rows.len()),
    };
    let expired = asked.fault == Some(Fault::LocatorExpired);
    let Some(from) = from.filter(|_| !expired) else {
        return Answer::error(400, "API_ERROR", "Invalid locator");
    };
    let to = job.rows.len().min(from.saturating_add(size));
    let told = match asked.fault {
        Some(Fault::WrongCount(off)) => (to - from).saturating_add_signed(off),
        _ => to - from,
    };
    let next = if to < job.rows.len() { locator(to) } else { "null".to_owned() };
    let csv = Csv::new(Arc::clone(org), &job, from..to, Oddities::of(asked.fault.as_ref()));
    Answer::of(200, Kind::Csv, Content::Csv(Box::new(csv)))
        .with("Sforce-NumberOfRecords", told.to_string())
        .with("Sforce-Locator", next)
}

/// `resultPages`: addresses of pages that may be fetched side by side.
fn pages(org: &Org, asked: &Asked, job: Job) -> Answer {
    if asked.version_number() < 58 {
        return Answer::not_found();
    }
    if let Some(refusal) = refused(org, &job) {
        return refusal;
    }
    let from = match asked.parameter("locator") {
        None => Some(0),
        Some(locator) => place(locator).filter(|place| *place <= job.rows.len()),
    };
    let Some(from) = from else {
        return Answer::error(400, "API_ERROR", "Invalid locator");
    };
    let base = format!("/services/data/v{}/jobs/query/{}", asked.version, job.id);
    let size = org.settings.bulk_page;
    let starts = (from..job.rows.len().max(from + 1)).step_by(size);
    let pages: Vec<Value> = starts
        .clone()
        .take(PAGES_MAX)
        .map(|at| json!({ "resultUrl": format!("{base}/results?locator={}", locator(at)) }))
        .collect();
    let next =
        starts.skip(PAGES_MAX).map(|at| format!("{base}/resultPages?locator={}", locator(at)));
    let next = next.take(1).next();
    let done = next.is_none();
    Answer::json(200, &json!({ "resultPages": pages, "nextRecordsUrl": next, "done": done }))
}

/// The locator of a place: opaque to clients, always the same.
fn locator(place: usize) -> String {
    STANDARD_NO_PAD.encode(place.to_string())
}

fn place(locator: &str) -> Option<usize> {
    String::from_utf8(STANDARD_NO_PAD.decode(locator).ok()?).ok()?.parse().ok()
}
