//! Drift: where the config and a source disagree about a dataset.
//!
//! What reports and rules read of a dataset, and which texts they compare its fields with, is
//! gathered from their checked queries; that is held against what the source says of itself. Labels
//! may differ, and fields that nobody reads may be missing: neither changes a figure.

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::{Dataset, Described, DescribedField, Field};
use super::expr::{Binary, Expr, FieldRef};
use super::query::Query;
use super::value::{Type, Value};

/// What reports and rules make of datasets.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Who reads, by dataset and field; of a dataset whose records are counted the field is empty.
    readers: BTreeMap<(String, String), BTreeSet<String>>,
    /// Who compares, by dataset, field and text.
    compared: BTreeMap<(String, String), BTreeMap<String, BTreeSet<String>>>,
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// The source does not have the field, or does not show it to us.
    Hidden {
        /// The field's name.
        field: String,
        /// Where the config says that a record has it.
        path: String,
        /// Reports and rules that read it; empty: nobody does.
        readers: Vec<String>,
    },
    /// The source holds something else in the field.
    Typed {
        /// The field's name.
        field: String,
        /// What the config says.
        ours: Type,
        /// What the source says; `None`: nothing a dataset can hold.
        theirs: Option<Type>,
        /// Reports and rules that read it.
        readers: Vec<String>,
    },
    /// The field never holds a text that it is compared with.
    Value {
        /// The field's name.
        field: String,
        /// The text.
        value: String,
        /// What it can hold.
        values: Vec<String>,
        /// Reports and rules that compare it.
        readers: Vec<String>,
    },
}

impl Uses {
    /// Adds what a query reads; `reader` is what people call who asks, e.g. "report `q1`".
    pub fn add(&mut self, reader: &str, query: &Query) {
        for (dataset, fields) in query.reads() {
            let fields = fields.into_iter().chain([String::new()]);
            for field in fields {
                let readers = self.readers.entry((dataset.clone(), field)).or_default();
                readers.insert(reader.to_owned());
            }
        }
        let used = query.tables_used();
        each_expression(query, &mut |expr| {
            for (field, value) in comparisons(expr) {
                if used[field.table] {
                    let dataset = &query.report_type.tables[field.table].dataset;
                    let key = (dataset.name.clone(), dataset.fields[field.field].name.clone());
                    let values = self.compared.entry(key).or_default();
                    values.entry(value).or_default().insert(reader.to_owned());
                }
            }
        });
    }

    /// Whether anybody reads the dataset.
    pub fn reads(&self, dataset: &str) -> bool {
        self.readers.contains_key(&(dataset.to_owned(), String::new()))
    }

    fn readers(&self, dataset: &str, field: &str) -> Vec<String> {
        let readers = self.readers.get(&(dataset.to_owned(), field.to_owned()));
        readers.into_iter().flatten().cloned().collect()
    }
}

impl Difference {
    /// Whether a figure or an alarm is wrong for it: somebody reads what is missing or different.
    pub fn matters(&self) -> bool {
        let (Difference::Hidden { readers, .. }
        | Difference::Typed { readers, .. }
        | Difference::Value { readers, .. }) = self;
        !readers.is_empty()
    }

    /// The field it is about.
    pub fn field(&self) -> &str {
        let (Difference::Hidden { field, .. }
        | Difference::Typed { field, .. }
        | Difference::Value { field, .. }) = self;
        field
    }

    /// What is wrong, as a fragment, without who reads it.
    pub fn words(&self) -> String {
        match self {
            Difference::Hidden { field, path, .. } if field == path => {
                format!("the source does not show us `{field}`")
            }
            Difference::Hidden { field, path, .. } => {
                format!("the source does not show us `{field}` (`{path}`)")
            }
            Difference::Typed { field, ours, theirs: Some(theirs), .. } => format!(
                "`{field}` is {} in the config and {} in the source",
                ours.word(),
                theirs.word()
            ),
            Difference::Typed { field, .. } => {
                format!("`{field}` holds nothing that a dataset can hold")
            }
            Difference::Value { field, value, values, .. } => {
                const SHOWN: usize = 8;
                let mut can: Vec<String> =
                    values.iter().take(SHOWN).map(|value| format!("'{value}'")).collect();
                if SHOWN < values.len() {
                    can.push("...".to_owned());
                }
                format!("`{field}` is never '{value}'; it can be {}", can.join(", "))
            }
        }
    }

    /// Reports and rules that it concerns.
    pub fn readers(&self) -> &[String] {
        let (Difference::Hidden { readers, .. }
        | Difference::Typed { readers, .. }
        | Difference::Value { readers, .. }) = self;
        readers
    }
}

