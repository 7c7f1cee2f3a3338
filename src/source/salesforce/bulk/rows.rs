//! A CSV file that comes in pieces, read straight into batches as it comes: never more of it is in
//! memory than one batch and the field being read.

use std::borrow::Cow;
use std::mem;

use super::cell;
use crate::domain::dataset::{Batch, Cell, Dataset};
use crate::domain::value::Type;
use crate::source::salesforce::misfits::{Found, Misfits};
use crate::source::salesforce::page::{CELL_BYTES_MAX, DELETED};

/// A batch is full at so many rows or so much text, whichever comes first.
const BATCH_ROWS: usize = 2_000;
const BATCH_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// No record of any object is larger: what is, is no file of records.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A key longer than this is none.
const KEY_BYTES_MAX: usize = 255;

/// What of a field beyond its limit is read at a time, to be thrown away.
const SPARE_BYTES: usize = 8 * 1024;

/// Reads one file.
pub(super) struct Rows<'a> {
    dataset: &'a Dataset,
    /// What is asked for, by name.
    wanted: Vec<(&'a str, Role)>,
    csv: csv_core::Reader,
    /// What the file's columns are; empty before its header has been read.
    columns: Vec<Option<Role>>,
    /// The header's names, while it is being read.
    header: Option<Vec<String>>,
    /// The field being read: so much of the buffer is filled, so much was cut off already.
    field: Vec<u8>,
    filled: usize,
    cut: usize,
    /// The record being read: its next column, its bytes, its text's place, whether it is deleted.
    column: usize,
    record_bytes: usize,
    text_before: usize,
    deleted: bool,
    batch: Batch,
    /// Records in the file so far, those without a key too.
    count: u64,
}

#[derive(Clone, Copy)]
enum Role {
    /// A field of the dataset.
    Field(usize, Type),
    /// The flag of deleted records.
    Deleted,
}

impl<'a> Rows<'a> {
    /// A reader for these fields of the dataset and, where asked for, the flag of deleted records.
    pub(super) fn new(dataset: &'a Dataset, asked: &[usize], deleted_flag: bool) -> Self {
        let fields = asked.iter().map(|&at| {
            let field = &dataset.fields[at];
            (field.path.as_str(), Role::Field(at, field.ty))
        });
        let deleted = deleted_flag.then_some((DELETED, Role::Deleted));
        Rows {
            dataset,
            wanted: fields.chain(deleted).collect(),
            csv: csv_core::Reader::new(),
            columns: Vec::new(),
            header: Some(Vec::new()),
            field: vec![0; CELL_BYTES_MAX + SPARE_BYTES],
            filled: 0,
            cut: 0,
            column: 0,
            record_bytes: 0,
            text_before: 0,
            deleted: false,
            batch: Batch::default(),
            count: 0,
        }
    }

    /// Records read so far, those that were left out too; the header is none.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Reads on until a batch is full or the piece is used up.
    ///
    /// # Errors
    /// Text saying why this is no file of the records asked for.
    pub(super) fn read(
        &mut self,
        piece: &mut &[u8],
        misfits: &mut Misfits,
    ) -> Result<Option<Batch>, String> {
        // An empty input would mean the end of the file.
        while !piece.is_empty() {
            let taken = self.step(piece, misfits)?;
            *piece = &piece[taken..];
            // Between two records alone: half of one is no row.
            if self.column == 0 && self.is_full() {
                return Ok(self.take());
            }
        }
        Ok(None)
    }

    /// The file is over: the last batch, if there is anything in it.
    ///
    /// # Errors
    /// As [`Rows::read`].
    pub(super) fn end(&mut self, misfits: &mut Misfits) -> Result<Option<Batch>, String> {
        // At most the last field and the end itself are still to be told.
        for _ in 0..2 {
            self.step(&[], misfits)?;
        }
        Ok(self.take())
    }

    fn is_full(&self) -> bool {
        self.batch.rows() >= BATCH_ROWS || self.batch.text.len() >= BATCH_TEXT_BYTES
    }

    fn take(&mut self) -> Option<Batch> {
        if self.batch.rows() == 0 {
            return None;
        }
        let (text, cells) = (self.batch.text.len(), self.batch.cells.len());
        let next = Batch {
            text: String::with_capacity(text + text / 8),
            cells: Vec::with_capacity(cells),
            deleted: Vec::with_capacity(BATCH_ROWS),
            ..Batch::default()
        };
        self.text_before = 0;
        Some(mem::replace(&mut self.batch, next))
    }

    /// Reads to the end of a field or of the piece, and says how much of the piece that took.
    fn step(&mut self, piece: &[u8], misfits: &mut Misfits) -> Result<usize, String> {
        use csv_core::ReadFieldResult::{End, Field, InputEmpty, OutputFull};
        let (result, taken, written) = self.csv.read_field(piece, &mut self.field[self.filled..]);
        self.filled += written;
        self.record_bytes += written;
        if self.record_bytes > RECORD_BYTES_MAX {
            return Err(format!("a record of more than {RECORD_BYTES_MAX} bytes"));
        }
        match result {
            InputEmpty | End => {}
            OutputFull => {
                // Only the beginning of so long a text is kept.
                self.cut += self.filled - CELL_BYTES_MAX;
                self.filled = CELL_BYTES_MAX;
            }
            Field { record_end } => {
                self.field_ends(misfits)?;
                if record_end {
                    self.record_ends(misfits)?;
                }
            }
        }
        Ok(taken)
    }

