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

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::{Path, PathBuf};

    use crate::config::{Environment, Mode, diff, load_text};

    /// A PNG's head, a text and a template, in a folder.
    struct Folder;

    impl Environment for Folder {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn read(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
            match path.to_str() {
                Some("/conf/logo.png") => {
                    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
                    png.extend(400u32.to_be_bytes());
                    png.extend(120u32.to_be_bytes());
                    Ok(png)
                }
                Some("/conf/logo.txt") => Ok(b"Acme".to_vec()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }

        fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
            Ok(Vec::new())
        }
    }

    /// The look of a config, or all that is wrong with it; routes are needed by every config.
    fn read(look: &str) -> Result<crate::config::Config, String> {
        let text = format!("[look]\n{look}\n");
        let read = load_text("config.toml", &text, Path::new("/conf"), &Folder, Mode::Run);
        read.map(|(config, _)| config).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_look_has_a_logo_an_accent_and_a_footer() {
        let written =
            "logo = \"logo.png\"\nlogo_alt = \"Acme\"\naccent = \"#0F766E\"\nfooter = \" Acme \"";
        let config = read(written).unwrap();
        let logo = config.look.logo.clone().unwrap();
        assert_eq!((logo.alt.as_str(), logo.width, logo.height), ("Acme", 200, 60));
        assert_eq!(config.look.accent.as_deref(), Some("#0f766e"));
        assert_eq!(config.look.footer.as_deref(), Some("Acme"));
        let plain = read("").unwrap();
        let changes = diff(&plain, &config);
        assert_eq!(changes.len(), 1);
        assert!(changes[0].to_string().starts_with("the look of mails changed"), "{changes:?}");
        assert!(diff(&config, &config).is_empty());
    }

    #[test]
    fn what_cannot_be_a_look_says_so() {
        #[track_caller]
        fn check(look: &str, expected: &[&str]) {
            let told = read(look).unwrap_err();
            for expected in expected {
                assert!(told.contains(expected), "{expected} in {told}");
            }
        }
        check(
            "accent = \"#ff6600\"\nlogo = \"logo.png\"",
            &["contrast of 2.93 to 1 on white", "a logo without `logo_alt`"],
        );
        check("logo = \"none.png\"\nlogo_alt = \"A\"", &["the logo `none.png` cannot be read"]);
        check("logo = \"logo.txt\"\nlogo_alt = \"A\"", &["neither a PNG nor a JPEG"]);
        check("logo_alt = \"A\"", &["`logo_alt` without `logo`"]);
        check("accent = \"blue\"", &["`blue` is not a colour"]);
        check("colour = \"#000\"", &["colour"]);
        let long = format!("footer = \"{}\"", "x".repeat(501));
        check(&long, &["at most 500 characters"]);
    }
}