/// Holds a dataset against what its source says of the object behind it.
pub fn compare(dataset: &Dataset, described: &Described, uses: &Uses) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (index, field) in dataset.fields.iter().enumerate() {
        let mut readers = uses.readers(&dataset.name, &field.name);
        // Without these two nothing of it can be pulled at all.
        if index == dataset.key || Some(index) == dataset.updated {
            readers.extend(uses.readers(&dataset.name, ""));
            readers.sort();
            readers.dedup();
        }
        let Some(place) = Place::of(field) else { continue };
        let Some(theirs) = described.fields.iter().find(|theirs| place.is(theirs)) else {
            let (field, path) = (field.name.clone(), place.pointer.to_owned());
            differences.push(Difference::Hidden { field, path, readers });
            continue;
        };
        if !fits(field.ty, theirs.ty, place.written) {
            differences.push(Difference::Typed {
                field: field.name.clone(),
                ours: field.ty,
                theirs: theirs.ty,
                readers,
            });
        }
        differences.extend(values(dataset, field, theirs, uses));
    }
    differences
}

/// Where a field is, as far as a description can tell.
struct Place<'f> {
    pointer: &'f str,
    /// How it is written there, if that is said.
    written: bool,
}

impl<'f> Place<'f> {
    /// `None` where a description of the object says nothing of it: a parent's field, a key made of
    /// others, the name of a record.
    fn of(field: &'f Field) -> Option<Place<'f>> {
        let path = field.path.trim();
        if let Some(quoted) = path.strip_prefix('\'') {
            let (pointer, rest) = quoted.split_once('\'')?;
            return Some(Place { pointer, written: rest.split_whitespace().count() > 1 });
        }
        if path.starts_with('/') {
            let mut words = path.split_whitespace();
            let pointer = words.next()?;
            return Some(Place { pointer, written: words.count() > 1 });
        }
        let plain = !path.contains(['.', ' ', '#']) && !path.is_empty();
        plain.then_some(Place { pointer: path, written: false })
    }

    fn is(&self, theirs: &DescribedField) -> bool {
        match Place::of_text(&theirs.path) {
            Some(pointer) => pointer.eq_ignore_ascii_case(self.pointer),
            None => false,
        }
    }

    fn of_text(path: &str) -> Option<&str> {
        match path.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').map(|(pointer, _)| pointer),
            None => path.split_whitespace().next(),
        }
    }
}

/// Whether what the source has can be read as what the config says: one number is as good as
/// another, and a field with a way of writing says itself what it is.
fn fits(ours: Type, theirs: Option<Type>, written: bool) -> bool {
    let Some(theirs) = theirs else { return false };
    written || ours == theirs || (ours.is_number() && theirs.is_number())
}

/// Texts that the config compares the field with and that it never holds.
fn values(
    dataset: &Dataset,
    field: &Field,
    theirs: &DescribedField,
    uses: &Uses,
) -> Vec<Difference> {
    let Some(list) = theirs.picklist.as_ref().filter(|list| !list.values.is_empty()) else {
        return Vec::new();
    };
    let key = (dataset.name.clone(), field.name.clone());
    let compared = uses.compared.get(&key).into_iter().flatten();
    compared
        .filter(|(value, _)| list.values.iter().all(|known| known.value != **value))
        .map(|(value, readers)| Difference::Value {
            field: field.name.clone(),
            value: value.clone(),
            values: list.values.iter().map(|known| known.value.clone()).collect(),
            readers: readers.iter().cloned().collect(),
        })
        .collect()
}

/// Visits every expression of a query, joins included.
fn each_expression(query: &Query, visit: &mut impl FnMut(&Expr)) {
    let mut walk = |expr: &Expr| expr.walk(visit);
    query.report_type.tables.iter().filter_map(|table| table.on.as_ref()).for_each(&mut walk);
    query.filter.iter().for_each(&mut walk);
    let fold = query.fold.iter();
    for fold in fold {
        fold.keys.iter().for_each(|key| walk(&key.expr));
        fold.values.iter().for_each(|(_, value, _)| walk(value));
        fold.aggregates.iter().for_each(|aggregate| {
            aggregate.of.iter().chain(&aggregate.filter).for_each(&mut walk);
        });
    }
    query.groups.iter().for_each(|group| walk(&group.expr));
    query.columns.iter().for_each(|column| walk(&column.expr));
    for aggregate in &query.aggregates {
        aggregate.of.iter().chain(&aggregate.filter).for_each(&mut walk);
        aggregate.order.iter().for_each(|(expr, _)| walk(expr));
    }
}

