//! Records become rows: fields by pointer, one record or each element of a list in it a row. What
//! does not fit is counted, and the first few are told, never a whole record.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::DateTime;
use serde_json::Value;

use super::body::{Handed, find};
use super::settings::{Format, RestDataset};
use super::spec::tokens;
use super::value::{self, Held};
use crate::domain::dataset::{Batch, Cell, Dataset};
use crate::domain::value::Type;

/// Longer text is cut: no report shows it, and one field must not fill the memory.
const CELL_BYTES_MAX: usize = 64 * 1024;

/// A key longer than this is none.
const KEY_BYTES_MAX: usize = 255;

/// A batch is full with so many rows, or so much text.
const BATCH_ROWS: usize = 2_000;
const BATCH_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// All rows of a page: a list in each record that becomes rows multiplies what it repeats.
const PAGE_BYTES_MAX: usize = 192 * 1024 * 1024;

const SAMPLES_MAX: usize = 5;
const SHOWN_CHARS: usize = 40;

/// What did not fit, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Misfits {
    /// Values that did not fit.
    pub(super) values: u64,
    /// Records that could not be read.
    pub(super) left_out: u64,
    /// The first few values.
    pub(super) value_samples: Vec<String>,
    /// The first few records.
    pub(super) record_samples: Vec<String>,
}

impl Misfits {
    /// Notes a value, or something about a page.
    pub(super) fn value(&mut self, sample: impl FnOnce() -> String) {
        self.values += 1;
        if self.value_samples.len() < SAMPLES_MAX {
            self.value_samples.push(sample());
        }
    }

    fn record(&mut self, sample: impl FnOnce() -> String) {
        self.left_out += 1;
        if self.record_samples.len() < SAMPLES_MAX {
            self.record_samples.push(sample());
        }
    }

    /// Takes over what another page found.
    pub(super) fn absorb(&mut self, other: Misfits) {
        self.values += other.values;
        self.left_out += other.left_out;
        let room = |samples: &[String]| SAMPLES_MAX - samples.len();
        let (values, records) = (room(&self.value_samples), room(&self.record_samples));
        self.value_samples.extend(other.value_samples.into_iter().take(values));
        self.record_samples.extend(other.record_samples.into_iter().take(records));
    }
}

/// How records of a dataset become rows.
pub(super) struct Reader<'a> {
    dataset: &'a Dataset,
    spec: &'a RestDataset,
    explode: Option<Vec<String>>,
    columns: Vec<Column<'a>>,
    /// Fields the key is made of, in order.
    key_of: Vec<usize>,
}

struct Column<'a> {
    place: Place,
    format: &'a Format,
    ty: Type,
    name: &'a str,
}

/// Where a field's value is.
enum Place {
    /// In the record.
    Record(Vec<String>),
    /// In the element of the record that is the row.
    Element(Vec<String>),
    /// The record's name in the object of records.
    Name,
    /// The element's place in its list, or its name in its object.
    ElementName,
    /// Nowhere: made of others.
    Nowhere,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// The settings are not of this dataset's shape.
    pub(super) fn new(dataset: &'a Dataset, spec: &'a RestDataset) -> Result<Reader<'a>, String> {
        let width = dataset.fields.len();
        let key_of = match spec.key_of.as_slice() {
            [] => vec![dataset.key],
            fields => fields.to_vec(),
        };
        if spec.readings.len() != width || key_of.iter().any(|at| *at >= width) {
            return Err(format!("`{}` has other fields than its settings read", dataset.name));
        }
        let place = |pointer: &str| {
            let element = spec.explode.as_deref().and_then(|list| pointer.strip_prefix(list));
            match (pointer, element) {
                ("", _) => Place::Nowhere,
                ("#", _) => Place::Name,
                (_, Some("/#")) => Place::ElementName,
                (_, Some(below)) if below.is_empty() || below.starts_with('/') => {
                    Place::Element(tokens(below))
                }
                _ => Place::Record(tokens(pointer)),
            }
        };
        let columns = spec.readings.iter().zip(&dataset.fields).map(|(reading, field)| Column {
            place: place(&reading.pointer),
            format: &reading.format,
            ty: field.ty,
            name: &field.name,
        });
        Ok(Reader {
            dataset,
            spec,
            explode: spec.explode.as_deref().map(tokens),
            columns: columns.collect(),
            key_of,
        })
    }

    /// An empty page.
    pub(super) fn page(&self) -> Rows<'_> {
        Rows {
            reader: self,
            batches: Vec::new(),
            batch: Batch::default(),
            bytes: 0,
            records: 0,
            misfits: Misfits::default(),
            print: DefaultHasher::new(),
        }
    }
}

