//! The shape of the code, kept by a test: direction of dependency, one caller of `now()`, file
//! length, and nothing of the machine it was written on.

use std::fs;
use std::path::{Path, PathBuf};

/// Which modules a top-level module of the library may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("telemetry", &[]),
    ("source", &["clock", "domain"]),
    ("receiver", &["clock", "domain"]),
    ("render", &["domain"]),
    ("store", &["domain"]),
    ("engine", &["clock", "domain", "source", "receiver", "render", "store"]),
    ("config", &["domain", "source", "receiver", "render"]),
    ("demo", &["clock", "domain"]),
    (
        "app",
        &[
            "clock",
            "config",
            "domain",
            "engine",
            "receiver",
            "render",
            "source",
            "store",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "demo",
            "domain",
            "engine",
            "receiver",
            "render",
            "source",
            "store",
            "telemetry",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files_below(&root().join("src"), &mut found);
    found.sort();
    found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        // Tests beside the code may bring the far side of a socket.
        .filter(|path| !is_test(path))
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn is_test(path: &Path) -> bool {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    inside.iter().any(|part| part == "tests" || part == "tests.rs")
}

/// The text without comments and without the tests at the end of a file.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]").next().unwrap_or("");
    product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let inside = name.trim_start_matches("src/");
        let module = inside.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = MAY_USE.iter().find(|(top, _)| *top == module) else {
            assert!(["lib", "main"].contains(&module), "`{name}`: say in tidy.rs what it may use");
            continue;
        };
        let code = code(&text);
        for (top, _) in MAY_USE {
            let used = code.contains(&format!("crate::{top}::"))
                || code.contains(&format!("crate::{top};"));
            if used && *top != module && !allowed.contains(top) {
                wrong.push(format!("{name} uses crate::{top}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of dependency:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let effects =
        ["std::fs", "std::net", "std::env", "tokio", "reqwest", "rusqlite", "tracing", "async "];
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        if name.starts_with("src/domain") {
            let code = code(&text);
            wrong.extend(
                effects.iter().filter(|e| code.contains(**e)).map(|e| format!("{name}: {e}")),
            );
        }
    }
    assert!(wrong.is_empty(), "effects in the core:\n{}", wrong.join("\n"));
}

#[test]
fn one_file_asks_what_time_it_is() {
    let callers =
        ["Utc::now()", "Local::now()", "SystemTime::now()", "Zoned::now()", "Timestamp::now()"];
    for (name, text) in sources() {
        let asks = callers.iter().any(|call| code(&text).contains(call));
        assert!(
            !asks || name == "src/clock.rs",
            "`{name}` asks for the time: take a Clock or an instant"
        );
    }
}

#[test]
fn one_file_names_the_zone_database() {
    for (name, text) in sources() {
        let names = code(&text).contains("jiff::");
        assert!(!names || name == "src/domain/zone.rs", "`{name}` names jiff: use domain::zone");
    }
}

#[test]
fn files_stay_readable() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(name, text)| (text.lines().count(), name))
        .filter(|(lines, _)| *lines > 600)
        .collect();
    assert!(long.is_empty(), "past 600 lines, split: {long:?}");
}

#[test]
fn nothing_names_a_machine() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "docs", "benches", "templates"] {
        if root().join(folder).is_dir() {
            files_below(&root().join(folder), &mut found);
        }
    }
    for file in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "config.toml"] {
        found.push(root().join(file));
    }
    for path in found {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for piece in ["/home", "/root", "/work", "/Users"] {
            let piece = format!("{piece}/");
            assert!(
                !text.contains(&piece),
                "{} holds a path of a machine: {piece}",
                path.display()
            );
        }
    }
}
