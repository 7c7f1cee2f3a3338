//! One record's values. Most fields of most records are null, and there may be millions of records:
//! only what is there is kept.

use std::ops::Index;
use std::sync::Arc;

use super::id::Id;
use super::schema;
use super::value::Value;

/// The values of one record, by the place of the field in its object. Shared, so that the results
/// of a Bulk job keep what was there when the job was made and cost little a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// One bit a field: whether its value is kept.
    present: u64,
    values: Arc<[Value]>,
}

impl Row {
    /// Keeps a record; objects have at most 64 fields.
    pub(crate) fn pack(values: Vec<Value>) -> Row {
        debug_assert!(values.len() <= 64);
        let mut present = 0;
        for (ix, value) in values.iter().enumerate() {
            let is_usual = value == usual(ix);
            present |= u64::from(!is_usual) << ix;
        }
        let kept = values.into_iter().enumerate().filter(|(ix, _)| present >> ix & 1 == 1);
        // Collected first, as only a list of known length becomes shared without a detour.
        let kept: Vec<Value> = kept.map(|(_, value)| value).collect();
        Row { present, values: kept.into() }
    }

    /// All values, of this many fields.
    pub(crate) fn unpack(&self, fields: usize) -> Vec<Value> {
        (0..fields).map(|ix| self[ix].clone()).collect()
    }
}

impl Index<usize> for Row {
    type Output = Value;

    fn index(&self, ix: usize) -> &Value {
        if self.present >> ix & 1 == 0 {
            return usual(ix);
        }
        let before = self.present & ((1 << ix) - 1);
        &self.values[before.count_ones() as usize]
    }
}

/// What a field holds where nothing is kept.
fn usual(ix: usize) -> &'static Value {
    const FALSE: &Value = &Value::Bool(false);
    const NULL: &Value = &Value::Null;
    if ix == schema::IS_DELETED { FALSE } else { NULL }
}

/// The id of a row.
pub(crate) fn id_of(row: &(impl Index<usize, Output = Value> + ?Sized)) -> Id {
    match row[schema::ID] {
        Value::Id(id) => id,
        _ => unreachable!("every row has an id"),
    }
}

/// The stamp of a row, in seconds.
pub(crate) fn stamp_of(row: &(impl Index<usize, Output = Value> + ?Sized)) -> i64 {
    match row[schema::MODSTAMP] {
        Value::At(seconds) => seconds,
        _ => i64::MIN,
    }
}

/// Whether the row lies in the recycle bin.
pub(crate) fn is_deleted(row: &Row) -> bool {
    matches!(row[schema::IS_DELETED], Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_back_what_was_put_in_and_keeps_only_what_is_there() {
        let mut values = vec![Value::Null; 64];
        values[schema::ID] = Value::Id(Id::new(*b"001", 7));
        values[schema::IS_DELETED] = Value::Bool(false);
        values[schema::MODSTAMP] = Value::At(5);
        values[40] = "text".into();
        values[63] = Value::Bool(false);
        let row = Row::pack(values.clone());
        assert_eq!(row.values.len(), 4);
        assert_eq!(row.unpack(64), values);
        assert!(!is_deleted(&row));
        values[schema::IS_DELETED] = Value::Bool(true);
        assert!(is_deleted(&Row::pack(values)));
    }
}
