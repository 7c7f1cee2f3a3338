//! Answers to tables: columns with their headings and formats, cells as people read them, and the
//! pages of the records they name.

use chrono::{DateTime, Utc};

use super::{Column, Others, Table, mask};
use crate::domain::compare::Beside;
use crate::domain::expr::{Expr, FieldRef, Function, Unit};
use crate::domain::period::Window;
use crate::domain::query::{self, Answer, Group, Query, Row};
use crate::domain::report::{Format, Report};
use crate::domain::value::{Type, Value};

impl Table {
    /// Shapes the answer to a report's query. Personal columns are shortened here, so that no
    /// rendering can forget to. `coverage` and `provisional` are whole sentences.
    pub fn shape(
        report: &Report,
        answer: &Answer,
        window: Option<Window>,
        coverage: Vec<String>,
        complete_to: Option<DateTime<Utc>>,
        provisional: Option<String>,
    ) -> Table {
        let layout = Layout::new(report, answer);
        let rows = answer.rows.iter().map(|row| layout.row(row));
        let rest = answer.rest.iter().map(|row| layout.row(row));
        let others = answer.others.as_ref().map(|(rows, values)| Others {
            rows: *rows,
            values: values.as_deref().map(|values| layout.whole(values)),
        });
        let mut coverage = coverage;
        coverage.extend(withheld(&report.query, answer));
        Table {
            report: report.name.clone(),
            definition: report.hash.clone(),
            title: report.title.clone(),
            about: report.about.clone(),
            window,
            period: report.period.words().to_owned(),
            zone: report.zone.clone(),
            rows: rows.collect(),
            rest: rest.collect(),
            others,
            total: answer.total.as_deref().map(|values| layout.whole(values)),
            empty: report.empty.clone(),
            list: report.query.list,
            records: answer.records,
            truncated: answer.truncated,
            coverage,
            coverage_low: Vec::new(),
            complete_to,
            provisional,
            compared: None,
            trend: None,
            beside: layout.links(answer),
            beside_total: None,
            chart: report.chart.clone(),
            drill: report.drill.clone(),
            only: report.only.clone(),
            restated: Vec::new(),
            columns: layout.columns,
        }
    }
}

/// The columns of a table, and which of them are shortened.
struct Layout<'a> {
    query: &'a Query,
    /// How many groups name the rows: what goes across does not.
    groups: usize,
    columns: Vec<Column>,
    masked: Vec<bool>,
}

