//! A door for fuzzers: a result's file in pieces.

use super::super::misfits::Misfits;
use super::rows::Rows;
use crate::domain::dataset::{Batch, Dataset};

/// A file in pieces of so many bytes (one at least), to batches and the count of its records.
///
/// # Errors
/// As [`Rows::read`].
pub(in super::super) fn read(
    dataset: &Dataset,
    file: &[u8],
    bytes: usize,
) -> Result<(Vec<Batch>, u64), String> {
    let asked: Vec<usize> = (0..dataset.fields.len()).collect();
    let mut rows = Rows::new(dataset, &asked, true);
    let (mut misfits, mut batches) = (Misfits::default(), Vec::new());
    for mut piece in file.chunks(bytes) {
        while let Some(batch) = rows.read(&mut piece, &mut misfits)? {
            batches.push(batch);
        }
    }
    batches.extend(rows.end(&mut misfits)?);
    Ok((batches, rows.count()))
}
