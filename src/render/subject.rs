//! The lines of a digest that are templates: subject, preheader, intro; safe to stand in a header.
//!
//! A subject template that still fails gives a plain subject that says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::Object;
use minijinja::{Value, context};

use crate::domain::expr::Mistake;

use super::format::{clean, plain};
use super::template::{self, CONDITIONS, Limits};

/// Longest subject, in characters: beyond it every client cuts anyway.
const SUBJECT_MAX: usize = 150;
/// Longest intro, in characters.
const INTRO_MAX: usize = 1_000;
/// Stands for a figure that could not be made.
pub(super) const NO_FIGURE: &str = "no figure";

/// Which line a template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The subject.
    Subject,
    /// The line that inboxes show behind it.
    Preheader,
    /// The sentence under the title.
    Intro,
}

impl Line {
    fn limits(self) -> Limits {
        let (noun, template_max) = match self {
            Line::Subject => ("a subject", 500),
            Line::Preheader => ("a preheader", 500),
            Line::Intro => ("an intro", 2_000),
        };
        Limits {
            noun,
            template_max,
            fuel: 2_000,
            output_max: 8 * 1024,
            statements: CONDITIONS,
            html: false,
        }
    }

    fn characters_max(self) -> usize {
        match self {
            Line::Subject | Line::Preheader => SUBJECT_MAX,
            Line::Intro => INTRO_MAX,
        }
    }
}

/// The subject of a digest whose config has none.
pub fn default_template(headline: bool) -> &'static str {
    if headline {
        "{{ digest }}: {{ headline }}{% if change %} ({{ change }}){% endif %}\
         {% if goal %}, {{ goal }}{% endif %}, {{ date }}"
    } else {
        "{{ digest }} {{ date }}"
    }
}

/// What these templates can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectWords {
    /// `{{ digest }}`: the digest's name.
    pub digest: String,
    /// `{{ period }}`: the period in words.
    pub period: String,
    /// `{{ headline }}`: the figure with its name.
    pub headline: String,
    /// `{{ change }}`: its change, e.g. `+6 %`; empty where nothing is compared.
    pub change: String,
    /// `{{ goal }}`: its goal, e.g. `goal ≤ 2 min missed`; empty where it has none.
    pub goal: String,
    /// `{{ missed }}`: how many goals are missed.
    pub missed: usize,
    /// `{{ unusual }}`: how many figures lie outside their usual spread.
    pub unusual: usize,
    /// `{{ date }}`: the civil date of the slot.
    pub date: String,
    /// `{{ time }}`: the civil time of the slot.
    pub time: String,
    /// `{{ part }}`: whose part of a split digest it is; empty where it is not split.
    pub part: String,
    /// `{{ reports }}`: how many reports.
    pub reports: usize,
    /// `{{ provisional }}`: whether figures may still change.
    pub provisional: bool,
    /// `{{ late }}`: whether it was made well after its slot.
    pub late: bool,
    /// `{{ figures['report']['Column'] }}`: totals by report and column; `None` for a report that
    /// could not be made.
    pub figures: BTreeMap<String, Option<BTreeMap<String, String>>>,
}

/// The names above, for checking and for help.
pub const NAMES: [&str; 14] = [
    "digest",
    "period",
    "headline",
    "change",
    "goal",
    "missed",
    "unusual",
    "date",
    "time",
    "part",
    "reports",
    "provisional",
    "late",
    "figures",
];

/// What a config knows of a digest when its templates are checked.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whether it has a headline.
    pub headline: bool,
    /// By the name of each of its reports the columns that have a total; `None` where they come
    /// with the records (a pivot).
    pub reports: BTreeMap<String, Option<Vec<String>>>,
}

/// A line, and what was wrong with its template, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// One line without control characters, never empty.
    pub text: String,
    /// The same with the spaces that keep figures and units together, for the mail's title.
    pub heading: String,
    /// Why the template could not be used.
    pub problem: Option<String>,
}

