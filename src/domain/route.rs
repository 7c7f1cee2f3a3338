//! Routes: which receivers are told of an incident.

use std::collections::BTreeMap;

use chrono::TimeDelta;

/// One `[[routes]]` entry. The first whose condition holds is taken; the last has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The condition; `None`: the default route.
    pub when: Option<RouteCondition>,
    /// Names of receivers.
    pub to: Vec<String>,
    /// Tell again after so long, while it fires.
    pub repeat: Option<TimeDelta>,
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
