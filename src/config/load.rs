//! Loading: files to tables by section, nothing looked into yet.
//!
//! The main file may `include` others; those may not. Where a text is not TOML, that alone is told:
//! whatever came after would be a guess.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Findings, Problem, Problems, closest, suggestion};
use super::secret::Environment;
use super::shape::Raw;
use super::text::{At, Source};

/// The largest config file.
const BYTES_MAX: u64 = 1024 * 1024;
/// At most so many files.
const FILES_MAX: usize = 200;

/// Sections whose tables have names.
pub(super) const NAMED: [&str; 8] = [
    "sources",
    "datasets",
    "report_types",
    "reports",
    "digests",
    "rules",
    "calendars",
    "receivers",
];
/// All keys at the top of a file.
const TOP: [&str; 14] = [
    "include",
    "postrider",
    "smtp",
    "look",
    "sources",
    "datasets",
    "report_types",
    "reports",
    "digests",
    "rules",
    "calendars",
    "receivers",
    "routes",
    "inhibitions",
];

/// The tables of all files, by section and name.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) postrider: Option<Raw<'a>>,
    pub(super) smtp: Option<Raw<'a>>,
    pub(super) look: Option<Raw<'a>>,
    pub(super) sections: BTreeMap<&'static str, BTreeMap<String, Raw<'a>>>,
    pub(super) routes: Vec<Raw<'a>>,
    pub(super) inhibitions: Vec<Raw<'a>>,
}

/// Reads the main file.
pub(super) fn read(path: &Path, env: &dyn Environment) -> Result<Source, Problems> {
    let name = path.display().to_string();
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    match text_of(path, env) {
        Ok(text) => Ok(Source { name, text, base }),
        Err(reason) => {
            let message = format!("the config cannot be read: {reason}");
            Err(Problems(vec![Problem::of_file(&name, message, None)]))
        }
    }
}

fn text_of(path: &Path, env: &dyn Environment) -> Result<String, String> {
    let bytes = env.read(path, BYTES_MAX).map_err(|err| err.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// What stands behind an `include` that cannot be followed.
pub(super) struct Lost {
    at: At,
    message: String,
}

/// Reads the files that the main one includes, in the order written, files of one pattern by name.
pub(super) fn read_included(main: Source, env: &dyn Environment) -> (Vec<Source>, Vec<Lost>) {
    let (mut files, mut lost) = (Vec::new(), Vec::new());
    if let Ok(tree) = DeTable::parse(&main.text)
        && let Some(include) = tree.get_ref().get("include")
    {
        match patterns(include) {
            Some(patterns) => {
                for (at, pattern) in patterns {
                    match matching(&main.base, &pattern, env) {
                        Ok(paths) => files.extend(paths.into_iter().map(|path| (at.clone(), path))),
                        Err(message) => lost.push(Lost { at, message }),
                    }
                }
            }
            None => lost.push(Lost {
                at: At::new(0, include.span()),
                message: "`include` must be a list of files, e.g. `[\"conf.d/*.toml\"]`".to_owned(),
            }),
        }
    }
    let mut sources = vec![main];
    for (at, path) in files {
        let name = path.display().to_string();
        if sources.iter().any(|source| source.name == name) {
            lost.push(Lost { at, message: format!("`{name}` is included twice") });
        } else if sources.len() > FILES_MAX {
            lost.push(Lost { at, message: format!("more than {FILES_MAX} files") });
            break;
        } else {
            match text_of(&path, env) {
                Ok(text) => {
                    let base = path.parent().unwrap_or(Path::new("")).to_owned();
                    sources.push(Source { name, text, base });
                }
                Err(reason) => {
                    lost.push(Lost { at, message: format!("`{name}` cannot be read: {reason}") });
                }
            }
        }
    }
    (sources, lost)
}

fn patterns(include: &Spanned<DeValue<'_>>) -> Option<Vec<(At, String)>> {
    let DeValue::Array(list) = include.get_ref() else { return None };
    list.iter()
        .map(|entry| match entry.get_ref() {
            DeValue::String(text) => Some((At::new(0, entry.span()), text.to_string())),
            _ => None,
        })
        .collect()
}

/// The files a pattern stands for: a path, or a path whose last part has one or more `*`.
fn matching(base: &Path, pattern: &str, env: &dyn Environment) -> Result<Vec<PathBuf>, String> {
    let whole = base.join(pattern);
    let (Some(folder), Some(name)) = (whole.parent(), whole.file_name().and_then(|n| n.to_str()))
    else {
        return Err(format!("`{pattern}` is not a file"));
    };
    if folder.to_string_lossy().contains('*') {
        return Err("`*` stands for file names only, not for folders".to_owned());
    }
    if !name.contains('*') {
        return Ok(vec![whole]);
    }
    let listed = env.list(folder);
    let mut paths =
        listed.map_err(|err| format!("`{}` cannot be listed: {err}", folder.display()))?;
    paths.retain(|path| {
        let file = path.file_name().and_then(|name| name.to_str());
        // As in shells, a star does not stand for the dot of a hidden file.
        file.is_some_and(|file| !file.starts_with('.') && stands_for(name, file))
    });
    paths.sort();
    Ok(paths)
}

/// Whether a pattern with `*` stands for a name.
fn stands_for(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Sorts the tables of all files by section; what is wrong with files and names is noted.
pub(super) fn draft<'a>(
    sources: &'a [Source],
    lost: Vec<Lost>,
    found: &mut Findings<'_>,
) -> Option<Draft<'a>> {
    for Lost { at, message } in lost {
        found.problem(at, message, None);
    }
    let mut trees = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        let (tree, errors) = DeTable::parse_recoverable(&source.text);
        for err in &errors {
            let span = err.span().unwrap_or(0..0);
            found.problem(At::new(file, span), syntax(err.message()), None);
        }
        trees.push((errors.is_empty(), tree));
    }
    // What is left of a text that is not TOML is a guess, and so is what refers to it.
    trees.iter().all(|(whole, _)| *whole).then_some(())?;
    let mut draft = Draft::default();
    for (file, (_, tree)) in trees.into_iter().enumerate() {
        for (key, value) in tree.into_inner() {
            draft.take(file, key, value, found);
        }
    }
    Some(draft)
}

