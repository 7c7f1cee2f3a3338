//! Doors for fuzzers: what an org answers, read as it is read in a pull.

use chrono::{DateTime, TimeDelta};

use super::bulk;
use super::misfits::Misfits;
use super::objects;
use super::page::PageReader;
use crate::domain::dataset::{Batch, Cell, Dataset};

/// A page of a query, read twice by one reader: the same both times, and whole.
pub fn page(data: &[u8]) {
    let dataset = dataset();
    let asked: Vec<usize> = (0..dataset.fields.len()).collect();
    let before = DateTime::UNIX_EPOCH + TimeDelta::days(20_514);
    let mut reader = PageReader::new(&dataset, &asked, before);
    let (mut once, mut again) = (Misfits::default(), Misfits::default());
    let first = reader.read(data, &mut once);
    let second = reader.read(data, &mut again);
    assert_eq!(once.count, again.count);
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert_eq!((&first.batch, &first.next), (&second.batch, &second.next));
            is_whole(&first.batch, &dataset);
        }
        (Err(first), Err(second)) => {
            assert_eq!(first, second);
            assert!(!first.trim().is_empty(), "refused without a reason");
        }
        (first, second) => panic!("read once as {first:?} and once as {second:?}"),
    }
}

/// A result of a bulk query: the first byte says into what pieces it is cut on its way, which must
/// make no difference.
pub fn csv(data: &[u8]) {
    let Some((&first, file)) = data.split_first() else { return };
    let dataset = dataset();
    let whole = bulk::fuzz::read(&dataset, file, file.len().max(1));
    let pieces = bulk::fuzz::read(&dataset, file, usize::from(first).max(1));
    match (&whole, &pieces) {
        (Ok((batches, count)), Ok((others, other))) => {
            assert_eq!(rows(batches), rows(others), "pieces make a difference");
            assert_eq!(count, other);
            batches.iter().for_each(|batch| is_whole(batch, &dataset));
        }
        (Err(why), Err(other)) => {
            assert!(!why.trim().is_empty() && !other.trim().is_empty());
        }
        (whole, pieces) => panic!("whole {whole:?}, in pieces {pieces:?}"),
    }
}

/// An object with every type of field.
fn dataset() -> Dataset {
    let mut all = objects::datasets("org");
    let at = all.iter().position(|dataset| dataset.name == "MessagingSession");
    all.swap_remove(at.expect("a built-in object"))
}

/// Rows as they are stored, wherever the batches end.
fn rows(batches: &[Batch]) -> Vec<String> {
    let row = |batch: &Batch, cells: &[Cell], deleted: bool| {
        let cell = |cell: &Cell| match cell {
            Cell::Text(at, len) => format!("{:?}", batch.text_of(*at, *len)),
            other => format!("{other:?}"),
        };
        let cells: Vec<String> = cells.iter().map(cell).collect();
        format!("{} {deleted}", cells.join(" "))
    };
    let of = |batch: &Batch| -> Vec<String> {
        let width = batch.cells.len() / batch.rows().max(1);
        let cells = batch.cells.chunks(width.max(1)).zip(&batch.deleted);
        cells.map(|(cells, deleted)| row(batch, cells, *deleted)).collect()
    };
    batches.iter().flat_map(of).collect()
}

/// A batch can be stored: all its cells are there, and all its text.
pub(in crate::source) fn is_whole(batch: &Batch, dataset: &Dataset) {
    assert_eq!(batch.cells.len(), batch.rows() * dataset.fields.len());
    for cell in &batch.cells {
        if let Cell::Text(at, len) = cell {
            // Panics where it is not there, or ends within a character.
            let _ = batch.text_of(*at, *len);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every seed, and each of its beginnings.
    #[track_caller]
    fn check(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files = std::fs::read_dir(folder).unwrap();
        let mut count = 0;
        for file in files {
            let seed = std::fs::read(file.unwrap().path()).unwrap();
            (0..=seed.len()).for_each(|end| run(&seed[..end]));
            count += 1;
        }
        assert!(count >= 5, "{target} has {count} seeds");
    }

    #[test]
    fn whatever_comes_is_read_or_refused_with_a_reason() {
        check("soql_page", page);
        check("bulk_csv", csv);
    }
}
