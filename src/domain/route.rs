//! Routes: which receivers are told of an incident, together with which others, and when.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;

use super::calendar::Calendar;

pub(crate) mod hours;
mod parse;
mod repeat;

pub use hours::Shut;
pub use repeat::Repeat;

/// One `[[routes]]` entry. The first whose condition holds is taken; the last has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// The condition; `None`: the default route.
    pub when: Option<RouteCondition>,
    /// Names of receivers.
    pub to: Vec<String>,
    /// Labels: incidents that have the same values of them are told together. Empty: each incident
    /// by itself.
    pub group_by: Vec<String>,
    /// How long the first notice of a group waits for others to join.
    pub wait: TimeDelta,
    /// The least time between two notices of a group to one receiver.
    pub interval: TimeDelta,
    /// When to tell again while it fires; `None`: never.
    pub repeat: Option<Repeat>,
    /// Told only inside these hours; what was missed is told when they open.
    pub hours: Option<Arc<Calendar>>,
    /// Not told inside any of these hours.
    pub mute: Vec<Arc<Calendar>>,
    /// Whom else to tell when nobody takes it, soonest first.
    pub escalate: Vec<Escalation>,
    /// How long an acknowledgement holds that does not say it.
    pub ack_for: Option<TimeDelta>,
    /// Repeating and escalating count the open hours of this calendar alone.
    pub clock: Option<Arc<Calendar>>,
}

/// One step of a route's `escalate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Escalation {
    /// Unacknowledged and firing for so long.
    pub after: TimeDelta,
    /// Names of receivers.
    pub to: Vec<String>,
}

/// One `[[inhibitions]]` entry: incidents that explain others hide them.
#[derive(Clone, Debug, PartialEq)]
pub struct Inhibition {
    /// Which incidents hide others while they fire.
    pub when: RouteCondition,
    /// Which are hidden.
    pub hides: RouteCondition,
    /// Labels that must have the same value in both; one that neither has is the same.
    pub equal: Vec<String>,
}

/// A checked route condition over labels: `level`, `rule`, group headings, and the rule's labels.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteCondition {
    /// A label compared with a text: label, equal (or different), text.
    Label(String, bool, String),
    /// A label in a list.
    In(String, Vec<String>),
    /// Both.
    And(Box<RouteCondition>, Box<RouteCondition>),
    /// Either.
    Or(Box<RouteCondition>, Box<RouteCondition>),
    /// Not.
    Not(Box<RouteCondition>),
}

/// Labels of an incident: names to values.
pub type Labels = BTreeMap<String, String>;

/// The first route whose condition holds for these labels (index into `routes`); `None` only where
/// there is no default route.
pub fn pick(routes: &[Route], labels: &Labels) -> Option<usize> {
    routes.iter().position(|route| route.when.as_ref().is_none_or(|when| when.holds(labels)))
}

impl Route {
    /// Whether it tells a receiver at all, at once or when it escalates.
    pub fn reaches(&self, receiver: &str) -> bool {
        let mut all = self.to.iter().chain(self.escalate.iter().flat_map(|step| &step.to));
        all.any(|to| to == receiver)
    }

    /// The labels it groups by, with their values; one that is not there is the empty text.
    pub fn grouped(&self, labels: &Labels) -> Labels {
        let value = |name: &String| labels.get(name).cloned().unwrap_or_default();
        self.group_by.iter().map(|name| (name.clone(), value(name))).collect()
    }

    /// The route in words, for reasons.
    pub fn words(&self) -> String {
        match &self.when {
            Some(when) => format!("the route `{when}`"),
            None => "the default route".to_owned(),
        }
    }
}

impl RouteCondition {
    /// Whether it holds. A label that an incident does not have is the empty text. Names and texts
    /// compare exactly.
    pub fn holds(&self, labels: &Labels) -> bool {
        let value = |label: &str| labels.get(label).map_or("", String::as_str);
        match self {
            RouteCondition::Label(label, equal, text) => (value(label) == text) == *equal,
            RouteCondition::In(label, texts) => texts.iter().any(|text| text == value(label)),
            RouteCondition::And(a, b) => a.holds(labels) && b.holds(labels),
            RouteCondition::Or(a, b) => a.holds(labels) || b.holds(labels),
            RouteCondition::Not(inner) => !inner.holds(labels),
        }
    }

    /// The labels it asks for, in order, with the texts they are compared with: so that the config
    /// can tell of a level, rule or label that does not exist.
    pub fn asked(&self) -> Vec<(&str, Vec<&str>)> {
        match self {
            RouteCondition::Label(label, _, text) => vec![(label, vec![text])],
            RouteCondition::In(label, texts) => {
                vec![(label, texts.iter().map(String::as_str).collect())]
            }
            RouteCondition::And(a, b) | RouteCondition::Or(a, b) => {
                let mut asked = a.asked();
                asked.append(&mut b.asked());
                asked
            }
            RouteCondition::Not(inner) => inner.asked(),
        }
    }

    /// How tightly it binds: what is looser needs parentheses inside what is tighter.
    fn binding(&self) -> u8 {
        match self {
            RouteCondition::Or(..) => 0,
            RouteCondition::And(..) => 1,
            RouteCondition::Not(..) => 2,
            RouteCondition::Label(..) | RouteCondition::In(..) => 3,
        }
    }
}

/// Writes it as it could stand in the config.
impl fmt::Display for RouteCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |f: &mut fmt::Formatter<'_>, condition: &RouteCondition, least: u8| {
            if condition.binding() < least {
                write!(f, "({condition})")
            } else {
                write!(f, "{condition}")
            }
        };
        match self {
            RouteCondition::Label(label, equal, text) => {
                let op = if *equal { "=" } else { "!=" };
                write!(f, "{} {op} {}", Name(label), Text(text))
            }
            RouteCondition::In(label, texts) => {
                write!(f, "{} in (", Name(label))?;
                for (index, text) in texts.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", Text(text))?;
                }
                f.write_str(")")
            }
            // To the right a chain would read as one to the left: parentheses keep the tree.
            RouteCondition::And(a, b) => {
                inner(f, a, 1)?;
                f.write_str(" and ")?;
                inner(f, b, 2)
            }
            RouteCondition::Or(a, b) => {
                inner(f, a, 0)?;
                f.write_str(" or ")?;
                inner(f, b, 1)
            }
            RouteCondition::Not(condition) => {
                f.write_str("not ")?;
                inner(f, condition, 2)
            }
        }
    }
}

/// A label's name, in double quotes where it is not a plain word.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.starts_with(|c: char| c.is_ascii_alphabetic())
            && self.0.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && parse::is_plain(self.0);
        if plain { f.write_str(self.0) } else { write!(f, "\"{}\"", self.0.replace('"', "\"\"")) }
    }
}

/// A text in single quotes.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests;
