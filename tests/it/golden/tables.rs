//! Tables made by hand, of the kinds that break mails.

use chrono::{DateTime, TimeDelta, Utc};
use postrider::domain::chart::{Chart, ChartKind};
use postrider::domain::compare::{Beside, Compared, Delta, Restated};
use postrider::domain::expr::Unit;
use postrider::domain::goal::Goal;
use postrider::domain::period::Window;
use postrider::domain::report::Format;
use postrider::domain::table::{Column, Others, Table};
use postrider::domain::value::{Type, Value};
use postrider::domain::zone::Zone;

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(crate) fn berlin() -> Zone {
    Zone::named("Europe/Berlin").unwrap()
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A column; one that groups is called `*Name`.
pub(super) fn column(name: &str, ty: Type, format: Format) -> Column {
    Column {
        name: name.trim_start_matches('*').to_owned(),
        format,
        grouping: name.starts_with('*'),
        numeric: ty.is_number(),
        share: matches!(format, Format::Percent),
        ty: Some(ty),
        unit: None,
        goal: None,
        pivot: None,
    }
}

/// The week before Monday 23 November 2026 in Berlin.
fn week() -> Window {
    Window { from: at("2026-11-15T23:00:00Z"), to: at("2026-11-22T23:00:00Z") }
}

pub(super) fn table(title: &str, columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Table {
    Table {
        coverage_low: vec![],
        report: title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        definition: String::new(),
        title: title.to_owned(),
        about: None,
        window: Some(week()),
        period: "last 7 days".to_owned(),
        zone: berlin(),
        columns,
        rows,
        others: None,
        rest: Vec::new(),
        total: None,
        empty: None,
        list: false,
        records: 1_310,
        truncated: false,
        coverage: Vec::new(),
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

/// Names with four figures each: a count, a length of time, a share, a mean.
fn grouped(title: &str, by: &str, names: impl IntoIterator<Item = String>) -> Table {
    let columns = vec![
        column(&format!("*{by}"), Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
        column("Typical wait", Type::Real, Format::Duration),
        column("Answered", Type::Real, Format::Percent),
        column("Messages", Type::Real, Format::Decimals(1)),
    ];
    let rows: Vec<Vec<Value>> = names
        .into_iter()
        .enumerate()
        .map(|(n, name)| {
            let x = (n + 1) as f64;
            vec![
                Value::Text(name),
                Value::Integer(98_765 / (n as i64 + 1)),
                Value::Real(41.3 * x),
                Value::Real(1.0 / (1.0 + x / 9.0)),
                Value::Real(7.25 + x / 3.0),
            ]
        })
        .collect();
    let sessions = rows.iter().filter_map(|row| row[1].number()).sum::<f64>() as i64;
    let total = vec![
        Value::Null,
        Value::Integer(sessions),
        Value::Real(200.4),
        Value::Real(0.8125),
        Value::Real(9.5),
    ];
    let total = (!rows.is_empty()).then_some(total);
    Table { total, records: sessions.unsigned_abs(), ..table(title, columns, rows) }
}

pub(crate) fn channels(names: &[&str]) -> Table {
    grouped("How long do customers wait?", "Channel", names.iter().map(|name| (*name).to_owned()))
}

pub(crate) fn usual() -> Table {
    channels(&["WhatsApp EMEA", "Web chat", "Facebook Messenger", "SMS (standard)"])
}

pub(crate) fn empty() -> Table {
    Table { records: 0, ..channels(&[]) }
}

/// So many groups, all shown.
pub(crate) fn many(rows: usize) -> Table {
    let names = (1..=rows).map(|n| format!("Account {n} & sons"));
    grouped("Which accounts write most?", "Account", names)
}

/// One row of figures about everything.
pub(crate) fn figures() -> Table {
    let columns = vec![
        column("Sessions", Type::Integer, Format::Auto),
        column("Typical wait", Type::Real, Format::Duration),
        column("95 % under", Type::Real, Format::Duration),
    ];
    let row = vec![Value::Integer(18_204), Value::Real(183.3), Value::Real(1_803.0)];
    table("How was the week?", columns, vec![row])
}

/// Words that no line of a telephone holds, in headings and in cells.
pub(crate) fn long_words() -> Table {
    let word =
        "Donaudampfschifffahrtselektrizit\u{e4}tenhauptbetriebswerkbauunterbeamtengesellschaft";
    let names = [
        word.to_owned(),
        "a0Bq3cDe5fGhIjKAAH-a0Bq3cDe5fGhIjKAAH-a0Bq3cDe5fGhIjKAAH".to_owned(),
        "https://example.com/a/very/long/address/that/has/no/space/at/all?and=a&query=too"
            .to_owned(),
        "<b>markup</b> & \"quotes\" 'too' </td></tr></table>".to_owned(),
        "x".repeat(400),
        "a short one".to_owned(),
    ];
    let mut table = grouped("Which customers have names that break tables?", "Customer", names);
    table.columns[1].name = "Nachrichtensitzungsgesamtanzahl".to_owned();
    table.about = Some(format!("{word} {word}"));
    table
}

/// Names written from right to left, alone and among others.
pub(crate) fn right_to_left() -> Table {
    channels(&[
        "שירות לקוחות",
        "خدمة العملاء (الرياض)",
        "Acme ישראל 24/7",
        "شركة 1,204 فرع",
        "Acme GmbH",
    ])
}

pub(crate) fn cjk() -> Table {
    channels(&[
        "株式会社テスト",
        "上海分公司客户服务部",
        "고객센터 서울",
        "東京都千代田区丸の内一丁目九番二号グラントウキョウ",
    ])
}

pub(crate) fn emoji() -> Table {
    channels(&[
        "\u{1f600} Happy",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} Family",
        "\u{1f1e9}\u{1f1ea} Berlin",
        "\u{2764}\u{fe0f}",
        "e\u{301}\u{301}\u{301} Zalgo",
    ])
}

/// A list with cells that hold nothing, and a column that never holds anything.
pub(crate) fn nulls() -> Table {
    let mut never = column("Reason", Type::Text, Format::Auto);
    never.ty = None;
    let columns = vec![
        column("Account", Type::Text, Format::Auto),
        column("Started", Type::Timestamp, Format::Auto),
        column("Consent", Type::Boolean, Format::Auto),
        column("Messages", Type::Integer, Format::Auto),
        never,
    ];
    let rows = vec![
        vec![
            text("Acme GmbH"),
            Value::Timestamp(at("2026-11-20T07:05:09Z")),
            Value::Boolean(true),
            Value::Integer(0),
            Value::Null,
        ],
        vec![Value::Null, Value::Null, Value::Null, Value::Null, Value::Null],
        vec![text(""), Value::Null, Value::Boolean(false), Value::Integer(-12), Value::Null],
    ];
    Table {
        list: true,
        empty: Some("not recorded".to_owned()),
        others: Some(Others { rows: 1_237, values: None }),
        records: 1_240,
        ..table("Who may we write to?", columns, rows)
    }
}

/// Days with more columns than fit a narrow screen.
pub(crate) fn days() -> Table {
    let mut day = column("*Day", Type::Timestamp, Format::Auto);
    (day.unit, day.numeric) = (Some(Unit::Day), false);
    let names =
        ["Sessions", "Answered", "Missed", "Typical", "Mean", "95 % under", "Declined offers"];
    let format = |i: usize| if (3..6).contains(&i) { Format::Duration } else { Format::Auto };
    let figures = names.iter().enumerate().map(|(i, name)| column(name, Type::Integer, format(i)));
    let columns = std::iter::once(day).chain(figures).collect();
    let rows = (0..7).map(|n| {
        let first = Value::Timestamp(at("2026-11-15T23:00:00Z") + TimeDelta::days(n));
        let n = n + 1;
        let figures = [1_200 * n, 1_100 * n, 100 * n, 42 * n, 66 * n, 700 * n, n];
        std::iter::once(first).chain(figures.map(Value::Integer)).collect()
    });
    table("How did the days go?", columns, rows.collect())
}

/// With goals met and missed, changes for better and worse, usual and unusual, a trend, links to
/// records and a figure that was restated.
pub(crate) fn compared() -> Table {
    let mut table = usual();
    let goal = |text: &str| Some(Goal(text.parse().unwrap()));
    table.columns[2].goal = goal("<= 120");
    table.columns[3].goal = goal(">= 0.8");
    table.compared = Some(Compared {
        words: "the same days of the last 4 weeks".to_owned(),
        windows: (1..5).map(|weeks| back(weeks * 7)).collect(),
        left_out: vec![(back(35), "All Saints' Day".to_owned())],
    });
    table.trend = Some(1);
    table.beside = (0..table.rows.len()).map(|n| beside(&table, &table.rows[n], n)).collect();
    table.beside_total = table.total.as_ref().map(|total| {
        let links = Vec::new();
        Beside { links, ..beside(&table, total, 7) }
    });
    table.drill =
        Some("https://example.com/lightning/o/MessagingSession/list?filterName=Week".to_owned());
    table.restated = vec![Restated {
        slot: at("2026-11-16T07:00:00Z"),
        window: back(7),
        column: 1,
        before: 40_112.0,
        now: 41_005.0,
    }];
    table
}

fn back(days: i64) -> Window {
    let week = week();
    Window { from: week.from - TimeDelta::days(days), to: week.to - TimeDelta::days(days) }
}

/// What stands beside the n-th row: the first column is its name, the next ones rose and fell.
fn beside(table: &Table, row: &[Value], n: usize) -> Beside {
    let delta = |column: usize, value: &Value| {
        let now = value.number()?;
        let before = if n == 2 { 0.0 } else { now * [0.8, 1.25, 0.0, 0.999][n % 4] };
        let unusual = n % 4 != 3;
        Some(Delta {
            before,
            change: now - before,
            relative: (before != 0.0).then(|| (now - before) / before),
            usual: Some((before * 0.9, before * 1.1)),
            unusual,
            better: table.columns[column]
                .goal
                .and_then(|goal| Some(goal.more_is_better()? == (now > before))),
        })
    };
    let deltas = row.iter().enumerate().map(|(i, value)| delta(i, value)).collect();
    let sessions = row[1].number().unwrap_or_default();
    let mut trend: Vec<Option<f64>> =
        (0..7).map(|k| Some(sessions * (0.7 + f64::from(k) / 20.0))).collect();
    trend.push(Some(sessions));
    if n == 3 {
        trend[2] = None;
    }
    let mut links = vec![None; row.len()];
    links[0] = Some(format!("https://example.com/records/{n}?a=1&b=%3Cx%3E"));
    Beside { deltas, trend, links }
}

/// Channels down, kinds of messages across.
pub(crate) fn pivoted() -> Table {
    let mut columns = vec![column("*Channel", Type::Text, Format::Auto)];
    for kind in ["Inbound", "Outbound", "Total"] {
        for (name, format) in [("Sessions", Format::Auto), ("Typical wait", Format::Duration)] {
            let mut column = column(name, Type::Integer, format);
            column.name = format!("{kind}: {name}");
            column.pivot = Some(kind.to_owned());
            columns.push(column);
        }
    }
    let row = |name: &str, n: i64| {
        let mut row = vec![text(name)];
        row.extend([431 * n, 183 * n, 97 * n, 60 * n, 528 * n, 150 * n].map(Value::Integer));
        row
    };
    let mut total = row("", 8);
    total[0] = Value::Null;
    let rows = vec![row("WhatsApp EMEA", 3), row("Web chat", 2), row("SMS", 1)];
    Table { total: Some(total), ..table("Who writes first?", columns, rows) }
}

/// The table with a chart of its counts.
pub(crate) fn charted(kind: ChartKind) -> Table {
    let mut table = match kind {
        ChartKind::Bars => usual(),
        ChartKind::Stacked | ChartKind::Line | ChartKind::Histogram => days(),
    };
    let values = match kind {
        ChartKind::Stacked => vec![2, 3],
        ChartKind::Line => vec![1, 2],
        ChartKind::Bars | ChartKind::Histogram => vec![1],
    };
    table.chart = Some(Chart { kind, values, by: 0 });
    table
}
