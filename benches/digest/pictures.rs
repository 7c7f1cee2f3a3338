//! What each kind of picture costs, at the largest one that is drawn.

use chrono::{DateTime, TimeDelta};

use postrider::domain::chart::{Chart, ChartKind};
use postrider::domain::expr::Unit;
use postrider::domain::report::Format;
use postrider::domain::table::{Column, Table};
use postrider::domain::value::{Type, Value};
use postrider::domain::zone::Zone;
use postrider::render::{Locale, chart};

use crate::ground::figures::seconds;
use crate::ground::line;
use crate::ground::org::END;

/// Draws one of each kind.
pub(crate) fn cost(rounds: u64) -> anyhow::Result<()> {
    line(format!("\n{:<48} {:>9}  {:>8}", "a picture alone", "time", "size"));
    let kinds = [
        ("bars, 6", table(ChartKind::Bars, None, 6, 1)),
        ("bars, 20", table(ChartKind::Bars, None, 20, 1)),
        ("bars, 20 in 3 columns", table(ChartKind::Bars, None, 20, 3)),
        ("stacked bars, 20 of 5 parts", table(ChartKind::Stacked, None, 20, 5)),
        ("line, 7 days", table(ChartKind::Line, Some(Unit::Day), 7, 1)),
        ("lines, 5 of 200 days", table(ChartKind::Line, Some(Unit::Day), 200, 5)),
        ("histogram, 24 hours", table(ChartKind::Histogram, Some(Unit::Hour), 24, 1)),
    ];
    for (name, table) in kinds {
        let (drawing, took) = crate::best(rounds, || {
            let drawing = chart::draw(&table, Locale::named("en-GB"), None);
            drawing.ok_or_else(|| anyhow::anyhow!("`{name}` is not drawn"))
        })?;
        let kilobytes = drawing.png.len() as f64 / 1000.0;
        line(format!("{name:<48} {:>9}  {kilobytes:>5.1} kB", seconds(took)));
    }
    Ok(())
}

fn column(name: String, unit: Option<Unit>, grouping: bool) -> Column {
    Column {
        name,
        format: Format::Auto,
        grouping,
        numeric: !grouping,
        share: false,
        ty: Some(if grouping { Type::Text } else { Type::Integer }),
        unit,
        goal: None,
        pivot: None,
    }
}

/// So many rows of so many figures; without a unit the rows have names.
fn table(kind: ChartKind, unit: Option<Unit>, rows: i64, figures: i64) -> Table {
    let mut columns = vec![column("Group".to_owned(), unit, true)];
    columns.extend((1..=figures).map(|n| column(format!("Figure {n}"), None, false)));
    let now = DateTime::from_timestamp_millis(END).unwrap_or_default();
    let name = |n: i64| match unit {
        Some(Unit::Hour) => Value::Integer(n),
        Some(_) => Value::Timestamp(now + TimeDelta::days(n)),
        None => Value::Text(format!("A channel with a name {n}")),
    };
    let row = |n: i64| {
        let figure = |i: i64| Value::Integer(500 + (n * 7919 + i * 104_729) % 1000);
        std::iter::once(name(n)).chain((1..=figures).map(figure)).collect()
    };
    Table {
        coverage_low: vec![],
        report: "bench".to_owned(),
        definition: String::new(),
        title: "A picture alone".to_owned(),
        about: None,
        window: None,
        period: "all time".to_owned(),
        zone: Zone::utc(),
        columns,
        rows: (0..rows).map(row).collect(),
        others: None,
        rest: Vec::new(),
        total: None,
        empty: None,
        list: false,
        records: 0,
        truncated: false,
        coverage: Vec::new(),
        complete_to: None,
        provisional: None,
        compared: None,
        trend: None,
        beside: Vec::new(),
        beside_total: None,
        chart: Some(Chart { kind, values: (1..=figures as usize).collect(), by: 0 }),
        drill: None,
        only: None,
        restated: Vec::new(),
    }
}
