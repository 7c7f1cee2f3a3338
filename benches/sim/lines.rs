//! The source's side: lines that show a value a minute, some of it late. It is the truth that the
//! records are held against.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use postrider::domain::dataset::{Batch, Cell, Cursor, Dataset, DayCount, Described};
use postrider::domain::quota::{Quota, Spent};
use postrider::source::{PullRequest, Pulled, Source, SourceError};
use tokio::sync::mpsc;

use super::broken::Break;
use super::chance::Chance;
use super::shared::Sim;

/// The rules' lines.
const LINES: [(&str, &str); 7] = [
    ("plain", "A"),
    ("plain", "B"),
    ("held", "A"),
    ("held", "B"),
    ("vanishing", "A"),
    ("vanishing", "B"),
    ("whole", "all"),
];
/// What a line shows: nothing wrong, not well yet, a warning, a critical value.
const VALUES: [f64; 4] = [1.0, 7.0, 50.0, 500.0];
/// After a long jump only so many minutes have records.
const MINUTES_MAX: i64 = 40;
/// Records in one batch.
const BATCH: usize = 16;

/// How the source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Completely.
    Well,
    /// Not at all.
    Not,
    /// With some of the records, and then no more.
    InPart,
}

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) id: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) seen: DateTime<Utc>,
    line: usize,
    value: f64,
}

/// All lines and what they have shown.
#[derive(Debug)]
pub(crate) struct Lines {
    values: Vec<Option<f64>>,
    samples: Vec<Sample>,
    /// The source's own clock: it is never set back.
    pub(crate) now: DateTime<Utc>,
    pub(crate) answers: Answers,
    chance: Chance,
}

impl Lines {
    pub(crate) fn new(seed: u64, begin: DateTime<Utc>) -> Lines {
        Lines {
            values: vec![Some(VALUES[0]); LINES.len()],
            samples: Vec::new(),
            now: begin,
            answers: Answers::Well,
            chance: Chance::new(seed, 2),
        }
    }

    /// A line shows something else from now on. Returns what, in words.
    pub(crate) fn shift(&mut self) -> String {
        let line = self.chance.between(0, LINES.len() as u64 - 1) as usize;
        let value = match self.chance.percent(15) {
            true => None,
            false => Some(*self.chance.one_of(&VALUES)),
        };
        self.values[line] = value;
        format!("{} {} shows {value:?}", LINES[line].0, LINES[line].1)
    }

    /// Every line is well.
    pub(crate) fn calm(&mut self) {
        self.values = vec![Some(VALUES[0]); LINES.len()];
        self.answers = Answers::Well;
    }

    /// Time passes, and the lines show what they show.
    pub(crate) fn grow(&mut self, to: DateTime<Utc>) {
        let earliest = to - TimeDelta::minutes(MINUTES_MAX);
        let first = self.now.max(earliest).timestamp().div_euclid(60);
        for minute in first..to.timestamp().div_euclid(60) {
            let begin = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
            for line in 0..LINES.len() {
                let Some(value) = self.values[line] else { continue };
                let at = begin + TimeDelta::seconds(30) + TimeDelta::milliseconds(line as i64);
                let late = if self.chance.percent(6) { self.chance.between(1, 20) } else { 0 };
                // It shows when its minute is over: never before what was seen complete.
                let end = begin + TimeDelta::minutes(1) + TimeDelta::milliseconds(line as i64);
                let seen = end + TimeDelta::minutes(late as i64);
                let id = format!("{minute}-{line}");
                let place =
                    self.samples.partition_point(|known| (known.seen, &known.id) < (seen, &id));
                self.samples.insert(place, Sample { id, at, seen, line, value });
            }
        }
        self.now = self.now.max(to);
    }

