//! Verification: the records are counted by the day they came to be on, at the source and here; days
//! that differ are read again and mended. So what a source forgot to tell is found: records purged
//! while nobody asked, and any we lost.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, DurationRound, NaiveDate, NaiveTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::pull::{BATCHES_AHEAD, PullError};
use super::{Engine, EngineError, Plant, SourceLine, blocking, panic_text};
use crate::domain::dataset::{Batch, Dataset, DayCount};
use crate::source::SourceError;
use crate::store::records::{DatasetState, Mended, RecordsError};
use crate::store::state::ledger;

/// Days mended in one run: the rest waits for the next.
pub const DAYS_MAX: usize = 60;
/// What is younger than this may still be on its way.
const MARGIN: TimeDelta = TimeDelta::days(1);
/// Where there is no bound on history, days before the first record known are counted as well.
const BEFORE_FIRST: TimeDelta = TimeDelta::days(31);
/// The daemon verifies a dataset so often, and not before its load is so old.
const EVERY: TimeDelta = TimeDelta::days(1);
/// Time between two looks whether something is to be checked.
const LOOK_EVERY: TimeDelta = TimeDelta::hours(1);

/// How a dataset compares with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The dataset.
    pub dataset: String,
    /// What was compared, whole UTC days; `None`: it cannot be.
    pub span: Option<Range<DateTime<Utc>>>,
    /// Why it cannot be compared, or what is not believed.
    pub remark: Option<String>,
    /// Days that differ and were looked at, in order of time.
    pub days: Vec<Day>,
    /// Days beyond them that differ too.
    pub left: usize,
}

/// A day that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// Records known here.
    pub ours: u64,
    /// Records the source counts.
    pub theirs: u64,
    /// What reading it again came to; `None`: it was only counted, or the source gave fewer records
    /// than it counts.
    pub mended: Option<Mended>,
}

impl Verified {
    /// What was found, in a few words.
    pub fn words(&self) -> String {
        if let Some(remark) = &self.remark {
            return remark.clone();
        }
        if self.days.is_empty() {
            return "no day differed".to_owned();
        }
        let sum = |of: fn(&Mended) -> u64| -> u64 {
            self.days.iter().filter_map(|day| day.mended.as_ref()).map(of).sum()
        };
        let (removed, added) = (sum(|mended| mended.removed), sum(|mended| mended.added));
        let days = self.days.len() + self.left;
        let mut words = format!(
            "{days} day{} differed, {removed} record{} removed, {added} added",
            if days == 1 { "" } else { "s" },
            if removed == 1 { "" } else { "s" },
        );
        let open = self.days.iter().filter(|day| day.mended.is_none()).count();
        if open > 0 {
            words += &format!(", {open} not mended");
        }
        if self.left > 0 {
            words += &format!(", {} left for the next time", self.left);
        }
        words
    }

    fn cannot(dataset: &Dataset, why: &str) -> Verified {
        Verified {
            dataset: dataset.name.clone(),
            span: None,
            remark: Some(why.to_owned()),
            days: Vec::new(),
            left: 0,
        }
    }
}

/// Who wants a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    Daemon,
    Person,
}

impl Engine {
    /// Holds a dataset's records against its source and mends what differs; `dry` only counts.
    pub async fn verify(
        &self,
        plant: &Plant,
        dataset: &Arc<Dataset>,
        dry: bool,
    ) -> Result<Verified, PullError> {
        self.verify_as(plant, dataset, dry, Asker::Person).await
    }

    async fn verify_as(
        &self,
        plant: &Plant,
        dataset: &Arc<Dataset>,
        dry: bool,
        asker: Asker,
    ) -> Result<Verified, PullError> {
        let Some(line) = plant.sources.get(&dataset.source) else {
            return Ok(Verified::cannot(dataset, "its source is not in the config any more"));
        };
        let mut verified = self.compare(line, dataset, asker).await?;
        if let (Some(_), None, false) = (&verified.span, &verified.remark, dry) {
            for day in &mut verified.days {
                self.mend(line, dataset, day).await?;
            }
        }
        verified.days.sort_by_key(|day| day.day);
        if !dry {
            self.note_verified(line, dataset, &verified).await?;
        }
        Ok(verified)
    }

