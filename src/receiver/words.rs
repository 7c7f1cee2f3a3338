//! The far side's words, made fit for logs, the console and the ledger.

/// The longest reason that is kept, in characters.
pub(super) const WORDS_MAX: usize = 512;

/// Escapes what could forge a line or turn text around, and keeps the first [`WORDS_MAX`]
/// characters.
pub(super) fn words(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(WORDS_MAX));
    let mut length = 0;
    for symbol in text.trim().chars() {
        let escaped = symbol.escape_default();
        let width = if deceives(symbol) { escaped.len() } else { 1 };
        // One character is held back for the mark that something is missing.
        if length + width > WORDS_MAX - 1 {
            kept.push('…');
            break;
        }
        if width == 1 && !deceives(symbol) {
            kept.push(symbol);
        } else {
            kept.extend(escaped);
        }
        length += width;
    }
    kept
}

/// Control characters, line separators and the marks that change a line's direction.
fn deceives(symbol: char) -> bool {
    symbol.is_control()
        || matches!(
            symbol,
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::{WORDS_MAX, words};

    #[test]
    fn words_cannot_forge_a_line() {
        check("250 ok", "250 ok");
        check("  café ✓ \r\n", "café ✓");
        check("one\r\ntwo", "one\\r\\ntwo");
        check("\u{1b}[31mred\0", "\\u{1b}[31mred\\u{0}");
        check("a\u{202E}b\u{2028}c", "a\\u{202e}b\\u{2028}c");
    }

    #[test]
    fn words_have_a_bound_even_when_escaping_makes_them_longer() {
        let long = words(&"x".repeat(5_000));
        assert_eq!(long.chars().count(), WORDS_MAX);
        assert!(long.ends_with('…'));
        assert!(words(&"\u{1b}".repeat(5_000)).chars().count() <= WORDS_MAX);
        let exact = "y".repeat(WORDS_MAX - 1);
        check(&exact, &exact);
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(words(text), expected);
    }
}
