//! What the org tells about itself: versions, objects, fields, limits, and the lists of deleted and
//! updated ids.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};

use super::Asked;
use super::answer::Answer;
use crate::demo::org::Org;
use crate::demo::org::json::{UTC, instant};
use crate::demo::org::schema::{self, Field, Kind, Object};
use crate::demo::org::soql::path::Scope;
use crate::demo::org::table::{id_of, is_deleted, stamp_of};

/// `GET /services/data`: no login, not counted.
pub(crate) fn versions(org: &Org) -> Answer {
    // Version 20 was Winter '11; three releases a year.
    const SEASONS: [&str; 3] = ["Winter", "Spring", "Summer"];
    let versions: Vec<Value> = (org.settings.versions.clone())
        .map(|version| {
            let since = version.saturating_sub(20);
            let (season, year) = (SEASONS[usize::from(since % 3)], 11 + since / 3);
            json!({
                "label": format!("{season} '{year}"),
                "url": format!("/services/data/v{version}.0"),
                "version": format!("{version}.0"),
            })
        })
        .collect();
    Answer::json(200, &Value::Array(versions))
}

/// `GET /sobjects`.
pub(crate) fn objects(org: &Org, asked: &Asked) -> Answer {
    let hidden = org.faults().hidden.clone();
    let scope = Scope { version: asked.version_number(), hidden: &hidden };
    let visible = schema::objects().iter().filter(|object| scope.object(object.name).is_some());
    let all: Vec<Value> = visible.map(|object| summary(object, &asked.version)).collect();
    Answer::json(200, &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all }))
}

/// `GET /sobjects/X/describe`.
pub(crate) fn describe(org: &Org, asked: &Asked) -> Answer {
    let hidden = org.faults().hidden.clone();
    let scope = Scope { version: asked.version_number(), hidden: &hidden };
    let Some(object) = asked.path.get(1).and_then(|name| scope.object(name)) else {
        return Answer::not_found();
    };
    let mut body = summary(object, &asked.version);
    let shown = object.fields.iter().filter(|field| scope.shows(object, field));
    body["fields"] = shown.map(described).collect();
    Answer::json(200, &body)
}

fn summary(object: &Object, version: &str) -> Value {
    let url = format!("/services/data/v{version}/sobjects/{}", object.name);
    json!({
        "name": object.name,
        "label": object.label,
        "keyPrefix": String::from_utf8_lossy(&object.prefix),
        "custom": false,
        "queryable": true,
        "retrieveable": true,
        "replicateable": object.replicates,
        "deletable": object.shows_deleted(),
        "urls": { "sobject": url, "describe": format!("{url}/describe") },
    })
}

fn described(field: &Field) -> Value {
    let kind = match field.kind {
        Kind::Id => "id",
        Kind::Text => "string",
        Kind::TextArea => "textarea",
        Kind::Picklist => "picklist",
        Kind::Reference => "reference",
        Kind::Int => "int",
        Kind::Currency => "currency",
        Kind::Address => "address",
        Kind::Bool => "boolean",
        Kind::Date => "date",
        Kind::DateTime => "datetime",
    };
    let picks = field.picks.iter().map(|(value, label)| {
        json!({ "value": value, "label": label, "active": true, "defaultValue": false })
    });
    json!({
        "name": field.name,
        "label": label(field),
        "custom": field.is_custom(),
        "type": kind,
        "length": field.length,
        "digits": if field.kind == Kind::Int { 9 } else { 0 },
        "precision": if field.kind == Kind::Currency { 18 } else { 0 },
        "scale": if field.kind == Kind::Currency { 2 } else { 0 },
        "nillable": field.has('N'),
        "filterable": field.has('F'),
        "groupable": field.has('G'),
        "sortable": field.has('S'),
        "aggregatable": field.is_aggregatable(),
        "createable": field.has('C'),
        "updateable": field.has('U'),
        "autoNumber": field.has('A'),
        "defaultedOnCreate": field.has('D'),
        "restrictedPicklist": field.has('R'),
        "picklistValues": picks.collect::<Vec<_>>(),
        "referenceTo": field.targets,
        "relationshipName": field.relation,
        "polymorphicForeignKey": field.is_polymorphic(),
        "namePointing": field.is_polymorphic(),
    })
}

/// What people read: `Priority__c` is labelled `Priority`, `AcceptTime` `Accept Time`.
fn label(field: &Field) -> String {
    if field.is_custom() {
        return field.name.trim_end_matches("__c").replace('_', " ");
    }
    let name = match field.kind {
        Kind::Reference => field.name.trim_end_matches("Id"),
        _ => field.name,
    };
    let mut label = String::new();
    let mut before = ' ';
    for char in name.chars() {
        if char.is_uppercase() && before.is_lowercase() {
            label.push(' ');
        }
        label.push(char);
        before = char;
    }
    if field.kind == Kind::Reference && field.targets.len() < 2 { label + " ID" } else { label }
}