    fn field_ends(&mut self, misfits: &mut Misfits) -> Result<(), String> {
        let (filled, cut) = (mem::take(&mut self.filled), mem::take(&mut self.cut));
        let column = self.column;
        self.column += 1;
        let kept = filled.min(CELL_BYTES_MAX);
        let bytes = &self.field[..kept];
        let length = filled + cut;
        if let Some(names) = &mut self.header {
            names.push(String::from_utf8_lossy(bytes).into_owned());
            return Ok(());
        }
        let width = self.dataset.fields.len();
        if column == 0 {
            self.batch.cells.resize(self.batch.cells.len() + width, Cell::Null);
        }
        let Some(role) = self.columns.get(column) else {
            return Err(format!("a record of more than {} fields", self.columns.len()));
        };
        if length == 0 {
            return Ok(());
        }
        match *role {
            None => {}
            Some(Role::Deleted) => self.deleted = bytes.eq_ignore_ascii_case(b"true"),
            Some(Role::Field(at, ty)) => {
                let row = self.batch.cells.len() - width;
                let place = Place { dataset: self.dataset, field: at, row, misfits };
                let cell = place.cell(bytes, length, ty, &mut self.batch);
                self.batch.cells[row + at] = cell;
            }
        }
        Ok(())
    }

    fn record_ends(&mut self, misfits: &mut Misfits) -> Result<(), String> {
        let (fields, deleted) = (mem::take(&mut self.column), mem::take(&mut self.deleted));
        self.record_bytes = 0;
        if let Some(names) = self.header.take() {
            self.columns = self.columns_of(&names)?;
            return Ok(());
        }
        if fields != self.columns.len() {
            return Err(format!("a record of {fields} fields, not {}", self.columns.len()));
        }
        self.count += 1;
        let row = self.batch.cells.len() - self.dataset.fields.len();
        match self.batch.cells[row + self.dataset.key] {
            Cell::Text(_, len) if (1..=KEY_BYTES_MAX).contains(&(len as usize)) => {
                self.batch.deleted.push(deleted);
            }
            _ => {
                self.batch.cells.truncate(row);
                self.batch.text.truncate(self.text_before);
                misfits.tell("a record without a key was left out".to_owned());
            }
        }
        self.text_before = self.batch.text.len();
        Ok(())
    }

    fn columns_of(&self, names: &[String]) -> Result<Vec<Option<Role>>, String> {
        let is = |name: &str, other: &str| name.trim().eq_ignore_ascii_case(other);
        if let Some((lost, _)) =
            self.wanted.iter().find(|(wanted, _)| !names.iter().any(|name| is(name, wanted)))
        {
            return Err(format!("no column `{lost}` in it"));
        }
        let role = |name: &String| {
            let found = self.wanted.iter().find(|(wanted, _)| is(name, wanted));
            found.map(|(_, role)| *role)
        };
        Ok(names.iter().map(role).collect())
    }
}

/// Where a value belongs.
struct Place<'p> {
    dataset: &'p Dataset,
    field: usize,
    /// Its record's first cell.
    row: usize,
    misfits: &'p mut Misfits,
}

impl Place<'_> {
    /// `bytes` is the value, or the beginning of one of `length` bytes.
    fn cell(self, bytes: &[u8], length: usize, ty: Type, batch: &mut Batch) -> Cell {
        let text = self.text(bytes, bytes.len() < length);
        if matches!(text, Cow::Owned(_)) {
            let field = &self.dataset.fields[self.field].path;
            self.misfits.tell(format!("broken characters in `{field}` were replaced"));
        }
        if ty != Type::Text {
            return cell::parse(&text, ty).unwrap_or_else(|| {
                self.misfit(ty, Found::Value(&text), batch);
                Cell::Null
            });
        }
        let at = batch.text.len() as u32;
        batch.text.push_str(&text);
        if bytes.len() < length {
            self.misfit(ty, Found::TooLong(length), batch);
        }
        Cell::Text(at, text.len() as u32)
    }

    fn text<'b>(&self, bytes: &'b [u8], cut: bool) -> Cow<'b, str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            // Cut in the middle of a character.
            Err(err) if cut && err.error_len().is_none() => {
                String::from_utf8_lossy(&bytes[..err.valid_up_to()])
            }
            Err(_) => String::from_utf8_lossy(bytes),
        }
    }

    #[cold]
    fn misfit(self, ty: Type, found: Found<'_>, batch: &Batch) {
        let record = match batch.cells[self.row + self.dataset.key] {
            Cell::Text(at, len) => batch.text_of(at, len),
            _ => "",
        };
        self.misfits.note(&self.dataset.fields[self.field].path, record, ty, found);
    }
}

/// The piece without NUL bytes, which no text has and Salesforce sends on bad days.
pub(super) fn without_nuls(piece: &[u8]) -> Cow<'_, [u8]> {
    if piece.contains(&0) {
        Cow::Owned(piece.iter().copied().filter(|byte| *byte != 0).collect())
    } else {
        Cow::Borrowed(piece)
    }
}

#[cfg(test)]
mod tests;
