//! Datasets: named tables of a source with typed fields, a key and an updated-at field.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::coverage::CoverageFact;
use super::value::{Type, Value};

/// One named table of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its name in the config and in the source, e.g. `MessagingSession`.
    pub name: String,
    /// The source it comes from: a name in `[sources]`.
    pub source: String,
    /// What the source calls it: an object of Salesforce, of a REST API path and query with the
    /// pointers to its records. Whoever changes it changes what is loaded.
    pub object: String,
    /// Which source that is, whatever it is called: its address. Records of another one are other
    /// records. Empty: not known.
    pub home: String,
    /// Its fields, in the order they are stored and pulled.
    pub fields: Vec<Field>,
    /// Index of the field that identifies a record.
    pub key: usize,
    /// Index of the field that says when a record last changed. A dataset without one is `whole`.
    pub updated: Option<usize>,
    /// Index of the field that says when a record came to be and never changes after: records are
    /// counted against the source and kept by it. `None`: neither is possible.
    pub created: Option<usize>,
    /// Index of the field a person would call a record by; the key where there is none.
    pub label: usize,
    /// Further sets of fields of which no two records share the values.
    pub unique: Vec<Vec<usize>>,
    /// The field that says when a record became visible to postrider and never changes after;
    /// rules should window on it.
    pub visible: Vec<usize>,
    /// Small enough to be read whole at every pull (channels, accounts, users).
    pub whole: bool,
    /// Whether its records are of what happened at a time, so that a bound on history holds for
    /// them. Those that say who or what (accounts, users) are wanted however old they are.
    pub dated: bool,
    /// How long records are kept, counted from `created`; `None`: for ever.
    pub keep: Option<TimeDelta>,
    /// How far back its first load reaches; `None`: as far as its source says.
    pub history: Option<TimeDelta>,
    /// What can be known about records that are missing by nature.
    pub coverage: Vec<CoverageFact>,
    /// Where a person finds a record: an address with `{key}` in it. `None`: nowhere.
    pub link: Option<String>,
}

impl Dataset {
    /// A dataset of these fields, named as its object, with nothing known about it but its key.
    pub fn new(source: &str, name: &str, fields: Vec<Field>, key: usize) -> Dataset {
        Dataset {
            name: name.to_owned(),
            source: source.to_owned(),
            object: name.to_owned(),
            home: String::new(),
            fields,
            key,
            updated: None,
            created: None,
            label: key,
            unique: Vec::new(),
            visible: Vec::new(),
            whole: false,
            dated: true,
            keep: None,
            history: None,
            coverage: Vec::new(),
            link: None,
        }
    }

    /// Where a person finds the record with this key; what means something in an address is escaped.
    pub fn address_of(&self, key: &Value) -> Option<String> {
        let key = match key {
            Value::Text(key) if !key.is_empty() => escaped(key),
            Value::Integer(key) => key.to_string(),
            _ => return None,
        };
        self.link.as_ref().map(|link| link.replace(LINK_KEY, &key))
    }

    /// How far back its first load reaches, of a source whose datasets reach so far; `None` is all
    /// there is.
    pub fn reach(&self, of_source: Option<TimeDelta>) -> Option<TimeDelta> {
        // An account that nobody has touched for years still has customers who write today.
        let history = self.history.or(of_source.filter(|_| self.dated));
        // What is not kept is not loaded.
        [history, self.keep].into_iter().flatten().min()
    }

    /// Index of the field with this name.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Whether no two records share the values of these fields (the key alone, or a declared set).
    pub fn is_unique(&self, fields: &[usize]) -> bool {
        fields.contains(&self.key)
            || self.unique.iter().any(|set| set.iter().all(|field| fields.contains(field)))
    }
}

/// What a dataset's link has in the place of a key.
pub const LINK_KEY: &str = "{key}";

/// A text with all bytes percent-encoded but letters, digits and `-._~` (RFC 3986's unreserved).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

/// One field of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name in expressions.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Where a record of the source has it, in the source's words: `Owner.Name` in Salesforce, a
    /// JSON Pointer with its format in a REST API. Whoever changes it changes what is loaded.
    pub path: String,
    /// What it holds.
    pub ty: Type,
    /// Whether it can be null.
    pub nullable: bool,
    /// What it can hold, where that is a list.
    pub picklist: Option<Picklist>,
}

impl Field {
    /// A field that can be null, called and found by its name.
    pub fn new(name: &str, ty: Type) -> Field {
        Field {
            name: name.to_owned(),
            label: name.to_owned(),
            path: name.to_owned(),
            ty,
            nullable: true,
            picklist: None,
        }
    }
}

/// The values a text field can hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Picklist {
    /// The values, in the source's order.
    pub values: Vec<PickValue>,
    /// Whether the source may add values without notice.
    pub open: bool,
    /// Values people try that do not exist, with what to write instead.
    pub mistaken: Vec<(String, String)>,
}

/// One value of a picklist.
#[derive(Clone, Debug, PartialEq)]
pub struct PickValue {
    /// The value in records and expressions.
    pub value: String,
    /// The value for people.
    pub label: String,
}

/// A place in a dataset's order of changes: everything at or before it has been seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The updated-at of the last record seen.
    pub stamp: DateTime<Utc>,
    /// Its key; ties of one stamp are ordered by it.
    pub key: String,
}

/// What a source is asked to read.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// Of which dataset.
    pub dataset: Arc<Dataset>,
    /// Everything up to here has been stored; `None`: read from `from` on.
    pub since: Option<DateTime<Utc>>,
    /// Where an interrupted first load stopped: read on behind it.
    pub resume: Option<Cursor>,
    /// Bound of the first load: records changed before it are left out.
    pub from: Option<DateTime<Utc>>,
    /// Who waits for it: decides what it may spend.
    pub purpose: Purpose,
}

