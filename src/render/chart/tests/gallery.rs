//! Tables to be drawn.

use super::*;

pub(super) fn int(n: i64) -> Value {
    Value::Integer(n)
}

fn chart(kind: ChartKind, values: &[usize], by: usize) -> Option<Chart> {
    Some(Chart { kind, values: values.to_vec(), by })
}

/// Sessions by channel.
pub(super) fn bars(rows: &[(&str, Value)]) -> Table {
    let columns = vec![
        column("*Channel", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
    ];
    let rows = rows.iter().map(|(name, value)| vec![text(name), value.clone()]).collect();
    Table { chart: chart(ChartKind::Bars, &[1], 0), ..table("r", "How many?", columns, rows) }
}

pub(super) fn channels() -> Table {
    bars(&[
        ("Web chat", int(1_204)),
        ("WhatsApp EMEA", int(806)),
        ("Facebook Messenger", int(412)),
        ("Apple Messages for Business", int(97)),
        ("SMS +49 30 901820", int(12)),
        ("Telegram", int(0)),
    ])
}

/// Three columns of lengths of time.
pub(super) fn waits() -> Table {
    let columns = vec![
        column("*Channel", Type::Text, Format::Auto),
        column("Typical", Type::Real, Format::Duration),
        column("95 % under", Type::Real, Format::Duration),
        column("Measured", Type::Integer, Format::Auto),
    ];
    let row = |name: &str, typical: f64, under: Option<f64>, n: i64| {
        let under = under.map_or(Value::Null, Value::Real);
        vec![text(name), Value::Real(typical), under, int(n)]
    };
    let rows = vec![
        row("Web chat", 84.0, Some(410.0), 1_204),
        row("WhatsApp EMEA", 200.0, Some(1_260.0), 806),
        row("Facebook Messenger", 61.0, Some(302.0), 412),
        row("SMS", 42.0, None, 12),
    ];
    Table { chart: chart(ChartKind::Bars, &[1, 2, 3], 0), ..table("w", "How long?", columns, rows) }
}

pub(super) fn goal() -> Table {
    let mut table = waits();
    table.columns[1].goal = Some(Goal("<= 120".parse().unwrap()));
    table.chart = chart(ChartKind::Bars, &[1], 0);
    table
}

/// More rows than bars, with others behind them.
pub(super) fn accounts() -> Table {
    let rows: Vec<Vec<Value>> = (0..25)
        .map(|n| {
            vec![text(&format!("Account {n} of a rather long name, Inc.")), int(400 - n * n / 2)]
        })
        .collect();
    let sum: i64 = rows.iter().map(|row| row[1].number().unwrap() as i64).sum();
    Table {
        others: Some(Others { rows: 961, values: Some(vec![Value::Null, int(5_120)]) }),
        total: Some(vec![Value::Null, int(sum + 5_120)]),
        rows,
        ..bars(&[])
    }
}

pub(super) fn negative() -> Table {
    bars(&[
        ("Gained", Value::Real(12.5)),
        ("Won back", Value::Real(3.0)),
        ("Lost", Value::Real(-8.25)),
        ("Not known", Value::Null),
    ])
}

pub(super) fn strange() -> Table {
    bars(&[
        ("微信客服", int(5)),
        ("שירות לקוחות", int(4)),
        ("🎉 Launch", int(3)),
        ("<script>&\"'", int(2)),
        ("A name that goes on and on, much longer than any picture has room for", int(1)),
    ])
}

/// Types across.
pub(super) fn stacked() -> Table {
    let mut columns = vec![column("*Channel", Type::Text, Format::Auto)];
    for name in ["Agent", "Bot, then agent", "Bot alone", "Total"] {
        let mut column = column(name, Type::Integer, Format::Auto);
        column.pivot = Some(name.to_owned());
        columns.push(column);
    }
    let row = |name: &str, n: [i64; 3]| {
        let mut row = vec![text(name)];
        row.extend(n.map(|n| if n < 0 { Value::Null } else { int(n) }));
        row.push(int(n.iter().sum()));
        row
    };
    let rows = vec![
        row("Web chat", [640, 320, 244]),
        row("WhatsApp EMEA", [411, 281, 114]),
        row("Facebook Messenger", [300, -1, 112]),
        row("SMS", [5, 4, 3]),
    ];
    Table { chart: chart(ChartKind::Stacked, &[2], 0), ..table("s", "Who?", columns, rows) }
}

/// Two groupings, one row each pair: the second becomes the parts.
pub(super) fn long(kind: ChartKind) -> Table {
    let mut day = column("*Day", Type::Timestamp, Format::Auto);
    day.unit = Some(Unit::Day);
    let columns = vec![
        day,
        column("*Ended by", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
    ];
    let mut rows = Vec::new();
    for n in 0..14_i64 {
        for (i, name) in ["Agent", "End user", "System"].iter().enumerate() {
            if n == 8 && i == 1 {
                continue;
            }
            let wave = [0, 12, 30, 41, 28, -40, -52][(n % 7) as usize];
            rows.push(vec![days(n), text(name), int(150 - 45 * i as i64 + wave / (i as i64 + 1))]);
        }
    }
    Table { chart: chart(kind, &[2], 0), ..table("l", "Who?", columns, rows) }
}

fn days(n: i64) -> Value {
    Value::Timestamp(at("2026-11-08T23:00:00Z") + TimeDelta::days(n))
}

/// Sessions by day.
pub(super) fn by_day(values: &[Option<f64>]) -> Table {
    let mut day = column("*Day", Type::Timestamp, Format::Auto);
    day.unit = Some(Unit::Day);
    let columns = vec![day, column("Sessions", Type::Integer, Format::Auto)];
    let value = |x: Option<f64>| x.map_or(Value::Null, Value::Real);
    let rows = values.iter().zip(7..).map(|(x, n)| vec![days(n), value(*x)]).collect();
    Table { chart: chart(ChartKind::Line, &[1], 0), ..table("d", "How many?", columns, rows) }
}

pub(super) fn week() -> Table {
    by_day(&[120.0, 150.0, 171.0, 210.0, 190.0, 96.0, 180.0].map(Some))
}

pub(super) fn gaps() -> Table {
    let mut table = by_day(&[
        Some(0.95),
        Some(0.96),
        None,
        Some(0.955),
        None,
        None,
        Some(0.97),
        Some(0.985),
        Some(0.98),
        None,
        Some(0.962),
        Some(0.97),
    ]);
    table.columns[1] = column("Answered in time", Type::Real, Format::Percent);
    table.columns[1].goal = Some(Goal(">= 0.97".parse().unwrap()));
    table
}

/// Earlier values beside each row.
pub(super) fn trend() -> Table {
    let mut table = channels();
    table.trend = Some(1);
    table.chart = chart(ChartKind::Line, &[1], 0);
    table.beside = table
        .rows
        .iter()
        .enumerate()
        .map(|(i, row)| {
            let last = row[1].number().unwrap();
            let value = |n: i64| last * (1.0 + 0.06 * ((n * 7 + i as i64 * 3) % 11 - 5) as f64);
            let mut trend: Vec<Option<f64>> = (1..8).map(|n| Some(value(n).round())).collect();
            trend.push(Some(last));
            Beside { trend, ..Beside::default() }
        })
        .collect();
    table
}

pub(super) fn histogram() -> Table {
    let columns = vec![
        column("*Wait", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
    ];
    // As a report sorts them: by how many.
    let rows = [
        ("60 to < 300", 512),
        ("30 to < 60", 377),
        ("< 30", 120),
        ("300 to < 900", 98),
        ("900 to < 3600", 31),
        (">= 3600", 4),
    ];
    let rows = rows.iter().map(|(name, n)| vec![text(name), int(*n)]).collect();
    let chart = chart(ChartKind::Histogram, &[1], 0);
    Table { chart, ..table("h", "How long?", columns, rows) }
}

pub(super) fn hours() -> Table {
    let mut hour = column("*Hour", Type::Integer, Format::Auto);
    hour.unit = Some(Unit::Hour);
    let columns = vec![hour, column("Sessions", Type::Integer, Format::Auto)];
    let busy = |h: i64| if (7..20).contains(&h) { 1_400 - (h - 12).pow(2) * 17 } else { 90 + h };
    let rows = (0..24).map(|h| vec![int(h), int(busy(h))]).collect();
    let chart = chart(ChartKind::Histogram, &[1], 0);
    Table { chart, ..table("h", "When?", columns, rows) }
}

pub(super) fn year() -> Table {
    let mut table = by_day(&[]);
    table.rows = (0..260)
        .map(|n| vec![days(n - 200), Value::Real((100.0 + 40.0 * (n as f64 / 9.0).sin()).round())])
        .collect();
    table
}

/// All of them, by name.
pub(super) fn gallery() -> Vec<(&'static str, Table)> {
    vec![
        ("bars", channels()),
        ("bars-columns", waits()),
        ("bars-goal", goal()),
        ("bars-others", accounts()),
        ("bars-negative", negative()),
        ("bars-strange", strange()),
        ("bars-one", bars(&[("Web chat", int(12))])),
        ("bars-zero", bars(&[("Web chat", int(0)), ("SMS", int(0))])),
        ("bars-huge", bars(&[("A", int(i64::MAX)), ("B", Value::Real(1e-9)), ("C", int(-3))])),
        ("bars-tiny", bars(&[("A", Value::Real(1e-9)), ("B", Value::Real(4e-10))])),
        ("stacked", stacked()),
        ("stacked-days", long(ChartKind::Stacked)),
        ("line", week()),
        ("line-gaps", gaps()),
        ("line-days", long(ChartKind::Line)),
        ("line-trend", trend()),
        ("line-year", year()),
        ("line-one", by_day(&[Some(12.0)])),
        ("line-zero", by_day(&[Some(0.0), Some(0.0), Some(0.0)])),
        ("histogram", histogram()),
        ("histogram-hours", hours()),
    ]
}
