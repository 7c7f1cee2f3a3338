//! One page of query results, read straight into a [`Batch`]: no tree, no map, one allocation for
//! text and one for cells. Records list their fields in the order asked for, so a field is found by
//! a guess that moves along, and by search where the guess fails. A field of a parent
//! (`Owner.Name`) stands in an object of its own inside the record, or in none where there is no
//! parent; fields below one parent share it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::mend;
use super::misfits::Misfits;
use crate::domain::dataset::{Batch, Cell, Cursor, Dataset};
use crate::domain::value::Type;

mod cell;

use cell::CellSeed;

/// Longer text is cut: no report shows it, and one field must not fill the memory.
pub(super) const CELL_BYTES_MAX: usize = 64 * 1024;

/// A key longer than this is none.
const KEY_BYTES_MAX: usize = 255;

/// The flag asked for beside the dataset's own fields.
pub(super) const DELETED: &str = "IsDeleted";

/// A page as read.
#[derive(Debug)]
pub(super) struct Page {
    /// Its records.
    pub(super) batch: Batch,
    /// Where the next page is; `None` on the last one.
    pub(super) next: Option<String>,
}

/// Reads the pages of one query.
pub(super) struct PageReader<'a> {
    columns: Vec<Column<'a>>,
    key: usize,
    updated: usize,
    /// Rows stamped at or after it changed while the query ran and are out of order: they never
    /// say how far the reading has come.
    before: i64,
    /// Cells a row.
    width: usize,
    /// Bytes of text and rows of the last page, so that the next one grows its buffers once.
    hint: (usize, usize),
}

/// What stands under one name of a record, or of a parent inside it.
struct Column<'a> {
    name: &'a str,
    role: Role<'a>,
}

