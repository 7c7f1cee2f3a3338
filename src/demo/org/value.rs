//! Values and records as the org keeps them, and the plain access tests have to them.

use chrono::{DateTime, Utc};

use super::id::Id;
use super::schema::Object;
use super::table::Row;
use super::text::Text;

/// One value of a record.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with two decimals, in hundredths.
    Hundredths(i64),
    /// A text known when the org was built: picklist values.
    Pick(&'static str),
    /// Any other text.
    Text(Text),
    /// An instant in whole seconds since 1970, as an org keeps them.
    At(i64),
    /// A date, in days since 1970.
    Day(i64),
    /// A record's id.
    Id(Id),
}

/// A value as it is compared and written: one kind of text only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Hundredths(i64),
    Text(&'a str),
    At(i64),
    Day(i64),
    Id(Id),
}

impl Value {
    /// The value to compare and write.
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Value::Null => Cell::Null,
            Value::Bool(flag) => Cell::Bool(*flag),
            Value::Int(number) => Cell::Int(*number),
            Value::Hundredths(number) => Cell::Hundredths(*number),
            Value::Pick(text) => Cell::Text(text),
            Value::Text(text) => Cell::Text(text),
            Value::At(seconds) => Cell::At(*seconds),
            Value::Day(days) => Cell::Day(*days),
            Value::Id(id) => Cell::Id(*id),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cell() == other.cell()
    }
}

impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.cell().hash(state);
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Value::Null,
            Cell::Bool(flag) => Value::Bool(flag),
            Cell::Int(number) => Value::Int(number),
            Cell::Hundredths(number) => Value::Hundredths(number),
            Cell::Text(text) => Value::Text(text.into()),
            Cell::At(seconds) => Value::At(seconds),
            Cell::Day(days) => Value::Day(days),
            Cell::Id(id) => Value::Id(id),
        }
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.as_str().into())
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}
impl From<Id> for Value {
    fn from(id: Id) -> Self {
        Value::Id(id)
    }
}
impl From<DateTime<Utc>> for Value {
    /// Cut to the whole second, as an org does.
    fn from(at: DateTime<Utc>) -> Self {
        Value::At(at.timestamp())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A copy of one record, with access by field name.
///
/// The getters panic on a field the object does not have: a test that misspells a name should
/// fail, not read null.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub(crate) object: &'static Object,
    pub(crate) values: Row,
}

impl Record {
    /// Name of the object.
    pub fn object(&self) -> &'static str {
        self.object.name
    }
    /// Its id.
    pub fn id(&self) -> Id {
        self.reference("Id").expect("every record has an id")
    }
    /// Any value.
    #[track_caller]
    pub fn value(&self, field: &str) -> &Value {
        let Some(at) = self.object.position(field) else {
            panic!("`{}` has no field `{field}`", self.object.name)
        };
        &self.values[at]
    }
    /// A text, picklist value or id as text.
    #[track_caller]
    pub fn text(&self, field: &str) -> Option<&str> {
        match self.value(field) {
            Value::Pick(text) => Some(text),
            Value::Text(text) => Some(text),
            Value::Id(id) => Some(id.as_str()),
            _ => None,
        }
    }
    /// A whole number.
    #[track_caller]
    pub fn int(&self, field: &str) -> Option<i64> {
        match self.value(field) {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
    /// A number with two decimals, in hundredths.
    #[track_caller]
    pub fn hundredths(&self, field: &str) -> Option<i64> {
        match self.value(field) {
            Value::Hundredths(number) => Some(*number),
            _ => None,
        }
    }
    /// An instant.
    #[track_caller]
    pub fn at(&self, field: &str) -> Option<DateTime<Utc>> {
        match self.value(field) {
            Value::At(seconds) => DateTime::from_timestamp(*seconds, 0),
            _ => None,
        }
    }
    /// A flag; null is false.
    #[track_caller]
    pub fn flag(&self, field: &str) -> bool {
        matches!(self.value(field), Value::Bool(true))
    }
    /// An id.
    #[track_caller]
    pub fn reference(&self, field: &str) -> Option<Id> {
        match self.value(field) {
            Value::Id(id) => Some(*id),
            _ => None,
        }
    }
    /// Whether it lies in the recycle bin.
    pub fn is_deleted(&self) -> bool {
        matches!(self.values[super::schema::IS_DELETED], Value::Bool(true))
    }
}