/// The parser's message as a lowercase fragment.
fn syntax(message: &str) -> String {
    format!("this is not TOML: {}", message.trim().replace('\n', ", "))
}

impl<'a> Draft<'a> {
    fn take(
        &mut self,
        file: usize,
        key: Spanned<Cow<'a, str>>,
        value: Spanned<DeValue<'a>>,
        found: &mut Findings<'_>,
    ) {
        let at = At::new(file, key.span());
        let name = key.get_ref().as_ref();
        let value_at = At::new(file, value.span());
        let named = NAMED.iter().copied().find(|section| *section == name);
        match (name, named, value.into_inner()) {
            ("include", ..) if file > 0 => {
                let message = "an included file includes others";
                found.problem(at, message, "include them from the main file");
            }
            ("include", ..) => {}
            ("postrider", _, DeValue::Table(table)) => {
                let raw = raw(file, "[postrider]", "postrider", at, table);
                once(&mut self.postrider, raw, found);
            }
            ("smtp", _, DeValue::Table(table)) => {
                once(&mut self.smtp, raw(file, "[smtp]", "smtp", at, table), found);
            }
            ("look", _, DeValue::Table(table)) => {
                once(&mut self.look, raw(file, "[look]", "look", at, table), found);
            }
            ("routes", _, DeValue::Array(list)) => self.take_routes(file, at, list, found),
            ("inhibitions", _, DeValue::Array(list)) => self.take_inhibitions(file, list, found),
            (_, Some(section), DeValue::Table(tables)) => {
                for (name, table) in tables {
                    self.take_named(section, file, name, table, found);
                }
            }
            ("routes", ..) => {
                found.problem(at, "`routes` is a list of tables", "write `[[routes]]`")
            }
            ("inhibitions", ..) => {
                let message = "`inhibitions` is a list of tables";
                found.problem(at, message, "write `[[inhibitions]]`");
            }
            (_, Some(section), _) => {
                let message = format!("`{section}` must hold tables");
                found.problem(value_at, message, format!("write `[{section}.NAME]`"));
            }
            ("postrider" | "smtp" | "look", ..) => {
                found.problem(at, format!("`{name}` must be a table"), format!("write `[{name}]`"));
            }
            (_, _, value) => {
                let meant = closest(name, TOP);
                found.problem(at, format!("unknown section `{name}`"), suggestion(name, TOP));
                // Read as what was meant, so that what refers to it is not called unknown as well.
                if let Some(meant) = meant {
                    let key = Spanned::new(key.span(), Cow::Borrowed(meant));
                    self.take(file, key, Spanned::new(value_at.start..value_at.end, value), found);
                }
            }
        }
    }

