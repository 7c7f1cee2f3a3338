//! What a query reads: which tables take part, which of their fields, and what it shows.

use std::collections::{BTreeMap, BTreeSet};

use super::{ColumnShown, Group, Query};
use crate::domain::expr::{Expr, FieldRef, Function, Join, Unit};
use crate::domain::value::Type;

impl Query {
    /// The headings of an answer in order, grouping columns first. What goes across is none of them
    /// (see [`Query::across`]): of a pivoted query each column that is no grouping column comes once
    /// for each value across and once over all of them, as [`Answer`](super::Answer) says.
    pub fn columns_shown(&self) -> Vec<ColumnShown> {
        let groups = self.row_groups().iter().map(|group| {
            // Labels and the names of days, weeks, months and weekdays are text.
            let words = group.alias.is_some()
                || !group.labels.is_empty()
                || self.unit(&group.expr).is_some_and(|unit| unit != Unit::Hour);
            let ty = if words { Type::Text } else { group.ty };
            ColumnShown {
                name: group.name.clone(),
                grouping: true,
                ty: Some(ty),
                numeric: false,
                share: false,
            }
        });
        let columns = self.columns.iter().map(|column| ColumnShown {
            name: column.name.clone(),
            grouping: false,
            ty: if column.alias.is_some() { Some(Type::Text) } else { column.ty },
            numeric: column.ty.is_some_and(Type::is_number) && column.alias.is_none(),
            share: column.share,
        });
        groups.chain(columns).collect()
    }

    /// The groups that name rows: all but the one that goes across.
    pub fn row_groups(&self) -> &[Group] {
        &self.groups[..self.groups.len().saturating_sub(usize::from(self.pivot))]
    }

    /// The group that goes across, if one does.
    pub fn across(&self) -> Option<&Group> {
        self.groups.last().filter(|_| self.pivot)
    }

    /// What the query reads: names of fields by name of dataset, joins and labels included. Of a
    /// dataset whose records are only counted the set is empty.
    pub fn reads(&self) -> BTreeMap<String, BTreeSet<String>> {
        let used = self.tables_used();
        let mut fields = self.fields_read();
        for (table, on) in self.report_type.tables.iter().map(|table| &table.on).enumerate() {
            if let (true, Some(on)) = (used[table], on) {
                on.fields_into(&mut fields);
            }
        }
        let mut reads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (table, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            reads.entry(self.report_type.tables[table].dataset.name.clone()).or_default();
        }
        for field in fields.into_iter().filter(|field| used[field.table]) {
            let dataset = &self.report_type.tables[field.table].dataset;
            let names = reads.entry(dataset.name.clone()).or_default();
            names.insert(dataset.fields[field.field].name.clone());
        }
        reads
    }

    /// Which tables of the report type take part. A left join that finds at most one record and
    /// that nothing reads changes no figure and is left out.
    pub fn tables_used(&self) -> Vec<bool> {
        let tables = &self.report_type.tables;
        let mut used: Vec<bool> = (0..tables.len())
            .map(|table| {
                tables[table].join != Join::Left || !self.report_type.joins_at_most_one(table)
            })
            .collect();
        for field in self.fields_read() {
            used[field.table] = true;
        }
        // Conditions read tables before their own, so from the last to the first is enough.
        for table in (0..tables.len()).rev() {
            if let (true, Some(on)) = (used[table], &tables[table].on) {
                let mut fields = BTreeSet::new();
                on.fields_into(&mut fields);
                fields.into_iter().for_each(|field| used[field.table] = true);
            }
        }
        used
    }

    /// The fields that the query itself reads, joins apart.
    pub(crate) fn fields_read(&self) -> BTreeSet<FieldRef> {
        let mut fields: BTreeSet<FieldRef> = self.carried.iter().copied().collect();
        fields.extend(self.date);
        if let Some(filter) = &self.filter {
            filter.fields_into(&mut fields);
        }
        if let Some(fold) = &self.fold {
            fields.extend(&fold.carried);
            fold.keys.iter().for_each(|key| key.expr.fields_into(&mut fields));
            fold.aggregates.iter().for_each(|aggregate| aggregate.fields_into(&mut fields));
        }
        for group in &self.groups {
            group.expr.fields_into(&mut fields);
            fields.extend(group.alias.map(|table| self.report_type.label(table)));
        }
        self.aggregates.iter().for_each(|aggregate| aggregate.fields_into(&mut fields));
        self.columns.iter().for_each(|column| column.expr.fields_into(&mut fields));
        fields
    }

    /// Whether the label of a fold's key is shown: whether a group or a list's column is that key.
    pub(crate) fn shows_fold_key(&self, key: usize) -> bool {
        let this = Expr::Folded(key);
        self.groups.iter().any(|group| group.expr == this)
            || self.columns.iter().any(|column| column.alias.is_some() && column.expr == this)
    }

    /// The calendar unit that an expression over rows or folded rows gives, if it does.
    pub(crate) fn unit(&self, expr: &Expr) -> Option<Unit> {
        match self.unfolded(expr) {
            Expr::Call(Function::Calendar(unit), _) => Some(*unit),
            _ => None,
        }
    }

    /// The bounds of the ranges that an expression over rows or folded rows gives, if it does.
    pub(crate) fn bounds<'e>(&'e self, expr: &'e Expr) -> Option<&'e [f64]> {
        match self.unfolded(expr) {
            Expr::Call(Function::Bucket(bounds), _) => Some(bounds),
            _ => None,
        }
    }

    /// The key of the fold behind a name of the folded row.
    fn unfolded<'e>(&'e self, expr: &'e Expr) -> &'e Expr {
        match (expr, &self.fold) {
            (Expr::Folded(index), Some(fold)) => {
                fold.keys.get(*index).map_or(expr, |key| &key.expr)
            }
            _ => expr,
        }
    }
}
