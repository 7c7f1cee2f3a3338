//! One pull of one dataset: which stretches of changes to ask for, and what a complete reading of
//! them proves.

use std::collections::HashSet;
use std::mem;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::Salesforce;
use super::estimate::{self, Count};
use super::failure::Failure;
use super::misfits::Misfits;
use super::objects;
use super::page::PageReader;
use super::request::{Hidden, Tally, Target};
use super::soql::{self, Begin, Span, whole_second};
use crate::domain::dataset::{Batch, Cursor, Dataset, Purpose};
use crate::source::{PullRequest, Pulled, SourceError};

/// The watermark stays this far behind the org's clock: what is committed in the last moment may
/// not be visible yet.
const MARGIN: TimeDelta = TimeDelta::minutes(1);

/// An org's clock is believed to be ahead of ours by no more than this.
const AHEAD_MAX: TimeDelta = TimeDelta::days(1);

/// A query the org cannot answer in time is halved down to this.
const NARROWEST: TimeDelta = TimeDelta::minutes(1);

/// So many empty pages in a row are followed.
const EMPTY_PAGES_MAX: u32 = 20;

/// After a query was too slow, so many narrower ones must get through before a wider one is tried:
/// each that is too slow costs the org minutes.
const CALM: u32 = 8;

/// A query that is lost so often without a record read in between is given up.
const LOSSES_MAX: u32 = 3;

/// Changes of more time than this may be so many that it pays to count them first.
const WIDE: TimeDelta = TimeDelta::days(1);

/// Reads what the request asks for.
pub(super) async fn pull(
    org: &Salesforce,
    request: &PullRequest,
    into: &mpsc::Sender<Batch>,
) -> Result<Pulled, SourceError> {
    let hidden = org.known_hidden(&request.dataset);
    let purpose = if request.since.is_none() { Purpose::History } else { request.purpose };
    let mut pull = Pull {
        org,
        dataset: &request.dataset,
        into,
        hidden,
        tally: Tally::new(purpose),
        misfits: Misfits::default(),
        records: 0,
        told: None,
        tell_total: false,
    };
    match pull.read(request).await {
        Ok(watermark) => Ok(pull.pulled(watermark)),
        Err(failure) => Err(org.told(failure)),
    }
}

/// A pull on its way.
pub(super) struct Pull<'a> {
    pub(super) org: &'a Salesforce,
    pub(super) dataset: &'a Dataset,
    into: &'a mpsc::Sender<Batch>,
    pub(super) hidden: Arc<Hidden>,
    pub(super) tally: Tally,
    pub(super) misfits: Misfits,
    /// Records read.
    pub(super) records: u64,
    /// The furthest place told: places never move back.
    told: Option<Cursor>,
    /// The next page says how many records the whole will have.
    tell_total: bool,
}

/// What is left for pages to read.
enum Left {
    /// All of it.
    All,
    /// What lies behind this, up to now.
    From(Begin),
}