/// Why a dataset is read. Where requests are short, the first come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To hold what is stored against the source.
    Verify,
    /// A first load, or one again after a change.
    History,
    /// Digests and reports.
    Digest,
    /// An alert rule.
    Rule,
}

/// What a complete pull proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The source is complete up to here (its own clock, minus a margin).
    pub watermark: DateTime<Utc>,
    /// Records read.
    pub records: u64,
    /// API requests made.
    pub requests: u64,
    /// Records that could not be read at all and were left out.
    pub left_out: u64,
    /// Values that did not fit their field's type: how many, and the first few told.
    pub misfits: u64,
    /// The first few misfits, for people.
    pub misfit_samples: Vec<String>,
    /// Fields that the source does not have or does not show us; they stay null.
    pub hidden: Vec<String>,
    /// The source says that nothing changed since the last complete pull: a dataset read whole that
    /// has no rows now is not empty.
    pub unchanged: bool,
}

impl Pulled {
    /// A pull that read nothing, complete up to an instant.
    pub fn nothing(watermark: DateTime<Utc>) -> Pulled {
        Pulled {
            watermark,
            records: 0,
            requests: 0,
            left_out: 0,
            misfits: 0,
            misfit_samples: Vec::new(),
            hidden: Vec::new(),
            unchanged: false,
        }
    }
}

/// How many records of a dataset came to be on a UTC day and still exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayCount {
    /// The day.
    pub day: NaiveDate,
    /// Records.
    pub records: u64,
}

/// What a source says of one of its objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    /// What the source calls it.
    pub object: String,
    /// Its name for people.
    pub label: String,
    /// Its fields, as far as they are shown to us.
    pub fields: Vec<DescribedField>,
    /// Records, where the source tells.
    pub records: Option<u64>,
}

/// What a source says of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedField {
    /// A good name for it in the config.
    pub name: String,
    /// Where a record has it, as in [`Field::path`].
    pub path: String,
    /// Its name for people.
    pub label: String,
    /// What it holds; `None`: nothing a dataset can hold.
    pub ty: Option<Type>,
    /// Whether it can be null.
    pub nullable: bool,
    /// What it can hold, where that is a list.
    pub picklist: Option<Picklist>,
    /// Whether it identifies a record, as far as can be told.
    pub key: bool,
    /// Whether it says when a record last changed, as far as can be told.
    pub updated: bool,
    /// Whether it says when a record came to be, as far as can be told.
    pub created: bool,
}

/// Records on their way from a source to the store: one flat run of cells and one run of text, so
/// that a page costs two allocations and not one a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// All text of the batch, end to end.
    pub text: String,
    /// The cells, row by row, as many a row as the dataset has fields.
    pub cells: Vec<Cell>,
    /// For each row whether the source says that the record was deleted.
    pub deleted: Vec<bool>,
    /// The place of the last row, when rows come in the order of changes.
    pub cursor: Option<Cursor>,
    /// How many records the whole pull will have, where the source has an idea.
    pub expected: Option<u64>,
}

/// One cell of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// An instant, in milliseconds since 1970 UTC.
    Timestamp(i64),
    /// A piece of [`Batch::text`]: first byte and length in bytes.
    Text(u32, u32),
}

impl Batch {
    /// How many records it holds.
    pub fn rows(&self) -> usize {
        self.deleted.len()
    }

    /// The text of a [`Cell::Text`] of this batch.
    pub fn text_of(&self, at: u32, len: u32) -> &str {
        &self.text[at as usize..(at + len) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_an_address_in_which_its_key_is_only_a_key() {
        let check = |key: Value, expected: Option<&str>| {
            let link = Some("https://desk.example.com/t/{key}?view={key}".to_owned());
            let dataset = Dataset { link, ..Dataset::new("s", "d", vec![], 0) };
            assert_eq!(dataset.address_of(&key).as_deref(), expected);
        };
        let text = |text: &str| Value::Text(text.to_owned());
        check(text("0Mw1"), Some("https://desk.example.com/t/0Mw1?view=0Mw1"));
        check(Value::Integer(-7), Some("https://desk.example.com/t/-7?view=-7"));
        let escaped = "..%2F%22%3E%3Cb%3E%26%20%C3%A9";
        let expected = format!("https://desk.example.com/t/{escaped}?view={escaped}");
        check(text("../\"><b>& é"), Some(&expected));
        check(text(""), None);
        check(Value::Null, None);
        let without = Dataset::new("s", "d", vec![], 0);
        assert_eq!(without.address_of(&text("1")), None);
    }

    #[test]
    fn a_first_load_reaches_as_far_as_asked_and_no_further_than_records_are_kept() {
        let days = |days: Option<i64>| days.map(TimeDelta::days);
        let check = |dated, history, keep, of_source, expected| {
            let (history, keep) = (days(history), days(keep));
            let dataset = Dataset { dated, history, keep, ..Dataset::new("s", "d", vec![], 0) };
            assert_eq!(dataset.reach(days(of_source)), days(expected));
        };
        check(true, None, None, None, None);
        check(true, None, None, Some(9), Some(9));
        check(true, Some(20), None, Some(9), Some(20));
        check(true, Some(20), Some(5), Some(9), Some(5));
        check(true, None, Some(30), Some(9), Some(9));
        check(false, None, None, Some(9), None);
        check(false, None, Some(5), Some(9), Some(5));
    }
}
