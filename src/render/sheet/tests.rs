use std::io::Read as _;

use proptest::prelude::*;

use super::*;
use crate::domain::compare::{Beside, Delta};
use crate::domain::digest::Attach;
use crate::domain::goal::Goal;
use crate::domain::report::Format;
use crate::domain::value::{Type, Value};
use crate::render::tests::fixtures::{self, column, text};
use crate::render::{DigestMail, HTML_BYTES_MAX, mail_bytes, render_digest};

fn written(table: &Table) -> String {
    String::from_utf8(csv(table, false, usize::MAX).unwrap()).unwrap()
}

fn delta(before: f64, change: f64) -> Option<Delta> {
    Some(Delta { before, change, relative: None, usual: None, unusual: false, better: None })
}

/// Waits with a comparison, a goal, a trend and links; 37 rows behind `top`, 2 of them known.
fn compared() -> Table {
    let mut table = fixtures::waits();
    table.columns[1].goal = Some(Goal("<= 200".parse().unwrap()));
    let beside = |n: usize| Beside {
        deltas: vec![None, delta(400.0, 12.3), None, None, delta(400.0, 31.0)],
        trend: vec![Some(1.0), None, Some(n as f64)],
        links: vec![Some(format!("https://crm.example.com/{n}")), None, None, None, None],
    };
    table.beside = (0..4).map(beside).collect();
    table.beside[3].links[0] = Some("javascript:alert(1)".to_owned());
    table.beside_total = Some(beside(9));
    table.trend = Some(4);
    table.rest = vec![
        vec![
            text("Telegram"),
            Value::Real(10.0),
            Value::Null,
            Value::Integer(1),
            Value::Integer(2),
        ],
        vec![text("Line"), Value::Null, Value::Null, Value::Integer(0), Value::Integer(1)],
    ];
    table
}

#[test]
fn a_csv_file_has_raw_values_and_no_totals() {
    assert_eq!(
        written(&fixtures::people()),
        "Account,User,Started,Consent\r\n\
         Acme GmbH,A\u{2026},2026-11-20T08:05:09+01:00,true\r\n\
         Beispiel & Söhne,ع\u{2026},2026-11-20T13:05:09+01:00,false\r\n\
         Acme GmbH,Z\u{2026},,\r\n"
    );
    let days = written(&fixtures::days());
    assert!(days.contains("\r\n2026-11-16,1200,1100,100,42,66,700,1\r\n"), "{days}");
    let marked = csv(&fixtures::people(), true, 1).unwrap();
    assert!(marked.starts_with(b"\xef\xbb\xbfAccount,"));
    assert_eq!(marked.iter().filter(|byte| **byte == b'\n').count(), 2);
}

#[test]
fn what_stands_beside_the_values_has_columns_of_its_own() {
    assert_eq!(
        written(&compared()),
        "Channel,Channel link,Mean of session means,Mean of session means before,\
         Mean of session means change,Mean of session means goal,95 % under,Measured,Sessions,\
         Sessions before,Sessions change,Sessions 2 periods ago,Sessions 1 period ago,\
         Sessions this period\r\n\
         WhatsApp EMEA,https://crm.example.com/0,412.3,400,12.3,missed,1803,402,431,400,31,1,,0\r\n\
         Web chat,https://crm.example.com/1,183.27,400,12.3,met,640.5,655,702,400,31,1,,1\r\n\
         Facebook Messenger,https://crm.example.com/2,59.97,400,12.3,met,121,97,97,400,31,1,,2\r\n\
         SMS (standard),,,400,12.3,,,0,80,400,31,1,,3\r\n\
         Telegram,,10,,,met,,1,2,,,,,\r\n\
         Line,,,,,,,0,1,,,,,\r\n"
    );
}

#[test]
fn headings_are_unique_and_no_formulas() {
    let names = ["Total", "total", "Total before", "=1+1", "", "a\r\nb"];
    let columns = names.map(|name| column(name, Type::Integer, Format::Auto)).to_vec();
    let mut table = fixtures::table("r", "?", columns, vec![vec![Value::Null; 6]]);
    let deltas = vec![delta(1.0, 1.0), None, None, None, None, None];
    table.beside = vec![Beside { deltas, ..Beside::default() }];
    let head = written(&table);
    assert_eq!(
        head.lines().next().unwrap(),
        "Total,Total before,Total change,total (2),Total before (2),'=1+1,Column,a  b"
    );
    xlsx(&digest(vec![table]), usize::MAX).unwrap();
}

