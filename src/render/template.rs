//! Templates from the config, kept within bounds.
//!
//! Templates come from the config, words from records: neither may break a mail or a process. The
//! engine knows the named filters and tests alone, no files, no functions and no assignments (with
//! those a short template could build a text without bound); it has fuel and a capped output, and
//! a name that means nothing is an error.

use std::io;
use std::ops::Range;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

/// What one kind of template may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// What people call it: `a subject`.
    pub(super) noun: &'static str,
    /// Longest template, in bytes.
    pub(super) template_max: usize,
    /// Instructions one filling may cost.
    pub(super) fuel: u64,
    /// Bytes one filling may write.
    pub(super) output_max: usize,
    /// Statements it may use.
    pub(super) statements: &'static [&'static str],
    /// Whether words are escaped as HTML.
    pub(super) html: bool,
}

/// The statements of conditions.
pub(super) const CONDITIONS: &[&str] = &["if", "elif", "else", "endif"];
/// Those and loops over what there is.
pub(super) const LOOPS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor"];

/// Why a template could not be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// In words, a lowercase fragment.
    pub(super) message: String,
    /// Which part of the template, in bytes, where that is known.
    pub(super) at: Option<Range<usize>>,
}

impl Failure {
    fn new(message: String, at: Range<usize>) -> Failure {
        Failure { message, at: Some(at) }
    }
}

/// A template filled with words.
pub(super) fn fill(template: &str, words: Value, limits: &Limits) -> Result<String, Failure> {
    fill_in(environment(limits), template, words, limits)
}

/// A template of JSON filled with words: `tojson` writes a value so that it cannot end what it stands
/// in.
pub(super) fn fill_json(template: &str, words: Value, limits: &Limits) -> Result<String, Failure> {
    let mut environment = environment(limits);
    environment.add_filter("tojson", |value: Value| {
        // A name that means nothing would pass for null.
        if value.is_undefined() {
            return Err(minijinja::Error::from(ErrorKind::UndefinedError));
        }
        serde_json::to_string(&value)
            .map_err(|err| minijinja::Error::new(ErrorKind::InvalidOperation, err.to_string()))
    });
    fill_in(environment, template, words, limits)
}

fn fill_in(
    environment: Environment<'_>,
    template: &str,
    words: Value,
    limits: &Limits,
) -> Result<String, Failure> {
    allowed(template, limits)?;
    let template = environment.template_from_str(template).map_err(|err| told(&err, limits))?;
    let mut out = Capped { bytes: Vec::new(), max: limits.output_max };
    template.render_captured_to(words, &mut out).map_err(|err| told(&err, limits))?;
    Ok(String::from_utf8_lossy(&out.bytes).into_owned())
}

/// The names that a template takes from outside, with the place of each; an error where it is no
/// template.
pub(super) fn names(
    template: &str,
    limits: &Limits,
) -> Result<Vec<(String, Range<usize>)>, Failure> {
    allowed(template, limits)?;
    let environment = environment(limits);
    let parsed = environment.template_from_str(template).map_err(|err| told(&err, limits))?;
    let mut names: Vec<String> = parsed.undeclared_variables(false).into_iter().collect();
    names.sort();
    let place = |name: &String| {
        let inside = code(template).into_iter().find_map(|piece| {
            let at = piece.at.start + template[piece.at.clone()].find(name.as_str())?;
            Some(at..at + name.len())
        });
        inside.unwrap_or(0..template.len())
    };
    Ok(names.into_iter().map(|name| (name.clone(), place(&name))).collect())
}

