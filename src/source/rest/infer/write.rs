//! What was inferred, as a piece of a config.

use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};

use super::{Inferred, InferredField, dataset_name};
use crate::source::rest::settings::{Format, More, Paging};
use crate::source::rest::spec::escaped;

impl Inferred {
    /// The tables of a config: `[datasets.NAME]`, and `[sources.NAME]` before it where the sample
    /// came from a bare address. `path` is where to ask; empty: where the sample came from. Names
    /// that a config cannot have are mended.
    pub fn to_toml(&self, source: &str, dataset: &str, path: &str) -> String {
        let mut out = String::new();
        let name = dataset_name(dataset);
        if let Some(base) = &self.base_url {
            line(&mut out, &format!("[sources.{}]", bare(source)));
            line(&mut out, "kind = \"rest\"");
            line(&mut out, &format!("base_url = {}", text(base)));
            self.auth.iter().for_each(|auth| line(&mut out, auth));
            out.push('\n');
        }
        line(&mut out, &format!("[datasets.{name}]"));
        line(&mut out, &format!("# From {} records.", self.sampled));
        for note in &self.notes {
            line(&mut out, &format!("# {}.", capitalised(&note.replace(char::is_control, " "))));
        }
        line(&mut out, &format!("source = {}", text(source)));
        let path = if path.is_empty() { &self.path } else { path };
        line(&mut out, &format!("path = {}", text(path)));
        if !self.query.is_empty() {
            let pairs = self.query.iter();
            let pairs: Vec<String> =
                pairs.map(|(name, value)| format!("{} = {}", bare(name), text(value))).collect();
            line(&mut out, &format!("query = {{ {} }}", pairs.join(", ")));
        }
        if !self.records.is_empty() {
            line(&mut out, &format!("records = {}", text(&self.records)));
        }
        if let Some(paging) = paging(&self.paging) {
            line(&mut out, &format!("paging = {{ {paging} }}"));
        }
        match self.key.as_slice() {
            [key] => line(&mut out, &format!("key = {}", text(key))),
            keys => {
                let keys: Vec<String> = keys.iter().map(|key| text(key)).collect();
                line(&mut out, &format!("key = [{}]", keys.join(", ")));
            }
        }
        for (role, field) in [("updated", &self.updated), ("created", &self.created)] {
            field.iter().for_each(|field| line(&mut out, &format!("{role} = {}", text(field))));
        }
        if self.whole && self.updated.is_some() {
            line(&mut out, "whole = true");
        }
        out.push('\n');
        line(&mut out, &format!("[datasets.{name}.fields]"));
        for field in &self.fields {
            line(&mut out, &format!("{} = {}", bare(&field.name), text(&spec(field, true))));
        }
        out
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A field as the config writes it; `short`: without a pointer that its name says.
pub(super) fn spec(field: &InferredField, short: bool) -> String {
    let pointer = field.reading.pointer.as_str();
    let mut out = match pointer {
        _ if short && pointer == format!("/{}", escaped(&field.name)) => String::new(),
        _ if pointer.contains(char::is_whitespace) => format!("'{pointer}' "),
        _ => format!("{pointer} "),
    };
    out.push_str(field.ty.word());
    // Writing to a text cannot fail.
    let _ = match &field.reading.format {
        Format::Plain => Ok(()),
        Format::EpochSeconds => write!(out, " epoch_s"),
        Format::EpochMillis => write!(out, " epoch_ms"),
        Format::Pattern(pattern) => write!(out, " {pattern}"),
        Format::Joined(separator) => write!(out, " joined '{separator}'"),
        Format::Count => write!(out, " count"),
    };
    out
}

fn paging(paging: &Paging) -> Option<String> {
    let more = |more: &Option<More>| match more {
        Some(More { pointer, when: true }) => format!(", more = {}", text(pointer)),
        Some(More { pointer, when: false }) => format!(", end = {}", text(pointer)),
        None => String::new(),
    };
    Some(match paging {
        Paging::None => return None,
        Paging::NextUrl { pointer, more: flag } => {
            format!("next_url = {}{}", text(pointer), more(flag))
        }
        Paging::LinkHeader => "link_header = true".to_owned(),
        Paging::Cursor { pointer, parameter, more: flag } => {
            format!("cursor = {}, parameter = {}{}", text(pointer), text(parameter), more(flag))
        }
        Paging::Page { parameter, first, size } => {
            let size = size.map(|size| format!(", size = {size}")).unwrap_or_default();
            format!("page = {}, first = {first}{size}", text(parameter))
        }
        Paging::Offset { parameter, size } => {
            format!("offset = {}, size = {size}", text(parameter))
        }
    })
}

/// A text in TOML.
pub(in crate::source::rest) fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A key in TOML: as it is where that can be.
fn bare(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.chars().all(plain) {
        true => key.to_owned(),
        false => {
            let quoted = toml::Value::from(key).to_string();
            // A key has one line.
            if quoted.contains('\n') { format!("{key:?}") } else { quoted }
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// What a source's config says of the headers that were sent: which is `auth` (where none is
/// written yet), which are plain; secrets are references.
pub(in crate::source::rest) fn header_lines(
    headers: &[(String, SecretString)],
    named: &str,
    auth_open: bool,
) -> Vec<String> {
    let mut auth = None;
    let mut plain = Vec::new();
    for (name, value) in headers {
        let small = name.to_lowercase();
        let open = ["accept", "user-agent", "accept-language"].contains(&small.as_str())
            || small.ends_with("version");
        if open {
            plain.push(format!("{} = {}", bare(name), text(value.expose_secret())));
        } else if auth.is_none() && auth_open {
            let bearer =
                value.expose_secret().get(..7).is_some_and(|b| b.eq_ignore_ascii_case("bearer "));
            auth = Some(match small == "authorization" && bearer {
                true => format!("auth = {{ bearer = \"env:{named}_TOKEN\" }}"),
                false => format!(
                    "auth = {{ header = {{ name = {}, value = \"env:{named}_TOKEN\" }} }}",
                    text(name)
                ),
            });
        } else {
            let reference = format!("env:{named}_{}", small.replace('-', "_").to_uppercase());
            plain.push(format!("{} = {}", bare(name), text(&reference)));
        }
    }
    let plain = (!plain.is_empty()).then(|| format!("headers = {{ {} }}", plain.join(", ")));
    auth.into_iter().chain(plain).collect()
}
