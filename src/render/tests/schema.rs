//! The payload against its published schema. The little of JSON Schema that it is written in is
//! checked here: types, constants, lists, required fields; and no field is without a word in it.

use serde_json::Value;

use crate::domain::compare::Restated;
use crate::domain::period::Window;
use crate::domain::table::Section;
use crate::render::{DigestMail, digest_payload, render_digest};

use super::fixtures::*;
use super::news::watching;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/payload.schema.json")).unwrap()
}

fn payload(mail: &DigestMail) -> Value {
    serde_json::from_slice(&digest_payload(mail, &render_digest(mail))).unwrap()
}

/// What is wrong with a value, each with its path; fields the schema does not tell of are wrong.
fn faults(schema: &Value, root: &Value, value: &Value, path: &str, out: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").expect("a reference within the schema");
        return faults(&root["$defs"][name], root, value, path, out);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &&Value| {
            let mut found = Vec::new();
            faults(choice, root, value, path, &mut found);
            found.is_empty()
        };
        if !choices.iter().any(|choice| fits(&choice)) {
            out.push(format!("{path} fits none of its choices"));
        }
        return;
    }
    let known = schema.get("const").map(|only| value == only);
    let known = known.or_else(|| schema["enum"].as_array().map(|all| all.contains(value)));
    if known == Some(false) {
        out.push(format!("{path} is {value}"));
    }
    let of_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    };
    let right = match &schema["type"] {
        Value::String(name) => of_type(name),
        Value::Array(names) => names.iter().any(|name| of_type(name.as_str().unwrap())),
        _ => known.is_some(),
    };
    if !right {
        out.push(format!("{path} is {value}"));
    }
    if schema["format"] == "date-time" {
        at(value.as_str().unwrap());
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
            out.push(format!("{path} has no {name}"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(of) => faults(of, root, inner, &format!("{path}.{name}"), out),
            // Left out of the schema where `required` alone tells of it.
            None if schema["additionalProperties"].is_object() => {
                let path = format!("{path}.{name}");
                faults(&schema["additionalProperties"], root, inner, &path, out);
            }
            None if schema["required"]
                .as_array()
                .is_some_and(|all| all.contains(&name[..].into())) => {}
            None => out.push(format!("the schema does not tell of {path}.{name}")),
        }
    }
    for (i, inner) in value.as_array().into_iter().flatten().enumerate() {
        faults(&schema["items"], root, inner, &format!("{path}[{i}]"), out);
    }
}

#[track_caller]
fn check(payload: &Value) -> Vec<String> {
    against(&schema(), payload)
}

/// What is wrong with a value, by a schema.
pub(in crate::render) fn against(root: &Value, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    faults(root, root, value, "", &mut out);
    out
}

#[test]
fn payloads_are_as_their_schema_says() {
    let mut full = watching();
    full.part = Some("Acme".to_owned());
    full.sections.push(failed());
    full.sections.push(Section::Table(people()));
    if let Section::Table(table) = &mut full.sections[0] {
        table.restated.push(Restated {
            slot: at("2026-11-16T07:00:00Z"),
            window: Window { from: at("2026-11-08T23:00:00Z"), to: at("2026-11-15T23:00:00Z") },
            column: 4,
            before: 412.0,
            now: f64::NAN,
        });
        table.chart = Some(crate::domain::chart::Chart {
            kind: crate::domain::chart::ChartKind::Bars,
            values: vec![4],
            by: 0,
        });
    }
    for mail in [&full, &calm(), &digest()] {
        assert_eq!(check(&payload(mail)), Vec::<String>::new());
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let mut wrong = payload(&watching());
    wrong["version"] = 2.into();
    wrong["data"]["reports"][0]["table"]["rows"][0][1] = serde_json::json!({});
    wrong["data"].as_object_mut().unwrap().remove("late");
    wrong["data"]["new"] = 1.into();
    let found = check(&wrong);
    assert_eq!(found.len(), 4, "{found:?}");
}
