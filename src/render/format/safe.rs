//! Text from records and configs, made safe to stand among other text.

use super::MINUS;

/// Text from records and configs made safe to show: control characters become spaces, marks that
/// turn the direction of what follows are dropped.
pub fn clean(text: &str) -> String {
    let keep = text.chars().filter(|c| !turns_text(*c));
    let spaced =
        keep.map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    let out: String = spaced.collect();
    out.trim().to_owned()
}

/// [`clean`], and cut to so many characters.
pub fn clipped(text: &str, max: usize) -> String {
    shortened(clean(text), max)
}

/// Cut to so many characters: for what is clean already, such as a [`super::Locale::value`], whose
/// isolates stay.
pub fn shortened(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text,
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}

/// A text without the marks that turn the direction of what follows.
pub(super) fn unturned(text: &str) -> String {
    text.chars().filter(|c| !turns_text(*c)).collect()
}

fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a text has letters written from right to left.
fn right_to_left(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    })
}

/// A text between isolates where its letters run from right to left, so that they leave the order
/// of what stands around them alone.
pub fn isolated(text: String) -> String {
    if right_to_left(&text) { format!("\u{2068}{text}\u{2069}") } else { text }
}

/// A text in the letters that every plain-text reader and header has: fixed spaces and the minus
/// sign become their ASCII kin.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{a0}' | '\u{202f}' => ' ',
            MINUS => '-',
            c => c,
        })
        .collect()
}
