//! Records of the made-up org straight into the store, without JSON and sockets: for benches that
//! need many records and do not measure the pull.

#![allow(dead_code, reason = "each bench uses a part of it")]

use chrono::DateTime;

use postrider::domain::dataset::{Batch, Cell, Dataset, Pulled};
use postrider::store::Store;

use crate::ground::org::{END, Object, Org, Sink, Value};

/// Records of one batch.
const BATCH_RECORDS: u64 = 2000;

/// Loads all records of an object.
pub(crate) fn load(
    store: &Store,
    org: Org,
    object: Object,
    dataset: &Dataset,
) -> anyhow::Result<()> {
    let now = DateTime::from_timestamp_millis(END).unwrap_or_default();
    let mut load = store.begin_load(&dataset.name, now)?;
    let count = org.count(object);
    let mut sink = Rows { dataset, batch: Batch::default() };
    for number in 0..count {
        org.record(object, number, &mut sink);
        sink.batch.deleted.push(false);
        if sink.batch.rows() as u64 == BATCH_RECORDS || number + 1 == count {
            load.append(&sink.batch)?;
            sink.batch = Batch::default();
        }
    }
    let pulled = Pulled { records: count, ..Pulled::nothing(now) };
    load.finish(&pulled, now)?;
    Ok(())
}

/// Some records of an object as one batch.
pub(crate) fn batch(
    org: Org,
    object: Object,
    dataset: &Dataset,
    numbers: std::ops::Range<u64>,
) -> Batch {
    let mut sink = Rows { dataset, batch: Batch::default() };
    for number in numbers {
        org.record(object, number, &mut sink);
        sink.batch.deleted.push(false);
    }
    sink.batch
}

struct Rows<'a> {
    dataset: &'a Dataset,
    batch: Batch,
}

impl Sink for Rows<'_> {
    fn field(&mut self, name: &'static str, value: Value<'_>) {
        let Batch { text, cells, .. } = &mut self.batch;
        let place = cells.len() % self.dataset.fields.len();
        assert_eq!(self.dataset.fields[place].name, name, "the org follows the datasets' fields");
        cells.push(match value {
            Value::Null => Cell::Null,
            Value::Flag(flag) => Cell::Boolean(flag),
            Value::Whole(number) => Cell::Integer(number),
            Value::Real(number) => Cell::Real(number),
            Value::Instant(ms) => Cell::Timestamp(ms),
            Value::Text(piece) => {
                let at = text.len() as u32;
                text.push_str(piece);
                Cell::Text(at, piece.len() as u32)
            }
        });
    }
}
