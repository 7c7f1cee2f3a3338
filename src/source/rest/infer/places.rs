//! Where the records of a body are.

use serde_json::{Map, Value};

use crate::source::rest::spec::escaped;

/// Records are looked for so deep.
const DEPTH_MAX: usize = 4;

/// Members named where no records are found.
const MEMBERS_TOLD: usize = 12;

/// Where records may be.
pub(super) struct RecordsAt {
    /// JSON Pointer.
    pub(super) pointer: String,
    /// How many there are.
    count: usize,
    /// Whether they are the values of an object.
    keyed: bool,
}

/// The most likely place: the longest list of objects; else the largest object of like objects.
///
/// # Errors
/// There is none; told with what there is.
pub(super) fn records(body: &Value) -> Result<RecordsAt, String> {
    let mut places = Vec::new();
    look(body, String::new(), 0, &mut places);
    // The first of equals: the walk goes from the top down.
    let best = places.into_iter().rev().max_by_key(|place| (!place.keyed, place.count));
    best.ok_or_else(|| match body {
        Value::Object(map) if map.values().any(|value| value.is_array()) => {
            "no list in it has a record to learn from: ask where there are some".to_owned()
        }
        Value::Object(map) => {
            let members: Vec<&str> = map.keys().take(MEMBERS_TOLD).map(String::as_str).collect();
            format!("there is no list of records in it; it has `{}`", members.join("`, `"))
        }
        Value::Array(list) if list.is_empty() => {
            "an empty list: ask where there are records".to_owned()
        }
        _ => "there is no list of records in it".to_owned(),
    })
}

fn look(value: &Value, pointer: String, depth: usize, places: &mut Vec<RecordsAt>) {
    match value {
        Value::Array(list) => {
            let count = list.iter().filter(|value| value.is_object()).count();
            if count * 2 > list.len() {
                places.push(RecordsAt { pointer, count, keyed: false });
            }
        }
        Value::Object(map) if depth <= DEPTH_MAX => {
            if alike(map) {
                places.push(RecordsAt { pointer, count: map.len(), keyed: true });
                return;
            }
            for (name, value) in map {
                look(value, format!("{pointer}/{}", escaped(name)), depth + 1, places);
            }
        }
        _ => {}
    }
}

/// Whether the values are all objects that share most of their members: a table keyed by name.
fn alike(map: &Map<String, Value>) -> bool {
    let objects: Vec<&Map<String, Value>> = map.values().filter_map(Value::as_object).collect();
    let Some(first) = objects.first() else { return false };
    if objects.len() != map.len() || objects.len() < 2 || first.len() < 2 {
        return false;
    }
    objects.iter().all(|other| {
        let shared = other.keys().filter(|name| first.contains_key(*name)).count();
        shared * 2 > first.len().max(other.len())
    })
}