fn environment(limits: &Limits) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(limits.fuel));
    environment.set_recursion_limit(40);
    let html = limits.html;
    environment.set_auto_escape_callback(move |_| match html {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment.add_filter("lower", |text: String| text.to_lowercase());
    environment.add_filter("upper", |text: String| text.to_uppercase());
    environment.add_filter("trim", |text: String| text.trim().to_owned());
    environment.add_filter("length", minijinja::filters::length);
    environment.add_filter("first", minijinja::filters::first);
    environment.add_filter("last", minijinja::filters::last);
    environment.add_test("none", |value: &Value| value.is_none());
    environment.add_test("even", |n: i64| n % 2 == 0);
    environment.add_test("odd", |n: i64| n % 2 != 0);
    environment
}

/// A piece of code in a template: what stands between the braces.
struct Piece {
    statement: bool,
    at: Range<usize>,
}

/// The pieces of code of a template, in order; comments and text are left out.
fn code(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(open) = template[from..].find('{').map(|at| from + at) {
        let end = match template.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                from = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let close = closing(template, start, end);
        if end != "#}" {
            pieces.push(Piece { statement: end == "%}", at: start..close });
        }
        from = (close + 2).min(template.len());
    }
    pieces
}

/// Where a piece of code ends: its closing braces outside quotes, or the end of the template.
fn closing(template: &str, start: usize, end: &str) -> usize {
    let mut quote = None;
    for (at, c) in template[start..].char_indices() {
        match quote {
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if end != "#}" && matches!(c, '"' | '\'') => quote = Some(c),
            None if template[start + at..].starts_with(end) => return start + at,
            None => {}
        }
    }
    template.len()
}

/// The longest piece of code, in bytes, and the most `elif`: the engine goes one call deeper for
/// each sign of the one and for each of the other, and has no bound of its own there.
const CODE_MAX: usize = 1_000;
const ELIF_MAX: usize = 100;

/// Refuses what is too long and statements that have no place.
fn allowed(template: &str, limits: &Limits) -> Result<(), Failure> {
    let Limits { noun, template_max, .. } = limits;
    if template.len() > *template_max {
        let message = format!("the template of {noun} is at most {template_max} bytes long");
        return Err(Failure::new(message, 0..template.len()));
    }
    let mut elifs = 0;
    for piece in code(template) {
        let inside = &template[piece.at.clone()];
        if CODE_MAX < inside.len() {
            let message =
                format!("what stands between braces in {noun} is at most {CODE_MAX} bytes long");
            return Err(Failure::new(message, piece.at));
        }
        if piece.statement {
            let trimmed = inside.trim_start_matches(['-', '+']).trim_start();
            let end = trimmed.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(trimmed.len());
            let word = &trimmed[..end];
            if !limits.statements.contains(&word) {
                let loops = if limits.statements == LOOPS { " and loops" } else { "" };
                let message =
                    format!("`{word}` has no place in {noun}: only conditions{loops} have");
                return Err(Failure::new(message, piece.at));
            }
            elifs += usize::from(word == "elif");
            if ELIF_MAX < elifs {
                let message = format!("{noun} has at most {ELIF_MAX} `elif`");
                return Err(Failure::new(message, piece.at));
            }
        }
        if inside.contains('*') && !limits.html {
            return Err(Failure::new(format!("`*` has no place in {noun}"), piece.at));
        }
    }
    Ok(())
}

fn told(err: &minijinja::Error, limits: &Limits) -> Failure {
    let message = match err.detail() {
        _ if err.kind() == ErrorKind::WriteFailure => format!("{} is too long", the(limits.noun)),
        _ if err.kind() == ErrorKind::OutOfFuel => format!("{} does too much", the(limits.noun)),
        Some(detail) => format!("{}: {detail}", err.kind()),
        None => err.kind().to_string(),
    };
    // A template of many lines is found by its line.
    let message = match err.line() {
        Some(line) if limits.statements == LOOPS => format!("{message} (line {line})"),
        _ => message,
    };
    Failure { message, at: None }
}

fn the(noun: &str) -> String {
    format!("the {}", noun.trim_start_matches("an ").trim_start_matches("a "))
}

/// A writer that refuses to grow beyond its bound.
struct Capped {
    bytes: Vec<u8>,
    max: usize,
}

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.max {
            return Err(io::Error::other("the output is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    const LINE: Limits = Limits {
        noun: "a line",
        template_max: 100,
        fuel: 1_000,
        output_max: 200,
        statements: CONDITIONS,
        html: false,
    };
    const PAGE: Limits =
        Limits { noun: "a page", template_max: 400, statements: LOOPS, html: true, ..LINE };

    #[track_caller]
    fn check(limits: &Limits, template: &str, expected: Result<&str, &str>) {
        let words = context! { name => "<b>", list => vec![1, 2, 3], text => "x".repeat(150) };
        match (fill(template, words, limits), expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(failure), Err(why)) => {
                assert!(failure.message.contains(why), "{}", failure.message);
            }
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn words_are_filled_in_and_escaped_where_they_become_html() {
        check(&LINE, "{{ name }}", Ok("<b>"));
        check(&PAGE, "{{ name }}", Ok("&lt;b&gt;"));
        check(&PAGE, "{% for n in list %}{{ n }}{% endfor %}", Ok("123"));
        check(&PAGE, "a{color:red /* * */}{# {% set %} #}", Ok("a{color:red /* * */}"));
        check(&LINE, "{{ '}} * ' }}", Err("`*`"));
        check(&LINE, "{% if name == '%}' %}a{% else %}b{% endif %}", Ok("b"));
    }

    #[test]
    fn what_could_grow_without_bound_or_reach_out_is_refused() {
        check(&LINE, "{% for n in list %}{% endfor %}", Err("`for` has no place in a line"));
        for statement in ["set a = 1", "include 'x'", "extends 'x'", "import 'x' as y", "macro x()"]
        {
            check(&PAGE, &format!("{{% {statement} %}}"), Err("has no place in a page"));
        }
        check(&PAGE, "{{ text }}{{ text }}", Err("the page is too long"));
        let nested = "{% for a in list %}".repeat(7) + "." + &"{% endfor %}".repeat(7);
        check(&PAGE, &nested, Err("the page does too much"));
        check(&PAGE, "{{ name|safe }}", Err("filter"));
        check(&PAGE, "\n{{ nothing }}", Err("(line 2)"));
        check(&LINE, &"x".repeat(101), Err("at most 100 bytes"));
        let wide = Limits { template_max: 10_000, ..PAGE };
        for sign in ["not ", "-", "1 + ", "name ~ "] {
            let deep = format!("{{{{ {}1 }}}}", sign.repeat(1_000));
            check(&wide, &deep, Err("is at most 1000 bytes long"));
        }
        let branches = "{% elif false %}".repeat(101);
        let branches = format!("{{% if false %}}{branches}{{% endif %}}");
        check(&wide, &branches, Err("at most 100 `elif`"));
    }

    #[test]
    fn names_from_outside_are_known_with_their_places() {
        let found = names("name {% if a %}{{ name }}{{ b.c }}{% endif %}", &LINE).unwrap();
        let told: Vec<_> = found.iter().map(|(name, at)| (name.as_str(), at.clone())).collect();
        assert_eq!(told, [("a", 11..12), ("b", 28..29), ("name", 18..22)]);
    }
}