#[test]
fn a_row_of_another_width_is_refused() {
    let mut table = fixtures::waits();
    table.rest = vec![vec![Value::Null]];
    let told = csv(&table, false, 9).unwrap_err().to_string();
    assert_eq!(told, "a row of `agent-response-time` has 1 cells, its table 5 columns");
    let mail = DigestMail { attach: vec![Attach::Xlsx], ..digest(vec![table]) };
    let attached = attached(&mail);
    assert!(attached.files.is_empty());
    assert!(attached.notices[0].contains("could not be written"), "{:?}", attached.notices);
}

fn digest(tables: Vec<Table>) -> DigestMail {
    DigestMail {
        sections: tables.into_iter().map(Section::Table).collect(),
        headline: None,
        ..fixtures::digest()
    }
}

/// The files in a workbook, by name: stored or deflated entries of a zip file.
fn entries(bytes: &[u8]) -> Vec<(String, String)> {
    let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let word = |at: usize| half(at) + (half(at + 2) << 16);
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let (count, mut at) = (half(end + 10), word(end + 16));
    let mut found = Vec::new();
    for _ in 0..count {
        assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
        let (method, packed, local) = (half(at + 10), word(at + 20), word(at + 42));
        let name = String::from_utf8(bytes[at + 46..at + 46 + half(at + 28)].to_vec()).unwrap();
        let data = local + 30 + half(local + 26) + half(local + 28);
        let data = &bytes[data..data + packed];
        let mut content = String::new();
        match method {
            0 => content = String::from_utf8(data.to_vec()).unwrap(),
            _ => {
                flate2::read::DeflateDecoder::new(data).read_to_string(&mut content).unwrap();
            }
        }
        found.push((name, content));
        at += 46 + half(at + 28) + half(at + 30) + half(at + 32);
    }
    found
}

#[test]
fn a_workbook_is_the_same_to_the_byte_and_holds_no_formula() {
    let mut mail = fixtures::digest();
    mail.sections.push(Section::Table(compared()));
    let bytes = xlsx(&mail, usize::MAX).unwrap();
    assert!(bytes == xlsx(&mail, usize::MAX).unwrap());
    let entries = entries(&bytes);
    let sheets: Vec<&(String, String)> =
        entries.iter().filter(|(name, _)| name.starts_with("xl/worksheets/sheet")).collect();
    // `About` and one a table; a report that failed has none.
    assert_eq!(sheets.len(), 8);
    for (name, sheet) in &sheets {
        assert!(!sheet.contains("<f>") && !sheet.contains("<f "), "{name}");
    }
    let all = |name: &str| &entries.iter().find(|(found, _)| found == name).unwrap().1;
    let names: Vec<&str> = all("xl/workbook.xml")
        .split("<sheet name=\"")
        .skip(1)
        .map(|sheet| sheet.split('"').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "About",
            "agent-messages",
            "agent-response-time",
            "accounts",
            "consents",
            "days",
            "undelivered",
            "agent-response-time (2)",
        ]
    );
    assert!(all("docProps/core.xml").contains("2026-11-23T07:00:00Z"));
    let links: String = entries
        .iter()
        .filter(|(name, _)| name.ends_with(".rels"))
        .map(|(_, e)| e.as_str())
        .collect();
    assert!(links.contains("https://crm.example.com/0"));
    assert!(!links.contains("javascript"));
    let strings = all("xl/sharedStrings.xml");
    assert!(strings.contains("=HYPERLINK("), "text as it was");
    assert!(strings.contains("Others (37)") && strings.contains("Could not be made"));
}

#[test]
fn sheets_of_any_name_can_be_written() {
    let names = [
        "History",
        "about",
        "a/b:c*d?[e]\\f",
        "'quoted'",
        "",
        "x".repeat(80).leak(),
        "\u{1f600}".repeat(40).leak(),
        "x".repeat(90).leak(),
        "=1+1",
        "Sheet!A1",
        "\0",
    ];
    let tables = names.map(|name| {
        let chart = crate::domain::chart::Chart {
            kind: crate::domain::chart::ChartKind::Bars,
            values: vec![4],
            by: 0,
        };
        let title = name.to_owned();
        Table { report: name.to_owned(), title, chart: Some(chart), ..compared() }
    });
    let bytes = xlsx(&digest(tables.to_vec()), usize::MAX).unwrap();
    let entries = entries(&bytes);
    assert_eq!(entries.iter().filter(|(name, _)| name.starts_with("xl/charts/chart")).count(), 11);
}

/// Rows of names that do not compress.
fn long(rows: usize) -> Table {
    let columns = vec![
        column("*Account", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
    ];
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 16
    };
    let mut all: Vec<Vec<Value>> = (0..rows)
        .map(|n| {
            let name = format!("{:012x}{:012x}{:012x}", random(), random(), random());
            vec![text(&name), Value::Integer(n as i64)]
        })
        .collect();
    let rest = all.split_off(rows.min(50));
    Table { rest, ..fixtures::table("accounts", "Which accounts write most?", columns, all) }
}

