//! Bursting: one mail a part, each reader his part alone, and the proof that nothing is lost.
//!
//! The parts of all reports of a digest are brought together by their keys. What is sent adds up:
//! for every report the records of its parts are those of the whole, or nothing goes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::query::Query;
use crate::domain::value::Value;

/// At most so many parts.
pub const PARTS_MAX: usize = 5_000;
/// At most so many readers of one part.
const READERS_MAX: usize = 50;

/// How a digest is split.
#[derive(Clone, Debug)]
pub struct Split {
    /// What the parts are named by: the heading of the splitting expression.
    pub heading: String,
    /// For each report of the digest its query, split.
    pub queries: Vec<Arc<Query>>,
    /// Who gets which part.
    pub readers: Readers,
}

/// Who gets which part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// The records say: the splitting groups of each report's query are the key and this address.
    /// As written in the config.
    Expression(String),
    /// By a part's name as people read it, or its key.
    Named(BTreeMap<String, Vec<String>>),
}

impl Readers {
    /// How many addresses are written in the config.
    pub fn named(&self) -> usize {
        match self {
            Readers::Expression(_) => 0,
            Readers::Named(table) => {
                let all = table.values().flatten().map(|address| address.to_lowercase());
                all.collect::<BTreeSet<String>>().len()
            }
        }
    }
}

/// What is known of one part of one report before it is shaped.
#[derive(Clone, Debug, PartialEq)]
pub struct PartCount {
    /// The keys of the splitting groups.
    pub keys: Vec<Value>,
    /// The same as people read them.
    pub shown: Vec<Value>,
    /// How many records it counts.
    pub records: u64,
}

/// One report's parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Parted {
    /// How many records the report counts as a whole, counted apart from its parts.
    pub records: u64,
    /// Its parts.
    pub parts: Vec<PartCount>,
}

/// One part of the whole digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What identifies it.
    pub key: String,
    /// Its name for people.
    pub name: String,
    /// Who gets it.
    pub readers: Vec<String>,
    /// Why nobody does, if nobody does.
    pub orphaned: Option<String>,
    /// For each report the index of its part; `None` where it has no records.
    pub places: Vec<Option<usize>>,
    /// How many records all its reports count.
    pub records: u64,
}

/// All parts of a digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// By name.
    pub parts: Vec<Part>,
    /// For each report its records: in parts, and as a whole.
    pub sums: Vec<(u64, u64)>,
}

impl Partition {
    /// Brings the parts of a digest's reports together. Parts without records are none.
    /// `is_address` says whether a text can be written to.
    pub fn new(
        readers: &Readers,
        reports: &[Parted],
        is_address: &dyn Fn(&str) -> bool,
    ) -> Partition {
        let mut parts: BTreeMap<String, (Part, &PartCount)> = BTreeMap::new();
        let mut sums = Vec::with_capacity(reports.len());
        for (report, parted) in reports.iter().enumerate() {
            let mut sum = 0;
            for (place, count) in parted.parts.iter().enumerate().filter(|(_, c)| c.records > 0) {
                sum += count.records;
                let key: String = count.keys.iter().map(identity).collect();
                let (part, _) = parts.entry(key.clone()).or_insert_with(|| {
                    let places = vec![None; reports.len()];
                    let name = count.shown.first().map_or_else(String::new, words);
                    let (readers, orphaned, records) = (Vec::new(), None, 0);
                    (Part { key, name, readers, orphaned, places, records }, count)
                });
                // Of two parts with one key the second would be lost: then the sum does not hold.
                match part.places[report] {
                    None => part.places[report] = Some(place),
                    Some(_) => sum -= count.records,
                }
                part.records += count.records;
            }
            sums.push((sum, parted.records));
        }
        let doubtful = doubtful(parts.values().map(|(part, count)| (part.name.as_str(), *count)));
        let addressed = parts.into_values().map(|(mut part, count)| {
            match readers.of(&part.name, count, &doubtful, is_address) {
                Ok(readers) => part.readers = readers,
                Err(reason) => part.orphaned = Some(reason),
            }
            part
        });
        let mut parts: Vec<Part> = addressed.collect();
        parts.sort_by(|a, b| (&a.name, &a.key).cmp(&(&b.name, &b.key)));
        Partition { parts, sums }
    }

    /// Whether the parts are the whole.
    pub fn adds_up(&self) -> bool {
        self.sums.iter().all(|(parts, whole)| parts == whole)
    }

    /// How many mails it makes.
    pub fn mails(&self) -> usize {
        self.parts.iter().map(|part| part.readers.len()).sum()
    }

    /// The parts that nobody gets.
    pub fn orphans(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.orphaned.is_some())
    }
}

/// Names that stand for several keys, or are the key of another part: they say nothing of who gets
/// a part.
fn doubtful<'p>(parts: impl Iterator<Item = (&'p str, &'p PartCount)>) -> BTreeSet<String> {
    let mut meant: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, count) in parts {
        let key = count.keys.first().unwrap_or(&Value::Null);
        for word in [name.to_owned(), words(key)] {
            meant.entry(word).or_default().insert(identity(key));
        }
    }
    meant.into_iter().filter(|(_, keys)| keys.len() > 1).map(|(name, _)| name).collect()
}

impl Readers {
    fn of(
        &self,
        name: &str,
        count: &PartCount,
        doubtful: &BTreeSet<String>,
        is_address: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<String>, String> {
        match self {
            Readers::Expression(_) => match count.keys.get(1).unwrap_or(&Value::Null) {
                Value::Null => Err("its records name no address".to_owned()),
                Value::Text(text) => addresses(text, is_address),
                _ => Err("what its records name is no address".to_owned()),
            },
            Readers::Named(table) => {
                let key = count.keys.first().filter(|key| !key.is_null()).map(words);
                let by_key = key.as_deref().and_then(|key| table.get(key));
                let by_name = || table.get(name).filter(|_| !doubtful.contains(name));
                match by_key.or_else(by_name) {
                    Some(readers) => Ok(readers.clone()),
                    None if doubtful.contains(name) && table.contains_key(name) => {
                        Err("its name stands for several: give its key a reader".to_owned())
                    }
                    None => Err("the config names no reader".to_owned()),
                }
            }
        }
    }
}

/// The addresses in a text: several are parted by commas, semicolons or blanks.
fn addresses(text: &str, is_address: &dyn Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    let pieces = text.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace());
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        if !is_address(piece) {
            return Err("what its records name is no address".to_owned());
        }
        if !found.iter().any(|known| known.eq_ignore_ascii_case(piece)) {
            found.push(piece.to_owned());
        }
    }
    match found.len() {
        0 => Err("its records name no address".to_owned()),
        1..=READERS_MAX => Ok(found),
        _ => Err(format!("its records name more than {READERS_MAX} addresses")),
    }
}

/// A value as a part is named by it.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Timestamp(at) => at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
    }
}

/// A key that no other value has.
fn identity(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "n;".to_owned(),
        Value::Boolean(_) => 'b',
        Value::Integer(_) => 'i',
        Value::Real(_) => 'r',
        Value::Text(_) => 't',
        Value::Timestamp(_) => 'd',
    };
    let words = words(value);
    format!("{kind}{}:{words};", words.len())
}

#[cfg(test)]
#[path = "split/tests.rs"]
mod tests;