    fn take_named(
        &mut self,
        section: &'static str,
        file: usize,
        name: Spanned<Cow<'a, str>>,
        value: Spanned<DeValue<'a>>,
        found: &mut Findings<'_>,
    ) {
        let at = At::new(file, name.span());
        let name = name.into_inner().into_owned();
        let DeValue::Table(table) = value.into_inner() else {
            let message = format!("`{name}` of `{section}` must be a table");
            found.problem(at, message, format!("write `[{section}.{name}]`"));
            return;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 80 || !name.chars().all(plain) {
            let message = format!("`{}` cannot be a name", name.escape_debug());
            found.problem(at, message, "a name is 1 to 80 letters, digits, `-` and `_`");
            return;
        }
        let raw = raw(file, &format!("[{section}.{name}]"), &name, at, table);
        let tables = self.sections.entry(section).or_default();
        match tables.get(&name) {
            Some(first) => {
                let message = format!(
                    "`{}` is there twice, the first time at {}",
                    raw.title,
                    found.file_and_line(&first.at)
                );
                found.problem(raw.at, message, "give one of them another name");
            }
            None => {
                tables.insert(name, raw);
            }
        }
    }

    fn take_routes(
        &mut self,
        file: usize,
        at: At,
        list: toml::de::DeArray<'a>,
        found: &mut Findings<'_>,
    ) {
        if let Some(first) = self.routes.first() {
            let message = format!(
                "routes in two files: their order matters, and the first are at {}",
                found.file_and_line(&first.at)
            );
            found.problem(at, message, "write all `[[routes]]` in one file");
            return;
        }
        for (index, entry) in list.into_iter().enumerate() {
            let at = At::new(file, entry.span());
            match entry.into_inner() {
                DeValue::Table(table) => {
                    let title = format!("route {}", index + 1);
                    self.routes.push(raw(file, &title, &title, at, table));
                }
                _ => found.problem(at, "a route must be a table", "write `[[routes]]`"),
            }
        }
    }

    /// Their order means nothing: they may be in several files.
    fn take_inhibitions(
        &mut self,
        file: usize,
        list: toml::de::DeArray<'a>,
        found: &mut Findings<'_>,
    ) {
        for entry in list {
            let at = At::new(file, entry.span());
            match entry.into_inner() {
                DeValue::Table(table) => {
                    let title = format!("inhibition {}", self.inhibitions.len() + 1);
                    self.inhibitions.push(raw(file, &title, &title, at, table));
                }
                _ => found.problem(at, "an inhibition must be a table", "write `[[inhibitions]]`"),
            }
        }
    }
}

fn raw<'a>(file: usize, title: &str, name: &str, at: At, table: DeTable<'a>) -> Raw<'a> {
    Raw { file, title: title.to_owned(), name: name.to_owned(), at, table }
}

/// A section that is there once in all files.
fn once<'a>(slot: &mut Option<Raw<'a>>, raw: Raw<'a>, found: &mut Findings<'_>) {
    if let Some(first) = slot {
        let place = found.file_and_line(&first.at);
        let message = format!("`{}` is there twice, the first time at {place}", raw.title);
        found.problem(raw.at, message, "write it in one file");
        return;
    }
    *slot = Some(raw);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part_of_a_file_name() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml.bak", false),
            ("10-*.toml", "10-rules.toml", true),
            ("10-*.toml", "11-rules.toml", false),
            ("*", "anything", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(stands_for(pattern, name), expected, "{pattern} {name}");
        }
    }
}
