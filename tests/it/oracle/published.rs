//! Figures that others have published, or computed with tools that everybody trusts.

use std::sync::Arc;

use postrider::domain::expr::ReportType;
use postrider::domain::query::{Answer, Query, QueryText};
use postrider::domain::value::Value;
use postrider::store::sql::answer;

use super::naive::{self, Table};
use super::values::V;
use super::{data, frame_of};

/// The answer over one record a value, of kind `Type` (empty: all of one).
fn ask(values: &[f64], kinds: &[&str], text: &QueryText<'_>) -> Answer {
    let mut tables: Vec<Table> = data::SHAPES
        .iter()
        .map(|(name, fields, ..)| Table {
            name,
            fields: fields.to_vec(),
            rows: vec![],
            deleted: vec![false; values.len()],
        })
        .collect();
    let metrics = tables.iter_mut().find(|table| table.name == "Metric").unwrap();
    for (number, value) in values.iter().enumerate() {
        let id = V::Text(format!("m{number}"));
        let kind = kinds.get(number).map_or(V::Null, |kind| V::Text((*kind).to_owned()));
        metrics.rows.push(vec![id.clone(), id, kind, V::Real(*value), V::Null]);
    }
    let conn = data::database(&tables, &[]);
    let report_type = Arc::new(ReportType::parse("t", "Metric m", &data::datasets()).unwrap());
    let query = Query::check(&report_type, text).unwrap();
    let frame = naive::Frame { bounds: None, as_of: 0, zone: "UTC", week_starts: 1 };
    answer(&conn, &query, &frame_of(&frame)).unwrap()
}

fn one(values: &[f64], column: &str) -> f64 {
    let text = QueryText { columns: vec![column], ..QueryText::default() };
    ask(values, &[], &text).rows[0].values[0].number().expect("a number")
}

