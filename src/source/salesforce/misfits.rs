//! Values that did not fit their field: counted, and the first few told. A bad value never stops a
//! pull.

use super::page::CELL_BYTES_MAX;
use crate::domain::value::Type;

const SAMPLES_MAX: usize = 5;
const SHOWN_CHARS: usize = 40;

/// How many values did not fit, and the first few.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    /// All of them.
    pub(super) count: u64,
    /// The first few, for people.
    pub(super) samples: Vec<String>,
}

/// What came in the place of a value.
pub(super) enum Found<'a> {
    /// A number, text or truth value of the wrong kind, as text.
    Value(&'a str),
    /// A list or an object.
    Nested,
    /// Text beyond the limit of a cell; it was cut.
    TooLong(usize),
}

impl Misfits {
    /// Notes one value. `record` is its record's key, as far as known.
    pub(super) fn note(&mut self, field: &str, record: &str, expected: Type, found: Found<'_>) {
        self.count += 1;
        if self.samples.len() >= SAMPLES_MAX {
            return;
        }
        let record = if record.is_empty() { "a record" } else { record };
        let expected = expected.word();
        self.samples.push(match found {
            Found::Value(text) => {
                let shown: String = text.chars().take(SHOWN_CHARS).collect();
                format!("`{field}` of {record}: expected {expected}, found `{shown}`")
            }
            Found::Nested => {
                format!("`{field}` of {record}: expected {expected}, found a list or an object")
            }
            Found::TooLong(bytes) => format!(
                "`{field}` of {record}: {bytes} bytes of text, cut at {} KB",
                CELL_BYTES_MAX / 1024
            ),
        });
    }

    /// Notes something about a whole record or page.
    pub(super) fn tell(&mut self, sample: String) {
        self.count += 1;
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(sample);
        }
    }
}
