//! Shape: one table of the file to its wire struct, every mistake of shape at once.
//!
//! Each key is deserialised by itself first, so that one of the wrong type hides neither the others
//! nor the mistakes of meaning in the same table. Keys that the wire struct does not have are
//! refused with a suggestion. All fields of a wire struct are optional: what is missing is a
//! question of meaning.

use std::collections::BTreeSet;

use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::{Findings, suggestion};
use super::text::At;

/// A table of the file, not looked into yet.
pub(super) struct Raw<'a> {
    /// Which file it is in.
    pub(super) file: usize,
    /// What people call it: `[rules.slow-answer]`.
    pub(super) title: String,
    /// Its own name: the last part of its title.
    pub(super) name: String,
    /// Where its name is written.
    pub(super) at: At,
    /// What is in it.
    pub(super) table: DeTable<'a>,
}

/// A table as its wire struct.
pub(super) struct Shaped<T> {
    /// Which file it is in.
    pub(super) file: usize,
    /// What people call it.
    pub(super) title: String,
    /// Its own name.
    pub(super) name: String,
    /// Where its name is written.
    pub(super) at: At,
    /// What it says, as far as it has the right shape.
    pub(super) wire: T,
    /// Keys that are there but not as they must be: nobody should call them missing.
    bad: BTreeSet<String>,
}

impl<'a> Raw<'a> {
    /// Takes a table out of this one, to be shaped by itself.
    pub(super) fn take(&mut self, found: &mut Findings<'_>, key: &str) -> Option<Raw<'a>> {
        let (written, value) = self.table.remove_entry(key)?;
        let at = At::new(self.file, written.span());
        match value.into_inner() {
            DeValue::Table(table) => Some(Raw {
                file: self.file,
                title: format!("`{key}` of {}", self.title),
                name: key.to_owned(),
                at,
                table,
            }),
            other => {
                found.problem(at, format!("`{key}` must be a table, not {}", kind(&other)), None);
                None
            }
        }
    }

    /// The text under a key, if it is text.
    pub(super) fn text(&self, key: &str) -> Option<Spanned<String>> {
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(value.span(), text.to_string())),
            _ => None,
        }
    }

    /// Its content in one canonical text, without comments, order or spelling of values.
    pub(super) fn canonical(&self) -> String {
        let mut text = String::new();
        canonical_table(&self.table, &mut text);
        text
    }

    /// Shapes it. `apart` are keys that were taken out before.
    pub(super) fn shape<T: DeserializeOwned + Default>(
        mut self,
        found: &mut Findings<'_>,
        apart: &[&str],
    ) -> Shaped<T> {
        let known = fields_of::<T>();
        let mut bad = BTreeSet::new();
        let keys: Vec<Spanned<String>> = (self.table.keys())
            .map(|key| Spanned::new(key.span(), key.get_ref().to_string()))
            .collect();
        for key in keys {
            let name = key.get_ref().as_str();
            if !known.contains(&name) {
                let at = At::new(self.file, key.span());
                let help = suggestion(name, known.iter().chain(apart).copied());
                found.problem(at, format!("unknown key `{name}` in {}", self.title), help);
            } else if let Err((at, message)) = self.check_key::<T>(name) {
                found.problem(at, message, None);
                bad.insert(name.to_owned());
            } else {
                continue;
            }
            self.table.remove(name);
        }
        let Raw { file, title, name, at, table } = self;
        let whole = Spanned::new(at.start..at.end, DeValue::Table(table));
        let wire = T::deserialize(ValueDeserializer::from(whole)).unwrap_or_else(|err| {
            found.problem(at.clone(), err.message().to_owned(), None);
            T::default()
        });
        Shaped { file, title, name, at, wire, bad }
    }

    fn check_key<T: DeserializeOwned>(&self, name: &str) -> Result<(), (At, String)> {
        let Some((key, value)) = self.table.get_key_value(name) else { return Ok(()) };
        let alone = DeTable::from_iter([(key.clone(), value.clone())]);
        let alone = Spanned::new(key.span(), DeValue::Table(alone));
        let Err(err) = T::deserialize(ValueDeserializer::from(alone)) else { return Ok(()) };
        let span = err.span().filter(|span| *span != key.span()).unwrap_or_else(|| value.span());
        let found = at_span(value, &span).unwrap_or(value.get_ref());
        let expected = (err.message().rsplit_once("expected "))
            .map_or_else(|| err.message().to_owned(), |(_, expected)| in_words(expected));
        // Never the value itself: it may be a secret in the wrong shape.
        let message = format!("`{name}` must be {expected}, not {}", kind(found));
        Err((At::new(self.file, span), message))
    }
}

