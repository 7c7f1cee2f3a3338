//! One value of a page, typed by its field. What does not fit becomes null and is told.

use std::fmt;

use chrono::DateTime;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::instant;
use super::super::misfits::{Found, Misfits};
use super::CELL_BYTES_MAX;
use crate::domain::dataset::Cell;
use crate::domain::value::Type;

/// Reads the value of one field.
pub(super) struct CellSeed<'c> {
    pub(super) ty: Type,
    /// The field, for people.
    pub(super) name: &'c str,
    /// The record's key, if it came before.
    pub(super) key: Cell,
    /// Where text goes.
    pub(super) text: &'c mut String,
    pub(super) misfits: &'c mut Misfits,
}

impl CellSeed<'_> {
    #[cold]
    fn misfit(self, found: Found<'_>) -> Cell {
        let record = match self.key {
            Cell::Text(at, len) => &self.text[at as usize..(at + len) as usize],
            _ => "",
        };
        self.misfits.note(self.name, record, self.ty, found);
        Cell::Null
    }

    fn text(self, text: &str) -> Cell {
        let at = self.text.len() as u32;
        if text.len() <= CELL_BYTES_MAX {
            self.text.push_str(text);
            return Cell::Text(at, text.len() as u32);
        }
        let whole = |at: &usize| text.is_char_boundary(*at);
        let end = (0..=CELL_BYTES_MAX).rev().find(whole).unwrap_or(0);
        self.text.push_str(&text[..end]);
        self.misfit(Found::TooLong(text.len()));
        Cell::Text(at, end as u32)
    }
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = Cell;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Cell, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed<'_> {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell, E> {
        Ok(match self.ty {
            Type::Boolean => Cell::Boolean(value),
            _ => self.misfit(Found::Value(if value { "true" } else { "false" })),
        })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
        Ok(match self.ty {
            Type::Integer => Cell::Integer(value),
            Type::Real => Cell::Real(value as f64),
            // Some interfaces write instants as milliseconds since 1970.
            Type::Timestamp if DateTime::from_timestamp_millis(value).is_some() => {
                Cell::Timestamp(value)
            }
            _ => self.misfit(Found::Value(&value.to_string())),
        })
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Cell, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) if self.ty == Type::Real => Ok(Cell::Real(value as f64)),
            Err(_) => Ok(self.misfit(Found::Value(&value.to_string()))),
        }
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell, E> {
        // Whole numbers come as `12.0` at times; beyond 2^53 a real no longer says which one.
        let whole = value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0;
        Ok(match self.ty {
            Type::Real => Cell::Real(value),
            Type::Integer if whole => Cell::Integer(value as i64),
            _ => self.misfit(Found::Value(&value.to_string())),
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Cell, E> {
        Ok(match self.ty {
            Type::Text => self.text(value),
            Type::Timestamp => match instant::parse(value).or_else(|| instant::parse_date(value)) {
                Some(ms) => Cell::Timestamp(ms),
                None => self.misfit(Found::Value(value)),
            },
            _ => self.misfit(Found::Value(value)),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.misfit(Found::Nested))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.misfit(Found::Nested))
    }
}
