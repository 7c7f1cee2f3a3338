//! LIKE: `%` is any text, `_` any one character, and case does not matter.

/// One piece of a LIKE pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Piece {
    Any,
    One,
    Char(char),
}

/// Reads a pattern; a backslash makes the next character an ordinary one.
pub(super) fn pattern(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '%' => pieces.push(Piece::Any),
            '_' => pieces.push(Piece::One),
            '\\' => pieces.extend(chars.next().map(Piece::Char)),
            plain => pieces.extend(plain.to_lowercase().map(Piece::Char)),
        }
    }
    pieces
}

/// Whether a text fits a pattern, without backtracking more than the last `%`.
pub(super) fn is_like(pieces: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut at, mut piece) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                last_any = Some((piece, at));
                piece += 1;
            }
            Some(Piece::One) => {
                at += 1;
                piece += 1;
            }
            Some(Piece::Char(char)) if *char == text[at] => {
                at += 1;
                piece += 1;
            }
            _ => match last_any {
                Some((any, from)) => {
                    last_any = Some((any, from + 1));
                    piece = any + 1;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    pieces[piece..].iter().all(|rest| *rest == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_wildcards_escapes_and_no_case() {
        check("acme%", "ACME GmbH", true);
        check("%gmbh", "Acme GmbH", true);
        check("a_me%", "Acme", true);
        check("100\\%", "100%", true);
        check("100\\%", "1000", false);
        check("%a%b%c", "xxaxxbxxbc", true);
        check("%a%b", "xxaxxbc", false);
        check("", "", true);
        check("müll%", "MÜLLER", true);
    }

    #[track_caller]
    fn check(like: &str, text: &str, expected: bool) {
        assert_eq!(is_like(&pattern(like), text), expected, "{text} like {like}");
    }
}
