//! Who is under way: the seats of each receiver, and what was tried and is not written down yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::settle::Tried;

/// The memory of deliveries under way.
pub(in crate::engine) struct UnderWay {
    inner: Arc<Mutex<Inner>>,
    cut: watch::Sender<bool>,
    /// One writes down at a time what could not be written before.
    pub(super) writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    /// Seats taken, by receiver.
    taken: HashMap<String, usize>,
    /// What was tried, by receiver. Bounded by the seats: nothing more of a receiver is begun while
    /// something is here.
    unwritten: BTreeMap<String, Vec<Arc<Tried>>>,
}

/// A place for one message under way at a receiver; free again when it is dropped, also by a panic.
pub(super) struct Seat {
    inner: Arc<Mutex<Inner>>,
    receiver: String,
}

/// Seats that were free.
pub(super) struct Seats {
    /// They are taken now.
    pub(super) free: Vec<Seat>,
    /// How many were taken before.
    pub(super) others: usize,
}

impl Default for UnderWay {
    fn default() -> UnderWay {
        UnderWay {
            inner: Arc::default(),
            cut: watch::Sender::new(false),
            writing: tokio::sync::Mutex::default(),
        }
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UnderWay {
    /// Takes every seat of a receiver that is free; `width`: how many it has.
    pub(super) fn take(&self, receiver: &str, width: usize) -> Seats {
        let mut inner = lock(&self.inner);
        let taken = inner.taken.entry(receiver.to_owned()).or_default();
        let others = *taken;
        let free = width.max(1).saturating_sub(others);
        *taken += free;
        let seat = || Seat { inner: Arc::clone(&self.inner), receiver: receiver.to_owned() };
        Seats { free: std::iter::repeat_with(seat).take(free).collect(), others }
    }

    /// Keeps what was tried until it can be written down.
    pub(super) fn keep(&self, tried: Arc<Tried>) {
        let mut inner = lock(&self.inner);
        inner.unwritten.entry(tried.receiver.clone()).or_default().push(tried);
    }

    /// What is not written down yet, the oldest of each receiver first.
    pub(super) fn unwritten(&self) -> Vec<Arc<Tried>> {
        lock(&self.inner).unwritten.values().flatten().cloned().collect()
    }

    /// It is written down.
    pub(super) fn written(&self, tried: &Arc<Tried>) {
        let mut inner = lock(&self.inner);
        if let Some(list) = inner.unwritten.get_mut(&tried.receiver) {
            list.retain(|one| !Arc::ptr_eq(one, tried));
            if list.is_empty() {
                inner.unwritten.remove(&tried.receiver);
            }
        }
    }

    /// Whether something of a receiver is not written down yet.
    pub(super) fn owes(&self, receiver: &str) -> bool {
        lock(&self.inner).unwritten.contains_key(receiver)
    }

    /// From now on nothing is waited for that has not been handed over.
    pub(super) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Tells when that is said.
    pub(super) fn when_cut(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = lock(&self.inner);
        if let Some(taken) = inner.taken.get_mut(&self.receiver) {
            *taken -= 1;
            if *taken == 0 {
                inner.taken.remove(&self.receiver);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_has_so_many_seats_and_no_other_takes_them() {
        let under_way = UnderWay::default();
        let mut first = under_way.take("hook", 3);
        assert_eq!((first.free.len(), first.others), (3, 0));
        assert_eq!(
            (under_way.take("hook", 3).free.len(), under_way.take("mail", 0).free.len()),
            (0, 1)
        );
        drop(first.free.pop());
        let second = under_way.take("hook", 3);
        assert_eq!((second.free.len(), second.others), (1, 2));
        drop((first, second));
        assert_eq!(under_way.take("hook", 2).others, 0);
        assert!(lock(&under_way.inner).taken.is_empty());
    }
}
