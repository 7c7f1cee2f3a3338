//! Rows gathered into groups, or the first rows of a list; part by part where an answer is split.
//!
//! Memory is bounded by the number of groups or rows an answer may have, not by what is read: rows
//! of groups beyond the bound are taken together, so that totals stay true.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::accumulate::{Accumulator, ordered};
use crate::domain::expr::AggregateKind;
use crate::domain::value::Value;

/// More groups beyond the bound than this are not told apart when they are counted.
const BEYOND_MAX: usize = 1_000_000;

/// What is known of a group from its first row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) keys: Vec<Value>,
    /// For each key that is an alias, what its record is called by; else null.
    pub(crate) labels: Vec<Value>,
    /// Fields that the keys fix.
    pub(crate) carried: Vec<Value>,
}

/// How much more may be held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Groups, or rows of lists.
    pub(crate) rows: usize,
    /// Groups beyond those, to be told apart when they are counted.
    beyond: usize,
}

impl Room {
    pub(crate) fn new(rows: usize) -> Room {
        Room { rows, beyond: BEYOND_MAX }
    }
}

/// What a query gathers, part by part. Without splits it is one part.
#[derive(Debug)]
pub(crate) struct Split<T> {
    pub(crate) parts: Vec<PartOf<T>>,
    /// What all of them may still hold.
    pub(crate) room: Room,
    parts_max: usize,
    places: HashMap<Box<[u8]>, usize>,
    last: (Vec<u8>, usize),
}

/// One part.
#[derive(Debug)]
pub(crate) struct PartOf<T> {
    /// The keys that split, with the labels of their records.
    pub(crate) head: Head,
    /// How many records are in it.
    pub(crate) records: u64,
    pub(crate) into: T,
}

impl<T> Split<T> {
    /// No parts yet; all of them together hold so many groups or rows.
    pub(crate) fn new(rows_max: usize) -> Split<T> {
        Split {
            parts: Vec::new(),
            room: Room::new(rows_max),
            parts_max: rows_max,
            places: HashMap::new(),
            last: (Vec::new(), 0),
        }
    }

    /// The one part of what is not split.
    pub(crate) fn unsplit(rows_max: usize, into: T) -> Split<T> {
        let mut split = Split::new(rows_max);
        split.parts.push(PartOf { head: Head::default(), records: 0, into });
        split
    }

    /// The place of the part with these encoded keys; `first` is asked for what is in a new one.
    /// `None`: there are too many.
    pub(crate) fn place(&mut self, key: &[u8], first: impl FnOnce() -> (Head, T)) -> Option<usize> {
        if self.parts.is_empty() || self.last.0 != key {
            let place = match self.places.get(key) {
                Some(place) => *place,
                None if self.parts.len() < self.parts_max => {
                    let (head, into) = first();
                    self.parts.push(PartOf { head, records: 0, into });
                    self.places.insert(key.into(), self.parts.len() - 1);
                    self.parts.len() - 1
                }
                None => return None,
            };
            self.last.0.clear();
            self.last.0.extend(key);
            self.last.1 = place;
        }
        Some(self.last.1)
    }

    /// The only part of what is not split.
    pub(crate) fn into_one(self, none: impl FnOnce() -> T) -> (T, u64) {
        let one = self.parts.into_iter().next();
        one.map_or_else(|| (none(), 0), |part| (part.into, part.records))
    }
}

/// One group.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    pub(crate) head: Head,
    pub(crate) aggregates: Vec<Accumulator>,
}

/// The groups of a query, or of one part.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Gathered>,
    /// The rows of groups beyond the bound, taken together.
    pub(crate) beyond: Option<Vec<Accumulator>>,
    kinds: Arc<[AggregateKind]>,
    places: HashMap<Box<[u8]>, usize>,
    last: (Vec<u8>, usize),
    beyond_keys: HashSet<u64>,
    hashes: BuildHasherDefault<DefaultHasher>,
}

/// The place of the groups beyond the bound.
const BEYOND: usize = usize::MAX;

impl Groups {
    /// No groups yet.
    pub(crate) fn new(kinds: Arc<[AggregateKind]>) -> Groups {
        Groups {
            groups: Vec::new(),
            beyond: None,
            kinds,
            places: HashMap::new(),
            last: (Vec::new(), BEYOND),
            beyond_keys: HashSet::new(),
            hashes: BuildHasherDefault::default(),
        }
    }

    /// A group without rows, if there is none: what a query without grouping gives over nothing.
    pub(crate) fn ensure_one(&mut self, head: Head) {
        if self.groups.is_empty() && self.beyond.is_none() {
            self.add(&[], head);
        }
    }