enum Role<'a> {
    /// A field of the dataset, by index and under its whole path.
    Field(usize, Type, &'a str),
    /// A parent with fields of its own.
    Parent(Vec<Column<'a>>),
    /// The flag of deleted records.
    Deleted,
}

impl<'a> PageReader<'a> {
    /// A reader for these fields of the dataset (indices, in the order asked for) and, last, the
    /// flag of deleted records. The cursor of its batches stays before `before`.
    pub(super) fn new(dataset: &'a Dataset, asked: &[usize], before: DateTime<Utc>) -> Self {
        let mut columns = Vec::with_capacity(asked.len() + 1);
        for &at in asked {
            let field = &dataset.fields[at];
            place(&mut columns, &field.path, Role::Field(at, field.ty, &field.path));
        }
        columns.push(Column { name: DELETED, role: Role::Deleted });
        PageReader {
            columns,
            key: dataset.key,
            updated: dataset.updated.unwrap_or(dataset.key),
            before: before.timestamp_millis(),
            width: dataset.fields.len(),
            hint: (0, 0),
        }
    }

    /// Reads one body.
    ///
    /// # Errors
    /// Text saying why the body is no page; what could be read before is given up.
    pub(super) fn read(&mut self, body: &[u8], misfits: &mut Misfits) -> Result<Page, String> {
        match self.read_clean(body, misfits) {
            Ok(page) => Ok(page),
            // Text cut in the middle of a character, or raw control characters inside it: what
            // Salesforce sends on bad days. Mended at the price of a second reading.
            Err(err) => match mend::mended(body) {
                Some((mended, count)) => {
                    let page = self.read_clean(&mended, misfits)?;
                    misfits.tell(format!("{count} broken characters in a page were replaced"));
                    Ok(page)
                }
                None => Err(err),
            },
        }
    }

    fn read_clean(&mut self, body: &[u8], misfits: &mut Misfits) -> Result<Page, String> {
        // One pass over the bytes here is cheaper than a check of every string.
        let text = std::str::from_utf8(body).map_err(|err| err.to_string())?;
        let (text_bytes, rows) = self.hint;
        let mut batch = Batch {
            expected: None,
            text: String::with_capacity(text_bytes + text_bytes / 8),
            cells: Vec::with_capacity((rows + rows / 8) * self.width),
            deleted: Vec::with_capacity(rows + rows / 8),
            cursor: None,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let mut found = Misfits::default();
        let seed = PageSeed { reader: self, batch: &mut batch, misfits: &mut found };
        let end = json.deserialize_map(seed).map_err(|err| err.to_string())?;
        json.end().map_err(|err| err.to_string())?;
        if !end.records {
            return Err("no `records` in it".to_owned());
        }
        let next = match (end.done, end.next) {
            (Some(true), _) | (None, None) => None,
            (_, Some(next)) => Some(next),
            (Some(false), None) => return Err("not done, yet no `nextRecordsUrl`".to_owned()),
        };
        self.hint = (batch.text.len(), batch.rows());
        misfits.absorb(found);
        Ok(Page { batch, next })
    }
}

/// Puts a field where its path leads, with the parents it needs on the way. They stand where the
/// first field below them was asked for, as in the org's answers.
fn place<'a>(columns: &mut Vec<Column<'a>>, path: &'a str, role: Role<'a>) {
    let Some((parent, rest)) = path.split_once('.') else {
        columns.push(Column { name: path, role });
        return;
    };
    let known = columns.iter().position(|column| {
        column.name.eq_ignore_ascii_case(parent) && matches!(column.role, Role::Parent(_))
    });
    let at = known.unwrap_or_else(|| {
        columns.push(Column { name: parent, role: Role::Parent(Vec::new()) });
        columns.len() - 1
    });
    if let Role::Parent(inner) = &mut columns[at].role {
        place(inner, rest, role);
    }
}

impl Misfits {
    /// Takes over what a page that could be read found.
    fn absorb(&mut self, other: Misfits) {
        let told = other.samples.len() as u64;
        for sample in other.samples {
            self.tell(sample);
        }
        self.count += other.count - told;
    }
}

/// What a page says about itself.
#[derive(Default)]
struct PageEnd {
    records: bool,
    done: Option<bool>,
    next: Option<String>,
}

struct PageSeed<'r, 'a> {
    reader: &'r PageReader<'a>,
    batch: &'r mut Batch,
    misfits: &'r mut Misfits,
}

impl<'de> Visitor<'de> for PageSeed<'_, '_> {
    type Value = PageEnd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of query results")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<PageEnd, A::Error> {
        let mut end = PageEnd::default();
        while let Some(key) = map.next_key_seed(Name(&["records", "done", "nextRecordsUrl"]))? {
            match key {
                Some(0) => {
                    map.next_value_seed(Records(&mut self))?;
                    end.records = true;
                }
                Some(1) => end.done = map.next_value()?,
                Some(2) => {
                    let next: Option<String> = map.next_value()?;
                    end.next = next.filter(|next| !next.is_empty());
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(end)
    }
}

/// A key, as its place among the known ones.
struct Name<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

struct Records<'p, 'r, 'a>(&'p mut PageSeed<'r, 'a>);

impl<'de> DeserializeSeed<'de> for Records<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Records<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Record(self.0))?.is_some() {}
        Ok(())
    }
}

struct Record<'p, 'r, 'a>(&'p mut PageSeed<'r, 'a>);

impl<'de> DeserializeSeed<'de> for Record<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Record<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let PageSeed { reader, batch, misfits } = self.0;
        let (row, text_before) = (batch.cells.len(), batch.text.len());
        batch.cells.resize(row + reader.width, Cell::Null);
        let mut deleted = false;
        let fields = Fields { reader, batch, misfits, row, deleted: &mut deleted };
        fields.read(&reader.columns, &mut map)?;
        reader.close_row(row, text_before, deleted, batch, misfits);
        Ok(())
    }
}

