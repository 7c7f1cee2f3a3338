//! What follows from what: which fields of a joined row are fixed once others are.
//!
//! Two questions need it. May a column show a field without an aggregate (is it fixed by the
//! group's keys)? And does a join repeat a record, so that summing its fields would count it
//! several times (are all other datasets fixed by that record)?

use std::collections::BTreeSet;

use super::{Binary, Expr, FieldRef, Join, ReportType};

/// The fields of a joined row that are fixed.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    fields: BTreeSet<FieldRef>,
    tables: Vec<bool>,
}

/// An equality that holds on joined rows.
#[derive(Clone, Copy)]
struct Equality {
    field: FieldRef,
    /// The other side; `None` for a constant.
    other: Option<FieldRef>,
}

impl Known {
    /// What is fixed on the rows of one group once `start` is, given the query's filter.
    pub(crate) fn given(
        report_type: &ReportType,
        filter: Option<&Expr>,
        start: impl IntoIterator<Item = FieldRef>,
    ) -> Known {
        Known::closure(report_type, &[filter], start, false)
    }

    /// What is fixed where one record of each of these tables takes part: fields of a table that
    /// was left-joined to something speak for it too, because the record is there.
    pub(crate) fn given_records(
        report_type: &ReportType,
        filters: &[Option<&Expr>],
        tables: &BTreeSet<usize>,
    ) -> Known {
        let start = tables.iter().map(|table| report_type.key(*table));
        Known::closure(report_type, filters, start, true)
    }

    /// Whether a field is fixed.
    pub(crate) fn has(&self, field: FieldRef) -> bool {
        self.tables[field.table] || self.fields.contains(&field)
    }

    /// The first table of which several records may take part.
    pub(crate) fn first_open_table(&self) -> Option<usize> {
        self.tables.iter().position(|known| !known)
    }

    fn closure(
        report_type: &ReportType,
        filters: &[Option<&Expr>],
        start: impl IntoIterator<Item = FieldRef>,
        records_exist: bool,
    ) -> Known {
        let tables = &report_type.tables;
        let mut known =
            Known { fields: start.into_iter().collect(), tables: vec![false; tables.len()] };
        let on: Vec<Vec<Equality>> = tables
            .iter()
            .map(|table| table.on.as_ref().map_or_else(Vec::new, equalities))
            .collect();
        let filtered: Vec<Equality> =
            filters.iter().flatten().flat_map(|filter| equalities(filter)).collect();
        loop {
            let before = known.size();
            for equality in &filtered {
                known.follow(*equality);
            }
            for (index, table) in tables.iter().enumerate() {
                if table.join != Join::Left {
                    on[index].iter().for_each(|equality| known.follow(*equality));
                } else if records_exist && known.has(report_type.key(index)) {
                    on[index].iter().for_each(|equality| known.follow(*equality));
                }
                known.judge_table(report_type, index, &on[index]);
            }
            if known.size() == before {
                return known;
            }
        }
    }

    fn size(&self) -> (usize, usize) {
        (self.fields.len(), self.tables.iter().filter(|known| **known).count())
    }

    fn follow(&mut self, equality: Equality) {
        match equality.other {
            None => {
                self.fields.insert(equality.field);
            }
            Some(other) if self.has(equality.field) => {
                self.fields.insert(other);
            }
            Some(other) if self.has(other) => {
                self.fields.insert(equality.field);
            }
            Some(_) => {}
        }
    }

    /// A table is fixed when a unique set of its fields is.
    fn judge_table(&mut self, report_type: &ReportType, index: usize, on: &[Equality]) {
        if self.tables[index] {
            return;
        }
        let table = &report_type.tables[index];
        let mut fixed: Vec<usize> =
            self.fields.iter().filter(|f| f.table == index).map(|f| f.field).collect();
        if table.join == Join::Left {
            // Its own fields say which record it is only where there is one; where there is none,
            // the condition decides, and so everything the condition reads has to be fixed.
            let key_fixed = fixed.contains(&table.dataset.key);
            let mut read = BTreeSet::new();
            if let Some(on) = &table.on {
                on.fields_into(&mut read);
            }
            let condition_fixed = read.iter().all(|f| f.table == index || self.has(*f));
            if condition_fixed {
                for equality in on {
                    fixed.extend(equality.side_of(index, |other| self.has(other)));
                }
            } else if !key_fixed {
                return;
            }
        }
        if table.dataset.is_unique(&fixed) {
            self.tables[index] = true;
        }
    }
}

impl Equality {
    /// The field of this table that the equality fixes, if its other side is fixed.
    fn side_of(self, table: usize, fixed: impl Fn(FieldRef) -> bool) -> Option<usize> {
        match self.other {
            None => (self.field.table == table).then_some(self.field.field),
            Some(other) if self.field.table == table && fixed(other) => Some(self.field.field),
            Some(other) if other.table == table && fixed(self.field) => Some(other.field),
            Some(_) => None,
        }
    }
}

/// The equalities that a condition demands.
fn equalities(condition: &Expr) -> Vec<Equality> {
    condition.conjuncts().into_iter().filter_map(equality).collect()
}

fn equality(expr: &Expr) -> Option<Equality> {
    let Expr::Binary(Binary::Equal, a, b) = expr else { return None };
    match (a.as_ref(), b.as_ref()) {
        (Expr::Field(a), Expr::Field(b)) => Some(Equality { field: *a, other: Some(*b) }),
        (Expr::Field(field), Expr::Literal(_)) | (Expr::Literal(_), Expr::Field(field)) => {
            Some(Equality { field: *field, other: None })
        }
        _ => None,
    }
}

impl ReportType {
    /// Whether a table's join finds at most one record for each row before it, so that leaving it
    /// out changes no count.
    pub(crate) fn joins_at_most_one(&self, table: usize) -> bool {
        let Some(on) = &self.tables[table].on else { return false };
        let fixed: Vec<usize> = equalities(on)
            .into_iter()
            .filter_map(|equality| equality.side_of(table, |other| other.table != table))
            .collect();
        self.tables[table].dataset.is_unique(&fixed)
    }

    /// The fields of a table that its join or the filter sets equal to a constant or to a field of
    /// another table that `reached` accepts; constants say `None`.
    pub(crate) fn equated(
        &self,
        table: usize,
        condition: &Expr,
        reached: impl Fn(usize) -> bool,
    ) -> Vec<(usize, Option<FieldRef>)> {
        let mut found = Vec::new();
        for equality in equalities(condition) {
            let ends = [(equality.field, equality.other)]
                .into_iter()
                .chain(equality.other.map(|other| (other, Some(equality.field))));
            for (field, other) in ends {
                let usable = other.is_none_or(|other| other.table != table && reached(other.table));
                if field.table == table && usable {
                    found.push((field.field, other));
                }
            }
        }
        found
    }
}