/// The percentile at a fraction, and whether both ways to write it agree.
#[track_caller]
fn check(values: &[f64], fraction: f64, expected: f64, within: f64) {
    let found = one(values, &format!("percentile(m.Value, {fraction})"));
    assert!((found - expected).abs() <= within, "at {fraction}: {found}, not {expected}");
    let named = [(0.5, "median"), (0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99")];
    for (_, name) in named.iter().filter(|(known, _)| *known == fraction) {
        assert_eq!(one(values, &format!("{name}(m.Value)")), found, "{name}");
    }
}

/// Hyndman and Fan's definition 7: the rows `HF7` of `QuantileTest` in Apache commons-statistics,
/// where those of the longer samples were computed with R 4.3.3, `quantile(x, p, type = 7)`, and the
/// others come from the tests of Apache commons-math; two samples are from NIST's handbook.
#[test]
fn percentiles_are_those_of_r_and_of_the_public_test_suites() {
    check(&[42.0], 0.75, 42.0, 0.0);
    check(&[1.0, 2.0, 3.0], 0.75, 2.5, 1e-15);
    check(&[0.0, 1.0], 0.25, 0.25, 1e-15);
    for (fraction, expected) in [(0.3, 1.9), (0.25, 1.75), (0.75, 3.25), (0.5, 2.5)] {
        check(&[1.0, 3.0, 2.0, 4.0], fraction, expected, 1e-15);
    }
    let zarr = [
        95.1772, 95.1567, 95.1937, 95.1959, 95.1442, 95.0610, 95.1591, 95.1195, 95.1772, 95.0925,
        95.1990, 95.1682,
    ];
    check(&zarr, 0.9, 95.19568, 1e-5);
    let further = [
        12.5, 12.0, 11.8, 14.2, 14.9, 14.5, 21.0, 8.2, 10.3, 11.3, 14.1, 9.9, 12.2, 12.0, 12.1,
        11.0, 19.8, 11.0, 10.0, 8.8, 9.0, 12.3,
    ];
    check(&further, 0.05, 8.81, 1e-4);
    // Counts of a Poisson distribution, with many ties.
    let poisson = [
        42, 51, 38, 38, 49, 48, 42, 47, 51, 46, 45, 35, 39, 42, 49, 55, 53, 46, 49, 56, 42, 46, 42,
        53, 43, 55, 49, 52, 51, 45, 40, 49, 39, 40, 46, 43, 46, 48, 36, 44, 40, 49, 49, 43, 45, 44,
        41, 55, 52, 45, 57, 41, 43, 44, 38, 52, 44, 45, 43, 42, 38, 37, 47, 42, 47, 45, 70, 45, 50,
        47, 46, 50, 47, 35, 43, 52, 51, 41, 45, 42, 45, 53, 46, 48, 51, 43, 63, 48, 49, 41, 58, 51,
        59, 43, 39, 32, 35, 46, 50, 50,
    ]
    .map(f64::from);
    for (fraction, expected) in [(0.1, 38.9), (0.25, 42.0), (0.5, 46.0), (0.975, 58.525)] {
        check(&poisson, fraction, expected, 1e-13);
    }
    for (fraction, expected) in
        [(0.1, 0.449_173_593), (0.25, 1.854_245_31), (0.5, 3.617_843_34), (0.975, 8.161_266_637_5)]
    {
        check(&NORMAL, fraction, expected, 1e-14);
    }
}

/// `scipy.stats.norm.rvs(loc=3.4, scale=2.25, size=100)`, from the same file.
const NORMAL: [f64; 100] = [
    1.06356579,
    -1.52552007,
    7.09739891,
    -0.41516549,
    0.17131653,
    0.77923148,
    2.90491862,
    4.12648256,
    5.04920689,
    4.20053484,
    5.83485097,
    4.33138009,
    4.18795702,
    3.269289,
    2.2399589,
    4.16551591,
    -1.67192439,
    1.44919254,
    3.52270229,
    -1.49186865,
    -0.30794835,
    5.82394621,
    4.84755567,
    4.79622486,
    5.12461983,
    2.62561931,
    5.12457788,
    8.24460895,
    4.91249002,
    3.75550863,
    4.35440479,
    4.17587334,
    -0.34934393,
    2.98071452,
    -1.35620308,
    1.93956508,
    7.57171999,
    5.41976186,
    2.8427556,
    3.04101193,
    2.20374721,
    4.65406057,
    5.76961878,
    3.14412957,
    7.60322297,
    1.598286,
    2.51552974,
    0.67767289,
    0.76514432,
    3.65663671,
    0.53116457,
    2.79439061,
    7.58564809,
    4.16735822,
    2.95210392,
    6.37867376,
    6.57010411,
    0.11837698,
    9.16270054,
    3.80097588,
    5.48811672,
    3.83378268,
    2.03669252,
    5.34865676,
    3.11338528,
    4.70088345,
    6.00069684,
    0.16144587,
    4.22654482,
    2.2722623,
    5.39142224,
    0.811471,
    2.74523433,
    6.32457234,
    0.73033045,
    9.54402353,
    0.4800466,
    2.00806359,
    6.06115109,
    2.3072464,
    5.40974674,
    2.05533169,
    0.97160161,
    8.06915145,
    4.40792026,
    4.53139251,
    3.32350119,
    1.53645238,
    3.49059212,
    3.57904997,
    0.58634639,
    5.87567911,
    3.49424866,
    5.72228178,
    4.41403447,
    1.27815121,
    7.13861948,
    4.68209093,
    6.4598438,
    0.66270586,
];

/// `statistics.quantiles(x, n=1000, method="inclusive")` of Python 3, at 1, 500, 900, 950, 990 and 999,
/// over `x = [(i * i * 31 + 17 * i) % 1009 for i in range(1000)]`.
#[test]
fn percentiles_far_out_are_those_of_python() {
    let values: Vec<f64> = (0..1000i64).map(|i| ((i * i * 31 + 17 * i) % 1009) as f64).collect();
    let python =
        [(0.001, 0.0), (0.5, 521.5), (0.9, 910.1), (0.95, 961.05), (0.99, 992.01), (0.999, 1007.0)];
    for (fraction, expected) in python {
        check(&values, fraction, expected, 1e-10);
    }
}

/// NIST's Statistical Reference Datasets, univariate: certified sample means of NumAcc1 to NumAcc4,
/// which are made so that rounding shows.
#[test]
fn means_are_those_that_nist_certifies() {
    let around = |middle: f64, low: f64, high: f64, pairs: usize| -> Vec<f64> {
        let pairs = std::iter::repeat_n([low, high], pairs).flatten();
        std::iter::once(middle).chain(pairs).collect()
    };
    let certified = |values: &[f64], mean: f64| {
        let found = one(values, "avg(m.Value)");
        // To the fifteen digits that are certified.
        assert!((found - mean).abs() <= 1e-15 * mean, "{found}, not {mean}");
    };
    certified(&[10_000_001.0, 10_000_003.0, 10_000_002.0], 10_000_002.0);
    certified(&around(1.2, 1.1, 1.3, 500), 1.2);
    certified(&around(1_000_000.2, 1_000_000.1, 1_000_000.3, 500), 1_000_000.2);
    certified(&around(10_000_000.2, 10_000_000.1, 10_000_000.3, 500), 10_000_000.2);
}

/// Sums on which adding up in order fails: Neumaier's and Kahan's cases, and `math.fsum` of Python 3
/// for the first thousand terms of the harmonic series and of the alternating one.
#[test]
#[expect(clippy::approx_constant, reason = "Kahan's example has these decimals and no more")]
fn sums_keep_what_rounding_takes() {
    let sum = |values: &[f64]| one(values, "sum(m.Value)");
    assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
    assert_eq!(sum(&[10_000.0, 3.14159, 2.71828]), 10_005.859_87);
    assert_eq!(sum(&[0.1; 10]), 1.0);
    let harmonic: Vec<f64> = (1..=1000).map(|n| 1.0 / f64::from(n)).collect();
    assert_eq!(sum(&harmonic), 7.485_470_860_550_345);
    let alternating: Vec<f64> =
        (1..=1000).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 } / f64::from(n)).collect();
    assert_eq!(sum(&alternating), -0.692_647_430_559_820_3);
}

/// The classes of those aboard the Titanic (R's dataset `Titanic`): `prop.table(c(325, 285, 706, 885))`.
#[test]
fn shares_are_those_of_a_published_table() {
    let counts = [
        ("1st", 325, 0.147_660_2),
        ("2nd", 285, 0.129_486_6),
        ("3rd", 706, 0.320_763_3),
        ("Crew", 885, 0.402_090_0),
    ];
    let kinds: Vec<&str> =
        counts.iter().flat_map(|(kind, count, _)| std::iter::repeat_n(*kind, *count)).collect();
    let text = QueryText {
        group_by: vec!["m.Type as Class"],
        columns: vec!["count() as Aboard", "share(count()) as Share"],
        total: true,
        ..QueryText::default()
    };
    let found = ask(&vec![0.0; kinds.len()], &kinds, &text);
    assert_eq!(found.rows.len(), counts.len());
    for (row, (class, count, share)) in found.rows.iter().zip(counts) {
        assert_eq!(row.shown[0], Value::Text(class.to_owned()));
        assert_eq!(row.values[0], Value::Integer(count as i64));
        let found = row.values[1].number().expect("a share");
        assert!((found - share).abs() < 5e-8, "{class}: {found}");
    }
    assert_eq!(found.total, Some(vec![Value::Integer(2201), Value::Real(1.0)]));
}