impl<T> Shaped<T> {
    /// The place of something in this table.
    pub(super) fn at<V>(&self, value: &Spanned<V>) -> At {
        At::new(self.file, value.span())
    }

    /// Whether a key has the right shape or is not there at all.
    pub(super) fn is_whole(&self, key: &str) -> bool {
        !self.bad.contains(key)
    }

    /// The value of a key that must be there; told as missing unless it is there in a wrong shape.
    pub(super) fn required<'v, V>(
        &self,
        found: &mut Findings<'_>,
        key: &str,
        value: &'v Option<V>,
        example: &str,
    ) -> Option<&'v V> {
        if value.is_none() && !self.bad.contains(key) {
            let message = format!("{} has no `{key}`", self.title);
            found.problem(self.at.clone(), message, format!("write e.g. `{key} = {example}`"));
        }
        value.as_ref()
    }
}

/// The value of the tree with exactly this span.
fn at_span<'v, 'i>(
    value: &'v Spanned<DeValue<'i>>,
    span: &std::ops::Range<usize>,
) -> Option<&'v DeValue<'i>> {
    if value.span() == *span {
        return Some(value.get_ref());
    }
    match value.get_ref() {
        DeValue::Array(array) => array.iter().find_map(|entry| at_span(entry, span)),
        DeValue::Table(table) => table.values().find_map(|entry| at_span(entry, span)),
        _ => None,
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(array) => match array.len() {
            0 => "an empty list",
            1 => "a list of one",
            _ => "a list",
        },
        DeValue::Table(_) => "a table",
    }
}

/// What serde expected, for people.
fn in_words(expected: &str) -> String {
    match expected {
        "a string" => "text in quotes",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list in brackets",
        "a map" => "a table",
        "a tuple of size 2" => "a pair in brackets",
        "f64" => "a number",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        other => other,
    }
    .to_owned()
}

fn canonical_table(table: &DeTable<'_>, text: &mut String) {
    text.push('{');
    for (key, value) in table {
        *text += &format!("{:?}:", key.get_ref());
        canonical_value(value.get_ref(), text);
        text.push(',');
    }
    text.push('}');
}

fn canonical_value(value: &DeValue<'_>, text: &mut String) {
    match value {
        DeValue::String(string) => *text += &format!("{string:?}"),
        DeValue::Integer(number) => *text += &format!("{}r{}", number.as_str(), number.radix()),
        DeValue::Float(number) => *text += number.as_str(),
        DeValue::Boolean(boolean) => *text += if *boolean { "true" } else { "false" },
        DeValue::Datetime(datetime) => *text += &datetime.to_string(),
        DeValue::Table(table) => canonical_table(table, text),
        DeValue::Array(array) => {
            text.push('[');
            for entry in array.iter() {
                canonical_value(entry.get_ref(), text);
                text.push(',');
            }
            text.push(']');
        }
    }
}

/// The names of the fields of a wire struct, asked from its `Deserialize`.
pub(super) fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always fails: the question was only which fields it would ask for.
    let _ = T::deserialize(Ask(&mut fields));
    fields
}

struct Ask<'f>(&'f mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ValueError> {
        *self.0 = fields;
        Err(ValueError::custom("only asked"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
