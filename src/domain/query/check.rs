//! The texts of a query, checked stage by stage: filter, fold, groups, columns, order.
//!
//! A stage whose texts have mistakes still lets the later ones be judged as far as they can be, so
//! that one run finds as much as possible and nothing that follows from an earlier mistake alone.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast;

use super::{Column, Fold, Group, Part, Query, QueryText, Sort, SortBy};
use crate::domain::expr::{
    Aggregate, AggregateKind, Expr, FieldRef, Function, Grouping, Known, Lowerer, Mistake, Node,
    Place, ReportType, RowName, SortItem, Text, bytes, calls_aggregate, condition, has_aggregate,
    is_share, name_help, place,
};
use crate::domain::value::{Type, Value};

/// Heading of the second column of a rule's query.
const RECORDS: &str = "records";

/// A query on its way; texts with mistakes leave gaps.
struct Checker<'a> {
    report_type: &'a Arc<ReportType>,
    mistakes: Vec<(Part, Mistake)>,
    filter: Option<Expr>,
    /// Names of the folded row.
    names: Option<Vec<RowName>>,
}

/// A grouping expression with the field it passes on.
struct Keyed {
    group: Group,
    origin: Option<FieldRef>,
}

/// A parsed text with its heading.
struct Item<'t> {
    part: Part,
    text: &'t str,
    expr: ast::Expr,
    name: Option<(String, Range<usize>)>,
}

impl Item<'_> {
    fn whole(&self) -> Range<usize> {
        0..self.text.len()
    }

    /// Where a mistake about the heading is shown.
    fn name_at(&self) -> Range<usize> {
        self.name.as_ref().map_or_else(|| place(&self.expr, &self.whole()), |(_, at)| at.clone())
    }

    /// The heading: as given, else the field's own, else the expression as written.
    fn heading(&self, report_type: &ReportType, field: Option<FieldRef>) -> String {
        match (&self.name, field) {
            (Some((name, _)), _) => name.clone(),
            (None, Some(field)) => report_type.field(field).label.clone(),
            (None, None) => {
                let words: Vec<&str> = self.text.split_whitespace().collect();
                words.join(" ").chars().take(200).collect()
            }
        }
    }
}

pub(super) fn query(
    report_type: &Arc<ReportType>,
    text: &QueryText<'_>,
    rule: bool,
) -> Result<Query, Vec<(Part, Mistake)>> {
    let mut checker = Checker { report_type, mistakes: Vec::new(), filter: None, names: None };
    let date = text.date.and_then(|date| checker.date(date));
    checker.filter = text.filter.and_then(|filter| checker.condition(filter));
    let fold = checker.fold(text);
    let folding = !text.per.is_empty() || !text.values.is_empty();

    let columns = checker.items(&text.columns, Part::Column);
    let group_items = checker.items(&text.group_by, Part::GroupBy);
    if folding && fold.is_none() {
        // Every name of the later stages is one of the fold's.
        return Err(checker.mistakes);
    }
    let keyed: Vec<Option<Keyed>> =
        group_items.iter().map(|item| item.as_ref().and_then(|item| checker.group(item))).collect();
    let list = !rule
        && text.group_by.is_empty()
        && !columns.iter().flatten().any(|item| calls_aggregate(&item.expr));
    let incomplete = keyed.iter().any(Option::is_none);
    let keyed: Vec<Keyed> = keyed.into_iter().flatten().collect();

    let grouping = checker.grouping(keyed, incomplete);
    let mut query = Query {
        split: 0,
        pivot: false,
        percentile_min: 0,
        report_type: Arc::clone(report_type),
        date,
        filter: checker.filter.clone(),
        fold,
        groups: grouping.groups.clone(),
        carried: Vec::new(),
        aggregates: Vec::new(),
        columns: Vec::new(),
        list,
        sort: Vec::new(),
        top: text.top,
        total: text.total && !list,
    };
    let all_there = columns.iter().all(Option::is_some) && !incomplete;
    let items: Vec<Item<'_>> = columns.into_iter().flatten().collect();
    let grouping = checker.columns(&items, grouping, rule, &mut query);
    checker.headings(&query, &group_items, &items);
    if let Some(sort) = text.sort {
        checker.sort(sort, grouping.clone(), &mut query, all_there);
    }
    query.aggregates = grouping.aggregates;
    query.carried = grouping.carried;
    if checker.mistakes.is_empty() { Ok(query) } else { Err(checker.mistakes) }
}

