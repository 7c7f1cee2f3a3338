//! Where the records lie: a table an object, with an order by (`SystemModstamp`, `Id`) kept at
//! every change, so that a page of changes is read off and never sorted.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::id::Id;
pub(crate) use super::row::Row;
pub(crate) use super::row::{id_of, is_deleted, stamp_of};
use super::schema::{self, Object};
use super::value::Value;

/// Ids start here, so that they look like those of an org that has lived.
const FIRST_NUMBER: u64 = 238_400;

/// Records of one object. Slots follow the ids: the n-th record made has the n-th id.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) object: &'static Object,
    /// A purged record leaves `None`, so that slots never move.
    rows: Vec<Option<Row>>,
    /// By stamp, then slot, which is by id.
    order: BTreeSet<(i64, u32)>,
}

impl Table {
    fn new(object: &'static Object) -> Table {
        Table { object, rows: Vec::new(), order: BTreeSet::new() }
    }

    /// A row of nulls (false for flags) with the next id; it is not in the table yet.
    pub(crate) fn blank(&self) -> Vec<Value> {
        let number = FIRST_NUMBER + self.rows.len() as u64;
        let mut row: Vec<Value> = self
            .object
            .fields
            .iter()
            .map(|field| match field.kind {
                schema::Kind::Bool => Value::Bool(false),
                _ => Value::Null,
            })
            .collect();
        row[schema::ID] = Value::Id(Id::new(self.object.prefix, number));
        row
    }

    /// Puts a row made by [`Table::blank`] in; its stamp must be set.
    pub(crate) fn push(&mut self, row: Vec<Value>) -> Id {
        let id = id_of(&row);
        let slot = self.rows.len() as u32;
        debug_assert_eq!(self.slot(id), None);
        self.order.insert((stamp_of(&row), slot));
        self.rows.push(Some(Row::pack(row)));
        id
    }

    /// Changes a row and keeps the order.
    pub(crate) fn change(&mut self, slot: u32, edit: impl FnOnce(&mut [Value])) {
        let Some(row) = self.rows.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let before = stamp_of(row);
        let mut values = row.unpack(self.object.fields.len());
        edit(&mut values);
        *row = Row::pack(values);
        let after = stamp_of(row);
        if before != after {
            self.order.remove(&(before, slot));
            self.order.insert((after, slot));
        }
    }

    /// Removes a row for good.
    pub(crate) fn purge(&mut self, slot: u32) {
        if let Some(row) = self.rows.get_mut(slot as usize).and_then(Option::take) {
            self.order.remove(&(stamp_of(&row), slot));
        }
    }

    /// The slot of an id, if the record is here.
    pub(crate) fn slot(&self, id: Id) -> Option<u32> {
        let slot = id.number().checked_sub(FIRST_NUMBER)?;
        let row = self.rows.get(usize::try_from(slot).ok()?)?.as_ref()?;
        (id_of(row) == id).then_some(slot as u32)
    }

    /// The row in a slot, unless it was purged.
    pub(crate) fn row(&self, slot: u32) -> Option<&Row> {
        self.rows.get(slot as usize)?.as_ref()
    }

    /// Slots with a stamp within the bounds, by stamp, then id.
    pub(crate) fn changed(&self, from: Bound<i64>, to: Bound<i64>) -> impl Iterator<Item = u32> {
        let from = match from {
            Bound::Included(stamp) => Bound::Included((stamp, 0)),
            Bound::Excluded(stamp) => Bound::Excluded((stamp, u32::MAX)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let to = match to {
            Bound::Included(stamp) => Bound::Included((stamp, u32::MAX)),
            Bound::Excluded(stamp) => Bound::Excluded((stamp, 0)),
            Bound::Unbounded => Bound::Unbounded,
        };
        // An empty range is empty here; the standard tree would panic on it.
        let empty = match (from, to) {
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a >= b
            }
            _ => false,
        };
        let (from, to) = if empty {
            (Bound::Included((i64::MIN, 0)), Bound::Excluded((i64::MIN, 0)))
        } else {
            (from, to)
        };
        self.order.range((from, to)).map(|(_, slot)| *slot)
    }

    /// All slots that hold a record, by id.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.rows).filter(|(_, row)| row.is_some()).map(|(slot, _)| slot)
    }
}

/// All tables.
#[derive(Debug)]
pub(crate) struct Tables(Vec<Table>);

impl Tables {
    pub(crate) fn new() -> Tables {
        Tables(schema::objects().iter().map(Table::new).collect())
    }
    pub(crate) fn of(&self, object: &Object) -> &Table {
        &self.0[object.ix]
    }
    pub(crate) fn of_mut(&mut self, object: &Object) -> &mut Table {
        &mut self.0[object.ix]
    }
    /// The table and slot of an id.
    pub(crate) fn find(&self, id: Id) -> Option<(&Table, u32)> {
        let table = self.0.iter().find(|table| table.object.prefix == id.prefix())?;
        Some((table, table.slot(id)?))
    }
    /// The row of an id.
    pub(crate) fn row(&self, id: Id) -> Option<&Row> {
        let (table, slot) = self.find(id)?;
        table.row(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_follows_stamps_then_ids_through_changes_and_purges() {
        let object = schema::object_named("Account").unwrap();
        let mut table = Table::new(object);
        for stamp in [30, 10, 10, 20] {
            let mut row = table.blank();
            row[schema::MODSTAMP] = Value::At(stamp);
            table.push(row);
        }
        let all = |table: &Table| -> Vec<u32> {
            table.changed(Bound::Unbounded, Bound::Unbounded).collect()
        };
        assert_eq!(all(&table), [1, 2, 3, 0]);
        table.change(1, |row| row[schema::MODSTAMP] = Value::At(20));
        assert_eq!(all(&table), [2, 1, 3, 0]);
        table.purge(3);
        assert_eq!(all(&table), [2, 1, 0]);
        let window: Vec<u32> = table.changed(Bound::Included(10), Bound::Excluded(30)).collect();
        assert_eq!(window, [2, 1]);
        assert_eq!(table.changed(Bound::Excluded(10), Bound::Included(10)).count(), 0);
        assert_eq!(table.changed(Bound::Included(50), Bound::Excluded(20)).count(), 0);
    }
}
