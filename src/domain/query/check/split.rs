//! What splits an answer into parts.

use std::collections::BTreeSet;

use super::{Checker, Keyed};
use crate::domain::expr::{Expr, Known, Mistake};
use crate::domain::query::{Fold, Group, Part};

impl Checker<'_> {
    /// Checks the texts that split the answer; nothing where there is a mistake in one. They are
    /// over joined rows, also where those are folded afterwards.
    pub(super) fn splits(&mut self, texts: &[String]) -> Option<Vec<Keyed>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let items = self.items(&texts, Part::Split);
        let keyed: Vec<Option<Keyed>> =
            items.iter().map(|item| item.as_ref().and_then(|item| self.group(item))).collect();
        let keyed: Vec<Keyed> = keyed.into_iter().collect::<Option<_>>()?;
        let Some((first, further)) = keyed.split_first() else { return Some(keyed) };
        let start = match first.group.expr {
            Expr::Field(field) => Some(field),
            _ => None,
        };
        let known = Known::given(self.report_type, self.filter.as_ref(), start);
        let before = self.mistakes.len();
        for (index, other) in (1..).zip(further) {
            let mut read = BTreeSet::new();
            other.group.expr.fields_into(&mut read);
            if other.group.expr != first.group.expr && !read.into_iter().all(|f| known.has(f)) {
                let one = &first.group.name;
                let mistake = Mistake::new(
                    0..texts[index].len(),
                    format!("one `{one}` may have several of these"),
                );
                let help = match first.group.alias {
                    Some(table) => {
                        let alias = &self.report_type.tables[table].alias;
                        format!("write a field of `{alias}`, e.g. `{alias}.OwnerMail`")
                    }
                    None => format!("write what follows from `{one}` alone"),
                };
                self.note(Part::Split(index), mistake.with_help(help));
            }
        }
        (self.mistakes.len() == before).then_some(keyed)
    }

    /// The same over folded rows, where there is a fold: the last of its keys.
    pub(super) fn outer(splits: Vec<Keyed>, fold: Option<&Fold>) -> Vec<Keyed> {
        let Some(fold) = fold else { return splits };
        let first = fold.keys.len() - splits.len();
        let folded = |(index, keyed): (usize, Keyed)| Keyed {
            group: Group { expr: Expr::Folded(index), ..keyed.group },
            ..keyed
        };
        (first..).zip(splits).map(folded).collect()
    }
}
