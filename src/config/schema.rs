//! The keys of the config, for editors and for people: a JSON Schema and a page of reference.
//!
//! Both are made from one list (`schema/keys.txt`), which a test holds against the structs the config
//! is read into. The schema knows shapes and words; what a name refers to, and what an expression
//! means, only `check` knows.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

const KEYS: &str = include_str!("schema/keys.txt");

/// A section of the config.
struct Section {
    /// `postrider`, `reports.NAME`, `routes`, or the name of a table inside others.
    path: &'static str,
    about: &'static str,
    keys: Vec<Key>,
}

struct Key {
    name: &'static str,
    required: bool,
    ty: &'static str,
    about: &'static str,
}

/// Sections that are tables of their own at the top of the file.
const TABLES: [&str; 3] = ["postrider", "smtp", "look"];

/// Sections that are lists of tables at the top of the file.
const LISTS: [&str; 2] = ["routes", "inhibitions"];

/// The JSON Schema (draft 7) of the config.
pub fn json_schema() -> Value {
    let (mut properties, mut definitions) = (Map::new(), Map::new());
    let include = json!({
        "type": "array", "items": { "type": "string" },
        "description": "Further files, e.g. `conf.d/*.toml`; paths are relative to this file.",
    });
    properties.insert("include".to_owned(), include);
    for section in sections() {
        let table = section.schema();
        match section.path.split_once('.') {
            Some((name, _)) => {
                let tables = json!({ "type": "object", "additionalProperties": table });
                properties.insert(name.to_owned(), tables);
            }
            None if LISTS.contains(&section.path) => {
                let list = json!({ "type": "array", "items": table });
                properties.insert(section.path.to_owned(), list);
            }
            None if TABLES.contains(&section.path) => {
                properties.insert(section.path.to_owned(), table);
            }
            None => {
                definitions.insert(section.path.to_owned(), table);
            }
        }
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "postrider",
        "description": "The config of postrider.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "definitions": definitions,
    })
}

/// The reference of all keys, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Every key of the config\n\n\
         Made by `postrider schema --markdown`; `postrider schema` gives the same as a JSON Schema \
         for editors. A key in bold must be there.\n",
    );
    for section in sections() {
        let title = match section.path {
            path if path.ends_with(".NAME") || TABLES.contains(&path) => format!("`[{path}]`"),
            path if LISTS.contains(&path) => format!("`[[{path}]]`"),
            "test" => "`[[reports.NAME.test]]`".to_owned(),
            "rule_test" => "`[[rules.NAME.test]]`".to_owned(),
            "expected_incident" => "an entry of a rule test's `incidents`".to_owned(),
            "expected_notice" => "an entry of a rule test's `notices`".to_owned(),
            "entry" => "a report of a digest".to_owned(),
            "escalation" => "a step of `escalate`".to_owned(),
            "dkim" => "a key of `dkim`".to_owned(),
            "failover" => "a server of `failover`".to_owned(),
            path => format!("`{path} = {{ ... }}`"),
        };
        // Writing to a string cannot fail.
        let _ =
            write!(page, "\n## {title}\n\n{}\n\n| key | holds | |\n|---|---|---|\n", section.about);
        for key in &section.keys {
            let name = match key.required {
                true => format!("**`{}`**", key.name),
                false => format!("`{}`", key.name),
            };
            let about = key.about.replace('|', "\\|");
            let _ = writeln!(page, "| {name} | {} | {about} |", words(key.ty));
        }
    }
    page
}

/// A type in words.
fn words(ty: &str) -> String {
    let words = ty.replace("` `", "`, `").replace('@', "").replace("[any]", "list of cells");
    match ty.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some("[any]" | "any") => words,
        Some(inner) => format!("list of {}", self::words(inner)),
        None => match ty.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            Some("any" | "[{any}]") => "table".to_owned(),
            Some(inner) => format!("table of {}", self::words(inner)),
            None => words,
        },
    }
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in KEYS.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(path) = line.strip_prefix("> ") {
            sections.push(Section { path, about: "", keys: Vec::new() });
            continue;
        }
        let section = sections.last_mut().expect("the list begins with a section");
        match line.splitn(3, " | ").collect::<Vec<_>>()[..] {
            [name, ty, about] => {
                let bare = name.strip_suffix(" *");
                let (name, required) = (bare.unwrap_or(name), bare.is_some());
                section.keys.push(Key { name, required, ty, about });
            }
            _ => section.about = line,
        }
    }
    sections
}