/// Fields that an expression itself compares with texts.
fn comparisons(expr: &Expr) -> Vec<(FieldRef, String)> {
    match expr {
        Expr::Binary(Binary::Equal | Binary::Different, a, b) => match (&**a, &**b) {
            (Expr::Field(field), Expr::Literal(Value::Text(text)))
            | (Expr::Literal(Value::Text(text)), Expr::Field(field)) => {
                vec![(*field, text.clone())]
            }
            _ => Vec::new(),
        },
        Expr::In(of, values) => match &**of {
            Expr::Field(field) => (values.iter())
                .filter_map(|value| match value {
                    Value::Text(text) => Some((*field, text.clone())),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::dataset::{PickValue, Picklist};
    use super::super::expr::ReportType;
    use super::super::query::QueryText;
    use super::*;

    /// Tickets: id, updated, state, age, owner, opened.
    fn tickets() -> Dataset {
        let field =
            |name: &str, path: &str, ty| Field { path: path.to_owned(), ..Field::new(name, ty) };
        let fields = vec![
            field("id", "/id text", Type::Text),
            field("updated", "/updated timestamp epoch_s", Type::Timestamp),
            field("state", "/state text", Type::Text),
            field("age", "/age real", Type::Real),
            field("owner", "Owner.Name", Type::Text),
            field("opened", "'/opened at' timestamp", Type::Timestamp),
        ];
        Dataset { updated: Some(1), ..Dataset::new("desk", "tickets", fields, 0) }
    }

    fn theirs(path: &str, ty: Option<Type>) -> DescribedField {
        DescribedField {
            name: path.to_owned(),
            path: path.to_owned(),
            label: "Another label".to_owned(),
            ty,
            nullable: true,
            picklist: None,
            key: false,
            updated: false,
            created: false,
        }
    }

    fn as_configured() -> Described {
        let fields = vec![
            theirs("/id text", Some(Type::Text)),
            theirs("/updated integer", Some(Type::Integer)),
            theirs("/state text", Some(Type::Text)),
            theirs("/age integer", Some(Type::Integer)),
            theirs("'/opened at' timestamp", Some(Type::Timestamp)),
            theirs("/more text", Some(Type::Text)),
        ];
        Described { object: "tickets".to_owned(), fields, ..Described::default() }
    }

    fn uses(columns: &[&str], filter: Option<&str>) -> Uses {
        let datasets = [Arc::new(tickets())];
        let report_type = ReportType::parse("t", "tickets t", &datasets).unwrap();
        let text = QueryText { filter, columns: columns.to_vec(), ..QueryText::default() };
        let query = Query::check(&Arc::new(report_type), &text).unwrap();
        let mut uses = Uses::default();
        uses.add("report `open`", &query);
        uses
    }

    #[track_caller]
    fn check(described: &Described, uses: &Uses, expected: &[(&str, bool)]) {
        let found = compare(&tickets(), described, uses);
        let told: Vec<(String, bool)> =
            found.iter().map(|found| (found.words(), found.matters())).collect();
        let told: Vec<(&str, bool)> =
            told.iter().map(|(words, matters)| (words.as_str(), *matters)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_agrees_is_not_told() {
        let uses = uses(&["t.state as State", "t.age as Age"], Some("t.state = 'open'"));
        check(&as_configured(), &uses, &[]);
        assert!(uses.reads("tickets") && !uses.reads("accounts"));
    }

    #[test]
    fn a_field_that_is_not_shown_matters_to_who_reads_it() {
        let mut described = as_configured();
        described
            .fields
            .retain(|field| !field.path.starts_with("/age") && !field.path.contains("opened"));
        let hidden =
            |name: &str, path: &str| format!("the source does not show us `{name}` (`{path}`)");
        check(
            &described,
            &uses(&["t.age as Age"], None),
            &[(&hidden("age", "/age"), true), (&hidden("opened", "/opened at"), false)],
        );
    }

    #[test]
    fn without_its_key_nothing_of_a_dataset_can_be_read() {
        let mut described = as_configured();
        described.fields.retain(|field| field.path != "/id text");
        let found = compare(&tickets(), &described, &uses(&["count() as Tickets"], None));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].readers(), ["report `open`"]);
    }

    #[test]
    fn another_type_is_told_unless_numbers_or_a_way_of_writing_explain_it() {
        let mut described = as_configured();
        described.fields[2].ty = Some(Type::Boolean);
        described.fields[3].ty = None;
        check(
            &described,
            &uses(&["t.state as State"], None),
            &[
                ("`state` is text in the config and boolean in the source", true),
                ("`age` holds nothing that a dataset can hold", false),
            ],
        );
    }

    #[test]
    fn texts_that_a_field_never_holds_are_told_with_what_it_can_hold() {
        let mut described = as_configured();
        let value =
            |value: &str| PickValue { value: value.to_owned(), label: value.to_uppercase() };
        described.fields[2].picklist = Some(Picklist {
            values: vec![value("open"), value("done")],
            open: false,
            mistaken: Vec::new(),
        });
        let columns = [
            "count() filter (where t.state in ('open', 'shut')) as A",
            "count() filter (where t.state <> 'gone') as B",
        ];
        check(
            &described,
            &uses(&columns, None),
            &[
                ("`state` is never 'gone'; it can be 'open', 'done'", true),
                ("`state` is never 'shut'; it can be 'open', 'done'", true),
            ],
        );
    }
}
