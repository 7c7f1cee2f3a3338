//! Holding what is stored against the org: records counted by the day they came to be, and read
//! again for the days that differ. Deleted records count nowhere here.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::Salesforce;
use super::failure::Failure;
use super::instant::literal;
use super::misfits::Misfits;
use super::page::{DELETED, PageReader};
use super::request::{Hidden, Tally, Target};
use crate::domain::dataset::{Batch, Dataset, DayCount, Purpose};
use crate::domain::value::Type;
use crate::source::{Pulled, SourceError};

/// The org groups at most 2,000 days at a time and cannot go on behind them.
const DAYS_MAX: i64 = 1_500;

/// A query the org cannot answer in time is halved down to this.
const NARROWEST: TimeDelta = TimeDelta::minutes(1);

/// A query whose pages are lost so often is given up.
const LOSSES_MAX: u32 = 3;

/// What is read proves nothing about the org's last moments.
const MARGIN: TimeDelta = TimeDelta::minutes(1);

type Span = Range<DateTime<Utc>>;

/// How many records of each UTC day of the span there are; `None` where the org cannot say.
pub(super) async fn day_counts(
    org: &Salesforce,
    dataset: &Dataset,
    span: Span,
) -> Result<Option<Vec<DayCount>>, SourceError> {
    let Some(created) = created(dataset) else { return Ok(None) };
    let mut tally = Tally::new(Purpose::Verify);
    let mut open = match spans(org, span).await {
        Ok(open) => open,
        Err(failure) => return Err(org.told(failure)),
    };
    let mut days = BTreeMap::<NaiveDate, u64>::new();
    while let Some(span) = open.pop() {
        let select = format!("SELECT DAY_ONLY({created}) day, COUNT(Id) n");
        let group = format!(" GROUP BY DAY_ONLY({created})");
        let target = existing(dataset, &select, &within(created, &span), &group);
        match org.ask(&target, &mut tally, read_groups).await {
            Ok(Some(groups)) => {
                for DayCount { day, records } in groups {
                    *days.entry(day).or_default() += records;
                }
            }
            outcome => match halves(&span) {
                Some(halves) if is_too_much(&outcome) => open.extend(halves),
                _ => match outcome {
                    Err(Failure::UnknownField(_) | Failure::Query(_)) => return Ok(None),
                    Err(failure) => return Err(org.told(failure)),
                    Ok(_) => return Ok(None),
                },
            },
        }
    }
    Ok(Some(days.into_iter().map(|(day, records)| DayCount { day, records }).collect()))
}

/// The field that says when a record came to be, as the org calls it.
fn created(dataset: &Dataset) -> Option<&str> {
    let field = &dataset.fields[dataset.created?];
    (field.ty == Type::Timestamp).then_some(field.path.as_str())
}

fn within(created: &str, span: &Span) -> String {
    format!("{created} >= {} AND {created} < {}", literal(span.start), literal(span.end))
}

/// Asks for existing records alone. Old activities are archived: `query` gives them no more, though
/// they exist and every pull was given them.
fn existing(dataset: &Dataset, select: &str, condition: &str, group: &str) -> Target {
    let object = &dataset.object;
    if ["Task", "Event"].iter().any(|archived| object.eq_ignore_ascii_case(archived)) {
        return Target::Query(format!(
            "{select} FROM {object} WHERE {DELETED} = false AND {condition}{group}"
        ));
    }
    Target::Existing(format!("{select} FROM {object} WHERE {condition}{group}"))
}

/// The span in parts of which the org can group the days, the first one last. There is nothing
/// before 1970 and nothing after tomorrow.
async fn spans(org: &Salesforce, span: Span) -> Result<Vec<Span>, Failure> {
    let start = span.start.max(DateTime::UNIX_EPOCH);
    let end = span.end.min(org.org_now().await? + TimeDelta::days(1));
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let next = end.min(at + TimeDelta::days(DAYS_MAX));
        parts.push(at..next);
        at = next;
    }
    parts.reverse();
    Ok(parts)
}

/// Both halves of a span, the first one last; `None` where it is as short as may be.
fn halves(span: &Span) -> Option<[Span; 2]> {
    let half = TimeDelta::seconds((span.end - span.start).num_seconds() / 2);
    let middle = span.start + half;
    (half >= NARROWEST).then_some([middle..span.end, span.start..middle])
}

/// Whether less would have been answered.
fn is_too_much(outcome: &Result<Option<Vec<DayCount>>, Failure>) -> bool {
    match outcome {
        // More groups than one answer holds.
        Ok(None) | Err(Failure::QueryTimeout) => true,
        Err(Failure::Query(said)) => said.contains("EXCEEDED_ID_LIMIT"),
        _ => false,
    }
}

