//! Templates and the words they are filled with: neither may break a mail or take without bound.

use std::collections::BTreeMap;

use postrider::render::subject::{self, Known, Line, SubjectWords};
use postrider::render::{OwnBody, custom};

use super::text;

/// The longest subject, in characters.
const SUBJECT_MAX: usize = 150;

/// A template, a NUL, and words from records.
pub fn template(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (template, words) = text.split_once('\0').unwrap_or((text, "word"));
    let figures = BTreeMap::from([(
        "waits".to_owned(),
        Some(BTreeMap::from([("Longest".to_owned(), words.to_owned())])),
    )]);
    let reports = BTreeMap::from([("waits".to_owned(), Some(vec!["Longest".to_owned()]))]);
    let known = Known { headline: true, reports };
    let words = SubjectWords {
        digest: words.to_owned(),
        period: words.to_owned(),
        headline: words.to_owned(),
        change: words.to_owned(),
        goal: words.to_owned(),
        part: words.to_owned(),
        figures,
        ..SubjectWords::default()
    };
    for line in [Line::Subject, Line::Preheader, Line::Intro] {
        for mistake in subject::check(line, template, &known) {
            super::texts::inside(&mistake, template);
        }
        match subject::fill(line, template, &words) {
            Ok(filled) => assert!(filled.len() <= 8 * 1024, "{} bytes", filled.len()),
            Err(why) => assert!(!why.trim().is_empty(), "an error without words"),
        }
    }
    let subject = subject::subject(template, &words);
    header_safe(&subject.text);
    header_safe(&subject::line(text));
    if let Err(why) = custom::check(template) {
        assert!(!why.trim().is_empty(), "an error without words");
    }
    if let Err(why) = OwnBody::new(template.to_owned()) {
        assert!(!why.trim().is_empty(), "an error without words");
    }
}

/// What stands in a header ends nowhere else.
fn header_safe(line: &str) {
    assert!(line.chars().count() <= SUBJECT_MAX, "{line:?} is too long");
    assert!(!line.chars().any(char::is_control), "{line:?} has control characters");
}