/// What is wrong with a template, for checking a config; nothing where it can be used.
pub fn check(line: Line, template: &str, known: &Known) -> Vec<Mistake> {
    let whole = 0..template.len();
    let noun = line.limits().noun;
    if line != Line::Intro && template.contains(char::is_control) {
        return vec![Mistake { at: whole, message: format!("{noun} is one line"), help: None }];
    }
    let names = match template::names(template, &line.limits()) {
        Ok(names) => names,
        Err(failure) => {
            let help = Some("write e.g. `{{ digest }}: {{ headline }}`".to_owned());
            return vec![Mistake {
                at: failure.at.unwrap_or(whole),
                message: failure.message,
                help,
            }];
        }
    };
    let mut mistakes = Vec::new();
    for (name, at) in names {
        if !NAMES.contains(&name.as_str()) {
            let help = Some(format!("it knows {}", NAMES.join(", ")));
            mistakes.push(Mistake { at, message: format!("{noun} knows no `{name}`"), help });
        } else if !known.headline && matches!(name.as_str(), "headline" | "change" | "goal") {
            let message = format!("`{name}` needs a `headline` of the digest");
            let help = Some("write e.g. `headline = \"q1.Mean\"`".to_owned());
            mistakes.push(Mistake { at, message, help });
        }
    }
    if mistakes.is_empty() {
        mistakes.extend(tried(line, template, known));
    }
    mistakes
}

/// Fills a template once with words that are something and once with words that are nothing, so
/// that both sides of a condition are tried.
fn tried(line: Line, template: &str, known: &Known) -> Option<Mistake> {
    [true, false].into_iter().find_map(|filled| {
        let words = sample(known, filled);
        let failure = template::fill(template, words, &line.limits()).err()?;
        let help = failure.message.contains("undefined").then(|| {
            "a figure is written `{{ figures['report']['Column'] }}`, of a report of this digest \
             and a column with a total"
                .to_owned()
        });
        let at = failure.at.unwrap_or(0..template.len());
        Some(Mistake { at, message: failure.message, help })
    })
}

/// Words to try a template with.
fn sample(known: &Known, filled: bool) -> Value {
    let word = if filled { "word" } else { "" };
    let count = usize::from(filled);
    let figures = known.reports.iter().map(|(report, columns)| {
        let columns = match columns {
            None => Value::from_object(Figures(BTreeMap::new())),
            Some(columns) => {
                let columns = columns.iter().map(|column| (column.clone(), Value::from(word)));
                Value::from(columns.collect::<BTreeMap<String, Value>>())
            }
        };
        (report.clone(), columns)
    });
    let figures = Value::from(figures.collect::<BTreeMap<String, Value>>());
    context! {
        digest => "word", period => word, headline => word, change => word, goal => word,
        missed => count, unusual => count, date => "word", time => "word", part => word,
        reports => count, provisional => filled, late => filled, figures,
    }
}

/// The totals of one report; a column that is not there (a pivot without that value) and all of a
/// report that could not be made have no figure, which is told instead.
#[derive(Debug)]
struct Figures(BTreeMap<String, String>);

impl Object for Figures {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let figure = self.0.get(key.as_str()?).map_or(NO_FIGURE, String::as_str);
        Some(Value::from(figure))
    }
}

/// The subject. Never fails: a template that cannot be used gives a plain subject that says so.
pub fn subject(template: &str, words: &SubjectWords) -> Subject {
    let filled = fill(Line::Subject, template, words).and_then(|heading| {
        let empty = plain(&heading).trim().is_empty();
        if empty { Err("the subject is empty".to_owned()) } else { Ok(heading) }
    });
    let (heading, problem) = match filled {
        Ok(heading) => (heading, None),
        Err(problem) => {
            let plain = format!("{} of {} (its subject template failed)", words.digest, words.date);
            (tidy(&plain, SUBJECT_MAX), Some(problem))
        }
    };
    Subject { text: line(&heading), heading, problem }
}

/// A line of the mail from its template, its fixed spaces kept: an error says what is wrong.
pub fn fill(kind: Line, template: &str, words: &SubjectWords) -> Result<String, String> {
    let figures = words.figures.iter().map(|(report, columns)| {
        let figures = Figures(columns.clone().unwrap_or_default());
        (report.clone(), Value::from_object(figures))
    });
    let figures = Value::from(figures.collect::<BTreeMap<String, Value>>());
    let values = context! {
        digest => words.digest.as_str(),
        period => words.period.as_str(),
        headline => words.headline.as_str(),
        change => words.change.as_str(),
        goal => words.goal.as_str(),
        missed => words.missed,
        unusual => words.unusual,
        date => words.date.as_str(),
        time => words.time.as_str(),
        part => words.part.as_str(),
        reports => words.reports,
        provisional => words.provisional,
        late => words.late,
        figures,
    };
    let filled = template::fill(template, values, &kind.limits());
    filled.map(|text| tidy(&text, kind.characters_max())).map_err(|failure| failure.message)
}