/// The groups of an answer; `None` where they are not all of them.
fn read_groups(body: &[u8]) -> Result<Option<Vec<DayCount>>, String> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default = "all")]
        done: bool,
        records: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        day: Option<String>,
        n: u64,
    }
    fn all() -> bool {
        true
    }
    let wire: Wire = serde_json::from_slice(body).map_err(|err| err.to_string())?;
    if !wire.done {
        return Ok(None);
    }
    let read = |Group { day, n }: Group| {
        let day = day.ok_or("a day that is null")?;
        let day = day.get(..10).unwrap_or(&day).parse().map_err(|_| "a day that is none")?;
        Ok(DayCount { day, records: n })
    };
    wire.records.into_iter().map(read).collect::<Result<_, &str>>().map(Some).map_err(str::to_owned)
}

/// Reads all records that came to be in the span and exist.
pub(super) async fn reread(
    org: &Salesforce,
    dataset: &Dataset,
    span: Span,
    into: &mpsc::Sender<Batch>,
) -> Result<Pulled, SourceError> {
    let Some(created) = created(dataset) else {
        return Err(org.told(Failure::Refused(format!(
            "`{}` has no field that says when a record came to be",
            dataset.name
        ))));
    };
    let mut reading = Rereading {
        org,
        dataset,
        created,
        into,
        hidden: org.known_hidden(dataset),
        tally: Tally::new(Purpose::Verify),
        misfits: Misfits::default(),
        records: 0,
    };
    match reading.read(span).await {
        Ok(watermark) => Ok(reading.pulled(watermark)),
        Err(failure) => Err(org.told(failure)),
    }
}

struct Rereading<'a> {
    org: &'a Salesforce,
    dataset: &'a Dataset,
    created: &'a str,
    into: &'a mpsc::Sender<Batch>,
    hidden: Arc<Hidden>,
    tally: Tally,
    misfits: Misfits,
    records: u64,
}

impl Rereading<'_> {
    async fn read(&mut self, span: Span) -> Result<DateTime<Utc>, Failure> {
        let watermark = span.end.min(self.org.org_now().await? - MARGIN);
        let mut open = vec![span];
        let mut losses = 0;
        while let Some(span) = open.pop() {
            match self.query(&span).await {
                Ok(records) => {
                    self.records += records;
                    losses = 0;
                }
                Err(Failure::QueryTimeout) => match halves(&span) {
                    Some(halves) => open.extend(halves),
                    None => return Err(Failure::QueryTimeout),
                },
                // Asked again from its beginning: the same records may come twice.
                Err(Failure::LocatorLost(reason)) => {
                    losses += 1;
                    if losses >= LOSSES_MAX {
                        return Err(Failure::LocatorLost(reason));
                    }
                    open.push(span);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(watermark)
    }

    /// Asks one query, without the fields the org turns out to hide, and gives its records.
    async fn query(&mut self, span: &Span) -> Result<u64, Failure> {
        match self.pages(span).await {
            Err(Failure::UnknownField(said)) => {
                let hidden = self.org.learn_hidden(self.dataset, &mut self.tally).await?;
                let vital = [Some(self.dataset.key), self.dataset.created, self.dataset.updated];
                if hidden == self.hidden
                    || vital.into_iter().flatten().any(|at| hidden.fields.contains(&at))
                {
                    return Err(Failure::Refused(said));
                }
                self.hidden = hidden;
                self.pages(span).await
            }
            outcome => outcome,
        }
    }

    async fn pages(&mut self, span: &Span) -> Result<u64, Failure> {
        let fields = &self.dataset.fields;
        let asked: Vec<usize> =
            (0..fields.len()).filter(|at| !self.hidden.fields.contains(at)).collect();
        let paths: Vec<&str> = asked.iter().map(|&at| fields[at].path.as_str()).collect();
        let select = format!("SELECT {}", paths.join(", "));
        // In no order of changes: no row says how far it has come.
        let mut reader = PageReader::new(self.dataset, &asked, DateTime::<Utc>::MIN_UTC);
        let mut followed = HashSet::new();
        let mut target = existing(self.dataset, &select, &within(self.created, span), "");
        let mut records = 0;
        loop {
            let misfits = &mut self.misfits;
            let ask = self.org.ask(&target, &mut self.tally, |body| reader.read(body, misfits));
            let page = ask.await?;
            records += page.batch.rows() as u64;
            if page.batch.rows() > 0 && self.into.send(page.batch).await.is_err() {
                return Err(Failure::Final(SourceError::Stopped));
            }
            let Some(next) = page.next else { return Ok(records) };
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
            records: self.records,
            requests: self.tally.requests,
            misfits: self.misfits.count,
            misfit_samples: self.misfits.samples,
            hidden: self.hidden.fields.iter().map(name_of).collect(),
            ..Pulled::nothing(watermark)
        }
    }
}
