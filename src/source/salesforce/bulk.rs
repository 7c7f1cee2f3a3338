//! Reading a long history by the Bulk API 2.0: the org prepares files of records, we read them as
//! streams.
//!
//! The history is cut into windows, oldest first, each of which is one query of the org's. Its
//! records come in no order, so no record says how far the reading has come; a window that is
//! complete, and has as many records as announced, does. A load that is interrupted goes on with
//! the window it was in. Records may come twice, which upserts forgive; none is ever left out
//! without an error. What the Bulk API does not read, pages do.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::Salesforce;
use super::estimate::{self, Count};
use super::failure::{Failure, TRIES_MAX};
use super::pull::Pull;
use super::soql::{self, Begin, Span, whole_second};

mod cell;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod job;
mod known;
mod rows;
mod windows;

use job::{Call, PAGE_RECORDS_MAX, State, Trouble, Waits};
pub(super) use known::Known;
use rows::Rows;
use windows::{RECORDS_MAX, Windows};

/// A job that takes longer is given up.
const JOB_WITHIN: TimeDelta = TimeDelta::hours(12);

/// How far the results of a job have been read.
#[derive(Default)]
struct Reading {
    /// Where the next page is; `None` before the first.
    locator: Option<String>,
    /// All locators so far.
    followed: HashSet<String>,
    /// Records of complete pages.
    records: u64,
}

/// A page that was read to its end.
struct PageEnd {
    /// Records in it.
    records: u64,
    /// Those that were kept.
    kept: u64,
    /// Where the next page is.
    next: Option<String>,
}

impl Salesforce {
    /// The lock is held for moments and never across a wait.
    fn bulk(&self) -> MutexGuard<'_, Known> {
        self.bulk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pull<'_> {
    /// Reads a span, of which `count` is known, and says where pages have to go on: a little before
    /// its end, or where the Bulk API would not do it.
    pub(super) async fn bulk(&mut self, span: &Span, count: Count) -> Result<Begin, Failure> {
        let rest = Span { begin: span.begin.clone().before_ties(), end: span.end };
        let mut windows = Windows::new(
            rest.clone(),
            match count {
                Count::Records(records) => Some(records),
                Count::TooMany => Some(RECORDS_MAX * 2),
                Count::Unknown => None,
            },
        );
        while let Some(window) = windows.next() {
            let records = match count {
                Count::Unknown => Count::Unknown,
                all if window == rest => all,
                _ => estimate::count(self.org, self.dataset, &window, &mut self.tally).await?,
            };
            let known = match records {
                Count::Records(records) if records > RECORDS_MAX && windows.narrow(&window) => {
                    continue;
                }
                Count::TooMany if windows.narrow(&window) => continue,
                Count::Records(records) => Some(records),
                Count::TooMany | Count::Unknown => None,
            };
            if known != Some(0) {
                match self.window(&window).await {
                    Ok(()) => {}
                    Err(Trouble::Unsupported(reason)) => {
                        let object = &self.dataset.object;
                        tracing::info!(object, reason, "not read by the Bulk API");
                        self.org.bulk_refused(object);
                        return Ok(window.begin);
                    }
                    Err(Trouble::Other(Failure::QueryTimeout))
                        if windows.narrow_for_good(&window) =>
                    {
                        continue;
                    }
                    Err(trouble) => return Err(self.org.final_failure(trouble)),
                }
            }
            windows.done(&window, known);
            self.tell_place(&window).await?;
        }
        Ok(Begin::At(whole_second(span.end - self.org.settings.overlap)))
    }

    /// Reads a window; once more from its beginning where its job was lost or miscounted.
    async fn window(&mut self, window: &Span) -> Result<(), Trouble> {
        let mut anew = false;
        let mut learnt = false;
        loop {
            match self.job(window).await {
                Err(Trouble::Gone(_) | Trouble::Miscounted(_)) if !anew => anew = true,
                Err(Trouble::Other(Failure::UnknownField(said))) if !learnt => {
                    self.learn_hidden(said).await?;
                    learnt = true;
                }
                outcome => return outcome,
            }
        }
    }

    /// Has the org prepare a window, reads it, and leaves nothing of it behind there.
    async fn job(&mut self, window: &Span) -> Result<(), Trouble> {
        let (asked, deleted_flag) = self.asked();
        let soql = soql::unordered(self.dataset, &asked, deleted_flag, window);
        let job = self.org.ask_job(&Call::Create(&soql), &mut self.tally).await?.id;
        // From here on it is known, also where this is dropped on the way.
        self.org.job_opened(&job);
        let mut ended = false;
        let outcome = self.results(&job, &mut ended).await;
        self.org.remove_job(&job, !ended, &mut self.tally).await;
        outcome
    }