/// Any text as a header-safe line of at most 150 characters: ordinary spaces, no control
/// characters, no marks that turn the direction of text.
pub fn line(text: &str) -> String {
    // Again by words: a fixed space beside an ordinary one makes two.
    let text = plain(&tidy(text, SUBJECT_MAX));
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// [`line`] with its fixed spaces kept.
fn tidy(text: &str, characters_max: usize) -> String {
    let text = clean(text);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    if text.chars().count() <= characters_max {
        return text;
    }
    let cut: String = text.chars().take(characters_max - 1).collect();
    format!("{}\u{2026}", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let q1 = Some(vec!["Sessions".to_owned(), "Mean".to_owned()]);
        let reports = [("q1".to_owned(), q1), ("q2".to_owned(), None)];
        Known { headline: true, reports: BTreeMap::from(reports) }
    }

    #[track_caller]
    fn written(template: &str, expected: &str) {
        let words = SubjectWords {
            digest: "morning".into(),
            period: "last 7 days".into(),
            headline: "Mean 3\u{a0}min 20\u{a0}s".into(),
            date: "Mon 23 Nov 2026".into(),
            time: "08:00".into(),
            change: "+6\u{a0}%".into(),
            goal: "goal \u{2264} 2\u{a0}min missed".into(),
            missed: 1,
            reports: 2,
            figures: BTreeMap::from([
                ("q1".into(), Some(BTreeMap::from([("Sessions".into(), "1,204".into())]))),
                ("q2".into(), None),
            ]),
            ..SubjectWords::default()
        };
        let subject = subject(template, &words);
        assert_eq!(subject.text, expected);
        assert_eq!(subject.problem, None);
        if !template.contains(char::is_control) {
            assert_eq!(check(Line::Subject, template, &known()), []);
        }
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
        written("{{ figures['q1']['Sessions'] }} sessions ({{ change }})", "1,204 sessions (+6 %)");
        written("{{ figures.q1.Sessions }}, {{ figures.q2.x }}", "1,204, no figure");
        written("{% if missed %}{{ missed }} missed{% endif %} of {{ reports }}", "1 missed of 2");
        written(
            default_template(true),
            "morning: Mean 3 min 20 s (+6 %), goal \u{2264} 2 min missed, Mon 23 Nov 2026",
        );
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
    fn a_template_is_checked_before_it_is_needed() {
        #[track_caller]
        fn check(template: &str, known: &Known, expected: &[(&str, &str)]) {
            let mistakes = super::check(Line::Subject, template, known);
            assert_eq!(mistakes.len(), expected.len(), "{mistakes:?}");
            for (mistake, (piece, message)) in mistakes.iter().zip(expected) {
                assert_eq!(template.get(mistake.at.clone()), Some(*piece), "{mistake:?}");
                assert!(mistake.message.contains(message), "{mistake:?}");
            }
        }
        let bare = Known::default();
        check("{{ digest }} {{ date }}", &bare, &[]);
        check("{{ perod }}", &known(), &[("perod", "a subject knows no `perod`")]);
        check(
            "{{ perod }}{{ change }}",
            &bare,
            &[("change", "`change` needs a `headline`"), ("perod", "knows no")],
        );
        check("{{ figures['q1']['Mean'] }}{{ figures.q2.Any }}", &known(), &[]);
        check("{{ figures.q9.Mean }}", &known(), &[("{{ figures.q9.Mean }}", "undefined")]);
        // Also behind a condition that is not met.
        let hidden = "{% if missed %}{% else %}{{ figures.q1.Medn }}{% endif %}";
        check(hidden, &known(), &[(hidden, "undefined")]);
        check("{{ period", &known(), &[("{{ period", "syntax")]);
        check("two\nlines", &known(), &[("two\nlines", "one line")]);
        assert_eq!(super::check(Line::Intro, "two\nlines", &known()), []);
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
