//! Who is logged in, which cursors are open, how much of the daily quota is used and what was
//! asked: the org's bookkeeping of its HTTP side, in plain values under one lock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::rng::Rng;
use super::soql::bind::Query;

/// Cursors live this long.
const CURSOR_LIFE: TimeDelta = TimeDelta::days(2);
/// Most cursors kept; the oldest goes first.
const CURSORS_MAX: usize = 5_000;
/// Most ids all cursors together hold.
const CURSOR_IDS_MAX: usize = 20_000_000;
/// Most requests remembered.
const SEEN_MAX: usize = 20_000;

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// `POST /services/oauth2/token`.
    Token,
    /// `GET /services/data`.
    Versions,
    /// First page of `/query`.
    Query,
    /// First page of `/queryAll`.
    QueryAll,
    /// Any further page.
    QueryMore,
    /// `/sobjects`.
    Objects,
    /// `/sobjects/X/describe`.
    Describe,
    /// `/sobjects/X/deleted`.
    Deleted,
    /// `/sobjects/X/updated`.
    Updated,
    /// `/limits`.
    Limits,
    /// `POST /jobs/query`: a new Bulk job.
    BulkCreate,
    /// `GET /jobs/query`: the list of jobs.
    BulkList,
    /// `GET /jobs/query/ID`: how far a job is.
    BulkJob,
    /// `GET /jobs/query/ID/results`: a page of a job's results.
    BulkResults,
    /// `GET /jobs/query/ID/resultPages`.
    BulkPages,
    /// `PATCH /jobs/query/ID`.
    BulkAbort,
    /// `DELETE /jobs/query/ID`.
    BulkDelete,
    /// Anything else.
    Other,
}

impl Call {
    /// Whether it goes to the Bulk API.
    pub fn is_bulk(self) -> bool {
        matches!(
            self,
            Call::BulkCreate
                | Call::BulkList
                | Call::BulkJob
                | Call::BulkResults
                | Call::BulkPages
                | Call::BulkAbort
                | Call::BulkDelete
        )
    }
}

/// One request as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Kind of request.
    pub call: Call,
    /// Path and query string as sent.
    pub target: String,
    /// The statement, decoded: of a first page, or of the Bulk job the request is about.
    pub soql: Option<String>,
    /// HTTP status answered.
    pub status: u16,
    /// The fault it met, if any.
    pub fault: Option<super::faults::Fault>,
}

/// A logged-in session.
#[derive(Clone, Debug)]
struct Session {
    expires: DateTime<Utc>,
    calls_left: Option<u32>,
}

/// An open cursor: ids, not copies.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    token: String,
    opened: DateTime<Utc>,
    pub(crate) query: Arc<Query>,
    pub(crate) slots: Arc<[u32]>,
    pub(crate) with_deleted: bool,
}

/// The bookkeeping.
#[derive(Debug)]
pub(crate) struct Traffic {
    rng: Rng,
    sessions: HashMap<String, Session>,
    cursors: BTreeMap<u64, Cursor>,
    cursors_opened: u64,
    /// Requests by hour, the last day only.
    usage: VecDeque<(i64, u64)>,
    /// Bulk jobs made, by hour, the last day only.
    jobs: VecDeque<(i64, u64)>,
    /// Bytes of results of Bulk jobs sent, by hour, the last day only.
    result_bytes: VecDeque<(i64, u64)>,
    counts: BTreeMap<Call, u64>,
    seen: VecDeque<Seen>,
}

impl Traffic {
    pub(crate) fn new(seed: u64) -> Traffic {
        Traffic {
            rng: Rng::new(&[seed, 0x07]),
            sessions: HashMap::new(),
            cursors: BTreeMap::new(),
            cursors_opened: 0,
            usage: VecDeque::new(),
            jobs: VecDeque::new(),
            result_bytes: VecDeque::new(),
            counts: BTreeMap::new(),
            seen: VecDeque::new(),
        }
    }

    /// Gives out a new token; those before stay valid.
    pub(crate) fn log_in(
        &mut self,
        org_id: &str,
        expires: DateTime<Utc>,
        calls_left: Option<u32>,
    ) -> String {
        let mut token = format!("{}!AQ", &org_id[..15]);
        for _ in 0..94 {
            const SIGNS: &[u8; 64] =
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
            token.push(char::from(SIGNS[self.rng.below(64)]));
        }
        self.sessions.insert(token.clone(), Session { expires, calls_left });
        token
    }

