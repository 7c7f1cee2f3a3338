//! Secrets and the surroundings: references to what is not in the config itself.
//!
//! A secret is `env:NAME`, `file:path` or `credential:NAME` (a file that systemd hands over); a
//! literal is a mistake. This is the one file that reads
//! environment variables. The demo and the tests bring an [`Environment`] of their own.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Spanned;

use super::Mode;
use super::problem::Findings;
use super::text::At;

/// What surrounds a config: variables and files.
pub trait Environment {
    /// The value of an environment variable, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
    /// What is in a file; more than `bytes_max` bytes are an error.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;
    /// The files in a folder, in any order, each with the folder's path before it.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The process's own environment and file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

impl Environment for Process {
    #[expect(clippy::disallowed_methods, reason = "this is the one file that may")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
        within(bytes, bytes_max)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }
}

/// An environment made of given values, for the demo and for tests; what is not given does not
/// exist.
#[derive(Clone, Default)]
pub struct Given {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// Files by path.
    pub files: BTreeMap<PathBuf, String>,
}

impl Environment for Given {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let text = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        within(text.clone().into_bytes(), bytes_max)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.files.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }
}

fn within(bytes: Vec<u8>, bytes_max: u64) -> io::Result<Vec<u8>> {
    match bytes.len() as u64 {
        length if length <= bytes_max => Ok(bytes),
        _ => Err(io::Error::other(format!("larger than {bytes_max} bytes"))),
    }
}

/// The largest secret or certificate.
const BYTES_MAX: u64 = 256 * 1024;

/// The variable that names the folder of credentials systemd hands to a unit.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Whether a text refers to a secret rather than being one.
pub(super) fn is_reference(text: &str) -> bool {
    ["env:", "file:", "credential:"].iter().any(|kind| text.starts_with(kind))
}

/// What a reference needs to be followed.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) env: &'a dyn Environment,
    pub(super) mode: Mode,
}

/// What became of a reference.
pub(super) enum Followed {
    /// Its value.
    Value(String),
    /// It leads nowhere here; told as a note. Stands for a value in [`Mode::Check`] only.
    Unresolved,
}

