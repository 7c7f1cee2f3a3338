//! A body on its way to records: its bytes as text, its text walked once. Records are handed out
//! one by one and dropped again, so that a page never stands in memory as a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as _, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

use crate::source::salesforce::mend;

/// Members named where the one that was asked for is missing.
const MEMBERS_TOLD: usize = 12;

/// What is looked for in a body: names of the ways to records and to what stands beside them.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// To the list of records, or to the object whose values they are.
    pub(super) records: Vec<String>,
    /// To single values.
    pub(super) asides: Vec<Vec<String>>,
}

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It ends too early: worth another try.
    Cut,
    /// It is no JSON.
    NoJson(String),
    /// It is JSON, but not what the config says; told in full.
    NoRecords(String),
}

/// One record as it is handed out.
pub(super) struct Handed<'r> {
    /// Its name, where records are the values of an object.
    pub(super) name: Option<&'r str>,
    /// The record.
    pub(super) record: &'r Value,
}

/// Walks a body, hands out its records, and gives the values found beside them, and how many
/// broken characters had to be replaced.
///
/// `start` is called before the first record, again where the body had to be mended and is walked a
/// second time; what came before is void then. `each` may refuse with a text that is told in full.
pub(super) fn walk<S>(
    bytes: &[u8],
    charset: Option<&str>,
    wanted: &Wanted,
    start: impl Fn() -> S,
    mut each: impl FnMut(&mut S, Handed<'_>) -> Result<(), String>,
) -> Result<(S, Vec<Option<Value>>, u64), Unread> {
    let (text, replaced) = decoded(bytes, charset);
    let mut state = start();
    match walk_text(&text, wanted, &mut |handed| each(&mut state, handed)) {
        Err(Unread::NoJson(why)) => match mend::mended(text.as_bytes()) {
            Some((mended, count)) => {
                let mended = String::from_utf8_lossy(&mended);
                let mut state = start();
                let asides = walk_text(&mended, wanted, &mut |handed| each(&mut state, handed))?;
                Ok((state, asides, replaced + count))
            }
            None => Err(Unread::NoJson(why)),
        },
        Err(unread) => Err(unread),
        Ok(asides) => Ok((state, asides, replaced)),
    }
}

/// The body as text, and how many characters were replaced because they are none.
pub(super) fn decoded<'b>(bytes: &'b [u8], charset: Option<&str>) -> (Cow<'b, str>, u64) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let utf16 = match bytes {
        [0xff, 0xfe, rest @ ..] => Some((rest, u16::from_le_bytes as fn([u8; 2]) -> u16)),
        [0xfe, 0xff, rest @ ..] => Some((rest, u16::from_be_bytes as fn([u8; 2]) -> u16)),
        _ => None,
    };
    if let Some((rest, unit)) = utf16 {
        let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        return (
            Cow::Owned(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()),
            0,
        );
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), 0),
        Err(_) if charset.is_some_and(is_latin) => {
            (Cow::Owned(bytes.iter().map(|byte| latin(*byte)).collect()), 0)
        }
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            let count = text.matches('\u{fffd}').count() as u64;
            (text, count)
        }
    }
}

fn is_latin(charset: &str) -> bool {
    let names = ["iso-8859-1", "iso8859-1", "latin1", "latin-1", "windows-1252", "cp1252"];
    names.iter().any(|name| charset.eq_ignore_ascii_case(name))
}

/// A character of windows-1252, which everybody means who says ISO 8859-1.
fn latin(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

type Each<'a> = dyn FnMut(Handed<'_>) -> Result<(), String> + 'a;

fn walk_text(
    text: &str,
    wanted: &Wanted,
    each: &mut Each<'_>,
) -> Result<Vec<Option<Value>>, Unread> {
    let mut walk = Walk {
        wanted,
        each,
        asides: vec![None; wanted.asides.len()],
        found: false,
        refused: None,
        members: Vec::new(),
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let all = (0..wanted.asides.len()).collect();
    let node = Node { walk: &mut walk, depth: 0, records: true, asides: all };
    let outcome = node.deserialize(&mut json).and_then(|()| json.end());
    if let Some(refused) = walk.refused {
        return Err(Unread::NoRecords(refused));
    }
    match outcome {
        Err(err) if err.classify() == Category::Eof => Err(Unread::Cut),
        Err(err) => Err(Unread::NoJson(err.to_string())),
        Ok(()) if !walk.found => {
            let path = wanted.records.iter().map(|token| format!("/{token}")).collect::<String>();
            let members = match walk.members.as_slice() {
                [] => String::new(),
                members => format!("; it has `{}`", members.join("`, `")),
            };
            Err(Unread::NoRecords(format!("there is no `{path}` in it{members}")))
        }
        Ok(()) => Ok(walk.asides),
    }
}

struct Walk<'w> {
    wanted: &'w Wanted,
    each: &'w mut Each<'w>,
    asides: Vec<Option<Value>>,
    /// Whether the records were there.
    found: bool,
    /// What is wrong with them.
    refused: Option<String>,
    /// Names at the top, to tell where the records are not found.
    members: Vec<String>,
}

