//! Commits together: writes that wait for the disk at the same time wait for it once.
//!
//! Each write is a closure that runs in a savepoint of its own within one transaction, in the order
//! in which they came; one that fails or panics takes back its own work and nobody else's. The
//! transaction is synced to disk before anybody hears of it, so a write that is said to be done is
//! durable, exactly as by [`State::write`]. Nobody waits for company: whoever comes while nothing
//! is being written begins at once, and who comes meanwhile goes together next.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Transaction, TransactionBehavior, ffi};

use super::room::Failing;
use super::{State, StateError};

/// Writes of one transaction; more of them wait for the next.
const TOGETHER_MAX: usize = 128;

/// Why a write was not done; nothing of it happened.
#[derive(Debug)]
pub enum WriteError {
    /// It failed, or the commit did.
    State(StateError),
    /// It panicked with these words.
    Panicked(String),
}

/// Writes that wait.
#[derive(Default)]
pub(super) struct Commits {
    queue: Mutex<Queue>,
    /// Transactions that were committed, and writes in them.
    made: AtomicU64,
    writes: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<dyn Work>>,
    /// Whether somebody writes what waits.
    led: bool,
}

impl Commits {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write with whoever waits for it.
trait Work: Send {
    /// Runs it, once; true: what it did is to be kept.
    fn run(&mut self, tx: &Transaction<'_>) -> bool;
    /// What its own failure says of the disk.
    fn failing(&self) -> Option<Failing>;
    /// Says what became of it; `failure`: of the transaction as a whole.
    fn tell(self: Box<Self>, failure: Option<&rusqlite::Error>);
}

struct Write<T, W, H> {
    work: Option<W>,
    came_to: Option<Result<T, WriteError>>,
    hears: H,
}

impl<T, W, H> Work for Write<T, W, H>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> Result<T, StateError> + Send,
    H: FnOnce(Result<T, WriteError>) + Send,
{
    fn run(&mut self, tx: &Transaction<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let came_to = match catch_unwind(AssertUnwindSafe(|| work(tx))) {
            Ok(came_to) => came_to.map_err(WriteError::State),
            Err(payload) => Err(WriteError::Panicked(words(payload.as_ref()))),
        };
        self.came_to.insert(came_to).is_ok()
    }

    fn failing(&self) -> Option<Failing> {
        match &self.came_to {
            Some(Err(WriteError::State(err))) => Failing::among(err),
            _ => None,
        }
    }

    fn tell(self: Box<Self>, failure: Option<&rusqlite::Error>) {
        let lost = failure.map(|err| Err(WriteError::State(same(err).into())));
        let came_to = match (self.came_to, lost) {
            (Some(Ok(_)) | None, Some(lost)) => lost,
            (Some(came_to), _) => came_to,
            (None, None) => Err(WriteError::Panicked("the write was given up".to_owned())),
        };
        (self.hears)(came_to);
    }
}

impl State {
    /// Puts a write behind those that wait; `hears` is told what became of it, on the thread that
    /// writes. True: nobody writes yet, and the caller must have [`State::lead`] called, where it
    /// may block.
    #[must_use]
    pub fn enqueue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StateError> + Send + 'static,
        hears: impl FnOnce(Result<T, WriteError>) + Send + 'static,
    ) -> bool {
        let mut queue = self.commits.queue();
        queue.waiting.push_back(Box::new(Write { work: Some(work), came_to: None, hears }));
        !std::mem::replace(&mut queue.led, true)
    }

    /// Writes until nothing waits any more. Blocks.
    pub fn lead(&self) {
        loop {
            let batch = {
                let mut queue = self.commits.queue();
                let count = queue.waiting.len().min(TOGETHER_MAX);
                if count == 0 {
                    queue.led = false;
                    return;
                }
                queue.waiting.drain(..count).collect()
            };
            self.commit(batch);
        }
    }

    /// What waits is given up: whoever should have written it is gone. They hear of it.
    pub fn give_up(&self) {
        let given_up = {
            let mut queue = self.commits.queue();
            queue.led = false;
            std::mem::take(&mut queue.waiting)
        };
        for work in given_up {
            work.tell(None);
        }
    }

    /// How many transactions were committed for [`State::enqueue`], and how many writes they held.
    pub fn commits(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.commits.made), read(&self.commits.writes))
    }

    /// One transaction for some writes, and what became of each is said.
    fn commit(&self, mut batch: Vec<Box<dyn Work>>) {
        let (done, failure) = self.write_together(&mut batch);
        let of_all = failure.as_ref().and_then(Failing::of);
        if let Some(failing) = of_all.or_else(|| batch.iter().find_map(|work| work.failing())) {
            self.note_failing(failing);
        }
        // Those that never ran go first in the next one.
        let left = batch.split_off(done);
        {
            let mut queue = self.commits.queue();
            for work in left.into_iter().rev() {
                queue.waiting.push_front(work);
            }
        }
        for work in batch {
            work.tell(failure.as_ref());
        }
    }

    /// Runs writes in one transaction and commits it. Returns how many ran, or were meant to, and
    /// why all of them are lost, if they are.
    fn write_together(&self, batch: &mut [Box<dyn Work>]) -> (usize, Option<rusqlite::Error>) {
        let all = batch.len();
        let mut connection = self.connection();
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = match begun {
            Ok(tx) => tx,
            Err(err) => return (all, Some(err)),
        };
        let mut kept = 0;
        for (at, work) in batch.iter_mut().enumerate() {
            match isolated(&tx, work.as_mut(), all == 1) {
                Ok(true) => kept += 1,
                Ok(false) => {}
                Err(err) => return (at + 1, Some(err)),
            }
        }
        // Of a lone write that failed nothing is kept, and it had no savepoint.
        if kept == 0 {
            return (all, None);
        }
        match tx.commit() {
            Ok(()) => {
                self.commits.made.fetch_add(1, Ordering::Relaxed);
                self.commits.writes.fetch_add(kept, Ordering::Relaxed);
                (all, None)
            }
            Err(err) => (all, Some(err)),
        }
    }
}

/// Runs one write so that it can be taken back alone. Fails where the transaction itself is lost:
/// SQLite takes some failures of the disk out on all of it.
fn isolated(
    tx: &Transaction<'_>,
    work: &mut dyn Work,
    alone: bool,
) -> Result<bool, rusqlite::Error> {
    if alone {
        return Ok(work.run(tx));
    }
    tx.execute_batch("savepoint one_write")?;
    let keep = work.run(tx);
    if tx.is_autocommit() {
        let said = "the transaction was rolled back by a failure of another write in it";
        let code = ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK);
        return Err(rusqlite::Error::SqliteFailure(code, Some(said.to_owned())));
    }
    match keep {
        true => tx.execute_batch("release one_write")?,
        false => tx.execute_batch("rollback to one_write; release one_write")?,
    }
    Ok(keep)
}

/// The same failure once more, for another one who must hear of it.
fn same(err: &rusqlite::Error) -> rusqlite::Error {
    match err {
        rusqlite::Error::SqliteFailure(code, said) => {
            rusqlite::Error::SqliteFailure(*code, said.clone())
        }
        other => {
            let code = ffi::Error::new(ffi::SQLITE_ERROR);
            rusqlite::Error::SqliteFailure(code, Some(other.to_string()))
        }
    }
}

/// What a panic said.
pub(crate) fn words(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