impl Surroundings<'_> {
    /// Follows `env:NAME`, `file:path` or `credential:NAME`; `None` is a mistake, which is noted.
    pub(super) fn follow(
        self,
        found: &mut Findings<'_>,
        file: usize,
        text: &Spanned<String>,
    ) -> Option<Followed> {
        let at = At::new(file, text.span());
        let reference = text.get_ref();
        if let Some(name) = reference.strip_prefix("env:") {
            return match self.env.variable(name) {
                Some(value) if !value.is_empty() => Some(Followed::Value(value)),
                Some(_) => self.unresolved(found, at, format!("the variable `{name}` is empty")),
                None => self.unresolved(found, at, format!("the variable `{name}` is not set")),
            };
        }
        let (path, whole) = if let Some(path) = reference.strip_prefix("file:") {
            (path, found.sources()[file].base.join(path))
        } else if let Some(name) = reference.strip_prefix("credential:") {
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
                let help = "write the name of one file, as in `LoadCredential=NAME:/path`";
                found.problem(at, format!("`{reference}` names no credential"), help);
                return None;
            }
            let Some(folder) = self.env.variable(CREDENTIALS).filter(|folder| !folder.is_empty())
            else {
                let message = format!(
                    "no credential `{name}`: `{CREDENTIALS}` is not set, as systemd does for a \
                     unit with `LoadCredential={name}:...`"
                );
                return self.unresolved(found, at, message);
            };
            (name, PathBuf::from(folder).join(name))
        } else {
            found.problem(
                at,
                "a secret written into the config",
                "write `env:NAME` for an environment variable, `file:path` for a file or \
                 `credential:NAME` for a credential of systemd",
            );
            return None;
        };
        match self.env.read(&whole, BYTES_MAX).map(String::from_utf8) {
            Ok(Ok(value)) if !value.trim().is_empty() => {
                let value = value.strip_suffix('\n').unwrap_or(&value);
                Some(Followed::Value(value.strip_suffix('\r').unwrap_or(value).to_owned()))
            }
            Ok(Ok(_)) => self.unresolved(found, at, format!("the file `{path}` is empty")),
            Ok(Err(_)) => self.unresolved(found, at, format!("the file `{path}` is not text")),
            Err(err) => {
                self.unresolved(found, at, format!("the file `{path}` cannot be read: {err}"))
            }
        }
    }

    /// As [`Surroundings::follow`]; in [`Mode::Check`] an unresolved reference is an empty secret.
    pub(super) fn secret(
        self,
        found: &mut Findings<'_>,
        file: usize,
        text: &Spanned<String>,
    ) -> Option<SecretString> {
        match self.follow(found, file, text)? {
            Followed::Value(value) => Some(SecretString::from(value)),
            Followed::Unresolved => Some(SecretString::from(String::new())),
        }
    }

    /// A text that may be written as it is or be a reference.
    pub(super) fn given(
        self,
        found: &mut Findings<'_>,
        file: usize,
        text: &Spanned<String>,
    ) -> Option<String> {
        if !is_reference(text.get_ref()) {
            return Some(text.get_ref().clone());
        }
        match self.follow(found, file, text)? {
            Followed::Value(value) => Some(value),
            Followed::Unresolved => Some(String::new()),
        }
    }

    fn unresolved(self, found: &mut Findings<'_>, at: At, message: String) -> Option<Followed> {
        match self.mode {
            Mode::Check => found.note(at, message, None),
            Mode::Run => found.problem(at, message, None),
        }
        (self.mode == Mode::Check).then_some(Followed::Unresolved)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::super::text::Source;
    use super::*;

    #[test]
    fn a_secret_is_a_reference_and_its_last_newline_is_not_part_of_it() {
        check("env:TOKEN", Mode::Run, Ok("swordfish"));
        check("file:token", Mode::Run, Ok("from a file"));
        check("file:/etc/two", Mode::Run, Ok("two\n"));
        check("file:dos", Mode::Run, Ok("dos"));
        check("swordfish", Mode::Run, Err("a secret written into the config"));
        check("swordfish", Mode::Check, Err("a secret written into the config"));
        check("credential:key", Mode::Run, Ok("from systemd"));
        check("credential:no", Mode::Run, Err("the file `no` cannot be read: entity not found"));
        check("credential:../x", Mode::Run, Err("`credential:../x` names no credential"));
        check("env:NONE", Mode::Run, Err("the variable `NONE` is not set"));
        check("env:EMPTY", Mode::Run, Err("the variable `EMPTY` is empty"));
        check("file:none", Mode::Run, Err("the file `none` cannot be read: entity not found"));
        check("file:blank", Mode::Run, Err("the file `blank` is empty"));
        // A check on another machine than the daemon's knows no secrets: that is a note.
        check("env:NONE", Mode::Check, Ok(""));
        check("file:none", Mode::Check, Ok(""));
    }

    #[track_caller]
    fn check(reference: &str, mode: Mode, expected: Result<&str, &str>) {
        let variables = [("TOKEN", "swordfish"), ("EMPTY", ""), (CREDENTIALS, "/run/given")];
        let files = [
            ("/etc/postrider/token", "from a file\n"),
            ("/etc/two", "two\n\n"),
            ("/run/given/key", "from systemd\n"),
            ("/etc/postrider/dos", "dos\r\n"),
            ("/etc/postrider/blank", " \n"),
        ];
        let env = Given {
            variables: variables.map(|(name, value)| (name.into(), value.into())).into(),
            files: files.map(|(path, text)| (path.into(), text.into())).into(),
        };
        let text = format!("password = \"{reference}\"");
        let sources =
            [Source { name: "c.toml".into(), text: text.clone(), base: "/etc/postrider".into() }];
        let mut found = Findings::new(&sources);
        let written = Spanned::new(11..text.len(), reference.to_owned());
        let secret = Surroundings { env: &env, mode }.secret(&mut found, 0, &written);
        match (found.finish(), expected) {
            (Ok(notes), Ok(expected)) => {
                assert_eq!(secret.unwrap().expose_secret(), expected);
                assert_eq!(notes.len(), usize::from(expected.is_empty()));
            }
            (Err(problems), Err(expected)) => {
                assert!(secret.is_none());
                assert_eq!(problems.0[0].message, expected);
                assert!(!format!("{problems}{problems:?}").contains("swordfish"));
            }
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }
}