    async fn compare(
        &self,
        line: &SourceLine,
        dataset: &Arc<Dataset>,
        asker: Asker,
    ) -> Result<Verified, PullError> {
        if dataset.whole {
            return Ok(Verified::cannot(dataset, "it is read whole at every pull"));
        }
        if dataset.created.is_none() {
            return Ok(Verified::cannot(dataset, "no field says when a record came to be"));
        }
        let (store, name) = (Arc::clone(&self.store), dataset.name.clone());
        let (due, now) = (Arc::clone(&self.store), self.clock.now());
        if blocking(move || Ok(due.records().loads_due(now)?)).await?.contains(&name) {
            return Ok(Verified::cannot(dataset, "it is to be loaded again"));
        }
        let stored = blocking(move || {
            let records = store.records();
            let state = records.state(&name)?;
            let Some(span) = span(&state, records.earliest(&name)?) else { return Ok(None) };
            Ok(Some((records.day_counts(&name, span.clone())?, span)))
        });
        let Some((ours, span)) = stored.await? else {
            return Ok(Verified::cannot(dataset, "there is no whole day to compare yet"));
        };
        let counting = line.source.day_counts(dataset, span.clone());
        let theirs = tokio::select! {
            counted = counting => counted?,
            () = self.stopped() => return Err(SourceError::Stopped.into()),
        };
        let Some(theirs) = theirs else {
            return Ok(Verified::cannot(dataset, "the source cannot count"));
        };
        let (days, left) = differing(&ours, &theirs, DAYS_MAX);
        let counted = theirs.iter().map(|day| day.records).sum();
        let remark = disbelieved(ours.values().sum(), counted, asker);
        let dataset = dataset.name.clone();
        Ok(Verified { dataset, span: Some(span), remark, days, left })
    }

    /// Reads a day again and puts it in place of what is stored.
    async fn mend(
        &self,
        line: &SourceLine,
        dataset: &Arc<Dataset>,
        day: &mut Day,
    ) -> Result<(), PullError> {
        let from = day.day.and_time(NaiveTime::MIN).and_utc();
        let bounds = from..from + TimeDelta::days(1);
        let (store, name, whole_day) =
            (Arc::clone(&self.store), dataset.name.clone(), bounds.clone());
        let mut span = blocking(move || Ok(store.records().begin_span(&name, whole_day)?)).await?;
        let (into, mut batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
        let writing = tokio::task::spawn_blocking(move || {
            while let Some(batch) = batches.blocking_recv() {
                span.append(&batch)?;
            }
            Ok::<_, RecordsError>(span)
        });
        let read = {
            let reading = line.source.reread(dataset, bounds, into);
            tokio::select! {
                read = reading => read,
                () = self.stopped() => Err(SourceError::Stopped),
            }
        };
        let span = match writing.await {
            Ok(written) => written.map_err(EngineError::from)?,
            Err(err) => return Err(EngineError::Panic(panic_text(err)).into()),
        };
        let read = read?;
        // Records that cannot be read are there all the same.
        let expected = day.theirs.saturating_sub(read.left_out);
        let mended = blocking(move || Ok(span.finish(expected)?)).await?;
        day.mended = (read.left_out == 0 && mended.came >= expected).then_some(mended);
        Ok(())
    }

    async fn note_verified(
        &self,
        line: &SourceLine,
        dataset: &Dataset,
        verified: &Verified,
    ) -> Result<(), PullError> {
        let (now, words) = (self.clock.now(), verified.words());
        let spending = self.spending(&dataset.source, line);
        let (store, name, finding) = (Arc::clone(&self.store), dataset.name.clone(), words.clone());
        let noted =
            blocking(move || Ok(store.records().verified(&name, now, &finding, &spending)?));
        noted.await?;
        if !verified.days.is_empty() {
            tracing::warn!(dataset = %dataset.name, "verified: {words}");
            let (name, text) =
                (dataset.name.clone(), format!("verified {}: {words}", dataset.name));
            self.write(move |tx| ledger::note(tx, now, "verify", &name, &text)).await?;
        }
        Ok(())
    }

    /// Of one source: labels that are a day old are asked for, and records are verified that were
    /// not for a day. Nobody waits for it.
    pub(super) async fn check_due(
        &self,
        plant: &Plant,
        source: &str,
    ) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let mut due = plant.datasets_in_use();
        due.retain(|dataset| {
            let waits = self.memo(&dataset.name, |memo| memo.check_at.is_some_and(|at| now < at));
            dataset.source == source && !waits
        });
        let Some(line) = plant.sources.get(source).filter(|_| !due.is_empty()) else {
            return Ok(0);
        };
        let store = Arc::clone(&self.store);
        let states = blocking(move || Ok(store.dataset_states()?)).await?;
        for dataset in due {
            let state = states.iter().find(|state| state.dataset == dataset.name);
            // What is being loaded or fails has other troubles.
            let Some(state) = state.filter(|state| state.ready && state.failure.is_none()) else {
                let soon = now + TimeDelta::minutes(1);
                self.memo(&dataset.name, |memo| memo.check_at = Some(soon));
                continue;
            };
            if self.stopping() {
                break;
            }
            self.memo(&dataset.name, |memo| memo.check_at = Some(now + LOOK_EVERY));
            if line.labels {
                self.describe_due(line, &dataset, now).await?;
            }
            if is_due(state, now) && dataset.created.is_some() && !dataset.whole {
                match self.verify_as(plant, &dataset, false, Asker::Daemon).await {
                    Ok(_) => {}
                    Err(PullError::Source(SourceError::Stopped)) => break,
                    Err(PullError::Source(err)) => {
                        tracing::info!(dataset = %dataset.name, error = %err, "not verified");
                    }
                    Err(PullError::Engine(err)) => return Err(err),
                }
            }
        }
        Ok(0)
    }
}

