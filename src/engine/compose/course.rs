//! The course of a rule's value for one group: the last windows, asked one by one as the rule asks.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::Plant;
use super::narrow;
use crate::domain::incident::Incident;
use crate::domain::query::{Frame, Query, Row};
use crate::domain::report::Format;
use crate::domain::rule::Rule;
use crate::domain::rule::readings::Group;
use crate::domain::value::Value;
use crate::render::chart::Course;
use crate::store::{StoreError, View};

/// Windows that are asked for.
const WINDOWS: i32 = 24;
/// Rules over longer windows have no course: it would be of half a year.
const WINDOW_MAX: TimeDelta = TimeDelta::days(7);
/// Records behind all of its values: a picture is worth no more.
const RECORDS_MAX: u64 = 200_000;
/// Fewer values are no course.
const VALUES_MIN: usize = 3;

/// How many of how many, for a value that is a share.
pub(super) type Counts = Option<(f64, f64)>;

/// The values of the windows before and of the last one, and what the last one is a share of.
pub(super) fn course(
    records: &View<'_>,
    plant: &Plant,
    rule: &Rule,
    incident: &Incident,
) -> Result<(Option<Course>, Counts), StoreError> {
    let Some(length) = rule.window.filter(|length| *length <= WINDOW_MAX) else {
        return Ok((None, None));
    };
    let Some(query) = narrow::narrowed(&rule.query, &rule.query, &incident.group.key) else {
        return Ok((None, None));
    };
    let asking = Asking { records, plant, rule, query, incident };
    let mut points: Vec<(DateTime<Utc>, Option<f64>)> = Vec::new();
    let mut counts = None;
    let mut read = 0;
    for back in 0..WINDOWS {
        let to = incident.last_read_at - length * back;
        let (row, behind) = asking.window(to - length, to)?;
        read += behind;
        if back == 0 {
            counts = row.as_ref().and_then(shares);
        }
        points.push((to, row.as_ref().and_then(value)));
        // Before all records there is nothing but nothing.
        let known = asking.known_from(to - length);
        if read > RECORDS_MAX || !known {
            break;
        }
    }
    points.reverse();
    if points.iter().filter(|(_, value)| value.is_some()).count() < VALUES_MIN {
        return Ok((None, counts));
    }
    // What levels compare may be something else, e.g. how far the value is from what is usual.
    let last = points.last().and_then(|(_, value)| *value);
    let same = last.zip(incident.value).is_some_and(|(a, b)| (a - b).abs() <= 1e-6 * b.abs());
    let levels = rule.levels.iter().map(|level| (level.name.clone(), level.breach));
    let course = Course {
        points,
        window: length,
        levels: if same { levels.collect() } else { Vec::new() },
        format: match same {
            true => incident.about.format,
            false => incident.about.format_measured.unwrap_or(Format::Auto),
        },
    };
    Ok((Some(course), counts))
}

struct Asking<'a> {
    records: &'a View<'a>,
    plant: &'a Plant,
    rule: &'a Rule,
    query: Query,
    incident: &'a Incident,
}

impl Asking<'_> {
    /// The group's row of a window, and how many records were counted.
    fn window(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<(Option<Row>, u64), StoreError> {
        let frame = Frame {
            bounds: Some((from, to)),
            as_of: to,
            zone: self.rule.zone.clone(),
            week_starts: self.plant.week_starts,
            rows_max: 10,
            rest_max: 0,
        };
        let answer = self.records.answer(&self.query, &frame)?;
        let headings = self.query.groups.iter().map(|group| group.name.as_str());
        let key = |row: &Row| Group::of(headings.clone(), &row.keys, &row.shown).key;
        let own = answer.rows.into_iter().find(|row| key(row) == self.incident.group.key);
        Ok((own, answer.records))
    }

    /// Whether records reach back to an instant, as far as is known.
    fn known_from(&self, at: DateTime<Utc>) -> bool {
        let mut datasets = self.query.reads().into_keys();
        datasets.all(|name| self.records.history_from(&name).is_none_or(|from| from < at))
    }
}

/// The value of a window: the first column, of a share out of the third.
fn value(row: &Row) -> Option<f64> {
    match row.values.get(2) {
        Some(_) => shares(row).map(|(part, whole)| part / whole),
        None => row.values.first().and_then(Value::number),
    }
}

fn shares(row: &Row) -> Counts {
    let number = |index: usize| row.values.get(index).and_then(Value::number);
    number(0).zip(number(2)).filter(|(_, whole)| *whole > 0.0)
}
