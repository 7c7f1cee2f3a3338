//! The language of reports and rules: texts checked against datasets, and answered over a few records.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use postrider::domain::dataset::{Dataset, Field};
use postrider::domain::expr::ReportType;
use postrider::domain::query::{Frame, Part, Query, QueryText};
use postrider::domain::value::Type;
use postrider::domain::zone::Zone;
use postrider::store::sql;
use rusqlite::Connection;

use super::{text, texts};

/// Records of each dataset.
const RECORDS: i64 = 4;
/// Longer inputs only cost time: the bounds of the language are tested elsewhere.
const BYTES_MAX: usize = 1_500;

/// Dataset and fields, each with its type; the first is the key.
const DATASETS: [(&str, &str); 3] = [
    (
        "Session",
        "Id:text Channel:text? Account:text? Start:time? End:time? Status:text? Moves:int? Score:real? Open:bool?",
    ),
    ("Channel", "Id:text Name:text? Kind:text?"),
    ("Metric", "Id:text Session:text? Type:text? Value:real? At:time?"),
];

/// A line each: FROM clause; `date`; `where`; `group_by`; `columns`; `sort`; `pivot_by`; `per`;
/// `values`. Several of one kind are separated by `;`. An empty line is none.
pub fn query(data: &[u8]) {
    let Some(text) = text(data).filter(|text| text.len() <= BYTES_MAX) else { return };
    thread_local! {
        static WORLD: (Vec<Arc<Dataset>>, Connection) = world();
    }
    WORLD.with(|(datasets, connection)| {
        let mut lines = text.split('\n').map(str::trim);
        let from = lines.next().unwrap_or_default();
        let report_type = match ReportType::parse("fuzz", from, datasets) {
            Ok(report_type) => Arc::new(report_type),
            Err(mistakes) => {
                assert!(!mistakes.is_empty(), "refused without a mistake");
                mistakes.iter().for_each(|mistake| texts::inside(mistake, from));
                return;
            }
        };
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let (date, filter) = (line(), line());
        let (group_by, columns) = (list(line()), list(line()));
        let (sort, pivot_by) = (line(), line());
        let (per, values) = (list(line()), list(line()));
        let asked = QueryText {
            date,
            filter,
            per,
            values,
            group_by,
            pivot_by,
            columns,
            sort,
            top: text.len().is_multiple_of(2).then_some(2),
            total: true,
            min_values: None,
        };
        let checked = Query::check(&report_type, &asked);
        match checked {
            Ok(query) => {
                answered(connection, &query);
                if let Ok(rule) = Query::check_rule(&report_type, &asked) {
                    answered(connection, &rule);
                }
            }
            Err(mistakes) => {
                assert!(!mistakes.is_empty(), "refused without a mistake");
                for (part, mistake) in &mistakes {
                    texts::inside(mistake, part_of(&asked, *part));
                }
            }
        }
    });
}

fn list(line: Option<&str>) -> Vec<&str> {
    line.map_or_else(Vec::new, |line| line.split(';').collect())
}

/// What can be asked can be answered.
fn answered(connection: &Connection, query: &Query) {
    let as_of = DateTime::UNIX_EPOCH + TimeDelta::days(20_514);
    let frame = Frame {
        bounds: query.date.is_some().then(|| (as_of - TimeDelta::days(1), as_of)),
        as_of,
        zone: Zone::utc(),
        week_starts: 1,
        rows_max: 50,
        rest_max: 10,
    };
    let answer = sql::answer(connection, query, &frame);
    assert!(answer.is_ok(), "{answer:?}\n{}", sql::sql(query, &frame));
}

/// The text that a mistake is about.
fn part_of<'t>(asked: &QueryText<'t>, part: Part) -> &'t str {
    let one = |text: Option<&'t str>| text.unwrap_or_default();
    let of = |texts: &Vec<&'t str>, at: usize| texts.get(at).copied().unwrap_or_default();
    match part {
        Part::Date => one(asked.date),
        Part::Filter => one(asked.filter),
        Part::Per(at) => of(&asked.per, at),
        Part::Values(at) => of(&asked.values, at),
        Part::GroupBy(at) => of(&asked.group_by, at),
        Part::Pivot => one(asked.pivot_by),
        Part::Column(at) => of(&asked.columns, at),
        Part::Sort => one(asked.sort),
        _ => "",
    }
}

/// The datasets, and a database that holds some records of each.
fn world() -> (Vec<Arc<Dataset>>, Connection) {
    let connection = Connection::open_in_memory().expect("a database in memory");
    sql::install(&connection).expect("functions");
    let datasets = DATASETS.map(|(name, fields)| {
        let fields: Vec<Field> = fields.split(' ').map(field).collect();
        let columns: Vec<String> =
            fields.iter().map(|field| format!("\"{}\"", field.name)).collect();
        let create = format!("create table \"{name}\" ({}, _deleted)", columns.join(", "));
        connection.execute_batch(&create).expect("a table");
        for record in 0..RECORDS {
            let values: Vec<String> = fields.iter().map(|field| value(field, record)).collect();
            let insert = format!("insert into \"{name}\" values ({}, 0)", values.join(", "));
            connection.execute_batch(&insert).expect("a record");
        }
        Arc::new(Dataset::new("fuzz", name, fields, 0))
    });
    (datasets.to_vec(), connection)
}

fn field(word: &str) -> Field {
    let (name, ty) = word.split_once(':').expect("name:type");
    let ty = match ty.trim_end_matches('?') {
        "int" => Type::Integer,
        "real" => Type::Real,
        "bool" => Type::Boolean,
        "time" => Type::Timestamp,
        _ => Type::Text,
    };
    Field { nullable: word.ends_with('?'), ..Field::new(name, ty) }
}

/// A cell: some are null, some are at the edge of what fits.
fn value(field: &Field, record: i64) -> String {
    let null = field.nullable && record == 2;
    match field.ty {
        _ if null => "null".to_owned(),
        Type::Text if field.name == "Id" => format!("'k{record}'"),
        Type::Text => format!("'k{}'", record % 2),
        Type::Integer if record == 3 => i64::MAX.to_string(),
        Type::Integer => record.to_string(),
        Type::Real if record == 3 => "1e308".to_owned(),
        Type::Real => format!("{record}.5"),
        Type::Boolean => (record % 2).to_string(),
        Type::Timestamp => (1_772_400_000_000 + record * 7_777_777).to_string(),
    }
}
