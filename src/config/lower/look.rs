//! `[look]`: logo, accent colour and footer of mails.

use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::wire::{LookToml, Text};
use crate::render::{Logo, Look, look};

/// Longest words for a logo, in characters.
const ALT_MAX: usize = 100;

/// Lowers it; a part that is broken is told and left out.
pub(super) fn lower(
    raw: Option<Raw<'_>>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Look {
    let Some(raw) = raw else { return Look::default() };
    let table = raw.shape::<LookToml>(found, &[]);
    let wire = &table.wire;
    Look {
        logo: logo(found, &table, surroundings),
        accent: wire.accent.as_ref().and_then(|text| accent(found, &table, text)),
        footer: wire.footer.as_ref().and_then(|text| {
            let written = text.get_ref().trim();
            if written.chars().count() > look::FOOTER_MAX {
                let message = format!("a footer is at most {} characters long", look::FOOTER_MAX);
                found.problem(table.at(text), message, None);
            }
            (!written.is_empty()).then(|| written.to_owned())
        }),
    }
}

fn accent(found: &mut Findings<'_>, table: &Shaped<LookToml>, text: &Text) -> Option<String> {
    match look::accent(text.get_ref()) {
        Ok(colour) => Some(colour),
        Err(message) => {
            let help = look::darker(text.get_ref()).map_or_else(
                || "write six digits, e.g. `accent = \"#1d4ed8\"`".to_owned(),
                |darker| format!("write a darker one, e.g. `{darker}`"),
            );
            found.problem(table.at(text), message, help);
            None
        }
    }
}

fn logo(
    found: &mut Findings<'_>,
    table: &Shaped<LookToml>,
    surroundings: Surroundings<'_>,
) -> Option<Logo> {
    let wire = &table.wire;
    let Some(text) = &wire.logo else {
        if let Some(alt) = &wire.logo_alt {
            found.problem(table.at(alt), "`logo_alt` without `logo`", "remove it, or name a logo");
        }
        return None;
    };
    let alt = wire.logo_alt.as_ref().map(|alt| alt.get_ref().trim()).filter(|alt| !alt.is_empty());
    if alt.is_none() {
        let help = "write what it says, e.g. `logo_alt = \"Acme\"`: many readers see no pictures";
        found.problem(table.at(text), "a logo without `logo_alt`", help);
    }
    if let Some(alt) = alt.filter(|alt| alt.chars().count() > ALT_MAX) {
        let message =
            format!("`logo_alt` has {} characters, at most {ALT_MAX}", alt.chars().count());
        found.problem(
            wire.logo_alt.as_ref().map_or(table.at.clone(), |t| table.at(t)),
            message,
            None,
        );
    }
    let path = found.sources()[table.file].base.join(text.get_ref());
    let read = surroundings.env.read(&path, look::LOGO_BYTES_MAX as u64);
    let bytes = read.map_err(|err| format!("the logo `{}` cannot be read: {err}", text.get_ref()));
    let made = bytes.and_then(|bytes| Logo::read(bytes, alt.unwrap_or_default().to_owned()));
    found.value(table.at(text), made)
}
