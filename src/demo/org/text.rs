//! Texts of records: short ones lie in the value itself, as most of millions of records have one.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that fit beside a length and a tag in the 24 bytes of a value.
const SHORT_BYTES: usize = 22;

/// A text that is not changed any more.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Short { length: u8, bytes: [u8; SHORT_BYTES] },
    Long(Arc<str>),
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Text(Repr::Short { length: text.len() as u8, bytes })
            }
            None => Text(Repr::Long(text.into())),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Repr::Short { length, bytes } => std::str::from_utf8(&bytes[..usize::from(*length)])
                .expect("a short text was a whole text"),
            Repr::Long(text) => text,
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::org::Value;

    #[test]
    fn texts_of_any_length_are_kept_and_values_stay_small() {
        for text in ["", "a", "22 bytes, no byte more", "23 bytes: one byte more", "ä漢😀"] {
            assert_eq!(&*Text::from(text), text);
            assert_eq!(Text::from(text).to_string(), text);
        }
        assert_eq!(size_of::<Value>(), 24);
    }
}