impl Section {
    fn schema(&self) -> Value {
        let properties: Map<String, Value> = (self.keys.iter())
            .map(|key| {
                let mut schema = schema(key.ty);
                schema["description"] = json!(key.about);
                (key.name.to_owned(), schema)
            })
            .collect();
        let required: Vec<&str> =
            self.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
        json!({
            "type": "object",
            "description": self.about,
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

/// The schema of a type of the list.
fn schema(ty: &str) -> Value {
    let inside = |open: char, close: char| ty.strip_prefix(open)?.strip_suffix(close);
    let mut alternatives = ty.split(" or ").peekable();
    if let Some(inner) = inside('[', ']') {
        return json!({ "type": "array", "items": schema(inner) });
    }
    if let Some(inner) = inside('{', '}') {
        return json!({ "type": "object", "additionalProperties": schema(inner) });
    }
    let first = alternatives.next().unwrap_or_default();
    if alternatives.peek().is_some() {
        let all: Vec<Value> = std::iter::once(first).chain(alternatives).map(schema).collect();
        return json!({ "anyOf": all });
    }
    match ty {
        "text" => json!({ "type": "string" }),
        "secret" => json!({ "type": "string", "pattern": "^(env|file|credential):" }),
        "date" => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }),
        "integer" | "number" | "boolean" => json!({ "type": ty }),
        "any" => json!({}),
        _ => match ty.strip_prefix('@') {
            Some(name) => json!({ "$ref": format!("#/definitions/{name}") }),
            None => {
                let words: Vec<&str> = ty.split(' ').map(|word| word.trim_matches('`')).collect();
                json!({ "enum": words })
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::shape::fields_of;
    use super::super::{lower::rule_tests, wire};
    use super::*;

    /// The keys of the list are those of the structs, and those taken out before.
    #[track_caller]
    fn check(path: &str, structs: &[&'static [&'static str]], apart: &[&'static str]) {
        let all = sections();
        let section = all.iter().find(|section| section.path == path).expect("a section");
        let listed: BTreeSet<&str> = section.keys.iter().map(|key| key.name).collect();
        let known: BTreeSet<&str> =
            structs.iter().copied().flatten().chain(apart).copied().collect();
        assert_eq!(listed, known, "{path}");
        assert_eq!(listed.len(), section.keys.len(), "{path} lists a key twice");
    }

    #[test]
    fn the_list_has_every_key_and_no_other() {
        check("postrider", &[fields_of::<wire::PostriderToml>()], &[]);
        check("smtp", &[fields_of::<wire::SmtpToml>()], &["auth", "dkim", "failover"]);
        check("auth", &[fields_of::<wire::XOAuth2Toml>()], &["kind"]);
        check("dkim", &[fields_of::<wire::DkimToml>()], &[]);
        check("failover", &[fields_of::<wire::FailoverToml>()], &["auth"]);
        check("look", &[fields_of::<wire::LookToml>()], &[]);
        let sources = [
            fields_of::<wire::SalesforceToml>(),
            fields_of::<wire::RestToml>(),
            fields_of::<wire::OwnToml>(),
        ];
        check("sources.NAME", &sources, &["kind", "auth"]);
        let datasets = [fields_of::<wire::ObjectToml>(), fields_of::<wire::TableToml>()];
        check("datasets.NAME", &datasets, &["source", "paging"]);
        check("report_types.NAME", &[fields_of::<wire::ReportTypeToml>()], &[]);
        check("reports.NAME", &[fields_of::<wire::ReportToml>()], &["chart"]);
        check("chart", &[fields_of::<wire::ChartToml>()], &[]);
        check("test", &[fields_of::<wire::TestToml>()], &[]);
        let apart = ["reports", "recipients", "mask_outside"];
        check("digests.NAME", &[fields_of::<wire::DigestToml>()], &apart);
        check("entry", &[fields_of::<wire::EntryToml>()], &[]);
        check("mask_outside", &[fields_of::<wire::MaskOutsideToml>()], &[]);
        check("rules.NAME", &[fields_of::<wire::RuleToml>()], &["test"]);
        check("rule_test", &[fields_of::<rule_tests::RuleTestToml>()], &[]);
        check("expected_incident", &[fields_of::<rule_tests::IncidentToml>()], &[]);
        check("expected_notice", &[fields_of::<rule_tests::NoticeToml>()], &[]);
        check("calendars.NAME", &[fields_of::<wire::CalendarToml>()], &[]);
        check("routes", &[fields_of::<wire::RouteToml>()], &[]);
        check("repeat", &[fields_of::<wire::RepeatToml>()], &[]);
        check("escalation", &[fields_of::<wire::EscalationToml>()], &[]);
        check("inhibitions", &[fields_of::<wire::InhibitionToml>()], &[]);
        let receivers = [
            fields_of::<wire::EmailToml>(),
            fields_of::<wire::WebhookToml>(),
            fields_of::<wire::ChatToml>(),
            fields_of::<wire::TelegramToml>(),
            fields_of::<wire::PagerDutyToml>(),
            fields_of::<wire::AlertmanagerToml>(),
            fields_of::<wire::CareToml>(),
            fields_of::<wire::PassageToml>(),
        ];
        check("receivers.NAME", &receivers, &["kind"]);
    }

    #[test]
    fn types_become_schemas() {
        assert_eq!(schema("[text or @entry]")["items"]["anyOf"][1]["$ref"], "#/definitions/entry");
        assert_eq!(schema("`a` `b`")["enum"], json!(["a", "b"]));
        assert_eq!(schema("{[{any}]}")["additionalProperties"]["type"], "array");
        assert_eq!(schema("integer or `never`")["anyOf"][0]["type"], "integer");
    }

    #[test]
    fn the_page_in_docs_is_the_reference() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md"));
        assert!(
            page.unwrap() == reference(),
            "docs/config.md is stale: postrider schema --markdown > docs/config.md"
        );
    }
}
