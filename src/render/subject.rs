//! Subjects: the digest's template with a few words filled in, safe to stand in a header.
//!
//! Templates come from the config, words from records: neither may break the mail. The engine
//! behind it knows no loops over files, no functions and no filters but the named ones; it has fuel
//! and a capped output; what still fails gives a plain subject that says so.

use std::io;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};

use super::format::{clean, plain};

/// Longest subject, in characters: beyond it every client cuts anyway.
const SUBJECT_MAX: usize = 150;
/// Longest template, in bytes.
const TEMPLATE_MAX: usize = 500;
/// Instructions one subject may cost.
const FUEL: u64 = 2_000;
/// Bytes one subject may write before it is cut.
const OUTPUT_MAX: usize = 8 * 1024;

/// What a subject template can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectWords {
    /// `{{ digest }}`: the digest's name.
    pub digest: String,
    /// `{{ period }}`: the period in words.
    pub period: String,
    /// `{{ headline }}`: the figure with its name.
    pub headline: String,
    /// `{{ date }}`: the civil date of the slot.
    pub date: String,
    /// `{{ time }}`: the civil time of the slot.
    pub time: String,
}

/// A subject, and what was wrong with its template, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// One line without control characters, never empty.
    pub text: String,
    /// The same with the spaces that keep figures and units together, for the mail's title.
    pub heading: String,
    /// Why the template could not be used.
    pub problem: Option<String>,
}

/// Whether a template can be used at all, for checking a config: the error says what is wrong.
pub fn check(template: &str) -> Result<(), String> {
    let word = || "word".to_owned();
    let words = SubjectWords {
        digest: word(),
        period: word(),
        headline: word(),
        date: word(),
        time: word(),
    };
    fill(template, &words).map(drop)
}

/// The subject. Never fails: a template that cannot be used gives a plain subject that says so.
pub fn subject(template: &str, words: &SubjectWords) -> Subject {
    let (heading, problem) = match fill(template, words) {
        Ok(heading) => (heading, None),
        Err(problem) => {
            let plain = format!("{} of {} (its subject template failed)", words.digest, words.date);
            (tidy(&plain), Some(problem))
        }
    };
    Subject { text: line(&heading), heading, problem }
}