/// The fields of a record, or of a parent inside it, on their way into the record's row.
struct Fields<'p, 'a> {
    reader: &'p PageReader<'a>,
    batch: &'p mut Batch,
    misfits: &'p mut Misfits,
    /// The row's first cell.
    row: usize,
    deleted: &'p mut bool,
}

impl Fields<'_, '_> {
    #[inline]
    fn read<'de, A: MapAccess<'de>>(
        self,
        columns: &[Column<'_>],
        map: &mut A,
    ) -> Result<(), A::Error> {
        let Fields { reader, batch, misfits, row, deleted } = self;
        let mut guess = 0;
        while let Some(found) = map.next_key_seed(ColumnName { columns, guess })? {
            let Some(at) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            guess = at + 1;
            match &columns[at].role {
                Role::Deleted => *deleted = map.next_value::<Option<bool>>()?.unwrap_or(false),
                &Role::Field(field, ty, name) => {
                    let key = batch.cells[row + reader.key];
                    let seed = CellSeed { ty, name, key, text: &mut batch.text, misfits };
                    batch.cells[row + field] = map.next_value_seed(seed)?;
                }
                Role::Parent(inner) => {
                    let fields = Fields { reader, batch, misfits, row, deleted };
                    let name = columns[at].name;
                    map.next_value_seed(Parent { fields, columns: inner, name })?;
                }
            }
        }
        Ok(())
    }
}

/// A parent of a record: its fields, or null where there is none.
struct Parent<'p, 'a> {
    fields: Fields<'p, 'a>,
    columns: &'p [Column<'a>],
    name: &'p str,
}

impl<'de> DeserializeSeed<'de> for Parent<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Parent<'_, '_> {
    /// Something else stands in its place: its fields stay null, like any value that does not fit.
    #[cold]
    fn misfit(self) {
        let name = self.name;
        self.fields
            .misfits
            .tell(format!("`{name}`: expected a parent record, found something else"));
    }
}

impl<'de> Visitor<'de> for Parent<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a parent record or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.misfit();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.misfit();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.misfit();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.misfit();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.misfit();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.misfit();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.fields.read(self.columns, &mut map)
    }
}

impl PageReader<'_> {
    /// Ends a row: drops it where it has no key, else moves the cursor on to it.
    fn close_row(
        &self,
        row: usize,
        text_before: usize,
        deleted: bool,
        batch: &mut Batch,
        misfits: &mut Misfits,
    ) {
        let key = match batch.cells[row + self.key] {
            Cell::Text(at, len) if (1..=KEY_BYTES_MAX).contains(&(len as usize)) => (at, len),
            _ => {
                batch.cells.truncate(row);
                batch.text.truncate(text_before);
                misfits.tell("a record without a key was left out".to_owned());
                return;
            }
        };
        batch.deleted.push(deleted);
        let Cell::Timestamp(stamp) = batch.cells[row + self.updated] else { return };
        if stamp >= self.before {
            return;
        }
        let Some(stamp) = DateTime::from_timestamp_millis(stamp) else { return };
        let key = &batch.text[key.0 as usize..(key.0 + key.1) as usize];
        match &mut batch.cursor {
            // The same string again and again, a row after another: no allocation each time.
            Some(cursor) => {
                cursor.stamp = stamp;
                cursor.key.clear();
                cursor.key.push_str(key);
            }
            none => *none = Some(Cursor { stamp, key: key.to_owned() }),
        }
    }
}

/// A key of a record, as the column it names.
struct ColumnName<'c, 'a> {
    columns: &'c [Column<'a>],
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for ColumnName<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for ColumnName<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        match self.columns.get(self.guess) {
            Some(column) if column.name == key => Ok(Some(self.guess)),
            // The first key of every record, and never a field.
            _ if key == "attributes" => Ok(None),
            // Names mean the same in any case; the org answers in its own.
            _ => Ok(self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(key))),
        }
    }
}

#[cfg(test)]
mod tests;
