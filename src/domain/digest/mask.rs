//! Readers outside: who they are, and tables with personal columns shortened for them.
//!
//! Shortened is the table itself, so that no rendering (HTML, text, chart, file, payload) can forget
//! to.

use crate::domain::table::{self, Section, Table};
use crate::domain::value::Value;

/// Columns that readers at other domains get shortened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskOutside {
    /// Domains whose readers see everything, in lower case.
    pub domains: Vec<String>,
    /// Names of columns of the digest's reports.
    pub columns: Vec<String>,
}

impl MaskOutside {
    /// Whether an address is at none of the domains. A subdomain is another domain.
    pub fn is_outside(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        !self.domains.iter().any(|known| known.eq_ignore_ascii_case(domain))
    }

    /// The sections with the columns shortened: values, the values behind `top`, what they are
    /// compared with, and addresses of records.
    pub fn shortened(&self, sections: &[Section]) -> Vec<Section> {
        let each = sections.iter().map(|section| match section {
            Section::Table(table) => Section::Table(self.table(table.clone())),
            failed @ Section::Failed { .. } => failed.clone(),
        });
        each.collect()
    }

    fn table(&self, mut table: Table) -> Table {
        let masked: Vec<bool> =
            table.columns.iter().map(|column| self.columns.contains(&column.name)).collect();
        if !masked.contains(&true) {
            return table;
        }
        let shorten = |row: &mut Vec<Value>| {
            for (value, masked) in row.iter_mut().zip(&masked) {
                if *masked {
                    *value = table::mask(std::mem::replace(value, Value::Null));
                }
            }
        };
        table.rows.iter_mut().for_each(shorten);
        table.rest.iter_mut().for_each(shorten);
        table.total.iter_mut().for_each(shorten);
        let others = table.others.iter_mut().filter_map(|others| others.values.as_mut());
        others.for_each(shorten);
        // A number beside a shortened one would give it away.
        for beside in table.beside.iter_mut().chain(&mut table.beside_total) {
            let deltas = beside.deltas.iter_mut().zip(&masked);
            deltas.filter(|(_, masked)| **masked).for_each(|(delta, _)| *delta = None);
            let links = beside.links.iter_mut().zip(&masked);
            links.filter(|(_, masked)| **masked).for_each(|(link, _)| *link = None);
        }
        let is_masked = |column: usize| masked.get(column) == Some(&true);
        if table.trend.is_some_and(is_masked) {
            table.trend = None;
            let beside = table.beside.iter_mut().chain(&mut table.beside_total);
            beside.for_each(|beside| beside.trend.clear());
        }
        table.restated.retain(|restated| !is_masked(restated.column));
        table
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::samples::{column, failed, table};
    use super::*;
    use crate::domain::compare::{Beside, Delta, Restated};
    use crate::domain::period::Window;
    use crate::domain::table::Others;

    fn mask() -> MaskOutside {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        MaskOutside { domains: texts(&["example.com"]), columns: texts(&["User", "Pay"]) }
    }

    #[test]
    fn outside_is_whoever_is_at_no_domain_of_ours() {
        for (address, outside) in [
            ("a@example.com", false),
            ("a@EXAMPLE.com", false),
            ("a@sub.example.com", true),
            ("a@example.com.evil.org", true),
            ("a@notexample.com", true),
            ("none", true),
        ] {
            assert_eq!(mask().is_outside(address), outside, "{address}");
        }
    }

    #[test]
    fn nothing_of_a_shortened_value_is_left() {
        let secret = |row: u32| format!("Secretname{row}");
        let row = |n: u32| vec![Value::Text(secret(n)), Value::Real(4321.5), Value::Integer(7)];
        let columns =
            vec![column("User", true, None), column("Pay", false, None), column("n", false, None)];
        let delta = |before| Delta {
            before,
            change: 1.0,
            relative: None,
            usual: None,
            unusual: false,
            better: None,
        };
        let beside = |n: u32| Beside {
            deltas: vec![None, Some(delta(4320.5)), Some(delta(6.0))],
            trend: vec![Some(4320.5), Some(4321.5)],
            links: vec![Some(format!("https://x/{}", secret(n))), None, Some("https://x/7".into())],
        };
        let at = DateTime::UNIX_EPOCH;
        let restated = |column, before, now| Restated {
            slot: at,
            window: Window { from: at, to: at },
            column,
            before,
            now,
        };
        let full = Table {
            rest: vec![row(3)],
            others: Some(Others { rows: 1, values: Some(row(4)) }),
            trend: Some(1),
            beside: vec![beside(1), beside(2)],
            beside_total: Some(beside(5)),
            restated: vec![restated(1, 4320.5, 4321.5), restated(2, 6.0, 7.0)],
            ..table("pay", columns, vec![row(1), row(2)], Some(row(5)))
        };
        let sections = [Section::Table(full), failed("other")];
        let written = |sections: &[Section]| serde_json::to_string(sections).unwrap();
        let (whole, shortened) = (written(&sections), written(&mask().shortened(&sections)));
        for piece in ["ecretname", "432"] {
            assert!(whole.contains(piece) && !shortened.contains(piece), "{piece}: {shortened}");
        }
        let Section::Table(table) = &mask().shortened(&sections)[0] else { unreachable!() };
        assert_eq!(table.rows[0][0], Value::Text("S\u{2026}".into()));
        // The other columns are as they were.
        assert_eq!(table.rows[0][2], Value::Integer(7));
        assert_eq!(table.beside[0].deltas[2].map(|delta| delta.before), Some(6.0));
        assert_eq!(table.beside[0].links[2].as_deref(), Some("https://x/7"));
        assert_eq!(table.restated.len(), 1);
    }
}
