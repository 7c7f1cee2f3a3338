//! `[[routes]]` and `[[inhibitions]]`: which receivers are told of an incident, and when.

use std::sync::Arc;

use super::super::ReceiverSettings;
use super::super::problem::{Findings, suggestion};
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::{InhibitionToml, RepeatToml, RouteToml, Text};
use super::{Names, address, twice};
use crate::domain::calendar::Calendar;
use crate::domain::route::{Inhibition, Route, RouteCondition};

mod timing;

/// Labels of one `group_by` or `equal`.
const LABELS_MAX: usize = 16;

/// A route's table, its `repeat` apart where that is a table of its own.
struct Written {
    table: Shaped<RouteToml>,
    repeat: Option<Shaped<RepeatToml>>,
}

/// Lowers the routes, in order. Addresses in `to` become mail receivers of that name. Without
/// routes everything goes to every receiver.
pub(super) fn lower(
    raws: Vec<Raw<'_>>,
    found: &mut Findings<'_>,
    names: &mut Names,
) -> Option<Vec<Route>> {
    if raws.is_empty() {
        return all_receivers(found, names);
    }
    let before = found.count();
    let written: Vec<Written> = raws
        .into_iter()
        .map(|mut raw| {
            let is_table = raw.table.get("repeat").is_some_and(|value| value.get_ref().is_table());
            let repeat = if is_table { raw.take(found, "repeat") } else { None };
            let repeat = repeat.map(|raw| raw.shape(found, &[]));
            Written { table: raw.shape(found, &[]), repeat }
        })
        .collect();
    default_comes_last(found, &written);
    let routes: Vec<Option<Route>> =
        written.iter().map(|written| route(written, found, names)).collect();
    let routes: Option<Vec<Route>> = routes.into_iter().collect();
    routes.filter(|_| found.count() == before)
}

fn route(written: &Written, found: &mut Findings<'_>, names: &mut Names) -> Option<Route> {
    let table = &written.table;
    let wire = &table.wire;
    let when = wire.when.as_ref().map(|text| condition(found, table.file, text));
    let repeat = timing::repeat(written, found);
    let group_by = labels(found, table.file, &wire.group_by);
    let timing = timing::waits(table, found);
    let hours = wire.hours.as_ref().map(|name| calendar(found, names, table.file, name));
    let clock = wire.clock.as_ref().map(|name| calendar(found, names, table.file, name));
    twice(found, table.file, &wire.mute, "calendar");
    let mute: Vec<_> =
        wire.mute.iter().map(|name| calendar(found, names, table.file, name)).collect();
    let ack_for = wire.ack_for.as_ref().map(|text| {
        let length = units::duration_above_zero(text.get_ref());
        found.value(table.at(text), length)
    });
    let escalate = timing::escalate(table, found, names);
    let list = table.required(found, "to", &wire.to, "[\"ops@example.com\"]")?;
    let to = receivers(found, names, table.file, list, "a route to nobody");
    let (wait, interval) = timing?;
    let route = Route {
        when: whole(when)?,
        to,
        group_by,
        wait,
        interval,
        repeat: whole(repeat)?,
        hours: whole(hours)?,
        mute: mute.into_iter().collect::<Option<_>>()?,
        escalate: escalate?,
        ack_for: whole(ack_for)?,
        clock: whole(clock)?,
    };
    if let Some(clock) = wire.clock.as_ref().filter(|_| !timing::counts(&route)) {
        let message = "a clock of nothing: the route neither repeats nor escalates";
        found.problem(table.at(clock), message, "write a `repeat`, or leave `clock` out");
    }
    Some(route)
}

/// What is not written, or is right; `None` where it is written and wrong.
fn whole<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    match written {
        Some(value) => value.map(Some),
        None => Some(None),
    }
}

fn condition(found: &mut Findings<'_>, file: usize, text: &Text) -> Option<RouteCondition> {
    let parsed = RouteCondition::parse(text.get_ref()).map_err(|mistake| vec![mistake]);
    found.mistakes(file, text, parsed)
}

/// A calendar by name. One without hours is open all day: as hours of a route or a clock it leaves
/// out the holidays alone.
fn calendar(
    found: &mut Findings<'_>,
    names: &Names,
    file: usize,
    name: &Text,
) -> Option<Arc<Calendar>> {
    names.calendars.find(found, file, name)
}

fn labels(found: &mut Findings<'_>, file: usize, list: &[Text]) -> Vec<String> {
    twice(found, file, list, "label");
    if let Some(first) = list.get(LABELS_MAX) {
        let message = format!("more than {LABELS_MAX} labels");
        found.problem(At::new(file, first.span()), message, "name fewer");
    }
    if let Some(empty) = list.iter().find(|label| label.get_ref().trim().is_empty()) {
        let help = "write e.g. `[\"rule\"]`, `[\"Channel\"]`";
        found.problem(At::new(file, empty.span()), "a label without a name", help);
    }
    list.iter().map(|label| label.get_ref().clone()).collect()
}

