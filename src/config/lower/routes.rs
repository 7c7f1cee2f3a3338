//! `[[routes]]`: which receivers are told of an incident.

use super::super::ReceiverSettings;
use super::super::problem::{Findings, suggestion};
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::RouteToml;
use super::{Names, address, twice};
use crate::domain::route::{Route, RouteCondition};

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
    let tables: Vec<Shaped<RouteToml>> =
        raws.into_iter().map(|raw| raw.shape(found, &[])).collect();
    default_comes_last(found, &tables);
    let routes: Vec<Option<Route>> =
        tables.iter().map(|table| route(table, found, names)).collect();
    let routes: Option<Vec<Route>> = routes.into_iter().collect();
    routes.filter(|_| found.count() == before)
}

fn route(table: &Shaped<RouteToml>, found: &mut Findings<'_>, names: &mut Names) -> Option<Route> {
    let wire = &table.wire;
    let when = wire.when.as_ref().map(|text| {
        found.mistakes(
            table.file,
            text,
            RouteCondition::parse(text.get_ref()).map_err(|mistake| vec![mistake]),
        )
    });
    let repeat = wire.repeat.as_ref().map(|text| {
        let length = units::duration_above_zero(text.get_ref());
        found.value(table.at(text), length)
    });
    let list = table.required(found, "to", &wire.to, "[\"ops@example.com\"]")?;
    if list.get_ref().is_empty() {
        found.problem(
            table.at(list),
            "a route to nobody",
            "write e.g. `to = [\"ops@example.com\"]`",
        );
    }
    twice(found, table.file, list.get_ref(), "receiver");
    let mut to = Vec::new();
    for entry in list.get_ref() {
        let (at, name) = (table.at(entry), entry.get_ref());
        let known = &mut names.receivers;
        if known.declared.contains(name) {
            if let Some(ReceiverSettings::Email(_)) = known.made.get(name) {
                names.mails.push((at, format!("receiver `{name}`")));
            }
            to.push(name.clone());
        } else if name.contains('@') {
            let Some(address) = address(found, table.file, entry) else { continue };
            names.mails.push((at, format!("`{address}`")));
            known.made.insert(address.clone(), ReceiverSettings::Email(vec![address.clone()]));
            to.push(address);
        } else {
            let help = suggestion(name, known.declared.iter().map(String::as_str))
                .unwrap_or_else(|| "write a mail address or the name of a receiver".to_owned());
            found.problem(at, format!("unknown receiver `{name}`"), help);
        }
    }
    Some(Route {
        when: match when {
            Some(when) => Some(when?),
            None => None,
        },
        to,
        repeat: match repeat {
            Some(repeat) => Some(repeat?),
            None => None,
        },
    })
}

/// Exactly one route has no condition, and it is the last: nothing falls through, nothing is
/// written in vain.
fn default_comes_last(found: &mut Findings<'_>, tables: &[Shaped<RouteToml>]) {
    let help = "exactly one route has no `when`, and it is the last: all that is left goes there";
    let Some((last, others)) = tables.split_last() else { return };
    for table in others.iter().filter(|table| table.wire.when.is_none() && table.is_whole("when")) {
        let message = "a route without `when` takes everything: those after it are never reached";
        found.problem(table.at.clone(), message, help);
    }
    if let Some(when) = &last.wire.when {
        let at = At::new(last.file, when.span());
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
    Some(vec![Route { when: None, to, repeat: None }])
}