impl Walk<'_> {
    fn refuse<E: serde::de::Error>(&mut self, why: String) -> E {
        self.refused.get_or_insert(why);
        E::custom("refused")
    }

    /// Hands out a record, after a look for what is wanted of it beside.
    fn hand(&mut self, place: usize, name: Option<&str>, record: &Value) -> Result<(), String> {
        let depth = self.wanted.records.len();
        for (at, tokens) in self.wanted.asides.iter().enumerate() {
            let Some((own, below)) = tokens.get(depth..).and_then(<[String]>::split_first) else {
                continue;
            };
            let here = match name {
                Some(name) => own == name,
                None => own == "-" || own.parse() == Ok(place),
            };
            if tokens.starts_with(&self.wanted.records) && here {
                self.asides[at] = find(record, below).cloned();
            }
        }
        (self.each)(Handed { name, record })
    }

    /// Takes what is wanted out of a value that was read whole.
    fn take<E: serde::de::Error>(
        &mut self,
        value: &Value,
        depth: usize,
        records: bool,
        asides: &[usize],
    ) -> Result<(), E> {
        let wanted = self.wanted;
        for &at in asides {
            self.asides[at] = find(value, &wanted.asides[at][depth..]).cloned();
        }
        let Some(list) = records.then(|| find(value, &wanted.records[depth..])).flatten() else {
            return Ok(());
        };
        self.found = true;
        let handed = match list {
            Value::Array(list) => {
                list.iter().enumerate().try_for_each(|(at, record)| self.hand(at, None, record))
            }
            Value::Object(map) => {
                map.iter().try_for_each(|(name, record)| self.hand(0, Some(name), record))
            }
            Value::Null => Ok(()),
            other => Err(scalar_for_records(wanted, other)),
        };
        handed.map_err(|why| self.refuse(why))
    }
}

/// The value at the end of a way.
pub(super) fn find<'v>(value: &'v Value, tokens: &[String]) -> Option<&'v Value> {
    tokens.iter().try_fold(value, |value, token| match value {
        Value::Object(map) => map.get(token),
        Value::Array(list) if token == "-" => list.last(),
        Value::Array(list) => list.get(token.parse::<usize>().ok()?),
        _ => None,
    })
}

fn scalar_for_records(wanted: &Wanted, value: &impl fmt::Display) -> String {
    let path = wanted.records.iter().map(|token| format!("/{token}")).collect::<String>();
    let shown: String = value.to_string().chars().take(40).collect();
    format!("`{path}` is neither a list nor an object but `{shown}`")
}

/// A value in the body, and what is still wanted below it.
struct Node<'a, 'w> {
    walk: &'a mut Walk<'w>,
    depth: usize,
    /// Whether the way to the records leads here.
    records: bool,
    /// Which asides have their way here.
    asides: Vec<usize>,
}