    /// Whether a token is good now; good use moves its end on.
    pub(crate) fn admit(&mut self, token: &str, now: DateTime<Utc>, life: TimeDelta) -> bool {
        self.sessions.retain(|_, session| session.expires > now);
        let Some(session) = self.sessions.get_mut(token) else { return false };
        if let Some(left) = &mut session.calls_left {
            if *left == 0 {
                self.sessions.remove(token);
                return false;
            }
            *left -= 1;
        }
        session.expires = now + life;
        true
    }

    /// Ends one session.
    pub(crate) fn expire(&mut self, token: &str) {
        self.sessions.remove(token);
    }

    /// Ends all sessions.
    pub(crate) fn expire_all(&mut self) {
        self.sessions.clear();
    }

    /// Keeps a cursor and names it.
    pub(crate) fn open(
        &mut self,
        token: &str,
        now: DateTime<Utc>,
        query: Arc<Query>,
        slots: Arc<[u32]>,
        with_deleted: bool,
    ) -> String {
        self.cursors.retain(|_, cursor| now - cursor.opened < CURSOR_LIFE);
        let mut ids = slots.len() + self.cursors.values().map(|one| one.slots.len()).sum::<usize>();
        while self.cursors.len() >= CURSORS_MAX || ids > CURSOR_IDS_MAX {
            let Some((_, oldest)) = self.cursors.pop_first() else { break };
            ids -= oldest.slots.len();
        }
        self.cursors_opened += 1;
        let number = self.cursors_opened;
        let cursor = Cursor { token: token.to_owned(), opened: now, query, slots, with_deleted };
        self.cursors.insert(number, cursor);
        super::id::Id::new(*b"01g", number).to_string()
    }

    /// The cursor of this name, if this token opened it and it still lives.
    pub(crate) fn cursor(&self, name: &str, token: &str, now: DateTime<Utc>) -> Option<Cursor> {
        let number = super::id::Id::parse(name).filter(|id| id.prefix() == *b"01g")?.number();
        let cursor = self.cursors.get(&number)?;
        (cursor.token == token && now - cursor.opened < CURSOR_LIFE).then(|| cursor.clone())
    }

    /// Forgets a cursor.
    pub(crate) fn close(&mut self, name: &str) {
        if let Some(id) = super::id::Id::parse(name) {
            self.cursors.remove(&id.number());
        }
    }

    /// Open cursors.
    pub(crate) fn cursors(&self) -> usize {
        self.cursors.len()
    }

    /// Requests used in the last day; `count` of them now.
    pub(crate) fn used(&mut self, now: DateTime<Utc>, count: u64) -> u64 {
        rolling(&mut self.usage, now, count)
    }

    /// Bulk jobs made in the last day.
    pub(crate) fn jobs_made(&mut self, now: DateTime<Utc>) -> u64 {
        rolling(&mut self.jobs, now, 0)
    }

    /// Bytes of results sent in the last day; `count` of them now.
    pub(crate) fn result_bytes(&mut self, now: DateTime<Utc>, count: u64) -> u64 {
        rolling(&mut self.result_bytes, now, count)
    }

    /// Whether one more job may be made today; it is counted if so.
    pub(crate) fn may_open_job(&mut self, now: DateTime<Utc>, most: u64) -> bool {
        let may = self.jobs_made(now) < most;
        rolling(&mut self.jobs, now, u64::from(may));
        may
    }

    /// Remembers a request.
    pub(crate) fn saw(&mut self, seen: Seen) {
        *self.counts.entry(seen.call).or_insert(0) += 1;
        if self.seen.len() == SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }

    pub(crate) fn counts(&self) -> BTreeMap<Call, u64> {
        self.counts.clone()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.iter().cloned().collect()
    }

    pub(crate) fn forget(&mut self) {
        self.counts.clear();
        self.seen.clear();
    }
}

/// Adds to a count by hours and gives the sum of the last day.
fn rolling(hours: &mut VecDeque<(i64, u64)>, now: DateTime<Utc>, count: u64) -> u64 {
    let hour = now.timestamp().div_euclid(3_600);
    while hours.front().is_some_and(|(first, _)| *first <= hour - 24) {
        hours.pop_front();
    }
    match hours.back_mut() {
        Some((last, sum)) if *last >= hour => *sum += count,
        _ => hours.push_back((hour, count)),
    }
    hours.iter().map(|(_, sum)| sum).sum()
}
