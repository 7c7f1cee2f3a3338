//! Whatever text a config holds, it is a config or it is problems: nothing panics, nothing leaks.

use proptest::prelude::*;

use super::{SHIPPED, read};
use crate::sources_config::{self, GOOD};

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in a string of the config, it is a config or it is problems at places of it.
    #[test]
    fn hostile_text_in_any_string_is_a_config_or_a_problem(
        place in 0..strings().len(),
        hostile in hostile(),
    ) {
        let at = &strings()[place];
        let written = toml::Value::String(hostile).to_string();
        let text = format!("{}{written}{}", &SHIPPED[..at.start], &SHIPPED[at.end..]);
        match read(&text) {
            Ok((config, _)) => prop_assert!(!config.reports.is_empty()),
            Err(problems) => {
                prop_assert!(!problems.0.is_empty());
                prop_assert!(!problems.to_string().contains("swordfish"));
            }
        }
    }

    /// The same for a config of several sources with datasets of every kind.
    #[test]
    fn hostile_text_in_sources_and_datasets_is_a_config_or_a_problem(
        place in 0..strings_of_sources().len(),
        hostile in hostile(),
    ) {
        let at = &strings_of_sources()[place];
        let written = toml::Value::String(hostile).to_string();
        let text = format!("{}{written}{}", &GOOD[..at.start], &GOOD[at.end..]);
        match sources_config::read(&text) {
            Ok((config, _)) => prop_assert!(!config.sources.is_empty()),
            Err(problems) => {
                prop_assert!(!problems.0.is_empty());
                prop_assert!(!problems.to_string().contains("swordfish"));
            }
        }
    }

    /// Whatever a file holds, also behind a part that is right.
    #[test]
    fn any_text_is_a_config_or_a_problem(text in any::<String>(), cut in 0..SHIPPED.len()) {
        let cut = (0..=cut).rev().find(|at| SHIPPED.is_char_boundary(*at)).unwrap_or(0);
        for text in [&text, &format!("{}{text}", &SHIPPED[..cut])] {
            if let Err(problems) = read(text) {
                prop_assert!(!problems.to_string().is_empty());
            }
        }
    }
}

/// Where the strings of the shipped config are.
fn strings() -> &'static [std::ops::Range<usize>] {
    static STRINGS: std::sync::OnceLock<Vec<std::ops::Range<usize>>> = std::sync::OnceLock::new();
    STRINGS.get_or_init(|| strings_in(SHIPPED))
}

/// Where the strings of the config of several sources are.
fn strings_of_sources() -> &'static [std::ops::Range<usize>] {
    static STRINGS: std::sync::OnceLock<Vec<std::ops::Range<usize>>> = std::sync::OnceLock::new();
    STRINGS.get_or_init(|| strings_in(GOOD))
}

/// Where the strings of a text are, quotes included.
fn strings_in(text: &str) -> Vec<std::ops::Range<usize>> {
    fn collect(
        value: &toml::Spanned<toml::de::DeValue<'_>>,
        into: &mut Vec<std::ops::Range<usize>>,
    ) {
        match value.get_ref() {
            toml::de::DeValue::String(_) => into.push(value.span()),
            toml::de::DeValue::Array(list) => list.iter().for_each(|entry| collect(entry, into)),
            toml::de::DeValue::Table(table) => {
                table.values().for_each(|entry| collect(entry, into))
            }
            _ => {}
        }
    }
    let mut strings = Vec::new();
    let tree = toml::de::DeTable::parse(text).expect("the config is TOML");
    tree.get_ref().values().for_each(|value| collect(value, &mut strings));
    strings
}

fn hostile() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "",
        " ",
        "\0",
        "'",
        "\"",
        "\\",
        "\r\n",
        "env:",
        "env:\0",
        "file:",
        "file:/",
        "file:..",
        "../../x",
        "{{",
        "{% for x in y %}",
        "{{ a.b.c }}",
        "{{ [1] * 99999 }}",
        "(((((((",
        "))))",
        "a as b as c",
        "count(",
        "sum(sum(x))",
        "> ",
        "> 1e999",
        "< NaN",
        "99999999999999999999 min",
        "-1 min",
        "* * * * *",
        "0 0 30 2 *",
        "*/0 * * * *",
        "@",
        "a@b",
        "<>",
        "http://",
        "https://[",
        "https://user:pass@host",
        "ü",
        "👩‍👩‍👧‍👧",
        "\u{202e}",
        "\u{feff}",
        "%",
        "resolve after ",
        ".",
        "..",
        "x.",
        ".'",
        "x.'y",
        "q.''",
        "select 1; drop table x",
        "-- comment",
        "/* open",
        "mon-fri",
        "24:00-24:00",
        "2026-02-29",
        "Europe/",
        "UTC\0",
    ]);
    prop_oneof![
        known.prop_map(str::to_owned),
        any::<String>(),
        "[a-zA-Z0-9 .,'()<>=*/+-]{0,60}",
        (0..2000usize).prop_map(|depth| "(".repeat(depth)),
        (0..500usize).prop_map(|length| "not ".repeat(length)),
    ]
}