    /// The aggregates of the group with these encoded keys; `head` is asked when it is new.
    pub(crate) fn at(
        &mut self,
        room: &mut Room,
        key: &[u8],
        head: impl FnOnce() -> Head,
    ) -> &mut [Accumulator] {
        // Rows of one group often come together.
        if self.last.1 == BEYOND || self.last.0 != key {
            let place = match self.places.get(key) {
                Some(place) => *place,
                None if room.rows > 0 => {
                    room.rows -= 1;
                    self.add(key, head())
                }
                None => self.add_beyond(room, key),
            };
            self.last.0.clear();
            self.last.0.extend(key);
            self.last.1 = place;
        }
        match (self.groups.get_mut(self.last.1), &mut self.beyond) {
            (Some(group), _) => &mut group.aggregates,
            (None, Some(beyond)) => beyond,
            (None, None) => &mut [],
        }
    }

    /// How many groups are beyond the bound.
    pub(crate) fn beyond_count(&self) -> u64 {
        self.beyond_keys.len() as u64
    }

    fn fresh(&self) -> Vec<Accumulator> {
        self.kinds.iter().map(|kind| Accumulator::new(*kind)).collect()
    }

    fn add(&mut self, key: &[u8], head: Head) -> usize {
        let aggregates = self.fresh();
        self.groups.push(Gathered { head, aggregates });
        let place = self.groups.len() - 1;
        self.places.insert(key.into(), place);
        self.last = (key.to_vec(), place);
        place
    }

    fn add_beyond(&mut self, room: &mut Room, key: &[u8]) -> usize {
        if self.beyond.is_none() {
            self.beyond = Some(self.fresh());
        }
        if room.beyond > 0 && self.beyond_keys.insert(self.hashes.hash_one(key)) {
            room.beyond -= 1;
        }
        BEYOND
    }
}

/// A row of a list.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) cells: Vec<Value>,
    /// For each cell the key of the record it names; null where it names none.
    pub(crate) keys: Vec<Value>,
}

/// The first rows of a list by its order, of any number offered.
#[derive(Debug)]
pub(crate) struct FirstRows {
    /// The last of those kept is on top.
    kept: BinaryHeap<Ranked>,
    rows_max: usize,
    /// How many were offered.
    pub(crate) offered: u64,
}

#[derive(Debug)]
struct Ranked {
    /// What orders the row, most significant first, with its direction.
    order: Vec<(Value, bool)>,
    row: Listed,
}

impl FirstRows {
    pub(crate) fn new(rows_max: usize) -> FirstRows {
        FirstRows { kept: BinaryHeap::new(), rows_max, offered: 0 }
    }

    /// Takes a row with what orders it; ties are broken by the row itself, then by its keys, which
    /// are asked for where they are needed.
    pub(crate) fn offer<E>(
        &mut self,
        room: &mut Room,
        order: Vec<(Value, bool)>,
        cells: Vec<Value>,
        keys: impl FnOnce() -> Result<Vec<Value>, E>,
    ) -> Result<(), E> {
        self.offered += 1;
        let mut ranked = Ranked { order, row: Listed { cells, keys: Vec::new() } };
        if self.kept.len() < self.rows_max && room.rows > 0 {
            room.rows -= 1;
            ranked.row.keys = keys()?;
            self.kept.push(ranked);
        } else if let Some(mut last) = self.kept.peek_mut()
            && ranked.by_cells(&last) != Ordering::Greater
        {
            ranked.row.keys = keys()?;
            if ranked < *last {
                *last = ranked;
            }
        }
        Ok(())
    }

    /// The rows kept, in order.
    pub(crate) fn into_rows(self) -> Vec<Listed> {
        self.kept.into_sorted_vec().into_iter().map(|ranked| ranked.row).collect()
    }
}

impl Ranked {
    fn by_cells(&self, other: &Ranked) -> Ordering {
        let by_order = self.order.iter().zip(&other.order);
        let by_row = self.row.cells.iter().zip(&other.row.cells);
        by_order
            .map(|((a, descending), (b, _))| ordered(a.datum(), b.datum(), *descending))
            .chain(by_row.map(|(a, b)| a.order(b)))
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        let keys = || self.row.keys.iter().zip(&other.row.keys);
        self.by_cells(other).then_with(|| {
            let different = |order: &Ordering| *order != Ordering::Equal;
            keys().map(|(a, b)| a.order(b)).find(different).unwrap_or(Ordering::Equal)
        })
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