impl<'w> Node<'_, 'w> {
    /// What is wanted below the member of this name.
    fn below(&mut self, name: &str) -> Option<Node<'_, 'w>> {
        let (depth, wanted) = (self.depth, self.walk.wanted);
        let leads = |tokens: &[String]| tokens.get(depth).is_some_and(|token| token == name);
        let records = self.records && leads(&wanted.records);
        let asides: Vec<usize> =
            self.asides.iter().copied().filter(|at| leads(&wanted.asides[*at])).collect();
        (records || !asides.is_empty()).then_some(Node {
            walk: &mut *self.walk,
            depth: depth + 1,
            records,
            asides,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let wanted = self.walk.wanted;
        let Node { walk, depth, records, asides } = self;
        if records && depth == wanted.records.len() {
            return json.deserialize_any(Records { walk });
        }
        if asides.iter().any(|at| wanted.asides[*at].len() == depth) {
            let value = Value::deserialize(json)?;
            return walk.take(&value, depth, records, &asides);
        }
        json.deserialize_any(Node { walk, depth, records, asides })
    }
}

/// Scalars where something is wanted further down: it is not there.
macro_rules! not_here {
    ($($visit:ident: $ty:ty),*) => {
        $(fn $visit<E: serde::de::Error>(self, _: $ty) -> Result<(), E> {
            Ok(())
        })*

        fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
            Ok(())
        }
    };
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    not_here!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if self.depth == 0 && self.walk.members.len() < MEMBERS_TOLD {
                self.walk.members.push(name.chars().take(40).collect());
            }
            match self.below(&name) {
                Some(node) => map.next_value_seed(node)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        for at in 0.. {
            let more = match self.below(&at.to_string()) {
                Some(node) => list.next_element_seed(node)?.is_some(),
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// The list of records, or the object whose values they are.
struct Records<'a, 'w> {
    walk: &'a mut Walk<'w>,
}

/// Scalars in the place of the records.
macro_rules! no_records {
    ($($visit:ident: $ty:ty),*) => {
        $(fn $visit<E: serde::de::Error>(self, value: $ty) -> Result<(), E> {
            let why = scalar_for_records(self.walk.wanted, &value);
            Err(self.walk.refuse(why))
        })*
    };
}

impl<'de> Visitor<'de> for Records<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    no_records!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        // How some servers write an empty list.
        self.walk.found = true;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.walk.found = true;
        while let Some((name, record)) = map.next_entry::<Cow<'de, str>, Value>()? {
            let handed = self.walk.hand(0, Some(&name), &record);
            handed.map_err(|why| self.walk.refuse::<A::Error>(why))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.walk.found = true;
        let mut place = 0;
        while let Some(record) = list.next_element::<Value>()? {
            let handed = self.walk.hand(place, None, &record);
            handed.map_err(|why| self.walk.refuse::<A::Error>(why))?;
            place += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::rest::spec::tokens;

    /// Walks and writes down what was found: records, then asides.
    fn walked(body: &[u8], records: &str, asides: &[&str]) -> Result<String, Unread> {
        let wanted = Wanted {
            records: tokens(records),
            asides: asides.iter().map(|pointer| tokens(pointer)).collect(),
        };
        let each = |out: &mut Vec<String>, handed: Handed<'_>| {
            let name = handed.name.map(|name| format!("{name}:")).unwrap_or_default();
            out.push(format!("{name}{}", handed.record));
            if handed.record == "stop" { Err("stopped".to_owned()) } else { Ok(()) }
        };
        let (mut out, found, replaced) = walk(body, Some("latin1"), &wanted, Vec::new, each)?;
        out.extend(found.iter().map(|aside| match aside {
            Some(value) => format!("={value}"),
            None => "=".to_owned(),
        }));
        out.extend((replaced > 0).then(|| format!("({replaced})")));
        Ok(out.join(" "))
    }

    #[track_caller]
    fn check(body: &str, records: &str, asides: &[&str], expected: &str) {
        assert_eq!(walked(body.as_bytes(), records, asides).as_deref(), Ok(expected), "{body}");
    }

    #[track_caller]
    fn unread(body: &str, records: &str, expected: &str) {
        let said = match walked(body.as_bytes(), records, &[]).unwrap_err() {
            Unread::Cut => "cut".to_owned(),
            Unread::NoJson(why) => format!("no json: {why}"),
            Unread::NoRecords(why) => why,
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn records_and_what_stands_beside_them_are_found_wherever_they_are() {
        check("[1, 2]", "", &[], "1 2");
        check("[]", "", &["/next"], "=");
        check(r#"{"next": "/x", "data": [{"a":1}]}"#, "/data", &["/next"], r#"{"a":1} ="/x""#);
        check(r#"{"data": [1], "meta": {"after": null}}"#, "/data", &["/meta/after"], "1 =null");
        check(r#"{"r": {"items": [1], "next": 2}}"#, "/r/items", &["/r/next"], "1 =2");
        check(r#"{"d": {"a": {"x":1}, "b": 2}}"#, "/d", &["/e"], r#"a:{"x":1} b:2 ="#);
        check(r#"{"d": null}"#, "/d", &[], "");
        check(r#"[{"d": [1]}, {"d": [2]}]"#, "/1/d", &["/0"], r#"2 ={"d":[1]}"#);
        check(r#"{"a": 1, "d": [3], "b/c": 2}"#, "/d", &["/b~1c", "/a"], "3 =2 =1");
        check(
            r#"{"d": [{"id": 1}, {"id": 2}]}"#,
            "/d",
            &["/d/-/id", "/d/0/id"],
            r#"{"id":1} {"id":2} =2 =1"#,
        );
        check(r#"{"m": {"d": [1], "n": 5}}"#, "/m/d", &["/m", "/m/n"], r#"1 ={"d":[1],"n":5} =5"#);
        check("\u{feff}[1]", "", &[], "1");
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told() {
        unread(r#"{"items": [], "next": 1}"#, "/data", "no `/data` in it; it has `items`, `next`");
        unread("[1]", "/data", "no `/data` in it");
        unread("7", "/data", "no `/data` in it");
        unread(r#"{"data": "x"}"#, "/data", "`/data` is neither a list nor an object but `x`");
        unread(r#"{"data": ["a", "stop"]}"#, "/data", "stopped");
        unread(r#"{"data": ["#, "/data", "cut");
        unread(r#"{"data": [{"a"#, "/data", "cut");
        unread("", "", "cut");
        unread("<html>", "", "no json: expected value at line 1");
        unread("[1] [2]", "", "trailing characters");
        unread(&format!("{}{}", "[".repeat(500), "]".repeat(500)), "", "recursion limit");
    }

    #[test]
    fn text_in_other_encodings_is_read_and_broken_text_mended() {
        let walked = |body: &[u8]| walked(body, "", &[]).unwrap();
        assert_eq!(walked("[\"ü\"]".as_bytes()), "\"ü\"");
        assert_eq!(walked(b"[\"\xfc\x80\"]"), "\"ü€\"");
        let utf16: Vec<u8> = "\u{feff}[\"ü\"]".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(walked(&utf16), "\"ü\"");
        assert_eq!(walked(br#"["x\ud83d"]"#), "\"x\u{fffd}\" (1)");
        assert_eq!(decoded(b"\xff\xff", Some("utf-8")), ("\u{fffd}\u{fffd}".into(), 2));
    }
}
