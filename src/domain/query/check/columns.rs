//! The columns of a query, their headings, and the order of its rows.

use std::ops::Range;

use sqlparser::ast;

use super::{Checker, Item, Keyed};
use crate::domain::expr::{
    Aggregate, AggregateKind, Expr, Function, Grouping, LIST, Mistake, NamedColumn, Node, Place,
    SortItem, State, Text, bytes, is_share, name_help, place,
};
use crate::domain::query::{Column, Group, Part, Query, Sort, SortBy};
use crate::domain::value::{Type, Value};

/// Heading of the second column of a rule's query.
const RECORDS: &str = "records";

impl Checker<'_> {
    /// Checks the columns and puts them behind those that split a list.
    pub(super) fn columns(
        &mut self,
        items: &[Item<'_>],
        mut grouping: Grouping,
        rule: bool,
        query: &mut Query,
    ) -> Grouping {
        if items.is_empty() && self.mistakes.is_empty() {
            let mistake = Mistake::new(0..0, "there are no columns");
            self.note(Part::Column(0), mistake.with_help("write e.g. `count() as Records`"));
        }
        let mut named: Vec<NamedColumn> = items
            .iter()
            .map(|item| NamedColumn {
                name: item.heading(self.report_type, None),
                state: State::Later,
            })
            .collect();
        for (index, item) in items.iter().enumerate() {
            let found = if query.list {
                self.list_column(item, &named)
            } else {
                let (found, after) = self.group_column(item, grouping, rule, &named);
                grouping = after;
                found
            };
            // A gap keeps its heading, so that the order and other columns can still be judged.
            let (column, state) = match found {
                Some((column, node)) => (column, State::Checked(node)),
                None => (self.gap(item), State::Wrong),
            };
            named[index] = NamedColumn { name: column.name.clone(), state };
            query.columns.push(column);
        }
        if rule {
            let count =
                Aggregate { kind: AggregateKind::Count, of: None, order: vec![], filter: None };
            let known = grouping.aggregates.iter().position(|known| *known == count);
            let index = known.unwrap_or(grouping.aggregates.len());
            if known.is_none() {
                grouping.aggregates.push(count);
            }
            let records = Column {
                name: RECORDS.to_owned(),
                expr: Expr::Aggregate(index),
                ty: Some(Type::Integer),
                alias: None,
                share: false,
                labels: vec![],
                origin: None,
            };
            // Right behind the value, also where that is not all.
            query.columns.insert(query.columns.len().min(1), records);
        }
        grouping
    }

    fn gap(&self, item: &Item<'_>) -> Column {
        Column {
            name: item.heading(self.report_type, None),
            expr: Expr::Literal(Value::Null),
            ty: None,
            alias: None,
            share: false,
            labels: vec![],
            origin: None,
        }
    }

    fn group_column(
        &mut self,
        item: &Item<'_>,
        grouping: Grouping,
        rule: bool,
        named: &[NamedColumn],
    ) -> (Option<(Column, Node)>, Grouping) {
        let (names, filter) = (self.names.clone(), self.filter.clone());
        let mut lowerer = self
            .rows(Place::Group)
            .over(names.as_deref())
            .grouped(grouping, filter.as_ref())
            .behind(named);
        let node = lowerer.lower(&item.expr, &item.whole());
        let grouping = lowerer.grouping;
        self.take(item.part, lowerer.mistakes);
        let Some(node) = node else { return (None, grouping) };
        if rule && !node.ty.is_some_and(Type::is_number) {
            let word = node.ty.map_or("null", Type::word);
            let message = format!("a rule's value is a number, this is {word}");
            self.note(item.part, Mistake::new(node.at, message));
            return (None, grouping);
        }
        (Some((self.column(item, node.clone(), None), node)), grouping)
    }

    fn list_column(&mut self, item: &Item<'_>, named: &[NamedColumn]) -> Option<(Column, Node)> {
        let names = self.names.clone();
        if let (ast::Expr::Identifier(word), None) = (&item.expr, &names)
            && let Some(table) = self.alias(&word.value)
        {
            let node = self.record(table, bytes(word.span));
            let mut column = self.column(item, node.clone(), Some(table));
            if item.name.is_none() {
                column.name.clone_from(&word.value);
            }
            return Some((column, node));
        }
        let mut lowerer = self.rows(Place::Row(LIST)).over(names.as_deref()).behind(named);
        let node = lowerer.lower(&item.expr, &item.whole());
        self.take(item.part, lowerer.mistakes);
        // A key of the fold that is an alias shows its label too.
        let alias = node.as_ref().and_then(|node| match (&node.expr, &names) {
            (Expr::Folded(index), Some(names)) => names[*index].alias,
            _ => None,
        });
        node.map(|node| (self.column(item, node.clone(), alias), node))
    }

    /// What the record under an alias is called by in a list.
    fn record(&self, table: usize, at: Range<usize>) -> Node {
        let label = self.report_type.label(table);
        let ty = Some(self.report_type.field(label).ty);
        // A record without a name is called by its key; only a missing one is nobody.
        let names = vec![Expr::Field(label), Expr::Field(self.report_type.key(table))];
        let expr = Expr::Call(Function::Coalesce, names);
        Node { expr, ty, at, origin: None }
    }

    /// The columns of a list that split it.
    pub(super) fn splitting(&self, splits: &[Keyed]) -> Vec<Column> {
        let column = |keyed: &Keyed| {
            let Group { name, expr, ty, alias, labels, origin } = keyed.group.clone();
            // Folded rows know what their records are called by.
            let named = alias.filter(|_| matches!(expr, Expr::Field(_)));
            let (expr, ty) = match named.map(|table| self.record(table, 0..0)) {
                Some(node) => (node.expr, node.ty),
                None => (expr, Some(ty)),
            };
            Column { name, expr, ty, alias, share: false, labels, origin }
        };
        splits.iter().map(column).collect()
    }

    fn column(&self, item: &Item<'_>, node: Node, alias: Option<usize>) -> Column {
        let shown = node.origin.filter(|_| alias.is_none());
        Column {
            name: item.heading(self.report_type, node.origin),
            share: is_share(&node.expr),
            labels: self.labels(shown),
            origin: shown,
            expr: node.expr,
            ty: node.ty,
            alias,
        }
    }

    /// No two headings are the same: formats and orders name columns by them.
    pub(super) fn headings(
        &mut self,
        query: &Query,
        groups: &[Option<Item<'_>>],
        columns: &[Item<'_>],
        rule: bool,
    ) {
        let items = groups.iter().flatten().chain(columns);
        let (own_groups, own_columns) = own(query);
        let names: Vec<&String> = own_groups
            .iter()
            .map(|group| &group.name)
            .chain(own_columns.iter().map(|column| &column.name))
            .collect();
        // With a gap among the groups headings and texts do not line up.
        if groups.iter().flatten().count() != own_groups.len() {
            return;
        }
        for (index, item) in items.enumerate() {
            // Nobody reads the headings of a rule's numbers.
            if rule && index >= own_groups.len() {
                break;
            }
            if names[..index].contains(&names[index]) {
                let message = format!("two columns are called `{}`", names[index]);
                let mistake = Mistake::new(item.name_at(), message);
                self.note(item.part, mistake.with_help("write `as 'another heading'` behind one"));
            }
        }
    }

    pub(super) fn sort(
        &mut self,
        text: &str,
        grouping: &Grouping,
        query: &mut Query,
        all_there: bool,
    ) {
        let items = match Text::new(text).and_then(Text::sort) {
            Ok(items) => items,
            Err(mistake) => return self.note(Part::Sort, mistake),
        };
        for item in items {
            match self.sort_by(&item, text, grouping.clone(), query) {
                Ok(by) => query.sort.push(Sort { by, descending: item.descending }),
                // What is missing may be one of the columns that could not be read.
                Err(mistakes) if all_there => self.take(Part::Sort, mistakes),
                Err(_) => {}
            }
        }
    }

    fn sort_by(
        &self,
        item: &SortItem,
        text: &str,
        grouping: Grouping,
        query: &Query,
    ) -> Result<SortBy, Vec<Mistake>> {
        let whole = 0..text.len();
        let at = place(&item.expr, &whole);
        let heading = match &item.expr {
            ast::Expr::Identifier(word) => Some(word.value.as_str()),
            ast::Expr::Value(value) => match &value.value {
                ast::Value::SingleQuotedString(heading) => Some(heading.as_str()),
                _ => None,
            },
            _ => None,
        };
        let across = query.pivot.then(|| query.groups.len() - 1);
        let by_group = |index: usize| match across == Some(index) {
            true => Err(vec![
                Mistake::new(at.clone(), "what goes across cannot order the rows")
                    .with_help("sort by one of the other columns"),
            ]),
            false => Ok(SortBy::Group(index)),
        };
        if let Some(heading) = heading {
            let (groups, columns) = own(query);
            if let Some(index) = groups.iter().position(|group| group.name == heading) {
                return by_group(query.groups.len() - groups.len() + index);
            }
            if let Some(index) = columns.iter().position(|column| column.name == heading) {
                return Ok(SortBy::Column(query.columns.len() - columns.len() + index));
            }
            let groups = groups.iter().map(|group| group.name.as_str());
            let names = groups.chain(columns.iter().map(|column| column.name.as_str()));
            let mistake = Mistake::new(at.clone(), format!("no column is called `{heading}`"));
            return Err(vec![mistake.with_help(name_help(heading, names))]);
        }
        let filter = self.filter.clone();
        let mut lowerer = self.rows(Place::Row("`sort`")).over(self.names.as_deref());
        if !query.list {
            lowerer = lowerer.grouped(grouping, filter.as_ref());
        }
        let Some(node) = lowerer.lower(&item.expr, &whole) else { return Err(lowerer.mistakes) };
        if let Expr::Key(index) = node.expr {
            return by_group(index);
        }
        match query.columns.iter().position(|column| column.expr == node.expr) {
            Some(index) => Ok(SortBy::Column(index)),
            None => Err(vec![
                Mistake::new(at, "this is not one of the columns")
                    .with_help("sort by the heading of a column, e.g. `Sessions desc`"),
            ]),
        }
    }
}

/// The groups and columns of a query's own, without those that split it.
fn own(query: &Query) -> (&[Group], &[Column]) {
    match query.list {
        true => (&query.groups, &query.columns[query.split..]),
        false => (&query.groups[query.split..], &query.columns),
    }
}
