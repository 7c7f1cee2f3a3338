//! What was written: the tables of a config, key by key, so that an edit can be told in the words of
//! the file. Literal secrets are starred out before anything is kept; a reference to one is shown.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::load::NAMED;
use super::text::{Source, shown};

/// The keys of one table with their values as texts; those of tables inside it with a dot between.
pub(super) type Keys = BTreeMap<String, String>;

/// The tables of all files of a config.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// `[section]`, by section.
    pub(super) single: BTreeMap<String, Keys>,
    /// `[section.NAME]`, by section and name.
    pub(super) named: BTreeMap<String, BTreeMap<String, Keys>>,
    /// `[[section]]`, by section, in order.
    pub(super) lists: BTreeMap<String, Vec<Keys>>,
}

impl Written {
    /// Of the files of a config that was found right.
    pub(super) fn of(sources: &[Source]) -> Written {
        let mut written = Written::default();
        for source in sources {
            let text = shown(&source.text);
            let (tree, _) = DeTable::parse_recoverable(&text);
            for (section, value) in tree.get_ref() {
                written.take(section.get_ref(), value.get_ref());
            }
        }
        written
    }

    fn take(&mut self, section: &str, value: &DeValue<'_>) {
        match value {
            DeValue::Table(tables) if NAMED.contains(&section) => {
                let named = self.named.entry(section.to_owned()).or_default();
                for (name, table) in tables {
                    if let DeValue::Table(table) = table.get_ref() {
                        named.insert(name.get_ref().to_string(), keys(table));
                    }
                }
            }
            DeValue::Table(table) => {
                self.single.insert(section.to_owned(), keys(table));
            }
            DeValue::Array(list) if section != "include" => {
                let list = list.iter().filter_map(|entry| match entry.get_ref() {
                    DeValue::Table(table) => Some(keys(table)),
                    _ => None,
                });
                self.lists.insert(section.to_owned(), list.collect());
            }
            _ => {}
        }
    }

    /// The keys of `[section.NAME]` with their values as they were written, secrets starred out.
    pub fn table<'a>(
        &'a self,
        section: &str,
        name: &str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let table = self.named.get(section).and_then(|tables| tables.get(name));
        table.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The keys of `[section.NAME]`; none where it is not written.
    pub(super) fn of_name(&self, section: &str, name: &str) -> Keys {
        let found = self.named.get(section).and_then(|tables| tables.get(name));
        found.cloned().unwrap_or_default()
    }
}

fn keys(table: &DeTable<'_>) -> Keys {
    let mut keys = Keys::new();
    flatten("", table, &mut keys);
    keys
}

fn flatten(before: &str, table: &DeTable<'_>, keys: &mut Keys) {
    for (key, value) in table {
        let name = format!("{before}{}", key.get_ref());
        match (value.get_ref(), levels(value.get_ref())) {
            (DeValue::Table(inner), _) => flatten(&format!("{name}."), inner, keys),
            // Each level by its name: a threshold that moved is told as one.
            (_, Some(levels)) => {
                for (level, threshold) in levels {
                    keys.insert(format!("{name}.{level}"), threshold);
                }
            }
            (other, None) => {
                keys.insert(name, text(other));
            }
        }
    }
}

/// `[["warning", "> 300"], ...]`: names with what they stand for.
fn levels(value: &DeValue<'_>) -> Option<Vec<(String, String)>> {
    let DeValue::Array(list) = value else { return None };
    let pair = |entry: &DeValue<'_>| match entry {
        DeValue::Array(pair) => match (pair.first()?.get_ref(), pair.get(1)?.get_ref()) {
            (DeValue::String(name), DeValue::String(text)) if pair.len() == 2 => {
                Some((name.to_string(), text.to_string()))
            }
            _ => None,
        },
        _ => None,
    };
    let pairs: Option<Vec<_>> = list.iter().map(|entry| pair(entry.get_ref())).collect();
    pairs.filter(|pairs| !pairs.is_empty())
}

/// A value on one line: texts as they are, lists in brackets.
fn text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        other => inside(other),
    }
}

fn inside(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => format!("\"{}\"", text(value)),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(at) => at.to_string(),
        DeValue::Array(list) => {
            let entries: Vec<String> = list.iter().map(|entry| inside(entry.get_ref())).collect();
            format!("[{}]", entries.join(", "))
        }
        DeValue::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, value)| format!("{} = {}", key.get_ref(), inside(value.get_ref())));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn written(text: &str) -> Written {
        let base = PathBuf::new();
        Written::of(&[Source { name: "c.toml".into(), text: text.into(), base }])
    }

    #[test]
    fn tables_are_kept_key_by_key_and_levels_by_name() {
        let written = written(
            "[rules.slow]\nlevels = [[\"warning\", \"> 300\"], [\"critical\", \"> 900\"]]\n\
             recover = { warning = \"< 240\" }\nmin_records = 20\n[[routes]]\nto = [\"a\", \"b\"]\n",
        );
        let rule = written.of_name("rules", "slow");
        let pairs: Vec<(&str, &str)> =
            rule.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("levels.critical", "> 900"),
                ("levels.warning", "> 300"),
                ("min_records", "20"),
                ("recover.warning", "< 240")
            ]
        );
        assert_eq!(written.lists["routes"][0]["to"], "[\"a\", \"b\"]");
    }

    #[test]
    fn no_secret_is_kept_and_a_reference_is() {
        let written = written(
            "[smtp]\npassword = \"CANARY\"\n[receivers.hook]\nurl = \"env:HOOK\"\n\
             secrets = [\"whsec_CANARY\"]\n[sources.desk]\nbase_url = \
             \"https://desk.example.com\"\nauth = { bearer = \"CANARY\" }\nheaders = { X-Api-Key = \
             \"CANARY\" }\n",
        );
        let all = format!("{written:?}");
        assert!(!all.contains("CANARY"), "{all}");
        assert!(all.contains("env:HOOK") && all.contains("desk.example.com"), "{all}");
    }
}
