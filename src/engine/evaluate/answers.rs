//! What the records say to the rules of one instant. Rules that ask the same, or the same of the
//! same records, are answered by one pass; all of them see the records of one moment.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::query::shared::Scan;
use crate::domain::query::{Answer, Frame, Query};
use crate::store::{StoreError, View};

/// At most so many rows of answers are held for the next rule; beyond it the records are asked again.
const ROWS_HELD_MAX: usize = 200_000;

/// Which questions share a pass over the records.
#[derive(Debug, Default)]
pub(in crate::engine) struct Scans {
    scans: Vec<Scan>,
    /// By the address of a question: its scan, and which member of it. Whoever has the scans holds the
    /// questions, so that their addresses stay theirs.
    places: HashMap<usize, (usize, usize)>,
}

impl Scans {
    /// Of all questions that rules ask.
    pub(in crate::engine) fn of(questions: &[Arc<Query>]) -> Scans {
        let (scans, places) = Scan::of(questions);
        let places = questions.iter().map(address).zip(places).collect();
        Scans { scans, places }
    }

    /// The scan of a question: rules in the order of their scans share answers while they are held.
    pub(super) fn scan_of(&self, question: &Arc<Query>) -> usize {
        self.places.get(&address(question)).map_or(usize::MAX, |(scan, _)| *scan)
    }
}

/// What a frame asks about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct When {
    bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
    as_of: DateTime<Utc>,
    zone: String,
    rows_max: usize,
}

impl When {
    fn of(frame: &Frame) -> When {
        let zone = frame.zone.name().to_owned();
        When { bounds: frame.bounds, as_of: frame.as_of, zone, rows_max: frame.rows_max }
    }
}

/// The answers of one moment.
pub(in crate::engine) struct Answers<'a> {
    view: &'a View<'a>,
    scans: &'a Scans,
    held: RefCell<Held>,
    /// Passes over the records so far.
    passes: Cell<u64>,
}

#[derive(Default)]
struct Held {
    rows: usize,
    answers: HashMap<(usize, When), Arc<Answer>>,
}

impl<'a> Answers<'a> {
    /// Of the records as one view has them.
    pub(in crate::engine) fn new(view: &'a View<'a>, scans: &'a Scans) -> Answers<'a> {
        Answers { view, scans, held: RefCell::default(), passes: Cell::new(0) }
    }

    /// Answers a question, from an earlier pass if it has the answer.
    ///
    /// # Errors
    /// As [`View::answer`]'s.
    pub(in crate::engine) fn answer(
        &self,
        question: &Arc<Query>,
        frame: &Frame,
    ) -> Result<Arc<Answer>, StoreError> {
        let Some((scan, member)) = self.scans.places.get(&address(question)) else {
            self.passes.set(self.passes.get() + 1);
            return Ok(Arc::new(self.view.answer(question, frame)?));
        };
        let key = (*scan, When::of(frame));
        let scan = &self.scans.scans[*scan];
        if let Some(answer) = self.held.borrow().answers.get(&key) {
            return Ok(scan.answer(answer, *member));
        }
        self.passes.set(self.passes.get() + 1);
        let answer = Arc::new(match self.view.answer(&scan.query, frame) {
            // A member may lack what another one still waits for.
            Err(StoreError::Loading(_)) => {
                return Ok(Arc::new(self.view.answer(question, frame)?));
            }
            answer => answer?,
        });
        let mut held = self.held.borrow_mut();
        if held.rows + answer.rows.len() > ROWS_HELD_MAX {
            held.answers.clear();
            held.rows = 0;
        }
        held.rows += answer.rows.len();
        held.answers.insert(key, Arc::clone(&answer));
        Ok(scan.answer(&answer, *member))
    }

    /// Answers a question that nobody else asks; the answer is not held.
    ///
    /// # Errors
    /// As [`View::answer`]'s.
    pub(in crate::engine) fn list(
        &self,
        question: &Query,
        frame: &Frame,
    ) -> Result<Answer, StoreError> {
        self.passes.set(self.passes.get() + 1);
        self.view.answer(question, frame)
    }

    /// The instant up to which all of some datasets are complete; `None` while one is not loaded.
    pub(in crate::engine) fn complete_to(&self, datasets: &[String]) -> Option<DateTime<Utc>> {
        self.view.complete_to(datasets)
    }

    /// The earliest value of a dataset's timestamp; `None` without any.
    ///
    /// # Errors
    /// The records cannot be read.
    pub(in crate::engine) fn earliest(
        &self,
        dataset: &str,
        field: &str,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.view.earliest(dataset, field)
    }

    /// Records that changed before it were never loaded; `None`: there is no such bound.
    pub(in crate::engine) fn history_from(&self, dataset: &str) -> Option<DateTime<Utc>> {
        self.view.history_from(dataset)
    }

    /// Passes over the records so far.
    pub(super) fn passes(&self) -> u64 {
        self.passes.get()
    }
}

fn address(question: &Arc<Query>) -> usize {
    Arc::as_ptr(question) as usize
}
