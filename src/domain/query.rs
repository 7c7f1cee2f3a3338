//! A query: the one description of a question to the records.
//!
//! Order of work: join, bound the `date` field of the dataset it names before joining, filter
//! after it; fold to one row a key (`per`), if asked; group; aggregate; then columns are computed
//! over each group's keys and aggregates, sorted, cut at `top`. A query without groups and
//! aggregates is a list of rows.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::expr::{Aggregate, Expr, FieldRef, Mistake, ReportType};
use super::value::{Type, Value};
use super::zone::Zone;

pub(crate) mod accumulate;
mod check;
pub(crate) mod collect;
pub mod inner;
mod reads;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod shape;
pub mod shared;
#[cfg(test)]
mod tests;
mod texts;

pub use texts::Texts;

/// A checked question.
#[derive(Clone, Debug)]
pub struct Query {
    /// What is asked.
    pub report_type: Arc<ReportType>,
    /// Which field the bounds of a [`Frame`] apply to.
    pub date: Option<FieldRef>,
    /// Which joined rows count.
    pub filter: Option<Expr>,
    /// One row a key first.
    pub fold: Option<Fold>,
    /// Group by these; empty with aggregates means one row in all.
    pub groups: Vec<Group>,
    /// So many of the groups (of a list: columns), the first ones, only split the answer into
    /// parts, which [`crate::store::View::parts`] gives: the rows of a part do not have them.
    /// Asked for one answer ([`crate::store::View::answer`]), they are groups (columns) like the
    /// others. Further ones follow from the first.
    pub split: usize,
    /// Whether the last of the groups goes across: its values become columns. See [`Answer`].
    pub pivot: bool,
    /// A percentile of fewer values than this is null: it would say nothing. The median is always
    /// given, and so are the values of a fold.
    pub percentile_min: u64,
    /// Fields determined by the groups' keys that columns read.
    pub carried: Vec<FieldRef>,
    /// Aggregates that columns read; each distinct one once.
    pub aggregates: Vec<Aggregate>,
    /// The columns, over keys, carried fields and aggregates; of a list, over the row itself.
    pub columns: Vec<Column>,
    /// Whether it is a list (no groups, no aggregates).
    pub list: bool,
    /// How rows are ordered; ties by the grouping columns in order.
    pub sort: Vec<Sort>,
    /// How many rows are shown; the rest becomes `Others`.
    pub top: Option<usize>,
    /// Whether the values over all rows are wanted.
    pub total: bool,
    /// What it was checked from.
    pub texts: Arc<Texts>,
}

/// `per` and `values`: one row a key before grouping.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Keys. A key that is an alias is that dataset's key.
    pub keys: Vec<Group>,
    /// Aggregates that the values read.
    pub aggregates: Vec<Aggregate>,
    /// Fields determined by the keys that values read.
    pub carried: Vec<FieldRef>,
    /// Named values over keys ([`Expr::Key`]), carried fields and aggregates. In the query around
    /// it they are [`Expr::Folded`], numbered after the keys.
    pub values: Vec<(String, Expr, Option<Type>)>,
}

impl Query {
    /// Checks the texts of a query against a report type. All mistakes come at once.
    pub fn check(
        report_type: &Arc<ReportType>,
        text: &QueryText<'_>,
    ) -> Result<Query, Vec<(Part, Mistake)>> {
        check::query(report_type, Texts::of(text, false))
    }

    /// Checks the texts of a rule's query; `text.columns` is its `value` and, of a ratio, what it is
    /// out of. Column 0 is the value, a number; column 1 is the count of the records behind it; column
    /// 2 what it is out of, a number.
    pub fn check_rule(
        report_type: &Arc<ReportType>,
        text: &QueryText<'_>,
    ) -> Result<Query, Vec<(Part, Mistake)>> {
        check::query(report_type, Texts::of(text, true))
    }

    /// The same question with more: a further condition that records have to meet, and expressions
    /// that split the answer into parts (as [`QueryText::group_by`] has them: an alias by itself is
    /// its records). Conditions and splits it has already stay. Every split after the first must
    /// follow from the first, e.g. `account.OwnerMail` from `account`: it comes with each part and
    /// makes none of its own.
    ///
    /// The shape of the answer stays the same: a part has the rows, columns and totals that this
    /// query has, so it is shaped by the query without splits.
    ///
    /// What was set since the check (`top`, `total`, `percentile_min`) is kept. Mistakes are in
    /// [`Part::Only`] and [`Part::Split`], counted from the texts given here.
    pub fn with(&self, only: Option<&str>, split: &[&str]) -> Result<Query, Vec<(Part, Mistake)>> {
        let mut texts = Texts::clone(&self.texts);
        texts.only.extend(only.map(str::to_owned));
        texts.split.extend(split.iter().map(|text| (*text).to_owned()));
        let checked = check::query(&self.report_type, texts).map_err(|mistakes| {
            let before = self.texts.split.len();
            let here = |part| match part {
                Part::Split(index) => Part::Split(index.saturating_sub(before)),
                part => part,
            };
            mistakes.into_iter().map(|(part, mistake)| (here(part), mistake)).collect::<Vec<_>>()
        })?;
        Ok(Query {
            top: self.top,
            total: self.total,
            percentile_min: self.percentile_min,
            ..checked
        })
    }
}

/// A heading of an answer with what its cells hold.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnShown {
    /// The heading.
    pub name: String,
    /// Whether it names the row rather than measuring it.
    pub grouping: bool,
    /// The type of its cells as shown (labels and calendar units are text); `None`: always null.
    pub ty: Option<Type>,
    /// Whether its cells are figures, to be aligned right and formatted.
    pub numeric: bool,
    /// Whether its cells are shares, to be written as percent.
    pub share: bool,
}

