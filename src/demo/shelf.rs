//! A bounded shelf for what arrived, oldest first, and a way to wait for more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What arrived, up to a number of things and a number of bytes.
pub(super) struct Shelf<T> {
    items_max: usize,
    bytes_max: usize,
    state: Mutex<State<T>>,
    total: watch::Sender<usize>,
}

struct State<T> {
    items: VecDeque<Item<T>>,
    bytes: usize,
    last_number: u64,
}

struct Item<T> {
    number: u64,
    bytes: usize,
    thing: Arc<T>,
}

impl<T> Shelf<T> {
    /// An empty shelf; when either bound is reached, the oldest things fall off.
    pub(super) fn new(items_max: usize, bytes_max: usize) -> Shelf<T> {
        let state = State { items: VecDeque::new(), bytes: 0, last_number: 0 };
        Shelf { items_max, bytes_max, state: Mutex::new(state), total: watch::Sender::new(0) }
    }

    /// Adds a thing of a size in bytes, made from its number (from 1, never reused).
    pub(super) fn add(&self, bytes: usize, make: impl FnOnce(u64) -> T) -> u64 {
        let mut state = self.lock();
        state.last_number += 1;
        let number = state.last_number;
        state.items.push_back(Item { number, bytes, thing: Arc::new(make(number)) });
        state.bytes += bytes;
        while state.items.len() > self.items_max
            || (state.bytes > self.bytes_max && state.items.len() > 1)
        {
            let fallen = state.items.pop_front().map_or(0, |item| item.bytes);
            state.bytes -= fallen;
        }
        drop(state);
        self.total.send_modify(|total| *total += 1);
        number
    }

    /// What is on the shelf, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.lock().items.iter().map(|item| Arc::clone(&item.thing)).collect()
    }

    /// One thing by its number, if it has not fallen off.
    pub(super) fn find(&self, number: u64) -> Option<Arc<T>> {
        let state = self.lock();
        let index = state.items.binary_search_by_key(&number, |item| item.number).ok()?;
        Some(Arc::clone(&state.items[index].thing))
    }

    /// How many things arrived since the start or the last [`Shelf::clear`].
    pub(super) fn total(&self) -> usize {
        *self.total.borrow()
    }

    /// Done when at least `count` things have arrived since the start or the last clearing.
    pub(super) async fn reached(&self, count: usize) {
        let mut total = self.total.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = total.wait_for(|total| *total >= count).await;
    }

    /// Empties the shelf; numbers go on.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.items.clear();
        state.bytes = 0;
        drop(state);
        self.total.send_replace(0);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Shelf;

    #[test]
    fn the_oldest_fall_off_by_number_and_by_size() {
        let shelf = Shelf::new(3, 100);
        for bytes in [10, 10, 10, 10] {
            shelf.add(bytes, |number| number);
        }
        assert_eq!(held(&shelf), [2, 3, 4]);
        shelf.add(85, |number| number);
        assert_eq!(held(&shelf), [4, 5]);
        shelf.add(1_000, |number| number);
        assert_eq!(held(&shelf), [6], "a thing too big for the shelf is still shown");
        assert_eq!(shelf.total(), 6);
        assert_eq!(shelf.find(6).as_deref(), Some(&6));
        assert!(shelf.find(5).is_none());
    }

    #[tokio::test]
    async fn waiting_counts_what_arrived_since_the_last_clearing() {
        let shelf = Shelf::new(1, 100);
        shelf.add(1, |number| number);
        shelf.clear();
        let wait = shelf.reached(2);
        tokio::pin!(wait);
        assert!((&mut wait).now_or_never().is_none());
        shelf.add(1, |number| number);
        assert!((&mut wait).now_or_never().is_none());
        shelf.add(1, |number| number);
        wait.await;
        assert_eq!(held(&shelf), [3]);
    }

    fn held(shelf: &Shelf<u64>) -> Vec<u64> {
        shelf.all().iter().map(|number| **number).collect()
    }
}