/// The receivers of a list; addresses become receivers of that name.
fn receivers(
    found: &mut Findings<'_>,
    names: &mut Names,
    file: usize,
    list: &toml::Spanned<Vec<Text>>,
    nobody: &str,
) -> Vec<String> {
    if list.get_ref().is_empty() {
        let help = "write e.g. `to = [\"ops@example.com\"]`";
        found.problem(At::new(file, list.span()), nobody, help);
    }
    twice(found, file, list.get_ref(), "receiver");
    let mut to = Vec::new();
    for entry in list.get_ref() {
        let (at, name) = (At::new(file, entry.span()), entry.get_ref());
        let known = &mut names.receivers;
        if known.declared.contains(name) {
            if let Some(ReceiverSettings::Email(_)) = known.made.get(name) {
                names.mails.push((at, format!("receiver `{name}`")));
            }
            to.push(name.clone());
        } else if name.contains('@') {
            let Some(address) = address(found, file, entry) else { continue };
            names.mails.push((at, format!("`{address}`")));
            known.made.insert(address.clone(), ReceiverSettings::Email(vec![address.clone()]));
            to.push(address);
        } else {
            let help = suggestion(name, known.declared.iter().map(String::as_str))
                .unwrap_or_else(|| "write a mail address or the name of a receiver".to_owned());
            found.problem(at, format!("unknown receiver `{name}`"), help);
        }
    }
    to
}

/// Exactly one route has no condition, and it is the last: nothing falls through, nothing is
/// written in vain.
fn default_comes_last(found: &mut Findings<'_>, routes: &[Written]) {
    let help = "exactly one route has no `when`, and it is the last: all that is left goes there";
    let Some((last, others)) = routes.split_last() else { return };
    let open = |table: &Shaped<RouteToml>| table.wire.when.is_none() && table.is_whole("when");
    for written in others.iter().filter(|written| open(&written.table)) {
        let message = "a route without `when` takes everything: those after it are never reached";
        found.problem(written.table.at.clone(), message, help);
    }
    if let Some(when) = &last.table.wire.when {
        let at = At::new(last.table.file, when.span());
        found.problem(at, "the last route has a `when`: some incidents would go nowhere", help);
    }
}

/// One route to every receiver; without receivers, to the owner.
fn all_receivers(found: &mut Findings<'_>, names: &mut Names) -> Option<Vec<Route>> {
    let Some((rule, at)) = names.first_rule.clone() else { return Some(Vec::new()) };
    let mut to: Vec<String> = names.receivers.declared.iter().cloned().collect();
    if to.is_empty() {
        let Some(owner) = names.general.owner.clone() else {
            let help = "write `[[routes]]` with `to = [\"ops@example.com\"]`, or an `owner`";
            found.problem(at, format!("rule `{rule}` would fire and nobody be told"), help);
            return None;
        };
        let settings = ReceiverSettings::Email(vec![owner.clone()]);
        names.receivers.made.insert(owner.clone(), settings);
        to.push(owner);
    }
    for name in &to {
        if let Some(ReceiverSettings::Email(_)) = names.receivers.made.get(name) {
            names.mails.push((at.clone(), format!("receiver `{name}`")));
        }
    }
    Some(vec![Route { to, ..Route::default() }])
}

/// Lowers the inhibitions.
pub(super) fn inhibitions(raws: Vec<Raw<'_>>, found: &mut Findings<'_>) -> Option<Vec<Inhibition>> {
    let before = found.count();
    let mut inhibitions = Vec::new();
    for raw in raws {
        let table: Shaped<InhibitionToml> = raw.shape(found, &[]);
        let wire = &table.wire;
        let mut read = |key: &str, text: &Option<Text>, example: &str| {
            let text = table.required(found, key, text, example)?;
            condition(found, table.file, text)
        };
        let when = read("when", &wire.when, "\"level = 'critical'\"");
        let hides = read("hides", &wire.hides, "\"level = 'warning'\"");
        let equal = labels(found, table.file, &wire.equal);
        if let (Some(when), Some(hides)) = (when, hides) {
            if when == hides {
                let help = "let `when` pick the cause and `hides` what follows from it";
                found.problem(table.at.clone(), "what hides is what is hidden", help);
            }
            inhibitions.push(Inhibition { when, hides, equal });
        }
    }
    (found.count() == before).then_some(inhibitions)
}
