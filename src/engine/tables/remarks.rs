//! What a mail says of the data under its figures, beside what they cover: where records begin, what
//! could not be read, what the source does not show, and since when it has given nothing.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::period::Window;
use crate::domain::report::Report;
use crate::engine::Plant;
use crate::render::Locale;
use crate::store::View;
use crate::store::records::DatasetState;

/// A source that has failed for less than this may be back before the mail is read.
const DOWN_AFTER: TimeDelta = TimeDelta::minutes(10);

/// Sentences on the data of a report.
pub(super) fn remarks(
    records: &View<'_>,
    plant: &Plant,
    report: &Report,
    window: Option<Window>,
    locale: Locale,
) -> Vec<String> {
    let reads = report.query.reads();
    let states = states(records, report);
    let mut lines = Vec::new();
    let loaded_from = states.iter().filter_map(|state| state.history_start).max();
    let began = loaded_from.filter(|start| window.is_none_or(|window| window.from < *start));
    lines.extend(began.map(|start| {
        let date = report.zone.civil(start).format("%-d %b %Y");
        format!("Records reach back to {date}.")
    }));
    for state in &states {
        lines.extend(left_out(state, locale));
        let fields = &reads[&state.dataset];
        let hidden: Vec<&String> = fields.iter().filter(|f| state.hidden.contains(f)).collect();
        lines.extend(not_shown(&state.dataset, &hidden));
    }
    lines.extend(down(plant, report, &states, locale));
    lines
}

/// Since when sources of a report have given nothing.
pub(super) fn sources_down(
    records: &View<'_>,
    plant: &Plant,
    report: &Report,
    locale: Locale,
) -> Vec<String> {
    down(plant, report, &states(records, report), locale)
}

fn states<'a>(records: &'a View<'_>, report: &Report) -> Vec<&'a DatasetState> {
    report.query.reads().keys().filter_map(|dataset| records.state(dataset)).collect()
}

fn left_out(state: &DatasetState, locale: Locale) -> Option<String> {
    let count = |count: u64, noun: &str| {
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{} {noun}{plural}", locale.integer(count as i64)))
    };
    let (values, records) =
        (count(state.lost_values, "value"), count(state.lost_records, "record"));
    let one = state.lost_values + state.lost_records == 1;
    let what: Vec<String> = records.into_iter().chain(values).collect();
    (!what.is_empty()).then(|| {
        format!(
            "{} of {} could not be read and {} left out.",
            what.join(" and "),
            state.dataset,
            if one { "is" } else { "are" }
        )
    })
}

fn not_shown(dataset: &str, hidden: &[&String]) -> Option<String> {
    match hidden {
        [] => None,
        [one] => Some(format!("`{one}` of {dataset} is not shown to postrider.")),
        [more @ .., last] => {
            let more: Vec<String> = more.iter().map(|field| format!("`{field}`")).collect();
            let more = more.join(", ");
            Some(format!("{more} and `{last}` of {dataset} are not shown to postrider."))
        }
    }
}

/// One sentence a source that gives nothing.
fn down(plant: &Plant, report: &Report, states: &[&DatasetState], locale: Locale) -> Vec<String> {
    let mut down: Vec<(&str, Vec<&str>, DateTime<Utc>)> = Vec::new();
    for state in states {
        let (Some(since), Some((last, _))) = (state.failing_since, &state.failure) else {
            continue;
        };
        let dataset = plant.datasets.iter().find(|known| known.name == state.dataset);
        let (true, Some(dataset)) = (DOWN_AFTER <= *last - since, dataset) else { continue };
        match down.iter_mut().find(|(source, ..)| *source == dataset.source) {
            Some((_, names, earliest)) => {
                names.push(&state.dataset);
                *earliest = since.min(*earliest);
            }
            None => down.push((&dataset.source, vec![&state.dataset], since)),
        }
    }
    let sentence = |(source, names, since): (&str, Vec<&str>, DateTime<Utc>)| {
        let since = locale.stamp(report.zone.civil(since));
        format!("Source {source} has given nothing of {} since {since}.", names.join(", "))
    };
    down.into_iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_not_shown_are_named() {
        let [a, b, c] = ["A", "B", "C"].map(str::to_owned);
        let check = |hidden: &[&String], said: Option<&str>| {
            assert_eq!(not_shown("X", hidden).as_deref(), said);
        };
        check(&[], None);
        check(&[&a], Some("`A` of X is not shown to postrider."));
        check(&[&a, &b, &c], Some("`A`, `B` and `C` of X are not shown to postrider."));
    }
}
