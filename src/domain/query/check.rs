//! The texts of a query, checked stage by stage: filter, fold, groups, columns, order.
//!
//! A stage whose texts have mistakes still lets the later ones be judged as far as they can be, so
//! that one run finds as much as possible and nothing that follows from an earlier mistake alone.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast;

use super::{Fold, Group, Part, Query, QueryText, Texts};
use crate::domain::expr::{
    Binary, Expr, FieldRef, Grouping, Known, Lowerer, Mistake, Place, ReportType, RowName, Text,
    calls_aggregate, condition, has_aggregate, place,
};
use crate::domain::value::Type;

mod columns;
mod split;

/// A query on its way; texts with mistakes leave gaps.
struct Checker<'a> {
    report_type: &'a Arc<ReportType>,
    mistakes: Vec<(Part, Mistake)>,
    filter: Option<Expr>,
    /// Names of the folded row.
    names: Option<Vec<RowName>>,
}

/// A grouping expression with the field it passes on.
#[derive(Clone)]
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
    texts: Texts,
) -> Result<Query, Vec<(Part, Mistake)>> {
    let (text, rule) = (texts.text(), texts.rule);
    let mut checker = Checker { report_type, mistakes: Vec::new(), filter: None, names: None };
    let date = text.date.and_then(|date| checker.date(date));
    checker.filter = text.filter.and_then(|filter| checker.condition(filter, Part::Filter));
    for only in &texts.only {
        let only = checker.condition(only, Part::Only);
        checker.filter = both(checker.filter.take(), only);
    }
    let Some(splits) = checker.splits(&texts.split) else { return Err(checker.mistakes) };
    let fold = checker.fold(&text, &splits);
    let folding = !text.per.is_empty() || !text.values.is_empty();

    let columns = checker.items(&text.columns, Part::Column);
    let mut group_items = checker.items(&text.group_by, Part::GroupBy);
    let pivots: Vec<&str> = text.pivot_by.into_iter().collect();
    let pivot = checker.items(&pivots, |_| Part::Pivot);
    if folding && fold.is_none() {
        // Every name of the later stages is one of the fold's.
        return Err(checker.mistakes);
    }
    let list = !rule
        && text.group_by.is_empty()
        && !columns.iter().flatten().any(|item| calls_aggregate(&item.expr));
    if let (true, Some(pivot)) = (list, text.pivot_by) {
        let mistake = Mistake::new(0..pivot.len(), "the rows of a list have nothing to go across");
        let help = "count something, e.g. `columns = [\"count() as Records\"]`";
        checker.note(Part::Pivot, mistake.with_help(help));
        return Err(checker.mistakes);
    }
    group_items.extend(pivot);
    let splits = Checker::outer(splits, fold.as_ref());
    let keyed: Vec<Option<Keyed>> =
        group_items.iter().map(|item| item.as_ref().and_then(|item| checker.group(item))).collect();
    let incomplete = keyed.iter().any(Option::is_none);
    let (leading, split) = (if list { vec![] } else { splits.clone() }, splits.len());
    let keyed: Vec<Keyed> = leading.into_iter().chain(keyed.into_iter().flatten()).collect();

    let mut grouping = checker.grouping(keyed, incomplete);
    grouping.split = if list { 0 } else { split };
    let mut query = Query {
        split,
        pivot: text.pivot_by.is_some() && !incomplete,
        percentile_min: text.min_values.unwrap_or(0),
        report_type: Arc::clone(report_type),
        date,
        filter: checker.filter.clone(),
        fold,
        groups: grouping.groups.clone(),
        carried: Vec::new(),
        aggregates: Vec::new(),
        columns: if list { checker.splitting(&splits) } else { Vec::new() },
        list,
        sort: Vec::new(),
        top: text.top,
        total: text.total && !list,
        texts: Arc::default(),
    };
    let all_there = columns.iter().all(Option::is_some) && !incomplete;
    let items: Vec<Item<'_>> = columns.into_iter().flatten().collect();
    let grouping = checker.columns(&items, grouping, rule, &mut query);
    checker.headings(&query, &group_items, &items, rule);
    if let Some(sort) = text.sort {
        checker.sort(sort, &grouping, &mut query, all_there);
    }
    query.aggregates = grouping.aggregates;
    query.carried = grouping.carried;
    if !checker.mistakes.is_empty() {
        return Err(checker.mistakes);
    }
    query.texts = Arc::new(texts);
    Ok(query)
}

/// Two conditions that both have to hold.
fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Expr::Binary(Binary::And, a.into(), b.into())),
        (a, b) => a.or(b),
    }
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

    fn condition(&mut self, text: &str, part: Part) -> Option<Expr> {
        let whole = 0..text.len();
        let mut lowerer = self.rows(Place::Row("`where`"));
        let expr = match Text::new(text).and_then(Text::expr) {
            Ok(expr) => {
                let node = lowerer.lower(&expr, &whole);
                node.and_then(|node| condition(node, &mut lowerer.mistakes))
            }
            Err(mistake) => {
                self.note(part, mistake);
                None
            }
        };
        self.take(part, lowerer.mistakes);
        expr
    }

    /// `per` and `values`, or nothing where there are none or they have mistakes.
    /// What splits the answer comes behind its keys.
    fn fold(&mut self, text: &QueryText<'_>, splits: &[Keyed]) -> Option<Fold> {
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
        let mut keyed: Vec<Keyed> = keyed.into_iter().flatten().collect();
        let own_keys = keyed.len();
        let mut names: Vec<RowName> = keyed.iter().map(RowName::of_key).collect();
        keyed.extend_from_slice(splits);
        names.extend(splits.iter().map(RowName::of_split));
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
            let repeats = self.repeats(&node.expr, &grouping, own_keys).then(|| name.clone());
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
        for (index, key) in fold.keys.iter().take(keys.len()).enumerate() {
            if fold.keys[..index].iter().any(|other| other.name == key.name) {
                let message = format!("the fold has two things called `{}`", key.name);
                let at = keys[index].as_ref().map_or(0..0, Item::name_at);
                self.note(Part::Per(index), Mistake::new(at, message));
            }
        }
    }

    /// Whether a value without aggregates belongs to something coarser than the fold's keys, so
    /// that it comes in several folded rows.
    fn repeats(&self, value: &Expr, grouping: &Grouping, own_keys: usize) -> bool {
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
        let own = grouping.groups.iter().take(own_keys);
        own.for_each(|group| group.expr.fields_into(&mut keys));
        !tables.is_empty() && !keys.into_iter().all(|key| known.has(key))
    }

    /// One `group_by` or `per` text. An alias by itself means its dataset's key.
    fn group(&mut self, item: &Item<'_>) -> Option<Keyed> {
        let folded = match item.part {
            Part::Per(_) | Part::Split(_) => None,
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
            Part::Pivot => "`pivot_by`",
            Part::Split(_) => "`split_by`",
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

    /// A key that no text can name.
    fn of_split(keyed: &Keyed) -> RowName {
        RowName { name: "\0".to_owned(), alias: None, ..RowName::of_key(keyed) }
    }
}
