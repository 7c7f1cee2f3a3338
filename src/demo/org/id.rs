//! Record ids: 18 characters, of which three tell the object and the last three guard the case.

use std::fmt;

/// Characters of an id's number, in byte order, so that ids sort as their numbers do.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The instance part of every id of this org.
const INSTANCE: &[u8; 3] = b"5g0";

/// An 18-character record id; compares as its bytes do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 18]);

impl Id {
    /// The id with this key prefix and running number.
    pub(crate) fn new(prefix: [u8; 3], number: u64) -> Id {
        let mut id = [b'0'; 18];
        id[..3].copy_from_slice(&prefix);
        id[3..6].copy_from_slice(INSTANCE);
        let mut rest = number;
        for place in (6..15).rev() {
            id[place] = DIGITS[(rest % 62) as usize];
            rest /= 62;
        }
        guard(&mut id);
        Id(id)
    }

    /// Reads an id of 15 or 18 characters; `None` if it is none or its guard is wrong.
    pub fn parse(text: &str) -> Option<Id> {
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 15 | 18) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let mut id = [b'0'; 18];
        id[..15].copy_from_slice(&bytes[..15]);
        guard(&mut id);
        (bytes.len() == 15 || id[15..] == bytes[15..]).then_some(Id(id))
    }

    /// The three characters that tell the object.
    pub fn prefix(&self) -> [u8; 3] {
        [self.0[0], self.0[1], self.0[2]]
    }

    /// The running number.
    pub(crate) fn number(&self) -> u64 {
        self.0[6..15].iter().fold(0, |number, &byte| {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'A'..=b'Z' => byte - b'A' + 10,
                _ => byte - b'a' + 36,
            };
            number * 62 + u64::from(digit)
        })
    }

    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is ASCII")
    }
}

/// Writes the three guard characters: one bit for each capital, five characters a guard.
fn guard(id: &mut [u8; 18]) {
    for group in 0..3 {
        let chunk = &id[group * 5..group * 5 + 5];
        let bits = (0..5).filter(|&at| chunk[at].is_ascii_uppercase()).map(|at| 1 << at);
        id[15 + group] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits.sum::<usize>()];
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_number_and_sorts_by_it() {
        let small = Id::new(*b"0Mw", 61);
        let large = Id::new(*b"0Mw", 62);
        assert!(small < large);
        assert_eq!(large.number(), 62);
        assert_eq!(large.as_str().len(), 18);
    }

    #[test]
    fn fifteen_characters_are_completed_and_a_wrong_guard_is_refused() {
        // A known pair: the guard of this id is published in many places.
        let id = Id::parse("001D000000IqhSL").unwrap();
        assert_eq!(id.as_str(), "001D000000IqhSLIAZ");
        assert_eq!(Id::parse("001D000000IqhSLIAZ"), Some(id));
        assert_eq!(Id::parse("001D000000IqhSLIAA"), None);
        assert_eq!(Id::parse("nonsense"), None);
    }
}
