//! The texts a query was checked from, kept so that the same question can be asked with more.

use super::QueryText;

/// Owned texts of a query with what was added to them since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Whether it is a rule's query.
    pub(super) rule: bool,
    /// Further conditions, all of which must hold beside the filter.
    pub(super) only: Vec<String>,
    /// Expressions that split the answer.
    pub(super) split: Vec<String>,
    date: Option<String>,
    filter: Option<String>,
    per: Vec<String>,
    values: Vec<String>,
    group_by: Vec<String>,
    pivot_by: Option<String>,
    columns: Vec<String>,
    sort: Option<String>,
    top: Option<usize>,
    total: bool,
    min_values: Option<u64>,
}

impl Texts {
    pub(super) fn of(text: &QueryText<'_>, rule: bool) -> Texts {
        let one = |text: Option<&str>| text.map(str::to_owned);
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Texts {
            rule,
            only: Vec::new(),
            split: Vec::new(),
            date: one(text.date),
            filter: one(text.filter),
            per: all(&text.per),
            values: all(&text.values),
            group_by: all(&text.group_by),
            pivot_by: one(text.pivot_by),
            columns: all(&text.columns),
            sort: one(text.sort),
            top: text.top,
            total: text.total,
            min_values: text.min_values,
        }
    }

    /// The texts as they were given, without what was added.
    pub(super) fn text(&self) -> QueryText<'_> {
        fn all(texts: &[String]) -> Vec<&str> {
            texts.iter().map(String::as_str).collect()
        }
        QueryText {
            date: self.date.as_deref(),
            filter: self.filter.as_deref(),
            per: all(&self.per),
            values: all(&self.values),
            group_by: all(&self.group_by),
            pivot_by: self.pivot_by.as_deref(),
            columns: all(&self.columns),
            sort: self.sort.as_deref(),
            top: self.top,
            total: self.total,
            min_values: self.min_values,
        }
    }
}