impl<'a> Checker<'a> {
    fn note(&mut self, part: Part, mistake: Mistake) {
        self.mistakes.push((part, mistake));
    }

    /// Keeps what a lowerer found wrong.
    fn take(&mut self, part: Part, mistakes: Vec<Mistake>) {
        self.mistakes.extend(mistakes.into_iter().map(|mistake| (part, mistake)));
    }

    fn rows(&self, place: Place) -> Lowerer<'a> {
        Lowerer::rows(self.report_type, self.report_type.tables.len(), place)
    }

    /// Parses texts with headings.
    fn items<'t>(&mut self, texts: &[&'t str], part: fn(usize) -> Part) -> Vec<Option<Item<'t>>> {
        let mut items = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let part = part(index);
            items.push(match Text::new(text).and_then(Text::named) {
                Ok(named) => Some(Item { part, text, expr: named.expr, name: named.name }),
                Err(mistake) => {
                    self.note(part, mistake);
                    None
                }
            });
        }
        items
    }

    fn date(&mut self, text: &str) -> Option<FieldRef> {
        let whole = 0..text.len();
        let mut lowerer = self.rows(Place::Row("`date`"));
        let node = match Text::new(text).and_then(Text::expr) {
            Ok(expr) => lowerer.lower(&expr, &whole),
            Err(mistake) => {
                self.note(Part::Date, mistake);
                return None;
            }
        };
        self.take(Part::Date, lowerer.mistakes);
        let node = node?;
        match (node.expr, node.ty) {
            (Expr::Field(field), Some(Type::Timestamp)) => return Some(field),
            (Expr::Field(_), Some(ty)) => {
                let message = format!("the date of a report is a timestamp, this is {}", ty.word());
                let help = self.timestamp_help();
                self.note(Part::Date, Mistake::new(node.at, message).with_help(help));
            }
            _ => {
                let help = self.timestamp_help();
                let mistake = Mistake::new(node.at, "the date of a report is a field");
                self.note(Part::Date, mistake.with_help(help));
            }
        }
        None
    }

    fn timestamp_help(&self) -> String {
        let table = &self.report_type.tables[0];
        let stamps = table.dataset.fields.iter().filter(|field| field.ty == Type::Timestamp);
        let names: Vec<String> =
            stamps.take(8).map(|field| format!("`{}.{}`", table.alias, field.name)).collect();
        format!("e.g. {}", names.join(", "))
    }

    fn condition(&mut self, text: &str) -> Option<Expr> {
        let whole = 0..text.len();
        let mut lowerer = self.rows(Place::Row("`where`"));
        let expr = match Text::new(text).and_then(Text::expr) {
            Ok(expr) => {
                let node = lowerer.lower(&expr, &whole);
                node.and_then(|node| condition(node, &mut lowerer.mistakes))
            }
            Err(mistake) => {
                self.note(Part::Filter, mistake);
                None
            }
        };
        self.take(Part::Filter, lowerer.mistakes);
        expr
    }

    /// `per` and `values`, or nothing where there are none or they have mistakes.
    fn fold(&mut self, text: &QueryText<'_>) -> Option<Fold> {
        let keys = self.items(&text.per, Part::Per);
        let values = self.items(&text.values, Part::Values);
        if keys.is_empty() {
            if !values.is_empty() {
                let mistake = Mistake::new(0..text.values[0].len(), "`values` without `per`");
                let help = "say what one row of the fold is, e.g. `per = [\"session\"]`";
                self.note(Part::Values(0), mistake.with_help(help));
            }
            return None;
        }
        let before = self.mistakes.len();
        let keyed: Vec<Option<Keyed>> =
            keys.iter().map(|item| item.as_ref().and_then(|item| self.group(item))).collect();
        let incomplete = keyed.iter().any(Option::is_none);
        let keyed: Vec<Keyed> = keyed.into_iter().flatten().collect();
        let mut names: Vec<RowName> = keyed.iter().map(RowName::of_key).collect();
        let mut grouping = self.grouping(keyed, incomplete);
        let mut complete = values.iter().all(Option::is_some) && !incomplete;
        let mut fold = Fold {
            keys: grouping.groups.clone(),
            aggregates: vec![],
            carried: vec![],
            values: vec![],
        };
        let filter = self.filter.clone();
        for item in values.into_iter().flatten() {
            let mut lowerer = self.rows(Place::Group).grouped(grouping, filter.as_ref());
            let node = lowerer.lower(&item.expr, &item.whole());
            grouping = lowerer.grouping;
            self.take(item.part, lowerer.mistakes);
            let Some((name, _)) = &item.name else {
                let mistake = Mistake::new(item.whole(), "a value of the fold needs a name");
                self.note(item.part, mistake.with_help("write e.g. `sum(x) as total`"));
                complete = false;
                continue;
            };
            if names.iter().any(|known| known.name == *name) {
                let message = format!("the fold has two things called `{name}`");
                self.note(item.part, Mistake::new(item.name_at(), message));
            }
            let Some(node) = node else {
                complete = false;
                continue;
            };
            let repeats = self.repeats(&node.expr, &grouping).then(|| name.clone());
            names.push(RowName {
                name: name.clone(),
                ty: node.ty,
                alias: None,
                origin: node.origin,
                repeats,
            });
            fold.values.push((name.clone(), node.expr, node.ty));
        }
        self.fold_key_names(&keys, &fold);
        fold.aggregates = grouping.aggregates;
        fold.carried = grouping.carried;
        self.names = Some(names);
        (complete && self.mistakes[before..].is_empty()).then_some(fold)
    }

    fn fold_key_names(&mut self, keys: &[Option<Item<'_>>], fold: &Fold) {
        for (index, key) in fold.keys.iter().enumerate() {
            if fold.keys[..index].iter().any(|other| other.name == key.name) {
                let message = format!("the fold has two things called `{}`", key.name);
                let at = keys[index].as_ref().map_or(0..0, Item::name_at);
                self.note(Part::Per(index), Mistake::new(at, message));
            }
        }
    }

    /// Whether a value without aggregates belongs to something coarser than the fold's keys, so
    /// that it comes in several folded rows.
    fn repeats(&self, value: &Expr, grouping: &Grouping) -> bool {
        if has_aggregate(value) {
            return false;
        }
        let mut fields = BTreeSet::new();
        value.walk(&mut |expr| {
            match expr {
                Expr::Key(index) => grouping.groups[*index].expr.fields_into(&mut fields),
                Expr::Carried(index) => {
                    fields.insert(grouping.carried[*index]);
                }
                _ => {}
            };
        });
        let tables: BTreeSet<usize> = fields.iter().map(|field| field.table).collect();
        let known = Known::given_records(self.report_type, &[self.filter.as_ref()], &tables);
        let mut keys = BTreeSet::new();
        grouping.groups.iter().for_each(|group| group.expr.fields_into(&mut keys));
        !tables.is_empty() && !keys.into_iter().all(|key| known.has(key))
    }

    /// One `group_by` or `per` text. An alias by itself means its dataset's key.
    fn group(&mut self, item: &Item<'_>) -> Option<Keyed> {
        let folded = match item.part {
            Part::Per(_) => None,
            _ => self.names.as_deref(),
        };
        if let (ast::Expr::Identifier(word), None) = (&item.expr, folded)
            && let Some(table) = self.alias(&word.value)
        {
            let key = self.report_type.key(table);
            let name = item.name.as_ref().map_or_else(|| word.value.clone(), |n| n.0.clone());
            let ty = self.report_type.field(key).ty;
            let group = Group {
                name,
                expr: Expr::Field(key),
                ty,
                alias: Some(table),
                labels: vec![],
                origin: None,
            };
            return Some(Keyed { group, origin: Some(key) });
        }
        let place = match item.part {
            Part::Per(_) => "`per`",
            _ => "`group_by`",
        };
        let mut lowerer = self.rows(Place::Row(place)).over(folded);
        let node = lowerer.lower(&item.expr, &item.whole());
        let mistakes = lowerer.mistakes;
        let known = node.as_ref().and_then(|node| match (&node.expr, folded) {
            (Expr::Folded(index), Some(names)) => Some(names[*index].clone()),
            _ => None,
        });
        self.take(item.part, mistakes);
        let node = node?;
        let mut varies = false;
        node.expr.walk(&mut |expr| {
            varies |= matches!(expr, Expr::Field(_) | Expr::Folded(_));
        });
        let (true, Some(ty)) = (varies, node.ty) else {
            let mistake = Mistake::new(node.at, "this is the same for every record");
            self.note(item.part, mistake.with_help("group by a field or an alias"));
            return None;
        };
        let (alias, name) = match known {
            Some(known) if item.name.is_none() => (known.alias, known.name),
            Some(known) => (known.alias, item.heading(self.report_type, None)),
            None => (None, item.heading(self.report_type, node.origin)),
        };
        let shown = node.origin.filter(|_| alias.is_none());
        let labels = self.labels(shown);
        Some(Keyed {
            group: Group { name, expr: node.expr, ty, alias, labels, origin: shown },
            origin: node.origin,
        })
    }

    fn alias(&self, word: &str) -> Option<usize> {
        self.report_type.tables.iter().position(|table| table.alias == word)
    }

    fn labels(&self, field: Option<FieldRef>) -> Vec<(String, String)> {
        let list = field.and_then(|field| self.report_type.field(field).picklist.as_ref());
        let pairs = |list: &crate::domain::dataset::Picklist| {
            list.values.iter().map(|known| (known.value.clone(), known.label.clone())).collect()
        };
        list.map(pairs).unwrap_or_default()
    }

    fn grouping(&self, keyed: Vec<Keyed>, incomplete: bool) -> Grouping {
        let (groups, origins): (Vec<Group>, Vec<_>) =
            keyed.into_iter().map(|keyed| (keyed.group, keyed.origin)).unzip();
        // Over folded rows keys are `Folded`, and only they are fixed.
        let start = groups.iter().filter_map(|group| match group.expr {
            Expr::Field(field) => Some(field),
            _ => None,
        });
        let over_rows = groups.iter().all(|group| {
            let mut folded = false;
            group.expr.walk(&mut |expr| folded |= matches!(expr, Expr::Folded(_)));
            !folded
        });
        let known = over_rows.then(|| Known::given(self.report_type, self.filter.as_ref(), start));
        Grouping { groups, origins, known, incomplete, ..Grouping::default() }
    }

    fn columns(
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
        for item in items {
            let column = if query.list {
                self.list_column(item)
            } else {
                let (column, after) = self.group_column(item, grouping, rule);
                grouping = after;
                column
            };
            // A gap keeps its heading, so that the order and other columns can still be judged.
            query.columns.push(column.unwrap_or_else(|| Column {
                name: item.heading(self.report_type, None),
                expr: Expr::Literal(Value::Null),
                ty: None,
                alias: None,
                share: false,
                labels: vec![],
                origin: None,
            }));
        }
        if rule {
            let count =
                Aggregate { kind: AggregateKind::Count, of: None, order: vec![], filter: None };
            let known = grouping.aggregates.iter().position(|known| *known == count);
            let index = known.unwrap_or(grouping.aggregates.len());
            if known.is_none() {
                grouping.aggregates.push(count);
            }
            query.columns.push(Column {
                name: RECORDS.to_owned(),
                expr: Expr::Aggregate(index),
                ty: Some(Type::Integer),
                alias: None,
                share: false,
                labels: vec![],
                origin: None,
            });
        }
        grouping
    }

    fn group_column(
        &mut self,
        item: &Item<'_>,
        grouping: Grouping,
        rule: bool,
    ) -> (Option<Column>, Grouping) {
        let (names, filter) = (self.names.clone(), self.filter.clone());
        let mut lowerer =
            self.rows(Place::Group).over(names.as_deref()).grouped(grouping, filter.as_ref());
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
        (Some(self.column(item, node, None)), grouping)
    }

    fn list_column(&mut self, item: &Item<'_>) -> Option<Column> {
        let names = self.names.clone();
        if let (ast::Expr::Identifier(word), None) = (&item.expr, &names)
            && let Some(table) = self.alias(&word.value)
        {
            let label = self.report_type.label(table);
            let at = bytes(word.span);
            let ty = Some(self.report_type.field(label).ty);
            // A record without a name is called by its key; only a missing one is nobody.
            let names = vec![Expr::Field(label), Expr::Field(self.report_type.key(table))];
            let expr = Expr::Call(Function::Coalesce, names);
            let node = Node { expr, ty, at, origin: None };
            let mut column = self.column(item, node, Some(table));
            if item.name.is_none() {
                column.name.clone_from(&word.value);
            }
            return Some(column);
        }
        let mut lowerer = self.rows(Place::Row("a list")).over(names.as_deref());
        let node = lowerer.lower(&item.expr, &item.whole());
        self.take(item.part, lowerer.mistakes);
        // A key of the fold that is an alias shows its label too.
        let alias = node.as_ref().and_then(|node| match (&node.expr, &names) {
            (Expr::Folded(index), Some(names)) => names[*index].alias,
            _ => None,
        });
        node.map(|node| self.column(item, node, alias))
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
    fn headings(&mut self, query: &Query, groups: &[Option<Item<'_>>], columns: &[Item<'_>]) {
        let items = groups.iter().flatten().chain(columns);
        let names: Vec<&String> = query
            .groups
            .iter()
            .map(|group| &group.name)
            .chain(query.columns.iter().map(|column| &column.name))
            .collect();
        // With a gap among the groups headings and texts do not line up.
        if groups.iter().flatten().count() != query.groups.len() {
            return;
        }
        for (index, item) in items.enumerate() {
            if names[..index].contains(&names[index]) {
                let message = format!("two columns are called `{}`", names[index]);
                let mistake = Mistake::new(item.name_at(), message);
                self.note(item.part, mistake.with_help("write `as 'another heading'` behind one"));
            }
        }
    }

    fn sort(&mut self, text: &str, grouping: Grouping, query: &mut Query, all_there: bool) {
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
        if let Some(heading) = heading {
            if let Some(index) = query.groups.iter().position(|group| group.name == heading) {
                return Ok(SortBy::Group(index));
            }
            if let Some(index) = query.columns.iter().position(|column| column.name == heading) {
                return Ok(SortBy::Column(index));
            }
            let groups = query.groups.iter().map(|group| group.name.as_str());
            let names = groups.chain(query.columns.iter().map(|column| column.name.as_str()));
            let mistake = Mistake::new(at, format!("no column is called `{heading}`"));
            return Err(vec![mistake.with_help(name_help(heading, names))]);
        }
        let filter = self.filter.clone();
        let mut lowerer = self.rows(Place::Row("`sort`")).over(self.names.as_deref());
        if !query.list {
            lowerer = lowerer.grouped(grouping, filter.as_ref());
        }
        let Some(node) = lowerer.lower(&item.expr, &whole) else { return Err(lowerer.mistakes) };
        if let Expr::Key(index) = node.expr {
            return Ok(SortBy::Group(index));
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

impl RowName {
    fn of_key(keyed: &Keyed) -> RowName {
        RowName {
            name: keyed.group.name.clone(),
            ty: Some(keyed.group.ty),
            alias: keyed.group.alias,
            origin: keyed.origin,
            repeats: None,
        }
    }
}