/// Any text as a header-safe line of at most 150 characters: ordinary spaces, no control
/// characters, no marks that turn the direction of text.
pub fn line(text: &str) -> String {
    // Again by words: a fixed space beside an ordinary one makes two.
    let text = plain(&tidy(text));
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// [`line`] with its fixed spaces kept.
fn tidy(text: &str) -> String {
    let text = clean(text);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    if text.chars().count() <= SUBJECT_MAX {
        return text;
    }
    let cut: String = text.chars().take(SUBJECT_MAX - 1).collect();
    format!("{}\u{2026}", cut.trim_end())
}

fn fill(template: &str, words: &SubjectWords) -> Result<String, String> {
    if template.len() > TEMPLATE_MAX {
        return Err(format!("a subject template is at most {TEMPLATE_MAX} bytes long"));
    }
    only_conditions(template)?;
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(20);
    environment.add_filter("lower", |text: String| text.to_lowercase());
    environment.add_filter("upper", |text: String| text.to_uppercase());
    environment.add_filter("trim", |text: String| text.trim().to_owned());
    let template = environment.template_from_str(template).map_err(|err| told(&err))?;
    let mut out = Capped(Vec::new());
    let words = context! {
        digest => words.digest.as_str(),
        period => words.period.as_str(),
        headline => words.headline.as_str(),
        date => words.date.as_str(),
        time => words.time.as_str(),
    };
    template.render_captured_to(words, &mut out).map_err(|err| told(&err))?;
    let text = tidy(&String::from_utf8_lossy(&out.0));
    if plain(&text).trim().is_empty() { Err("the subject is empty".to_owned()) } else { Ok(text) }
}

/// Statements other than conditions could build texts without bound from a short template.
fn only_conditions(template: &str) -> Result<(), String> {
    for statement in template.split("{%").skip(1) {
        let statement = statement.trim_start_matches(['-', '+']).trim_start();
        let end = statement.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(statement.len());
        let word = &statement[..end];
        if !matches!(word, "if" | "elif" | "else" | "endif") {
            return Err(format!("`{word}` has no place in a subject: only conditions have"));
        }
    }
    let inside = template.split('{').skip(1).filter_map(|part| part.split('}').next());
    if inside.into_iter().any(|code| code.contains('*')) {
        return Err("`*` has no place in a subject".to_owned());
    }
    Ok(())
}

fn told(err: &minijinja::Error) -> String {
    match err.detail() {
        _ if err.kind() == ErrorKind::WriteFailure => "the subject is too long".to_owned(),
        Some(detail) => format!("{}: {detail}", err.kind()),
        None => err.kind().to_string(),
    }
}

/// A writer that refuses to grow beyond [`OUTPUT_MAX`].
struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_MAX {
            return Err(io::Error::other("the subject is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn written(template: &str, expected: &str) {
        let words = SubjectWords {
            digest: "morning".into(),
            period: "last 7 days".into(),
            headline: "Mean 3\u{a0}min 20\u{a0}s".into(),
            date: "Mon 23 Nov 2026".into(),
            time: "08:00".into(),
        };
        let subject = subject(template, &words);
        assert_eq!(subject.text, expected);
        assert_eq!(subject.problem, None);
        assert_eq!(check(template), Ok(()));
    }

    #[track_caller]
    fn refused(template: &str, why: &str) {
        let words = SubjectWords {
            digest: "morning".into(),
            date: "Mon 23 Nov 2026".into(),
            ..SubjectWords::default()
        };
        let subject = subject(template, &words);
        assert_eq!(subject.text, "morning of Mon 23 Nov 2026 (its subject template failed)");
        let problem = subject.problem.expect("a problem");
        assert!(problem.contains(why), "{problem}");
    }

    #[test]
    fn a_subject_is_its_template_filled_in() {
        written("Messaging {{ period }}: {{ headline }}", "Messaging last 7 days: Mean 3 min 20 s");
        written("{{ digest|upper }} {{ date }} {{ time }}", "MORNING Mon 23 Nov 2026 08:00");
        written("{% if headline %}{{ headline }}{% else %}nothing{% endif %}", "Mean 3 min 20 s");
        written("two\r\nBcc: x@example.com\0 lines", "two Bcc: x@example.com lines");
        written("\u{202e}turned *", "turned *");
    }

    #[test]
    fn a_template_that_fails_gives_a_plain_subject_that_says_so() {
        refused("{{ perod }}", "undefined");
        refused("{{ period", "syntax");
        refused("{{ period|nonsense }}", "filter");
        refused("", "empty");
        refused("{{ 'x' * 99999999 }}", "`*`");
        refused("{% for a in 'xx' %}{{ a }}{% endfor %}", "`for`");
        refused("{%- set a = 'x' %}{{ a }}", "`set`");
        refused(&"x".repeat(501), "500");
    }

    #[test]
    fn words_without_bound_do_not_become_a_subject() {
        let words = SubjectWords { headline: "x".repeat(9_000), ..SubjectWords::default() };
        let subject = subject("{{ headline }}", &words);
        assert!(subject.problem.is_some_and(|problem| problem.contains("too long")));
    }

    #[test]
    fn blanks_of_any_kind_become_one() {
        assert_eq!(line(" a\r\n\u{a0}b\u{202f}\tc "), "a b c");
    }

    #[test]
    fn a_long_subject_is_cut() {
        let long = line(&"word ".repeat(60));
        assert_eq!(long.chars().count(), 150);
        assert!(long.ends_with("word\u{2026}"), "{long}");
    }
}