    /// Waits for a job and reads its results. `ended` becomes whether the org is done with it.
    async fn results(&mut self, job: &str, ended: &mut bool) -> Result<(), Trouble> {
        let deadline = self.org.clock.now() + JOB_WITHIN;
        let mut waits = Waits::new();
        let mut reading = Reading::default();
        loop {
            self.org.clock.sleep_until(self.org.clock.now() + waits.next()).await;
            let look = self.org.ask_job(&Call::Look(job), &mut self.tally).await?;
            match look.state() {
                State::Working => *ended = false,
                State::Ended(trouble) => {
                    *ended = true;
                    return Err(trouble);
                }
                State::Complete => {
                    *ended = true;
                    match self.pages_of(job, &mut reading).await {
                        Err(Trouble::NotReady(_)) => {}
                        Err(trouble) => return Err(trouble),
                        Ok(()) => return counted(reading.records, look.records),
                    }
                }
            }
            if self.org.clock.now() >= deadline {
                let hours = JOB_WITHIN.num_hours();
                let reason = format!("a Bulk job of it was not ready within {hours} hours");
                return Err(Failure::transient(reason).into());
            }
        }
    }

    async fn pages_of(&mut self, job: &str, reading: &mut Reading) -> Result<(), Trouble> {
        loop {
            let page = self.page(job, reading.locator.as_deref()).await?;
            reading.records += page.records;
            self.records += page.kept;
            let Some(next) = page.next else { return Ok(()) };
            if !reading.followed.insert(next.clone()) {
                let reason = "the pages of its Bulk job lead in a circle".to_owned();
                return Err(Failure::Final(self.org.unreadable(reason)).into());
            }
            reading.locator = Some(next);
        }
    }

    /// Reads a page; again from its beginning, by the same locator, where it breaks off.
    async fn page(&mut self, job: &str, locator: Option<&str>) -> Result<PageEnd, Trouble> {
        let mut waits = Waits::new();
        let mut tries = 1;
        loop {
            let misfits = (self.misfits.count, self.misfits.samples.len());
            let trouble = match self.page_once(job, locator).await {
                Ok(page) => return Ok(page),
                Err(trouble) => trouble,
            };
            let after = match &trouble {
                Trouble::Miscounted(_) | Trouble::Other(Failure::Garbled(_)) => None,
                Trouble::Other(Failure::Transient { after, .. }) => *after,
                _ => return Err(trouble),
            };
            if tries >= TRIES_MAX {
                return Err(trouble);
            }
            tries += 1;
            self.misfits.count = misfits.0;
            self.misfits.samples.truncate(misfits.1);
            let wait = waits.next().max(after.unwrap_or_default());
            self.org.clock.sleep_until(self.org.clock.now() + wait).await;
        }
    }

    async fn page_once(&mut self, job: &str, locator: Option<&str>) -> Result<PageEnd, Trouble> {
        let garbled = |why: String| Trouble::Other(Failure::Garbled(why));
        let call = Call::Results(job, locator);
        let mut page = self.org.open_call(&call, &mut self.tally).await?;
        let (asked, deleted_flag) = self.asked();
        let mut rows = Rows::new(self.dataset, &asked, deleted_flag);
        let mut kept = 0;
        while let Some(piece) = page.piece().await? {
            let piece = rows::without_nuls(piece.as_ref());
            let mut rest = &piece[..];
            while let Some(batch) = rows.read(&mut rest, &mut self.misfits).map_err(garbled)? {
                kept += batch.rows() as u64;
                self.send(batch).await?;
            }
            // A body without end is given up early.
            let most = page.records.unwrap_or(PAGE_RECORDS_MAX);
            if rows.count() > most {
                return Err(Trouble::Miscounted(format!(
                    "more records came than the {most} of a page of its Bulk job"
                )));
            }
        }
        if let Some(batch) = rows.end(&mut self.misfits).map_err(garbled)? {
            kept += batch.rows() as u64;
            self.send(batch).await?;
        }
        let records = rows.count();
        counted(records, page.records)?;
        let next = page.locator.filter(|locator| !locator.is_empty() && locator != "null");
        Ok(PageEnd { records, kept, next })
    }
}

/// Whether all records came that were announced.
fn counted(came: u64, announced: Option<u64>) -> Result<(), Trouble> {
    match announced {
        Some(announced) if announced != came => Err(Trouble::Miscounted(format!(
            "{came} records came of {announced} that its Bulk job announced"
        ))),
        _ => Ok(()),
    }
}
