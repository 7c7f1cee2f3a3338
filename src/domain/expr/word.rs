//! Words without a dot: names of the folded row, and of columns before.

use std::ops::Range;

use sqlparser::ast;

use super::lower::DEPTH_MAX;
use super::names::{bare_field_help, closest};
use super::parse::{bytes, shortened};
use super::{Expr, LIST, Lowerer, Node, Place, State, has_aggregate};

/// Most pieces that the columns named in one column may bring into it: what names others that name
/// others doubles with each.
const PIECES_MAX: usize = 2000;

impl Lowerer<'_> {
    /// A word without a dot.
    pub(super) fn word(&mut self, name: &ast::Ident) -> Option<Node> {
        let at = bytes(name.span);
        match self.folded {
            Some(_) => self.folded_word(&name.value, at),
            None => {
                let tables = &self.report_type.tables;
                let alias = tables.iter().any(|table| table.alias == name.value);
                if !alias && let Some(found) = self.column(&name.value, at.clone()) {
                    return found;
                }
                self.no_field(&name.value, at);
                None
            }
        }
    }

    fn no_field(&mut self, word: &str, at: Range<usize>) {
        let grouping = self.grouping.groups.iter().any(|group| group.name == word);
        let names = self.earlier();
        let message = match names.is_empty() {
            true => format!("`{}` is not a field", shortened(word)),
            false => format!("`{}` is neither a field nor a column before", shortened(word)),
        };
        let help = match closest(word, names.iter().copied()) {
            _ if grouping => "it is a grouping column and shown as such".to_owned(),
            Some(name) => format!("did you mean {}?", quoted(name)),
            None => bare_field_help(self.report_type, self.visible, word),
        };
        self.mistake(at, message).help = Some(help);
    }

    fn folded_word(&mut self, word: &str, at: Range<usize>) -> Option<Node> {
        let folded = self.folded.unwrap_or_default();
        let tables = &self.report_type.tables;
        let found = folded.iter().position(|known| known.name == *word).or_else(|| {
            // The alias of a key means the key, whatever its heading.
            folded.iter().position(|k| k.alias.is_some_and(|table| tables[table].alias == *word))
        });
        let over_rows = matches!(self.place, Place::Row(_));
        if !(found.is_some() && over_rows)
            && let Some(found) = self.column(word, at.clone())
        {
            return found;
        }
        let Some(index) = found else {
            let names: Vec<&str> =
                folded.iter().map(|known| known.name.as_str()).chain(self.earlier()).collect();
            let help = match closest(word, names.iter().copied()) {
                Some(name) => format!("did you mean {}?", quoted(name)),
                None => format!("`per` and `values` name {}", names.join(", ")),
            };
            self.mistake(at, format!("the fold has nothing called `{}`", shortened(word))).help =
                Some(help);
            return None;
        };
        if !over_rows {
            self.not_aggregated(at);
            return None;
        }
        let known = &folded[index];
        Some(Node { expr: Expr::Folded(index), ty: known.ty, at, origin: known.origin })
    }

    /// The columns before, where they may be named.
    fn earlier(&self) -> Vec<&str> {
        let known = self.columns.iter().filter(|known| !matches!(known.state, State::Later));
        match self.place {
            Place::Group | Place::Share | Place::Row(LIST) => {
                known.map(|known| known.name.as_str()).collect()
            }
            Place::Row(_) => vec![],
        }
    }

    /// What a column of this name means here, if there is one. Its expression is put in the place of
    /// its name.
    fn column(&mut self, word: &str, at: Range<usize>) -> Option<Option<Node>> {
        let named = self.columns.iter().find(|known| known.name == word)?;
        match self.place {
            Place::Group | Place::Share | Place::Row(LIST) => {}
            Place::Row("an aggregate") => {
                let message =
                    format!("{} is a column and cannot be aggregated again", quoted(word));
                self.mistake(at, message).help =
                    Some("aggregate the field it is made of, or fold first".to_owned());
                return Some(None);
            }
            Place::Row(_) => return None,
        }
        let node = match &named.state {
            State::Checked(node) => node,
            State::Wrong => return Some(None),
            State::Later => {
                self.mistake(at, format!("{} is a column that comes later", quoted(word))).help =
                    Some("put it before this one".to_owned());
                return Some(None);
            }
        };
        if self.place == Place::Share {
            let (mut share, mut key) = (false, false);
            node.expr.walk(&mut |expr| {
                share |= matches!(expr, Expr::Share(_));
                key |= matches!(expr, Expr::Key(_) | Expr::Carried(_));
            });
            if share {
                self.mistake(at, "`share` stands inside `share`");
                return Some(None);
            }
            if key || !has_aggregate(&node.expr) {
                self.not_aggregated(at);
                return Some(None);
            }
        }
        let (pieces, depth) = measured(&node.expr);
        self.named_pieces += pieces;
        if self.named_pieces > PIECES_MAX || self.depth + depth > DEPTH_MAX {
            self.mistake(at, "too large with the columns it names");
            return Some(None);
        }
        Some(Some(Node { at, ..node.clone() }))
    }
}

/// A heading as an expression names it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    match name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("`{name}`"),
        false => format!("`\"{name}\"`"),
    }
}

/// How many pieces an expression has, and how deep they lie.
fn measured(expr: &Expr) -> (usize, usize) {
    let each: Vec<(usize, usize)> = expr.parts().into_iter().map(measured).collect();
    let listed = if let Expr::In(_, items) = expr { items.len() } else { 0 };
    let pieces = listed + each.iter().map(|(pieces, _)| pieces).sum::<usize>();
    let depth = each.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    (pieces + 1, depth + 1)
}
