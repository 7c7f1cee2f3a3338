//! Rows gathered into groups, or the first rows of a list.
//!
//! Memory is bounded by the number of groups or rows an answer may have, not by what is read: rows
//! of groups beyond the bound are taken together, so that totals stay true.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

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

/// One group.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    pub(crate) head: Head,
    pub(crate) aggregates: Vec<Accumulator>,
}

/// All groups of a query.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Gathered>,
    /// The rows of groups beyond the bound, taken together.
    pub(crate) beyond: Option<Vec<Accumulator>>,
    kinds: Vec<AggregateKind>,
    groups_max: usize,
    places: HashMap<Box<[u8]>, usize>,
    last: (Vec<u8>, usize),
    beyond_keys: HashSet<u64>,
    hashes: BuildHasherDefault<DefaultHasher>,
}

/// The place of the groups beyond the bound.
const BEYOND: usize = usize::MAX;

impl Groups {
    /// No groups yet.
    pub(crate) fn new(kinds: Vec<AggregateKind>, groups_max: usize) -> Groups {
        Groups {
            groups: Vec::new(),
            beyond: None,
            kinds,
            groups_max,
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
    pub(crate) fn at(&mut self, key: &[u8], head: impl FnOnce() -> Head) -> &mut [Accumulator] {
        // Rows of one group often come together.
        if self.last.1 == BEYOND || self.last.0 != key {
            let place = match self.places.get(key) {
                Some(place) => *place,
                None if self.groups.len() < self.groups_max => self.add(key, head()),
                None => self.add_beyond(key),
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

    fn add_beyond(&mut self, key: &[u8]) -> usize {
        if self.beyond.is_none() {
            self.beyond = Some(self.fresh());
        }
        if self.beyond_keys.len() < BEYOND_MAX {
            self.beyond_keys.insert(self.hashes.hash_one(key));
        }
        BEYOND
    }
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
    row: Vec<Value>,
}

impl FirstRows {
    pub(crate) fn new(rows_max: usize) -> FirstRows {
        FirstRows { kept: BinaryHeap::new(), rows_max, offered: 0 }
    }

    /// Takes a row with what orders it; ties are broken by the row itself.
    pub(crate) fn offer(&mut self, order: Vec<(Value, bool)>, row: Vec<Value>) {
        self.offered += 1;
        let ranked = Ranked { order, row };
        if self.kept.len() < self.rows_max {
            self.kept.push(ranked);
        } else if let Some(mut last) = self.kept.peek_mut()
            && ranked < *last
        {
            *last = ranked;
        }
    }

    /// The rows kept, in order.
    pub(crate) fn into_rows(self) -> Vec<Vec<Value>> {
        self.kept.into_sorted_vec().into_iter().map(|ranked| ranked.row).collect()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        let by_order = self.order.iter().zip(&other.order);
        let by_row = self.row.iter().zip(&other.row);
        by_order
            .map(|((a, descending), (b, _))| ordered(a.datum(), b.datum(), *descending))
            .chain(by_row.map(|(a, b)| a.order(b)))
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
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
