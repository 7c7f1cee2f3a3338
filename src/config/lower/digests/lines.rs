//! The lines of a digest that are templates: subject and preheader. They are tried here, so that
//! they cannot fail on a Monday morning.

use minijinja::{Environment, UndefinedBehavior};

use super::super::super::problem::{Findings, suggestion};
use super::super::super::wire::Text;
use crate::domain::expr::Mistake;
use crate::render::subject;

/// What such a line can say.
const WORDS: [&str; 5] = ["period", "headline", "digest", "date", "time"];

/// A template as written; what is wrong with it is noted. `noun` is what people call the line.
pub(super) fn template(
    found: &mut Findings<'_>,
    file: usize,
    text: &Text,
    noun: &str,
    has_headline: bool,
) -> String {
    let written = text.get_ref();
    let mut mistakes = unknown(written, noun, has_headline);
    if mistakes.is_empty()
        && let Err(message) = subject::check(written)
    {
        let help = "write e.g. `{{ digest }}: {{ headline }}`";
        mistakes.push(Mistake::new(0..written.len(), message).with_help(help));
    }
    if written.contains(char::is_control) {
        mistakes.push(Mistake::new(0..written.len(), format!("{noun} is one line")));
    }
    mistakes.into_iter().for_each(|mistake| found.mistake(file, text, mistake));
    written.clone()
}

/// Names that stand for nothing, each at its place.
fn unknown(written: &str, noun: &str, has_headline: bool) -> Vec<Mistake> {
    let mut strict = Environment::new();
    strict.set_undefined_behavior(UndefinedBehavior::Strict);
    let Ok(template) = strict.template_from_str(written) else { return Vec::new() };
    let mut asked: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    asked.sort();
    let each = asked.into_iter().filter_map(|name| {
        let at = written.find(&name).map_or(0..written.len(), |at| at..at + name.len());
        if !WORDS.contains(&name.as_str()) {
            let help = suggestion(&name, WORDS);
            return Some(Mistake { at, message: format!("{noun} knows no `{name}`"), help });
        }
        (name == "headline" && !has_headline).then(|| {
            Mistake::new(at, "the digest has no `headline`")
                .with_help("write e.g. `headline = \"q1.Mean\"`")
        })
    });
    each.collect()
}