fn attaching(attach: Vec<Attach>, bytes_max: usize, rows: usize) -> DigestMail {
    DigestMail { attach, bytes_max, ..digest(vec![long(rows), compared()]) }
}

const ALL: [Attach; 3] = [Attach::Csv { bom: false }, Attach::Xlsx, Attach::Json];

#[test]
fn files_go_whole_then_shorter_then_not_at_all() {
    #[track_caller]
    fn check(bytes_max: usize, rows: usize, names: &[&str], notices: &[&str]) -> Attached {
        let attached = attached(&attaching(ALL.to_vec(), bytes_max, rows));
        let found: Vec<&str> = attached.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(attached.notices.len(), notices.len(), "{:?}", attached.notices);
        for (found, told) in attached.notices.iter().zip(notices) {
            assert!(found.contains(told), "{told}: {found}");
        }
        attached
    }
    let names = [
        "accounts_2026-11-16_2026-11-22.csv",
        "agent-response-time_2026-11-16_2026-11-22.csv",
        "morning_2026-11-23.xlsx",
        "morning_2026-11-23.json",
    ];
    // The table has said that 37 rows are behind `top`, and only 2 of them are known.
    let few = "has the first 6 of 41 rows of agent-response-time. Totals are over all rows.";
    let whole = check(10_000_000, 2_000, &names, &[few, few]);
    assert_eq!(whole.files[0].bytes.iter().filter(|byte| **byte == b'\n').count(), 2_001);

    let cut = attached(&attaching(ALL.to_vec(), 500_000, 5_000));
    assert_eq!(cut.files.len(), 4, "{:?}", cut.notices);
    let lines = cut.files[0].bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!((1_000..5_000).contains(&lines), "{lines}");
    let grouped = format!("{},{:03}", (lines - 1) / 1_000, (lines - 1) % 1_000);
    let told = format!(
        "accounts_2026-11-16_2026-11-22.csv has the first {grouped} of 5,000 rows of accounts: with \
         all of them this mail would be larger than 500 kB. Totals are over all rows."
    );
    assert_eq!(cut.notices[0], told);

    let out = "is not attached: this mail would be larger than 200 kB.";
    check(200_000, 2_000, &[], &[out, out, out, out]);
}

#[test]
fn each_kind_goes_once_and_parts_have_names_of_their_own() {
    let twice = vec![Attach::Csv { bom: true }, Attach::Csv { bom: false }, Attach::Xlsx];
    let mut mail = attaching(twice, 10_000_000, 3);
    mail.sections.push(Section::Table(long(3)));
    mail.part = Some("../Acme & Söhne".to_owned());
    let names: Vec<String> = attached(&mail).files.into_iter().map(|file| file.name).collect();
    assert_eq!(
        names,
        [
            "accounts_Acme-Söhne_2026-11-16_2026-11-22.csv",
            "agent-response-time_Acme-Söhne_2026-11-16_2026-11-22.csv",
            "accounts_Acme-Söhne_2026-11-16_2026-11-22_2.csv",
            "morning_Acme-Söhne_2026-11-23.xlsx",
        ]
    );
}

#[test]
fn attached_json_is_the_payload_without_the_mail() {
    let file = &attached(&attaching(vec![Attach::Json], 10_000_000, 3)).files[0];
    let json: serde_json::Value = serde_json::from_slice(&file.bytes).unwrap();
    assert_eq!(json["type"], "digest.sent");
    assert_eq!(json["data"]["reports"][1]["table"]["rows"][0][1], 412.3);
    assert_eq!(json["data"]["html"], "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_mail_is_ever_larger_than_it_may_be(
        bytes_max in 230_000_usize..1_500_000,
        rows in 0_usize..6_000,
        kinds in prop::sample::subsequence(ALL.to_vec(), 0..=3),
        wide in any::<bool>(),
    ) {
        let mut mail = attaching(kinds, bytes_max, rows);
        if wide && let Section::Table(table) = &mut mail.sections[0] {
            for row in table.rows.iter_mut().chain(&mut table.rest) {
                row[0] = text(&"ü\u{1f600}=".repeat(40));
            }
        }
        let attached = attached(&mail);
        let mut rendered = render_digest(&mail);
        rendered.attachments = attached.files;
        // The worst that the rest of a mail can be.
        rendered.html = "x".repeat(HTML_BYTES_MAX * 9 / 10);
        rendered.text = rendered.html.clone();
        let length = mail_bytes(&fixtures::envelope(), &rendered).unwrap().len();
        prop_assert!(length <= bytes_max, "{} of {}", length, bytes_max);
        // What is missing is told.
        let told = attached.notices.len();
        prop_assert!(told > 0 || !rendered.attachments.is_empty() || mail.attach.is_empty());
    }
}