impl<'a> Layout<'a> {
    fn new(report: &'a Report, answer: &Answer) -> Layout<'a> {
        let query = &*report.query;
        let groups = query.groups.len() - usize::from(query.pivot && !query.groups.is_empty());
        let is_masked = |name: &String| report.mask.contains(name);
        let mut columns: Vec<Column> =
            query.groups[..groups].iter().map(|group| of_group(report, query, group)).collect();
        let mut masked: Vec<bool> =
            query.groups[..groups].iter().map(|group| is_masked(&group.name)).collect();
        let across = query.groups.get(groups);
        let total = Some(Column::TOTAL.to_owned());
        let headings = answer.across.iter().map(|value| {
            let hidden = across.is_some_and(|group| is_masked(&group.name));
            let shown = if hidden { mask(value.clone()) } else { value.clone() };
            Some(heading(&shown, report.empty.as_deref()))
        });
        let pivots: Vec<Option<String>> = match across {
            Some(_) => headings.chain([total]).collect(),
            None => vec![None],
        };
        for pivot in &pivots {
            for column in &query.columns {
                let mut shaped = of_column(report, column);
                if let Some(pivot) = pivot {
                    shaped.name = match query.columns.len() {
                        1 => pivot.clone(),
                        _ => format!("{pivot}: {}", column.name),
                    };
                    shaped.pivot = Some(pivot.clone());
                }
                shaped.name = unlike(shaped.name, &columns);
                columns.push(shaped);
                masked.push(is_masked(&column.name));
            }
        }
        Layout { query, groups, columns, masked }
    }

    fn finish(&self, values: Vec<Value>) -> Vec<Value> {
        let cells = values.into_iter().zip(&self.masked);
        cells.map(|(value, masked)| if *masked { mask(value) } else { value }).collect()
    }

    fn row(&self, row: &Row) -> Vec<Value> {
        let mut cells = row.shown.clone();
        // Days, hours and their like stay what they are: each reader's locale has words for them, and
        // charts and files their own places.
        for (index, cell) in cells.iter_mut().enumerate() {
            let unit = self.columns.get(index).is_some_and(|column| column.unit.is_some());
            if let Some(key) = row.keys.get(index).filter(|_| unit) {
                cell.clone_from(key);
            }
        }
        let names = self.query.columns.iter().cycle();
        cells.extend(row.values.iter().zip(names).map(|(value, column)| labelled(column, value)));
        self.finish(cells)
    }

    /// Several rows taken together have no group: those cells are null.
    fn whole(&self, values: &[Value]) -> Vec<Value> {
        let mut row = vec![Value::Null; self.groups];
        row.extend_from_slice(values);
        self.finish(row)
    }

    /// The pages of the records that cells name; empty where no cell has one. What is shortened
    /// leads nowhere: the address would tell what the cell does not.
    fn links(&self, answer: &Answer) -> Vec<Beside> {
        let tables: Vec<Option<usize>> = match self.query.list {
            true => self.query.columns.iter().map(|c| self.named(c.alias, c.origin)).collect(),
            false => self.query.groups[..self.groups]
                .iter()
                .map(|g| self.named(g.alias, g.origin))
                .collect(),
        };
        let known = &self.query.report_type.tables;
        let leads = |table: usize| known.get(table).is_some_and(|t| t.dataset.link.is_some());
        let open = tables.iter().zip(&self.masked);
        let tables: Vec<Option<usize>> =
            open.map(|(table, masked)| table.filter(|table| !masked && leads(*table))).collect();
        if tables.iter().all(Option::is_none) {
            return Vec::new();
        }
        let beside = answer.rows.iter().map(|row| {
            let address = |(index, table): (usize, &Option<usize>)| {
                let key = row.keys.get(index).filter(|key| !key.is_null());
                // A column of a list that is a key itself names its record by its value.
                let key = key.or_else(|| row.values.get(index).filter(|_| self.is_key(index)));
                known[(*table)?].dataset.address_of(key?)
            };
            let named = tables.iter().enumerate().map(address);
            let rest = self.columns.len().saturating_sub(tables.len());
            let links = named.chain(std::iter::repeat_n(None, rest)).collect();
            Beside { links, ..Beside::default() }
        });
        beside.collect()
    }

    /// The table whose records a group or a column of a list names: an alias, or a key by itself.
    fn named(&self, alias: Option<usize>, origin: Option<FieldRef>) -> Option<usize> {
        let key = |field: &FieldRef| self.query.report_type.key(field.table) == *field;
        alias.or_else(|| origin.filter(key).map(|field| field.table))
    }

    fn is_key(&self, column: usize) -> bool {
        let column = self.query.columns.get(column).filter(|_| self.query.list);
        column.is_some_and(|column| column.alias.is_none())
    }
}

fn of_group(report: &Report, query: &Query, group: &Group) -> Column {
    // People see labels where the key has any.
    let labelled = group.alias.is_some() || !group.labels.is_empty();
    let ty = if labelled { Type::Text } else { group.ty };
    column(report, &group.name, (true, false), Some(ty), query.unit(&group.expr))
}

fn of_column(report: &Report, of: &query::Column) -> Column {
    column(report, &of.name, (false, of.share), of.ty, unit(&of.expr))
}

fn column(
    report: &Report,
    name: &str,
    (grouping, share): (bool, bool),
    ty: Option<Type>,
    unit: Option<Unit>,
) -> Column {
    Column {
        name: name.to_owned(),
        format: match report.formats.get(name) {
            Some(format) => *format,
            None if share => Format::Percent,
            None => Format::Auto,
        },
        grouping,
        numeric: ty.is_some_and(Type::is_number) && unit.is_none(),
        share,
        ty,
        unit,
        goal: report.goals.get(name).copied(),
        pivot: None,
    }
}

fn unit(expr: &Expr) -> Option<Unit> {
    match expr {
        Expr::Call(Function::Calendar(unit), _) => Some(*unit),
        _ => None,
    }
}

/// What goes across, as a heading.
fn heading(value: &Value, empty: Option<&str>) -> String {
    match value {
        Value::Null => empty.unwrap_or("(none)").to_owned(),
        Value::Text(text) if text.is_empty() => "(empty)".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Boolean(true) => "yes".to_owned(),
        Value::Boolean(false) => "no".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Timestamp(at) => at.format("%Y-%m-%d %H:%M").to_string(),
    }
}

/// The heading, with a number behind it where a column is called so already: files name columns by
/// their headings.
fn unlike(name: String, columns: &[Column]) -> String {
    let taken = |name: &str| columns.iter().any(|column| column.name == name);
    if !taken(&name) {
        return name;
    }
    let mut numbered = (2..).map(|number| format!("{name} ({number})"));
    numbered.find(|name| !taken(name)).unwrap_or(name)
}

/// A list's picklist value as people read it.
fn labelled(column: &query::Column, value: &Value) -> Value {
    let label = value.text().and_then(|text| column.labels.iter().find(|(value, _)| value == text));
    label.map_or_else(|| value.clone(), |(_, label)| Value::Text(label.clone()))
}

/// The sentence about percentiles that would say nothing.
fn withheld(query: &Query, answer: &Answer) -> Option<String> {
    let least = query.percentile_min;
    match answer.withheld {
        0 => None,
        1 => Some(format!("One percentile of fewer than {least} values is not shown.")),
        count => Some(format!("{count} percentiles of fewer than {least} values are not shown.")),
    }
}