/// The rows of a page.
pub(super) struct Rows<'r> {
    reader: &'r Reader<'r>,
    batches: Vec<Batch>,
    batch: Batch,
    bytes: usize,
    records: u64,
    misfits: Misfits,
    /// Of the keys in their order: two pages with the same one are the same page.
    print: DefaultHasher,
}

/// A page that was read.
pub(super) struct Page {
    /// Its rows.
    pub(super) batches: Vec<Batch>,
    /// Its records, those left out too.
    pub(super) records: u64,
    /// What did not fit.
    pub(super) misfits: Misfits,
    /// The same for the same records.
    pub(super) print: u64,
}

/// One row's surroundings.
struct Source<'v> {
    record: &'v Value,
    name: Option<&'v str>,
    element: Option<(&'v Value, &'v str)>,
}

impl Rows<'_> {
    /// Takes a record.
    ///
    /// # Errors
    /// The page has grown too large.
    pub(super) fn take(&mut self, handed: Handed<'_>) -> Result<(), String> {
        self.records += 1;
        let Handed { name, record } = handed;
        if !record.is_object() {
            let number = self.records;
            self.misfits.record(|| {
                format!("record {number} of a page is no object but `{}`", shown(record))
            });
            return Ok(());
        }
        let Some(explode) = &self.reader.explode else {
            return self.row(&Source { record, name, element: None });
        };
        match find(record, explode) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(list)) => list.iter().enumerate().try_for_each(|(at, element)| {
                let place = at.to_string();
                self.row(&Source { record, name, element: Some((element, &place)) })
            }),
            Some(Value::Object(map)) => map.iter().try_for_each(|(own, element)| {
                self.row(&Source { record, name, element: Some((element, own)) })
            }),
            Some(other) => {
                let (number, shown) = (self.records, shown(other));
                let list = self.reader.spec.explode.as_deref().unwrap_or_default();
                self.misfits.record(|| {
                    format!("`{list}` of record {number} of a page is no list but `{shown}`")
                });
                Ok(())
            }
        }
    }

    /// The page as far as it was taken.
    pub(super) fn done(mut self) -> Page {
        self.flush();
        Page {
            batches: self.batches,
            records: self.records,
            misfits: self.misfits,
            print: self.print.finish(),
        }
    }

    fn row(&mut self, source: &Source<'_>) -> Result<(), String> {
        let reader = self.reader;
        let (cells, text) = (self.batch.cells.len(), self.batch.text.len());
        self.batch.cells.resize(cells + reader.columns.len(), Cell::Null);
        let Some(key) = self.key(source, cells) else {
            self.batch.cells.truncate(cells);
            self.batch.text.truncate(text);
            let (number, shown) = (self.records, shown(source.record));
            let names: Vec<&str> =
                reader.key_of.iter().map(|at| reader.columns[*at].name).collect();
            self.misfits.record(|| {
                format!("record {number} of a page has no key `{}`: `{shown}`", names.join("/"))
            });
            return Ok(());
        };
        for at in 0..reader.columns.len() {
            if !reader.key_of.contains(&at) && at != reader.dataset.key {
                match self.held(source, at) {
                    Ok(cell) => self.batch.cells[cells + at] = cell,
                    Err(sample) => {
                        self.misfits.value(|| format!("{} of `{key}`{}", sample.0, sample.1))
                    }
                }
            }
        }
        key.hash(&mut self.print);
        self.batch.deleted.push(false);
        let full = self.batch.rows() >= BATCH_ROWS || self.batch.text.len() >= BATCH_TEXT_BYTES;
        if full {
            self.flush();
        }
        match self.bytes > PAGE_BYTES_MAX {
            true => Err(format!(
                "the rows of one page take more than {} MB: ask for smaller pages",
                PAGE_BYTES_MAX / (1024 * 1024)
            )),
            false => Ok(()),
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.bytes += batch.text.len() + batch.cells.len() * size_of::<Cell>();
        if batch.rows() > 0 {
            self.batches.push(batch);
        }
    }

    /// Fills the key and what it is made of; `None`: there is none.
    fn key(&mut self, source: &Source<'_>, cells: usize) -> Option<String> {
        let reader = self.reader;
        let mut key = String::new();
        for (place, &at) in reader.key_of.iter().enumerate() {
            let cell = self.held(source, at).ok()?;
            self.batch.cells[cells + at] = cell;
            if place > 0 {
                key.push('/');
            }
            let piece = self.key_text(cell)?;
            match reader.key_of.len() {
                1 => key.push_str(&piece),
                // `a/b` and `c` are another key than `a` and `b/c`.
                _ => key.push_str(&piece.replace('~', "~0").replace('/', "~1")),
            }
        }
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return None;
        }
        if !reader.key_of.contains(&reader.dataset.key) {
            self.batch.cells[cells + reader.dataset.key] = self.text(&key);
        }
        Some(key)
    }

    /// A cell as a piece of a key.
    fn key_text(&self, cell: Cell) -> Option<String> {
        Some(match cell {
            Cell::Null => return None,
            Cell::Boolean(truth) => truth.to_string(),
            Cell::Integer(number) => number.to_string(),
            Cell::Real(number) => number.to_string(),
            Cell::Timestamp(millis) => {
                let at = DateTime::from_timestamp_millis(millis)?;
                at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
            }
            Cell::Text(at, len) => self.batch.text_of(at, len).to_owned(),
        })
    }

    /// The cell of a column; else what to say of the value, before and after the record's name.
    fn held(&mut self, source: &Source<'_>, at: usize) -> Result<Cell, (String, String)> {
        let column = &self.reader.columns[at];
        let name;
        let found = match (&column.place, source.element) {
            (Place::Nowhere, _) => None,
            (Place::Record(tokens), _) => find(source.record, tokens),
            (Place::Element(tokens), Some((element, _))) => find(element, tokens),
            (Place::Name, _) => {
                name = source.name.map(Value::from);
                name.as_ref()
            }
            (Place::ElementName, Some((_, own))) => {
                name = Some(Value::from(own));
                name.as_ref()
            }
            (Place::Element(_) | Place::ElementName, None) => None,
        };
        let Some(found) = found else { return Ok(Cell::Null) };
        let about = format!("`{}`", column.name);
        match value::read(found, column.ty, column.format) {
            Some(Held::Null) => Ok(Cell::Null),
            Some(Held::Boolean(truth)) => Ok(Cell::Boolean(truth)),
            Some(Held::Integer(number)) => Ok(Cell::Integer(number)),
            Some(Held::Real(number)) => Ok(Cell::Real(number)),
            Some(Held::Timestamp(millis)) => Ok(Cell::Timestamp(millis)),
            Some(Held::Text(text)) => {
                if text.len() > CELL_BYTES_MAX {
                    let (bytes, limit) = (text.len(), CELL_BYTES_MAX / 1024);
                    self.misfits
                        .value(|| format!("{about}: {bytes} bytes of text, cut at {limit} KB"));
                }
                Ok(self.text(&text))
            }
            None => {
                let expected = column.ty.word();
                Err((about, format!(": expected {expected}, found `{}`", shown(found))))
            }
        }
    }

    /// Text as a cell, cut where it is too long.
    fn text(&mut self, text: &str) -> Cell {
        let mut end = text.len().min(CELL_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text[..end];
        let at = self.batch.text.len();
        self.batch.text.push_str(text);
        // A batch is flushed long before its text has 4 GB.
        Cell::Text(at as u32, text.len() as u32)
    }
}

/// The beginning of a value, on one line.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.chars().take(SHOWN_CHARS).collect(),
        // Only the names: what is in a record is nobody's business here.
        Value::Object(map) => {
            let names: Vec<&str> = map.keys().take(8).map(String::as_str).collect();
            format!("{{{}}}", names.join(", ")).chars().take(SHOWN_CHARS).collect()
        }
        Value::Array(list) => format!("a list of {}", list.len()),
        other => other.to_string(),
    };
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;
