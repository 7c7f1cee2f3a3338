//! Names of files, safe on every system.

use chrono::{NaiveDate, TimeDelta};

use crate::domain::period::Window;
use crate::domain::zone::Zone;

/// Longest name, in characters: with its header it fits a line of a mail.
const NAME_MAX: usize = 64;
/// Names that are devices on Windows, whatever follows their first dot.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// A file's name from what it is of, its dates and its ending (`csv`): `morning_2026-11-23.csv`.
///
/// Safe on every system: letters and digits of any script, `-` and `_`, one dot; no part of a path,
/// no reserved name, at most 64 characters; never empty.
pub fn file_name(parts: &[&str], dates: &str, ending: &str) -> String {
    let parts: Vec<String> =
        parts.iter().map(|part| safe(part)).filter(|part| !part.is_empty()).collect();
    let mut stem = parts.join("_");
    if stem.is_empty() {
        stem.push_str("report");
    }
    let tail = match safe(dates) {
        dates if dates.is_empty() => format!(".{ending}"),
        dates => format!("_{dates}.{ending}"),
    };
    // Room for the number of a second file of the same name.
    let room = NAME_MAX.saturating_sub(tail.chars().count() + 4).max(1);
    let cut: String = stem.chars().take(room).collect();
    let mut name = format!("{}{tail}", cut.trim_end_matches(['-', '_']));
    if name.starts_with(['-', '_', '.']) || is_device(&name) {
        name.insert_str(0, "report");
    }
    name
}

/// The days a file is about: `2026-11-22` or `2026-11-16_2026-11-22`.
pub(super) fn dates(window: Option<Window>, zone: &Zone, slot: NaiveDate) -> String {
    let Some(window) = window else { return slot.to_string() };
    let first = zone.civil(window.from).date();
    let last = zone.civil((window.to - TimeDelta::milliseconds(1)).max(window.from)).date();
    if first == last { first.to_string() } else { format!("{first}_{last}") }
}

/// A name that none of those before has: `a.csv`, `a_2.csv`.
pub(super) fn distinct(name: String, taken: &[String]) -> String {
    let lower = |name: &str| name.to_lowercase();
    let is_taken = |name: &str| taken.iter().any(|other| lower(other) == lower(name));
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    let mut numbered = (2..).map(|number| format!("{stem}_{number}.{ending}"));
    match is_taken(&name) {
        false => name,
        true => numbered.find(|name| !is_taken(name)).expect("there are always more numbers"),
    }
}

/// Letters, digits and single separators; everything else is a `-`.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '_' if !out.ends_with('_') => out.push('_'),
            // Marks that belong to the letter before them.
            '\u{300}'..='\u{36f}' if !out.is_empty() => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            _ if !out.is_empty() && !out.ends_with(['-', '_']) => out.push('-'),
            _ => {}
        }
    }
    out.trim_matches(['-', '_']).to_owned()
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| {
            let mut rest = rest.chars();
            rest.next().is_some_and(|c| c.is_numeric()) && rest.next().is_none()
        })
    };
    DEVICES.contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_files_are_safe_whatever_a_report_is_called() {
        #[track_caller]
        fn check(name: &str, expected: &str) {
            assert_eq!(file_name(&[name], "", "csv"), expected);
        }
        check("agent-response-time", "agent-response-time.csv");
        check("..\\foo", "foo.csv");
        check("../../etc/passwd", "etc-passwd.csv");
        check("/etc/passwd", "etc-passwd.csv");
        check("C:\\Windows\\x", "C-Windows-x.csv");
        check("\\\\server\\share", "server-share.csv");
        check("CON", "reportCON.csv");
        check("nul", "reportnul.csv");
        check("com1", "reportcom1.csv");
        check("LPT\u{b9}", "reportLPT\u{b9}.csv");
        check("COM10", "COM10.csv");
        check("console", "console.csv");
        check(".htaccess", "htaccess.csv");
        check("invoice.exe", "invoice-exe.csv");
        check("a\0b", "a-b.csv");
        check("", "report.csv");
        check("...", "report.csv");
        check("   ", "report.csv");
        check("-rf", "rf.csv");
        check("a\r\nBcc: b@example.com", "a-Bcc-b-example-com.csv");
        check("report\u{202e}fdp.exe", "report-fdp-exe.csv");
        check("a<b>c:d\"e|f?g*h", "a-b-c-d-e-f-g-h.csv");
        check("%2e%2e%2f", "2e-2e-2f.csv");
        check("$(rm -rf ~)`id`;x", "rm-rf-id-x.csv");
        check("trailing. . .", "trailing.csv");
        check("Übersicht für Größe", "Übersicht-für-Größe.csv");
        check("株式会社テスト", "株式会社テスト.csv");
        check("شركة الأمل", "شركة-الأمل.csv");
        check("e\u{301}te\u{301}", "e\u{301}te\u{301}.csv");
        check("\u{1f600} smile", "smile.csv");
        check(&"x".repeat(300), &format!("{}.csv", "x".repeat(56)));
    }

    #[test]
    fn dates_and_parts_stay_when_the_name_is_long() {
        let dates = "2026-11-16_2026-11-22";
        assert_eq!(
            file_name(&["weekly", "Acme & Sons"], dates, "xlsx"),
            "weekly_Acme-Sons_2026-11-16_2026-11-22.xlsx"
        );
        let long = file_name(&[&"ab-".repeat(100)], dates, "xlsx");
        assert!(long.ends_with("_2026-11-16_2026-11-22.xlsx"), "{long}");
        assert!(long.chars().count() <= NAME_MAX, "{long}");
        assert_eq!(file_name(&["..", "\u{202e}"], dates, "csv"), format!("report_{dates}.csv"));
    }

    #[test]
    fn a_period_is_named_by_its_first_and_last_day() {
        #[track_caller]
        fn check(window: Option<[&str; 2]>, expected: &str) {
            let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc();
            let window = window.map(|[from, to]| Window { from: at(from), to: at(to) });
            let slot = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
            assert_eq!(dates(window, &Zone::named("Europe/Berlin").unwrap(), slot), expected);
        }
        check(None, "2026-11-23");
        check(Some(["2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z"]), "2026-11-22");
        check(Some(["2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z"]), "2026-11-16_2026-11-22");
        check(Some(["2026-11-22T23:00:00Z", "2026-11-22T23:00:00Z"]), "2026-11-23");
    }

    #[test]
    fn files_of_one_mail_have_names_of_their_own() {
        let taken = ["a.csv".to_owned(), "a_2.csv".to_owned()];
        assert_eq!(distinct("a.csv".to_owned(), &taken), "a_3.csv");
        assert_eq!(distinct("A.csv".to_owned(), &taken), "A_3.csv");
        assert_eq!(distinct("b.csv".to_owned(), &taken), "b.csv");
    }

    proptest! {
        #[test]
        fn any_text_gives_a_safe_name(a in any::<String>(), b in "[./\\\\:_\\- a-z0-9]{0,80}") {
            let name = file_name(&[&a, &b], "2026-11-23", "xlsx");
            prop_assert!(name.chars().count() <= NAME_MAX);
            prop_assert!(name.ends_with("_2026-11-23.xlsx"), "{}", name);
            prop_assert_eq!(name.matches('.').count(), 1);
            prop_assert!(!name.starts_with(['.', '-', '_', ' ']));
            prop_assert!(!is_device(&name));
            let allowed = |c: char| {
                c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '\u{300}'..='\u{36f}')
            };
            prop_assert!(name.chars().all(allowed), "{}", name);
        }
    }
}
