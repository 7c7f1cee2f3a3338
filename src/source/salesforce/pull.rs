//! One pull of one dataset: which stretches of changes to ask for, and what a complete reading of
//! them proves.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::Salesforce;
use super::failure::Failure;
use super::misfits::Misfits;
use super::objects;
use super::page::PageReader;
use super::request::{Hidden, Tally, Target};
use super::soql::{self, Begin, Span};
use crate::domain::dataset::{Batch, Cursor, Dataset};
use crate::source::{PullRequest, Pulled, SourceError};

/// The watermark stays this far behind the org's clock: what is committed in the last moment may
/// not be visible yet.
const MARGIN: TimeDelta = TimeDelta::minutes(1);

/// A pull begins this far before the watermark: a transaction that began long ago stamps its
/// records then and commits them now.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// A query the org cannot answer in time is halved down to this.
const NARROWEST: TimeDelta = TimeDelta::minutes(1);

/// A query that is lost so often without a record read in between is given up.
const LOSSES_MAX: u32 = 3;

/// Reads what the request asks for.
pub(super) async fn pull(
    org: &Salesforce,
    request: &PullRequest,
    into: &mpsc::Sender<Batch>,
) -> Result<Pulled, SourceError> {
    let hidden = org.known_hidden(&request.dataset);
    let mut pull = Pull {
        org,
        dataset: &request.dataset,
        into,
        hidden,
        tally: Tally::default(),
        misfits: Misfits::default(),
        records: 0,
    };
    match pull.read(request).await {
        Ok(watermark) => Ok(pull.pulled(watermark)),
        Err(failure) => Err(org.told(failure)),
    }
}

struct Pull<'a> {
    org: &'a Salesforce,
    dataset: &'a Dataset,
    into: &'a mpsc::Sender<Batch>,
    hidden: Arc<Hidden>,
    tally: Tally,
    misfits: Misfits,
    records: u64,
}