/// What is not believed of a source's counts, where what they say looks like lost permissions: to a
/// user who sees a part of the records the others do not exist. A person may know better.
fn disbelieved(known: u64, counted: u64, asker: Asker) -> Option<String> {
    match counted {
        0 if known > 0 => Some(format!(
            "the source counts no record although {known} are known: they are kept; does the user \
             still see them?"
        )),
        few if asker == Asker::Daemon && few < known / 2 => Some(format!(
            "the source counts {few} records of {known} that are known: they are kept; does the user \
             still see all? If they are gone, `postrider pull --verify` removes them"
        )),
        _ => None,
    }
}

/// Whether a dataset's records are to be held against the source again.
fn is_due(state: &DatasetState, now: DateTime<Utc>) -> bool {
    let old = |at: DateTime<Utc>| EVERY <= now - at;
    state.verified.as_ref().is_none_or(|(at, _)| old(*at)) && state.loaded_at.is_none_or(old)
}

/// The whole days of which all records should be known.
fn span(state: &DatasetState, earliest: Option<DateTime<Utc>>) -> Option<Range<DateTime<Utc>>> {
    let day = TimeDelta::days(1);
    let down = |at: DateTime<Utc>| at.duration_trunc(day).ok();
    let end = down(state.watermark? - MARGIN)?;
    // A bound on history lies within a day of which a part only is known.
    let start = match state.history_start {
        Some(start) => down(start - TimeDelta::milliseconds(1))? + day,
        // Those before our first one may be lost, too.
        None => down(earliest?)? - BEFORE_FIRST,
    };
    (start < end).then_some(start..end)
}

/// The days that differ, those with the most difference first, and how many are left out.
fn differing(
    ours: &BTreeMap<NaiveDate, u64>,
    theirs: &[DayCount],
    days_max: usize,
) -> (Vec<Day>, usize) {
    let mut days: BTreeMap<NaiveDate, (u64, u64)> =
        ours.iter().map(|(day, records)| (*day, (*records, 0))).collect();
    for count in theirs {
        days.entry(count.day).or_default().1 += count.records;
    }
    let mut found: Vec<Day> = days
        .into_iter()
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(day, (ours, theirs))| Day { day, ours, theirs, mended: None })
        .collect();
    found.sort_by_key(|day| (std::cmp::Reverse(day.ours.abs_diff(day.theirs)), day.day));
    let left = found.len().saturating_sub(days_max);
    found.truncate(days_max);
    (found, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
    }

    #[test]
    fn days_that_differ_most_come_first_and_the_rest_is_counted() {
        let ours = BTreeMap::from([(day(1), 5), (day(2), 5), (day(3), 1), (day(5), 9)]);
        let theirs = [(1, 5), (2, 2), (4, 1), (5, 8)]
            .map(|(at, records)| DayCount { day: day(at), records });
        let found = |max| {
            let (days, left) = differing(&ours, &theirs, max);
            (days.iter().map(|d| (d.day, d.ours, d.theirs)).collect::<Vec<_>>(), left)
        };
        let all = [(day(2), 5, 2), (day(3), 1, 0), (day(4), 0, 1), (day(5), 9, 8)];
        assert_eq!(found(60), (all.to_vec(), 0));
        assert_eq!(found(1), (all[..1].to_vec(), 3));
        assert_eq!(differing(&ours, &[], 60).0.len(), 4);
    }

    #[test]
    fn a_source_that_shows_less_than_half_is_believed_by_a_person_alone() {
        let check = |known, counted, daemon: Option<&str>, person: Option<&str>| {
            for (asker, says) in [(Asker::Daemon, daemon), (Asker::Person, person)] {
                let told = disbelieved(known, counted, asker);
                assert_eq!(told.is_some(), says.is_some(), "{told:?}");
                assert!(told.unwrap_or_default().contains(says.unwrap_or_default()));
            }
        };
        check(0, 0, None, None);
        check(0, 5, None, None);
        check(10, 0, Some("counts no record although 10"), Some("counts no record although 10"));
        check(10, 4, Some("counts 4 records of 10"), None);
        check(10, 5, None, None);
        check(10, 12, None, None);
    }

    #[test]
    fn what_was_found_is_told_in_a_few_words() {
        let mended = |removed, added| Some(Mended { came: 9, added, removed, changed: 0 });
        let day = |mended| Day { day: day(1), ours: 1, theirs: 2, mended };
        let told = |days: &[Day], left| {
            let days = days.to_vec();
            let none = Verified::cannot(&Dataset::new("s", "d", Vec::new(), 0), "");
            Verified { remark: None, days, left, ..none }.words()
        };
        assert_eq!(told(&[], 0), "no day differed");
        assert_eq!(told(&[day(mended(1, 0))], 0), "1 day differed, 1 record removed, 0 added");
        assert_eq!(
            told(&[day(mended(2, 1)), day(mended(3, 1)), day(None)], 2),
            "5 days differed, 5 records removed, 2 added, 1 not mended, 2 left for the next time"
        );
    }
}
