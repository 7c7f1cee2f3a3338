//! Jobs of the Bulk API 2.0: what was asked, what was found when it was asked, and how far the job
//! is. A job moves on when it is looked at, so that a test decides how many looks it takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::id::Id;
use super::soql::bind::Query;
use super::table::Row;

/// Jobs are kept this long.
const JOB_LIFE: TimeDelta = TimeDelta::days(7);
/// Key prefix of jobs.
const PREFIX: [u8; 3] = *b"750";
/// Most jobs one page of the list names.
pub(crate) const LIST_MAX: usize = 1_000;

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    UploadComplete,
    InProgress,
    JobComplete,
    /// Why.
    Failed(String),
    Aborted,
}

impl State {
    /// As the API writes it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            State::UploadComplete => "UploadComplete",
            State::InProgress => "InProgress",
            State::JobComplete => "JobComplete",
            State::Failed(_) => "Failed",
            State::Aborted => "Aborted",
        }
    }
    /// Whether the job will not change any more.
    pub(crate) fn is_terminal(&self) -> bool {
        !matches!(self, State::UploadComplete | State::InProgress)
    }
}

/// What will become of a job.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// Looks that find it in progress.
    pub(crate) polls: u32,
    /// How it ends then.
    pub(crate) end: State,
}

/// How a job's results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Name and sign of the delimiter.
    pub(crate) delimiter: (&'static str, u8),
    /// Whether lines end with CR LF.
    pub(crate) crlf: bool,
}

/// All delimiters by name.
const DELIMITERS: [(&str, u8); 6] = [
    ("COMMA", b','),
    ("CARET", b'^'),
    ("PIPE", b'|'),
    ("SEMICOLON", b';'),
    ("TAB", b'\t'),
    ("BACKQUOTE", b'`'),
];

impl Dialect {
    /// The dialect of these names; `None` where a name is unknown.
    pub(crate) fn of(delimiter: &str, line_ending: &str) -> Option<Dialect> {
        let delimiter = DELIMITERS.into_iter().find(|(name, _)| *name == delimiter)?;
        let crlf = match line_ending {
            "LF" => false,
            "CRLF" => true,
            _ => return None,
        };
        Some(Dialect { delimiter, crlf })
    }
}

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: Id,
    pub(crate) soql: Arc<str>,
    pub(crate) query: Arc<Query>,
    /// Whether it is a `queryAll`.
    pub(crate) with_deleted: bool,
    /// What it found when it was made.
    pub(crate) rows: Arc<[Row]>,
    pub(crate) dialect: Dialect,
    /// E.g. `67.0`.
    pub(crate) version: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) changed: DateTime<Utc>,
    pub(crate) state: State,
    pub(crate) course: Course,
}

impl Job {
    /// One look at the job: it moves on.
    fn look(&mut self, now: DateTime<Utc>) {
        if self.state.is_terminal() {
            return;
        }
        let next = if self.course.polls > 0 {
            self.course.polls -= 1;
            State::InProgress
        } else {
            self.course.end.clone()
        };
        if next != self.state {
            self.state = next;
            self.changed = now;
        }
        if matches!(self.state, State::Failed(_) | State::Aborted) {
            self.rows = Arc::new([]);
        }
    }
}

/// All jobs.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    made: u64,
    jobs: BTreeMap<u64, Job>,
}

impl Jobs {
    /// Keeps a new job and names it.
    pub(crate) fn open(&mut self, now: DateTime<Utc>, job: impl FnOnce(Id) -> Job) -> Job {
        self.jobs.retain(|_, job| now - job.created < JOB_LIFE);
        self.made += 1;
        let job = job(Id::new(PREFIX, self.made));
        self.jobs.insert(self.made, job.clone());
        job
    }

    /// The job as it stands.
    pub(crate) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(&number(id)?)
    }

    /// Looks at a job.
    pub(crate) fn look(&mut self, id: &str, now: DateTime<Utc>) -> Option<Job> {
        let job = self.jobs.get_mut(&number(id)?)?;
        job.look(now);
        Some(job.clone())
    }

    /// Ends a job that has not ended; `Err` with the job if it has.
    pub(crate) fn abort(&mut self, id: &str, now: DateTime<Utc>) -> Option<Result<Job, Job>> {
        let job = self.jobs.get_mut(&number(id)?)?;
        if job.state.is_terminal() {
            return Some(Err(job.clone()));
        }
        job.course = Course { polls: 0, end: State::Aborted };
        job.look(now);
        Some(Ok(job.clone()))
    }

    /// Forgets a job that has ended; `Some(false)` if it has not.
    pub(crate) fn delete(&mut self, id: &str) -> Option<bool> {
        let number = number(id)?;
        let ended = self.jobs.get(&number)?.state.is_terminal();
        if ended {
            self.jobs.remove(&number);
        }
        Some(ended)
    }

    /// All jobs, the oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }
}

fn number(id: &str) -> Option<u64> {
    Id::parse(id).filter(|id| id.prefix() == PREFIX).map(|id| id.number())
}

/// Whether a name is that of a compound field, whose parts Bulk gives but not the whole.
pub(crate) fn is_compound(field: &str) -> bool {
    ["BillingAddress", "ShippingAddress", "MailingAddress", "OtherAddress", "Address"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(field))
}