impl Pull<'_> {
    /// Reads everything asked for and gives the watermark it proves.
    async fn read(&mut self, request: &PullRequest) -> Result<DateTime<Utc>, Failure> {
        let end = whole_second(self.org.org_now().await? - MARGIN);
        if self.dataset.whole {
            self.whole().await?;
        } else {
            self.changes(request, end).await?;
        }
        // Had our clock leapt forward since the org last told its own, `end` would lie in its
        // future; its first answer tells.
        let proven = self.tally.first_date.map_or(end, |date| end.min(date - MARGIN));
        Ok(request.since.map_or(proven, |since| since.max(proven)))
    }

    async fn changes(&mut self, request: &PullRequest, end: DateTime<Utc>) -> Result<(), Failure> {
        let begin = match (&request.resume, request.since, request.from) {
            (Some(cursor), _, _) => {
                // What was committed late just before where the reading stopped. Its place is not
                // told: should this stop too, the next one begins where the first one stopped.
                let late = whole_second(cursor.stamp - OVERLAP);
                let span = Span { begin: Begin::At(late), end: cursor.stamp.min(end) };
                self.walk(span, false).await?;
                Begin::Behind(cursor.clone())
            }
            (None, Some(since), _) => Begin::At(whole_second(since - OVERLAP)),
            (None, None, Some(from)) => Begin::At(whole_second(from)),
            (None, None, None) => Begin::First,
        };
        self.walk(Span { begin, end }, true).await
    }

    /// Reads a span of changes, in as many queries as it takes.
    async fn walk(&mut self, span: Span, tell_place: bool) -> Result<(), Failure> {
        let mut begin = span.begin;
        let mut end = span.end;
        let mut losses = 0;
        while begin.stamp().is_none_or(|stamp| stamp < span.end) {
            let asked = Span { begin: begin.clone(), end };
            let mut place = None;
            let outcome = self.query(Some(&asked), &mut place, tell_place).await;
            if let Some(place) = place {
                begin = Begin::Behind(place);
                losses = 0;
            }
            match outcome {
                Ok(()) if end >= span.end => return Ok(()),
                Ok(()) => {
                    // It got through: a wider one next.
                    let width = asked.begin.stamp().map_or(NARROWEST, |stamp| end - stamp);
                    begin = Begin::At(end);
                    end = span.end.min(end + width.max(NARROWEST) * 2);
                }
                Err(Failure::QueryTimeout) => {
                    let half = (end - begin.stamp().unwrap_or_else(beginning_of_time)) / 2;
                    if half < NARROWEST {
                        return Err(Failure::QueryTimeout);
                    }
                    end = whole_second(end - half);
                }
                Err(Failure::LocatorLost(reason)) => {
                    losses += 1;
                    if losses >= LOSSES_MAX {
                        return Err(Failure::LocatorLost(reason));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Reads all records there are. A query that is lost begins again: the same records may come
    /// twice, which upserts forgive.
    async fn whole(&mut self) -> Result<(), Failure> {
        for _ in 1..LOSSES_MAX {
            match self.query(None, &mut None, false).await {
                Err(Failure::LocatorLost(_)) => {}
                outcome => return outcome,
            }
        }
        self.query(None, &mut None, false).await
    }

    /// Asks one query and follows its pages to the end. `place` becomes the last record read.
    async fn query(
        &mut self,
        span: Option<&Span>,
        place: &mut Option<Cursor>,
        tell_place: bool,
    ) -> Result<(), Failure> {
        match self.pages(span, place, tell_place).await {
            Err(Failure::UnknownField(said)) if place.is_none() => {
                let hidden = self.org.learn_hidden(self.dataset, &mut self.tally).await?;
                let vital = self.dataset.updated.into_iter().chain([self.dataset.key]);
                if hidden == self.hidden || vital.into_iter().any(|at| hidden.fields.contains(&at))
                {
                    return Err(Failure::Refused(said));
                }
                self.hidden = hidden;
                self.pages(span, place, tell_place).await
            }
            outcome => outcome,
        }
    }

    async fn pages(
        &mut self,
        span: Option<&Span>,
        place: &mut Option<Cursor>,
        tell_place: bool,
    ) -> Result<(), Failure> {
        let asked: Vec<usize> =
            (0..self.dataset.fields.len()).filter(|at| !self.hidden.fields.contains(at)).collect();
        let deleted_flag =
            objects::has_deleted_flag(&self.dataset.name) && !self.hidden.deleted_flag;
        let soql = soql::query(self.dataset, &asked, deleted_flag, span);
        // Without a span nothing is in the order of changes, so no row says how far it has come.
        let before = span.map_or(DateTime::<Utc>::MIN_UTC, |span| span.end);
        let mut reader = PageReader::new(self.dataset, &asked, before);
        let mut followed = HashSet::new();
        let mut target = Target::Query(soql);
        loop {
            let misfits = &mut self.misfits;
            let ask = self.org.ask(&target, &mut self.tally, |body| reader.read(body, misfits));
            let mut page = ask.await?;
            self.records += page.batch.rows() as u64;
            // A place never moves back, whatever order the org keeps.
            page.batch.cursor = page.batch.cursor.filter(|at| place.as_ref() < Some(at));
            if let Some(cursor) = &page.batch.cursor {
                *place = Some(cursor.clone());
            }
            if !tell_place {
                page.batch.cursor = None;
            }
            if page.batch.rows() > 0 && self.into.send(page.batch).await.is_err() {
                return Err(Failure::Final(SourceError::Stopped));
            }
            let Some(next) = page.next else { return Ok(()) };
            if !followed.insert(next.clone()) {
                let reason = "its pages lead in a circle".to_owned();
                return Err(Failure::Final(self.org.unreadable(reason)));
            }
            target = Target::Next(next);
        }
    }

    fn pulled(self, watermark: DateTime<Utc>) -> Pulled {
        let name_of = |at: &usize| self.dataset.fields[*at].name.clone();
        Pulled {
            watermark,
            records: self.records,
            requests: self.tally.requests,
            left_out: 0,
            misfits: self.misfits.count,
            misfit_samples: self.misfits.samples,
            hidden: self.hidden.fields.iter().map(name_of).collect(),
            unchanged: false,
        }
    }
}

/// The second an instant lies in: the org stamps in whole seconds.
fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::seconds(1)).unwrap_or(at)
}

/// No org has records from before.
fn beginning_of_time() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(365 * 29)
}