/// `GET /limits`.
pub(crate) fn limits(org: &Org, now: DateTime<Utc>) -> Answer {
    let max = org.settings.daily_requests;
    let used = org.traffic().used(now, 0);
    let jobs = org.settings.daily_bulk_jobs;
    let made = org.traffic().jobs_made(now);
    let storage = org.settings.daily_bulk_mb;
    let sent_mb = org.traffic().result_bytes(now, 0).div_ceil(1_000_000);
    let full = |max: u64| json!({ "Max": max, "Remaining": max });
    Answer::json(
        200,
        &json!({
            "DailyApiRequests": { "Max": max, "Remaining": max.saturating_sub(used) },
            "DailyBulkApiBatches": full(15_000),
            "DailyBulkV2QueryJobs": { "Max": jobs, "Remaining": jobs.saturating_sub(made) },
            "DailyBulkV2QueryFileStorageMB": {
                "Max": storage,
                "Remaining": storage.saturating_sub(sent_mb),
            },
            "ConcurrentSyncReportRuns": full(20),
            "HourlySyncReportRuns": full(500),
            "HourlyAsyncReportRuns": full(1_200),
        }),
    )
}

/// `GET /sobjects/X/deleted?start=&end=`.
pub(crate) fn deleted(org: &Org, asked: &Asked, now: DateTime<Utc>) -> Answer {
    let window = match window(org, asked, now, TimeDelta::days(15)) {
        Ok(window) => window,
        Err(answer) => return answer,
    };
    let world = org.world();
    let table = world.tables.of(window.object);
    let rows = table.changed(window.from(), window.to()).filter_map(|slot| table.row(slot));
    let gone: Vec<Value> = rows
        .filter(|row| is_deleted(row))
        .map(|row| json!({ "id": id_of(row).as_str(), "deletedDate": text(stamp_of(row)) }))
        .collect();
    Answer::json(
        200,
        &json!({
            "deletedRecords": gone,
            "earliestDateAvailable": text((now - TimeDelta::days(15)).timestamp()),
            "latestDateCovered": text(window.end.min(now).timestamp()),
        }),
    )
}

/// `GET /sobjects/X/updated?start=&end=`.
pub(crate) fn updated(org: &Org, asked: &Asked, now: DateTime<Utc>) -> Answer {
    let window = match window(org, asked, now, TimeDelta::days(30)) {
        Ok(window) => window,
        Err(answer) => return answer,
    };
    let world = org.world();
    let table = world.tables.of(window.object);
    let rows = table.changed(window.from(), window.to()).filter_map(|slot| table.row(slot));
    let ids: Vec<&str> = rows
        .filter(|row| !is_deleted(row))
        .map(|row| match &row[schema::ID] {
            crate::demo::org::value::Value::Id(id) => id.as_str(),
            _ => "",
        })
        .collect();
    let body = json!({ "ids": ids, "latestDateCovered": text(window.end.min(now).timestamp()) });
    Answer::json(200, &body)
}

/// A replication window; seconds are cut to the minute.
struct Window {
    object: &'static Object,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Window {
    fn from(&self) -> std::ops::Bound<i64> {
        std::ops::Bound::Included(self.start.timestamp())
    }
    fn to(&self) -> std::ops::Bound<i64> {
        std::ops::Bound::Excluded(self.end.timestamp())
    }
}

fn window(
    org: &Org,
    asked: &Asked,
    now: DateTime<Utc>,
    reach: TimeDelta,
) -> Result<Window, Answer> {
    let hidden = org.faults().hidden.clone();
    let scope = Scope { version: asked.version_number(), hidden: &hidden };
    let object = asked.path.get(1).and_then(|name| scope.object(name));
    let object = object.ok_or_else(Answer::not_found)?;
    if !object.replicates {
        let text = format!("object type '{}' is not replicateable", object.name);
        return Err(Answer::error(400, "INVALID_TYPE_FOR_OPERATION", &text));
    }
    let bad = |text: &str| Answer::error(400, "INVALID_REPLICATION_DATE", text);
    let instant = |name: &str| {
        let written = asked.parameter(name).ok_or_else(|| bad(&format!("{name} is required")))?;
        let read = DateTime::parse_from_rfc3339(written)
            .or_else(|_| DateTime::parse_from_str(written, "%Y-%m-%dT%H:%M:%S%.f%z"))
            .map_err(|_| bad(&format!("{name} is not a valid datetime")))?;
        let read = read.with_timezone(&Utc);
        Ok::<_, Answer>(read - TimeDelta::seconds(i64::from(read.second())))
    };
    let (start, end) = (instant("start")?, instant("end")?);
    if start < now - reach {
        return Err(bad(&format!("startDate before {} days ago", reach.num_days())));
    }
    if start >= end {
        return Err(bad("startDate must be chronologically before the endDate"));
    }
    Ok(Window { object, start, end })
}

pub(super) fn text(seconds: i64) -> String {
    let mut out = Vec::new();
    instant(&mut out, seconds, UTC);
    String::from_utf8(out).expect("an instant is ASCII")
}