    /// What it shows now and did not show before an instant, in the order of changes.
    fn since(&self, since: Option<DateTime<Utc>>, behind: Option<&Cursor>) -> Vec<Sample> {
        let shown = self.samples.iter().filter(|sample| sample.seen <= self.now);
        let new = shown.filter(|sample| since.is_none_or(|since| since <= sample.seen));
        let behind = new.filter(|sample| {
            behind.is_none_or(|last| (last.stamp, &last.key) < (sample.seen, &sample.id))
        });
        behind.cloned().collect()
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> u64 {
        self.samples.len() as u64
    }

    /// How many records were to be seen up to an instant.
    pub(crate) fn seen_up_to(&self, to: DateTime<Utc>) -> usize {
        self.samples.partition_point(|sample| sample.seen <= to)
    }
}

/// The source that postrider reads.
pub(crate) struct Well(pub(crate) Sim);

impl Well {
    /// What this request is answered with, and whether the answer breaks off behind it.
    fn answer(&self, request: &PullRequest) -> Result<(Vec<Sample>, Pulled, bool), SourceError> {
        let mut sim = self.0.lock();
        let answers = sim.lines.answers;
        let from = request.since.or(request.from);
        let mut samples = sim.lines.since(from, request.resume.as_ref());
        let now = sim.lines.now;
        sim.trace.note(format_args!("pull since {from:?}: {} records, {answers:?}", samples.len()));
        let mut broken_off = sim.fault.dies_in_pull();
        match answers {
            Answers::Well => {}
            Answers::Not => return Err(down()),
            Answers::InPart => broken_off = true,
        }
        if broken_off {
            samples.truncate(samples.len() / 2);
        }
        let pulled = Pulled { records: samples.len() as u64, ..Pulled::nothing(now) };
        if sim.broken(Break::WatermarkFirst) && !samples.is_empty() && sim.chance.percent(5) {
            samples.pop();
        }
        Ok((samples, pulled, broken_off))
    }
}

fn down() -> SourceError {
    SourceError::Down { name: "lines".to_owned(), reason: "simulated".to_owned() }
}

fn batch(samples: &[Sample], dataset: &Dataset) -> Batch {
    let mut batch = Batch::default();
    let text = |text: &str, batch: &mut Batch| {
        let at = batch.text.len() as u32;
        batch.text.push_str(text);
        Cell::Text(at, text.len() as u32)
    };
    for sample in samples {
        for field in &dataset.fields {
            let cell = match field.name.as_str() {
                "id" => text(&sample.id, &mut batch),
                "at" => Cell::Timestamp(sample.at.timestamp_millis()),
                "seen" => Cell::Timestamp(sample.seen.timestamp_millis()),
                "rule" => text(LINES[sample.line].0, &mut batch),
                "line" => text(LINES[sample.line].1, &mut batch),
                _ => Cell::Real(sample.value),
            };
            batch.cells.push(cell);
        }
        batch.deleted.push(false);
        batch.cursor = Some(Cursor { stamp: sample.seen, key: sample.id.clone() });
    }
    batch
}

impl Source for Well {
    fn pull<'a>(
        &'a self,
        request: PullRequest,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        Box::pin(async move {
            let (samples, pulled, broken_off) = self.answer(&request)?;
            for some in samples.chunks(BATCH) {
                if into.send(batch(some, &request.dataset)).await.is_err() {
                    return Err(SourceError::Stopped);
                }
            }
            if broken_off {
                self.0.lock().fault.die_if_in_pull();
                return Err(down());
            }
            Ok(pulled)
        })
    }

    fn describe<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Described, SourceError>> {
        Box::pin(async { Err(down()) })
    }

    fn day_counts<'a>(
        &'a self,
        _: &'a Arc<Dataset>,
        _: std::ops::Range<DateTime<Utc>>,
    ) -> BoxFuture<'a, Result<Option<Vec<DayCount>>, SourceError>> {
        Box::pin(async { Ok(None) })
    }

    fn reread<'a>(
        &'a self,
        _: &'a Arc<Dataset>,
        _: std::ops::Range<DateTime<Utc>>,
        _: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        Box::pin(async { Err(down()) })
    }

    fn quota(&self) -> Option<Quota> {
        None
    }

    fn spent(&self) -> Spent {
        Spent::default()
    }

    fn recall(&self, _: Spent) {}

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