impl Pull<'_> {
    /// Reads everything asked for and gives the watermark it proves.
    async fn read(&mut self, request: &PullRequest) -> Result<DateTime<Utc>, Failure> {
        let mut end = self.end_of_now().await?;
        if self.dataset.whole {
            self.tell_total = true;
            self.whole().await?;
        } else {
            end = self.changes(request, end).await?;
        }
        // Had our clock leapt forward since the org last told its own, `end` would lie in its
        // future; its first answer tells.
        let proven = self.tally.first_date.map_or(end, |date| end.min(date - MARGIN));
        // A date that cannot be believed must not put what comes until then out of sight.
        let proven = proven.min(self.org.clock.now() + AHEAD_MAX);
        Ok(request.since.map_or(proven, |since| since.max(proven)))
    }

    /// Up to where the org is complete now.
    async fn end_of_now(&self) -> Result<DateTime<Utc>, Failure> {
        Ok(whole_second(self.org.org_now().await? - MARGIN))
    }

    /// Reads the changes up to `end` or later, and says up to where.
    async fn changes(
        &mut self,
        request: &PullRequest,
        end: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Failure> {
        let overlap = self.org.settings.overlap;
        let begin = match (&request.resume, request.since, request.from) {
            (Some(cursor), _, _) => {
                // What was committed late just before where the reading stopped. Its place is not
                // told: should this stop too, the next one begins where the first one stopped.
                self.told = Some(cursor.clone());
                let late = whole_second(cursor.stamp - overlap);
                let span = Span { begin: Begin::At(late), end: cursor.stamp.min(end) };
                self.walk(span).await?;
                Begin::behind(cursor)
            }
            (None, Some(since), _) => Begin::At(whole_second(since - overlap)),
            (None, None, Some(from)) => Begin::At(whole_second(from)),
            (None, None, None) => Begin::First,
        };
        let span = Span { begin, end };
        let left = match request.since {
            Some(since) if end - since <= WIDE => Left::All,
            since => self.in_bulk(&span, since.is_none()).await?,
        };
        match left {
            Left::All => self.walk(span).await.map(|()| end),
            Left::From(begin) => {
                // Hours may have passed: what was committed meanwhile is read too, and only an
                // answer from now on says what time it is.
                self.tally.first_date = None;
                let end = self.end_of_now().await?.max(end);
                self.walk(Span { begin, end }).await.map(|()| end)
            }
        }
    }

    /// Reads as much of a long span by the Bulk API as is better read so.
    async fn in_bulk(&mut self, span: &Span, is_load: bool) -> Result<Left, Failure> {
        self.tell_total = true;
        let above = match self.org.settings.bulk_above {
            Some(above) if !self.org.bulk_refuses(&self.dataset.object) => above,
            _ => return Ok(Left::All),
        };
        let count = estimate::count(self.org, self.dataset, span, &mut self.tally).await?;
        if let Count::Records(records) = count {
            self.tell_total = false;
            if records == 0 && !is_load {
                // Asked for all the same: only that tells which fields the org shows us now, and one
                // that seems to have come back makes everything be loaded again.
                return Ok(Left::All);
            }
            self.send(Batch { expected: Some(records), ..Batch::default() }).await?;
        }
        let many = match count {
            Count::Records(records) => records > above,
            Count::TooMany | Count::Unknown => self.dataset.dated,
        };
        if !many {
            return Ok(Left::All);
        }
        self.bulk(span, count).await.map(Left::From)
    }

    /// Reads a span of changes, in as many queries as it takes.
    async fn walk(&mut self, span: Span) -> Result<(), Failure> {
        let mut begin = span.begin;
        let mut end = span.end;
        let (mut losses, mut calm) = (0, CALM);
        while begin.stamp().is_none_or(|stamp| stamp < span.end) {
            let asked = Span { begin: begin.clone(), end };
            let mut place = None;
            let outcome = self.query(Some(&asked), &mut place).await;
            // Only the first query is of everything.
            self.tell_total = false;
            if let Some(place) = place {
                begin = Begin::Behind(place);
                losses = 0;
            }
            match outcome {
                Ok(()) if end >= span.end => return Ok(()),
                Ok(()) => {
                    calm += 1;
                    let factor = if calm > CALM { 2 } else { 1 };
                    begin = Begin::At(end);
                    end = span.end.min(end + asked.width().max(NARROWEST) * factor);
                }
                Err(Failure::QueryTimeout) => {
                    let half = Span { begin: begin.clone(), end }.width() / 2;
                    if half < NARROWEST {
                        return Err(Failure::QueryTimeout);
                    }
                    calm = 0;
                    end = whole_second(end - half);
                    if begin == Begin::First {
                        // What has no beginning may be too much however early it ends.
                        let first =
                            estimate::first(self.org, self.dataset, &mut self.tally).await?;
                        begin = Begin::At(first.min(span.end));
                        end = span.end;
                    }
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
            match self.query(None, &mut None).await {
                Err(Failure::LocatorLost(_)) => {}
                outcome => return outcome,
            }
        }
        self.query(None, &mut None).await
    }

    /// Asks one query and follows its pages to the end. `place` becomes the last record read.
    async fn query(
        &mut self,
        span: Option<&Span>,
        place: &mut Option<Cursor>,
    ) -> Result<(), Failure> {
        match self.pages(span, place).await {
            Err(Failure::UnknownField(said)) if place.is_none() => {
                self.learn_hidden(said).await?;
                self.pages(span, place).await
            }
            outcome => outcome,
        }
    }

    /// Finds out which fields the org does not show us, after it said so.
    pub(super) async fn learn_hidden(&mut self, said: String) -> Result<(), Failure> {
        let hidden = self.org.learn_hidden(self.dataset, &mut self.tally).await?;
        // What is read whole needs no order of changes, and not every object has one.
        let updated = self.dataset.updated.filter(|_| !self.dataset.whole);
        let vital = updated.into_iter().chain([self.dataset.key]);
        if hidden == self.hidden || vital.into_iter().any(|at| hidden.fields.contains(&at)) {
            return Err(Failure::Refused(said));
        }
        self.hidden = hidden;
        Ok(())
    }

    /// The fields to ask for, and whether to ask for the flag of deleted records.
    pub(super) fn asked(&self) -> (Vec<usize>, bool) {
        let shown = |at: &usize| !self.hidden.fields.contains(at);
        let asked = (0..self.dataset.fields.len()).filter(shown).collect();
        let has_flag = objects::has_deleted_flag(&self.dataset.object);
        (asked, has_flag && !self.hidden.deleted_flag)
    }

    async fn pages(
        &mut self,
        span: Option<&Span>,
        place: &mut Option<Cursor>,
    ) -> Result<(), Failure> {
        let (asked, deleted_flag) = self.asked();
        let soql = soql::query(self.dataset, &asked, deleted_flag, span);
        // Without a span nothing is in the order of changes, so no row says how far it has come.
        let before = span.map_or(DateTime::<Utc>::MIN_UTC, |span| span.end);
        let mut reader = PageReader::new(self.dataset, &asked, before);
        let mut trail = Trail::default();
        let mut target = Target::Query(soql);
        loop {
            let (misfits, mut total) = (&mut self.misfits, None);
            let ask = self.org.ask(&target, &mut self.tally, |body| {
                total = estimate::total_of_page(body);
                reader.read(body, misfits)
            });
            let mut page = ask.await?;
            page.batch.expected = total.filter(|_| mem::take(&mut self.tell_total));
            let untrue = |reason| Failure::Final(self.org.unreadable(reason));
            trail.note(page.batch.rows(), total, page.next.as_deref()).map_err(untrue)?;
            self.records += page.batch.rows() as u64;
            if let Some(cursor) = page.batch.cursor.take() {
                // A place never moves back, whatever order the org keeps.
                if place.as_ref() < Some(&cursor) {
                    *place = Some(cursor.clone());
                }
                if self.told.as_ref() < Some(&cursor) {
                    self.told = Some(cursor.clone());
                    page.batch.cursor = Some(cursor);
                }
            }
            if page.batch.rows() > 0 {
                self.send(page.batch).await?;
            }
            let Some(next) = page.next else { return Ok(()) };
            target = Target::Next(next);
        }
    }

    /// Tells that everything up to the end of a span has been read.
    pub(super) async fn tell_place(&mut self, span: &Span) -> Result<(), Failure> {
        let place = span.last_place();
        if self.told.as_ref() >= Some(&place) {
            return Ok(());
        }
        self.told = Some(place.clone());
        self.send(Batch { cursor: Some(place), ..Batch::default() }).await
    }

    /// Hands on a batch.
    pub(super) async fn send(&self, batch: Batch) -> Result<(), Failure> {
        let sent = self.into.send(batch).await;
        sent.map_err(|_| Failure::Final(SourceError::Stopped))
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

/// The pages of one query so far: what keeps them from never ending.
#[derive(Default)]
struct Trail {
    /// How many records the org said there are.
    total: Option<u64>,
    rows: u64,
    /// Empty pages in a row.
    empty: u32,
    followed: HashSet<String>,
}

impl Trail {
    /// Takes note of a page.
    ///
    /// # Errors
    /// Why the pages are not to be believed, or not to be followed any further.
    fn note(&mut self, rows: usize, total: Option<u64>, next: Option<&str>) -> Result<(), String> {
        self.total = self.total.or(total);
        self.rows += rows as u64;
        self.empty = if rows == 0 { self.empty + 1 } else { 0 };
        let Some(next) = next else {
            return match self.total {
                Some(total) if self.rows < total => {
                    let rows = match self.rows {
                        0 => "none".to_owned(),
                        rows => rows.to_string(),
                    };
                    Err(format!("of {total} records that it found it gave {rows}"))
                }
                _ => Ok(()),
            };
        };
        // The address of an empty page's next one is its own: nothing has moved on.
        if !self.followed.insert(next.to_owned()) && rows > 0 {
            return Err("its pages lead in a circle".to_owned());
        }
        if self.empty > EMPTY_PAGES_MAX || self.total.is_some_and(|total| total < self.rows) {
            let told = self.total.map_or("unknown".to_owned(), |total| total.to_string());
            return Err(format!(
                "its pages do not end: {} records of {told}, and more are promised",
                self.rows
            ));
        }
        Ok(())
    }
}
