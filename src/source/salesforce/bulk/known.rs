//! What the Bulk API is known to refuse, and which jobs of ours are still at the org.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::job::{Call, Trouble};
use crate::domain::dataset::Purpose;
use crate::source::salesforce::Salesforce;
use crate::source::salesforce::request::Tally;

/// How long a refusal is believed.
const REFUSED_FOR: TimeDelta = TimeDelta::days(1);

/// Jobs that could not be removed are remembered until the end, so many of them; the org forgets
/// them after a week by itself.
const OPEN_MAX: usize = 64;

/// Tidying up takes no longer than this, in real time: a process that ends waits for it.
const TIDY_WITHIN: Duration = Duration::from_secs(5);

/// What is known of the org's Bulk API.
#[derive(Debug, Default)]
pub(in crate::source::salesforce) struct Known {
    /// Objects it does not read, and since when we know.
    refused: HashMap<String, DateTime<Utc>>,
    /// Jobs we created and have not removed, oldest first.
    open: VecDeque<String>,
}

impl Salesforce {
    /// Whether the object is known not to be read by the Bulk API.
    pub(in crate::source::salesforce) fn bulk_refuses(&self, object: &str) -> bool {
        let now = self.clock.now();
        self.bulk().refused.get(object).is_some_and(|since| now - *since < REFUSED_FOR)
    }

    /// Notes that the Bulk API does not read the object.
    pub(super) fn bulk_refused(&self, object: &str) {
        let now = self.clock.now();
        self.bulk().refused.insert(object.to_owned(), now);
    }

    /// Notes a job of ours.
    pub(super) fn job_opened(&self, job: &str) {
        let mut known = self.bulk();
        if known.open.len() >= OPEN_MAX {
            known.open.pop_front();
        }
        known.open.push_back(job.to_owned());
    }

    /// Removes a job from the org, which works on it no more. One that cannot be removed now is
    /// tried once more at the end.
    pub(super) async fn remove_job(&self, job: &str, works: bool, tally: &mut Tally) {
        let removing = async {
            if works {
                // It may have ended meanwhile; the removal tells.
                let _ = self.open_call(&Call::Abort(job), tally).await;
            }
            self.open_call(&Call::Delete(job), tally).await
        };
        match tokio::time::timeout(TIDY_WITHIN, removing).await {
            Ok(Ok(_) | Err(Trouble::Gone(_))) => {
                self.bulk().open.retain(|open| open != job);
            }
            _ => tracing::debug!(job, "a Bulk job could not be removed"),
        }
    }

    /// Aborts and removes whatever jobs of ours are still at the org.
    pub(in crate::source::salesforce) async fn close_jobs(&self) {
        let open: Vec<String> = self.bulk().open.iter().cloned().collect();
        let closing = open.iter().map(|job| async move {
            let mut tally = Tally::new(Purpose::Rule);
            self.remove_job(job, true, &mut tally).await;
        });
        let _ = tokio::time::timeout(TIDY_WITHIN, join_all(closing)).await;
    }
}
