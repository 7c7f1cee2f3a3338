//! Any table at all: no panic, and nothing or a picture within its bounds.

use proptest::prelude::*;

use super::*;
use crate::domain::table::Column;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z ]{0,12}",
        "\\PC{0,40}",
        any::<String>(),
        Just("< 60".to_owned()),
        Just("60 to < 300".to_owned()),
        Just("x".repeat(400)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let instants = -4_000_000_000_000_i64..8_000_000_000_000;
    prop_oneof![
        4 => (-1000_i64..1000).prop_map(Value::Integer),
        2 => (-10.0..10.0).prop_map(Value::Real),
        1 => any::<i64>().prop_map(Value::Integer),
        1 => any::<f64>().prop_map(Value::real),
        2 => Just(Value::Null),
        1 => Just(Value::Integer(0)),
        1 => any::<bool>().prop_map(Value::Boolean),
        2 => name().prop_map(Value::Text),
        2 => instants.prop_map(|ms| {
            Value::Timestamp(chrono::DateTime::from_timestamp_millis(ms).unwrap())
        }),
    ]
}

fn heading() -> impl Strategy<Value = Column> {
    let format = prop_oneof![
        Just(Format::Auto),
        Just(Format::Duration),
        Just(Format::Percent),
        (0_u8..20).prop_map(Format::Decimals),
    ];
    let unit = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Unit::Day)),
        1 => Just(Some(Unit::Week)),
        1 => Just(Some(Unit::Month)),
        1 => Just(Some(Unit::Hour)),
        1 => Just(Some(Unit::Weekday)),
    ];
    let goal = prop_oneof![Just(None), Just(Some("<= 120")), Just(Some(">= 0.5"))];
    let pivot = prop_oneof![3 => Just(None), 1 => name().prop_map(Some)];
    (name(), format, any::<bool>(), unit, goal, pivot).prop_map(
        |(name, format, grouping, unit, goal, pivot)| Column {
            name,
            grouping,
            unit,
            goal: goal.map(|goal| Goal(goal.parse().unwrap())),
            pivot,
            ..column("", Type::Integer, format)
        },
    )
}

prop_compose! {
    fn any_table()(
        columns in prop::collection::vec(heading(), 1..9),
        rows in prop::collection::vec(prop::collection::vec(value(), 0..9), 0..40),
        kind in prop_oneof![
            Just(ChartKind::Bars), Just(ChartKind::Stacked),
            Just(ChartKind::Line), Just(ChartKind::Histogram),
        ],
        values in prop::collection::vec(0_usize..10, 0..8),
        by in prop_oneof![4 => Just(0_usize), 1 => 0_usize..10],
        total in prop::option::of(prop::collection::vec(value(), 0..9)),
        others in prop::option::of((any::<u64>(), prop::option::of(prop::collection::vec(value(), 0..9)))),
        trend in prop::option::of(0_usize..10),
        beside in prop::collection::vec(
            prop::collection::vec(prop::option::of(any::<f64>()), 0..12), 0..40),
        empty in prop::option::of(name()),
    ) -> Table {
        Table {
            chart: Some(Chart { kind, values, by }),
            total,
            others: others.map(|(rows, values)| Others { rows, values }),
            trend,
            beside: beside.into_iter().map(|trend| Beside { trend, ..Beside::default() }).collect(),
            empty,
            ..table("r", "Any", columns, rows)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_table_is_drawn_within_bounds_or_not_at_all(table in any_table()) {
        if let Some(document) = document(&table, gb(), None) {
            let seen = Seen::told(document);
            prop_assert!(seen.height <= HEIGHT_MAX, "{} high", seen.height);
            prop_assert!(seen.alt.chars().count() <= 300, "{}", seen.alt);
            for (text, x, wide) in &seen.texts {
                prop_assert!(text.chars().all(font::shows), "{}", text);
                prop_assert!(-1.0 <= *x && x + wide <= 601.0, "`{}` from {} so wide: {}", text, x, wide);
            }
        }
    }
}

proptest! {
    // Pixels take their time in a build for tests.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn any_picture_is_opaque(table in any_table()) {
        if let Some(drawing) = draw(&table, gb(), None) {
            let picture = pixels(&drawing);
            prop_assert_eq!((picture.width(), picture.height()), (1200, drawing.height * 2));
            prop_assert!(picture.pixels().iter().all(|pixel| pixel.alpha() == 255));
        }
    }
}