/// One grouping expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its heading.
    pub name: String,
    /// The expression; of an alias, the key of its dataset.
    pub expr: Expr,
    /// Its type.
    pub ty: Type,
    /// Of an alias: which table, so that the label is shown instead of the key.
    pub alias: Option<usize>,
    /// Of a field with a picklist: value and label, so that people read labels.
    pub labels: Vec<(String, String)>,
    /// The field it is, where it is one.
    pub origin: Option<FieldRef>,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// The expression.
    pub expr: Expr,
    /// Its type; `None` if always null.
    pub ty: Option<Type>,
    /// Of a list column that is an alias: which table's records it names (`expr` is then their label
    /// or else key, or the key of the fold).
    pub alias: Option<usize>,
    /// Whether its value is a share (written as percent).
    pub share: bool,
    /// Of a list column that is a field with a picklist: value and label.
    pub labels: Vec<(String, String)>,
    /// The field it is, where it is one.
    pub origin: Option<FieldRef>,
}

/// One sort key: a group or a column of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// What to sort by.
    pub by: SortBy,
    /// Largest first. Nulls are last either way.
    pub descending: bool,
}

/// What a query can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// A group's shown value (index into groups).
    Group(usize),
    /// A column's value (index into columns).
    Column(usize),
}

/// The texts a query is checked from, as the config has them.
#[derive(Clone, Debug, Default)]
pub struct QueryText<'a> {
    /// `date`.
    pub date: Option<&'a str>,
    /// `where`.
    pub filter: Option<&'a str>,
    /// `per`.
    pub per: Vec<&'a str>,
    /// `values`.
    pub values: Vec<&'a str>,
    /// `group_by`.
    pub group_by: Vec<&'a str>,
    /// `pivot_by`: a further group, the values of which go across.
    pub pivot_by: Option<&'a str>,
    /// `columns`; of a rule its `value` and, of a ratio, `out_of`.
    pub columns: Vec<&'a str>,
    /// `sort`.
    pub sort: Option<&'a str>,
    /// `top`.
    pub top: Option<usize>,
    /// `total`.
    pub total: bool,
    /// `min_values`: see [`Query::percentile_min`]; `None` is no minimum.
    pub min_values: Option<u64>,
}

/// Which text of a [`QueryText`], or of those given to [`Query::with`], a mistake is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the fields of QueryText")]
pub enum Part {
    Date,
    Filter,
    Per(usize),
    Values(usize),
    GroupBy(usize),
    Pivot,
    Column(usize),
    Sort,
    Only,
    Split(usize),
}

/// What a query is answered for.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Half-open bounds of the `date` field; `None` is all time.
    pub bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// What `as_of()` is: the slot.
    pub as_of: DateTime<Utc>,
    /// The zone of calendar functions.
    pub zone: Zone,
    /// Weekday on which weeks begin, 1 (Monday) to 7.
    pub week_starts: u8,
    /// At most so many groups or list rows are read; beyond it the answer says so.
    pub rows_max: usize,
    /// At most so many of the rows that `top` left out are given, in order, as [`Answer::rest`].
    pub rest_max: usize,
}

/// The answer to a query.
///
/// Of a pivoted query ([`Query::pivot`]) all columns come once for each value that goes across, then
/// once more over all of them: with `n` columns, `values[place * n + column]` is the column for
/// `across[place]`, and those from `across.len() * n` on are over everything across. That holds for
/// rows, `others`, `rest` and `total` alike, and for a query that is not pivoted too, where `across`
/// is empty. So does a pivoted query over no records: it has no values across.
///
/// Every cell is computed from the records in it. One without records is what its column is over
/// nothing: counts and shares are 0, all else is null.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The rows to show, in order: at most `top` of them. Those of a pivoted query are ordered by
    /// their columns over everything across.
    pub rows: Vec<Row>,
    /// What `top` left out: how many rows, and (grouped queries) their values taken together. Where
    /// `rows_max` cut the answer short, groups beyond it count as rows.
    pub others: Option<(u64, Option<Vec<Value>>)>,
    /// The rows that `top` left out, in order: as many as [`Frame::rest_max`] asks for and `rows_max`
    /// lets be held.
    pub rest: Vec<Row>,
    /// Of a pivoted query the values that go across, as people read them: at most 12, those largest
    /// by the first column's total; hours, days, other calendar units and ranges in their own order,
    /// all else by that size. The rest is taken together behind them as `Others (n)`.
    pub across: Vec<Value>,
    /// How many values the last of `across` takes together; 0 where it is one like the others.
    pub across_others: u64,
    /// The columns over all rows, if asked for.
    pub total: Option<Vec<Value>>,
    /// How many joined records were counted: rows that a `left join` keeps although nothing of the
    /// period is in them are none.
    pub records: u64,
    /// How many cells of rows, `others` and total are null because they are a percentile of fewer
    /// values than [`Query::percentile_min`].
    pub withheld: u64,
    /// Whether `rows_max` cut the answer short; totals are then of what was read.
    pub truncated: bool,
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The groups' keys (identity: never labels), of a pivoted query without the one across. Of a
    /// list for each column the key of the record that it names, null where the column is no alias
    /// or there is no record.
    pub keys: Vec<Value>,
    /// The groups' values as people read them: labels of aliases and picklists, told apart where
    /// equal, `(no account)` for a null alias. Empty for a list.
    pub shown: Vec<Value>,
    /// The columns' values.
    pub values: Vec<Value>,
}

/// One part of an answer that was split: see [`Query::split`].
#[derive(Clone, Debug, PartialEq)]
pub struct PartAnswer {
    /// The keys of the splitting groups.
    pub keys: Vec<Value>,
    /// The same as people read them.
    pub shown: Vec<Value>,
    /// What is in this part.
    pub answer: Answer,
}
