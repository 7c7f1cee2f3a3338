//! How many records a reading will have, asked before a long one: it decides between pages and the
//! Bulk API, and it is what progress is measured against.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::Salesforce;
use super::failure::Failure;
use super::instant;
use super::request::{Tally, Target};
use super::soql::{self, Span};
use crate::domain::dataset::Dataset;

/// What counting gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// So many records.
    Records(u64),
    /// More than the org can count in time.
    TooMany,
    /// The org does not count these.
    Unknown,
}

/// Counts the changes of a span, deleted records among them. Costs one request.
///
/// # Errors
/// What stops any other query too; an org that will not or cannot count is no error.
pub(super) async fn count(
    org: &Salesforce,
    dataset: &Dataset,
    span: &Span,
    tally: &mut Tally,
) -> Result<Count, Failure> {
    #[derive(Deserialize)]
    struct Counted {
        #[serde(rename = "totalSize")]
        total: u64,
    }
    let target = Target::Query(soql::count(dataset, span));
    let counted = org
        .ask(&target, tally, |body| {
            serde_json::from_slice::<Counted>(body).map_err(|err| err.to_string())
        })
        .await;
    match counted {
        Ok(counted) => Ok(Count::Records(counted.total)),
        Err(Failure::QueryTimeout) => Ok(Count::TooMany),
        // Whatever is wrong with it, the reading itself will find out and say so.
        Err(
            Failure::Refused(_)
            | Failure::Query(_)
            | Failure::NotFound(_)
            | Failure::UnknownField(_),
        ) => Ok(Count::Unknown),
        Err(failure) => Err(failure),
    }
}

/// When the first change of all was, or 2000 where the org does not say. Costs one request.
///
/// # Errors
/// What stops any other query too.
pub(super) async fn first(
    org: &Salesforce,
    dataset: &Dataset,
    tally: &mut Tally,
) -> Result<DateTime<Utc>, Failure> {
    let pointer = soql::first_pointer(dataset);
    let target = Target::Query(soql::first(dataset));
    let asked = org
        .ask(&target, tally, |body| {
            serde_json::from_slice::<Value>(body).map_err(|err| err.to_string())
        })
        .await;
    let first = match asked {
        Ok(answer) => {
            let stamp = answer.pointer(&pointer).and_then(Value::as_str).and_then(instant::parse);
            stamp.and_then(DateTime::from_timestamp_millis).map(soql::whole_second)
        }
        Err(
            Failure::QueryTimeout
            | Failure::Refused(_)
            | Failure::Query(_)
            | Failure::NotFound(_)
            | Failure::UnknownField(_),
        ) => None,
        Err(failure) => return Err(failure),
    };
    Ok(first.unwrap_or_else(soql::beginning_of_time))
}

/// How many records a query has in all, as the first page of its answer says near its beginning.
pub(super) fn total_of_page(body: &[u8]) -> Option<u64> {
    const NEAR: usize = 200;
    const NAME: &str = "\"totalSize\":";
    let head = String::from_utf8_lossy(&body[..body.len().min(NEAR)]);
    let (_, rest) = head.split_once(NAME)?;
    let digits: &str = rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<u64>) {
        assert_eq!(total_of_page(body.as_bytes()), expected);
    }

    #[test]
    fn a_page_says_near_its_beginning_how_many_there_are() {
        check(r#"{"totalSize":3222,"done":false,"records":["#, Some(3222));
        check(r#"{ "done": true, "totalSize" : 1 }"#, None);
        check(r#"{"done":true,"totalSize": 0}"#, Some(0));
        check(r#"{"totalSize":null,"records":[]}"#, None);
        check("", None);
        let far = format!(r#"{{"records":["{}"],"totalSize":3}}"#, "x".repeat(500));
        check(&far, None);
    }
}
