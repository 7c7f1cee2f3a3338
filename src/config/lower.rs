//! Lowering: wire structs to domain types that cannot be wrong.
//!
//! Tables are lowered in the order in which they refer to each other. Every field of a table is
//! parsed before the first `?`, so that one reading tells every mistake. A name that is declared but
//! broken is told once, where it is broken, and not again wherever it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};

use super::load::Draft;
use super::problem::{Findings, suggestion};
use super::secret::Surroundings;
use super::shape::Raw;
use super::text::At;
use super::wire::Text;
use super::{Config, HeartbeatSettings, ReceiverSettings, Written};
use crate::domain::calendar::Calendar;
use crate::domain::dataset::Dataset;
use crate::domain::delivery::Ambiguous;
use crate::domain::expr::ReportType;
use crate::domain::report::Report;
use crate::domain::zone::Zone;

mod calendars;
mod datasets;
mod digests;
mod general;
mod given;
mod headers;
mod look;
mod receivers;
mod reports;
mod rest;
mod routes;
pub(super) mod rule_tests;
mod rules;
mod salesforce;
mod smtp;
mod sources;
mod types;
mod web;

use self::datasets::Datasets;

/// The tables of one section: which names are declared, and what became of those that are right.
pub(super) struct Known<T> {
    /// `rule`, `report`, ...: what a person calls one.
    noun: &'static str,
    /// `rules`, `reports`, ...: the section.
    section: &'static str,
    declared: BTreeSet<String>,
    made: BTreeMap<String, T>,
}

impl<T: Clone> Known<T> {
    fn new(noun: &'static str, section: &'static str) -> Known<T> {
        Known { noun, section, declared: BTreeSet::new(), made: BTreeMap::new() }
    }

    /// Lowers the tables of a section.
    fn lower<'r>(
        noun: &'static str,
        section: &'static str,
        tables: BTreeMap<String, Raw<'r>>,
        mut lower: impl FnMut(Raw<'r>) -> Option<T>,
    ) -> Known<T> {
        let mut known = Known::new(noun, section);
        for (name, raw) in tables {
            known.declared.insert(name.clone());
            if let Some(made) = lower(raw) {
                known.made.insert(name, made);
            }
        }
        known
    }

    /// What a name stands for; an unknown name is noted, a broken one was noted before.
    fn find(&self, found: &mut Findings<'_>, file: usize, name: &Text) -> Option<T> {
        let written = name.get_ref().as_str();
        if !self.declared.contains(written) {
            let message = format!("unknown {} `{written}`", self.noun);
            let names = self.declared.iter().map(String::as_str);
            let help = suggestion(written, names)
                .unwrap_or_else(|| format!("there is no `[{}.{written}]`", self.section));
            found.problem(At::new(file, name.span()), message, help);
        }
        self.made.get(written).cloned()
    }
}

/// What is in force for the whole config.
pub(super) struct General {
    zone: Zone,
    locale: String,
    week_starts: u8,
    state: std::path::PathBuf,
    owner: Option<String>,
    metrics: Option<std::path::PathBuf>,
    /// The name of the receiver that is told of troubles, and the file it is written in.
    alarm: Option<(usize, Text)>,
    archive: TimeDelta,
    public_url: Option<String>,
    watch: bool,
    shutdown_grace: std::time::Duration,
    heartbeat: Option<HeartbeatSettings>,
    ambiguous: Ambiguous,
    /// Where `owner` is written, if it is.
    owner_at: Option<At>,
}

/// What tables refer to while they are lowered.
pub(super) struct Names {
    general: General,
    datasets: Vec<Arc<Dataset>>,
    /// Datasets that are declared and cannot be built on.
    broken: BTreeSet<String>,
    calendars: Known<Arc<Calendar>>,
    types: Known<(Arc<ReportType>, String)>,
    reports: Known<Arc<Report>>,
    receivers: Known<ReceiverSettings>,
    /// Receivers that understand incidents and nothing else.
    of_incidents: BTreeSet<String>,
    /// Places that make postrider send mail, with the words for it.
    mails: Vec<(At, String)>,
    /// The first rule's name, and where it is.
    first_rule: Option<(String, At)>,
}

/// Lowers a whole config. `None` only where a mistake was noted.
pub(super) fn lower(
    draft: Draft<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<Config> {
    let Draft { postrider, smtp, look, mut sections, routes, inhibitions } = draft;
    let mut section = |name: &str| sections.remove(name).unwrap_or_default();

    let general = general::lower(postrider, found, surroundings);
    let smtp_written = smtp.is_some();
    let (smtp, dkim) = smtp.and_then(|raw| smtp::lower(raw, found, surroundings)).unzip();
    let look = look::lower(look, found, surroundings);
    let mut sources = sources::lower(section("sources"), found, surroundings, &general.state);
    let raw_datasets = section("datasets");
    let (raw_types, raw_reports, mut raw_rules) =
        (section("report_types"), section("reports"), section("rules"));
    let rule_tests = rule_tests::take(found, &mut raw_rules);
    let first = [&raw_types, &raw_reports, &raw_rules].into_iter().flat_map(|raws| raws.values());
    let first = first.map(|raw| raw.at.clone()).min();
    if let (Some(at), true) = (first, sources.kinds.is_empty() && raw_datasets.is_empty()) {
        sources::missing(found, at);
        sources.built_in = Some("salesforce".to_owned());
    }
    let Datasets { all: datasets, broken, keeps } =
        datasets::lower(raw_datasets, found, &mut sources);
    let calendars = Known::lower("calendar", "calendars", section("calendars"), |raw| {
        calendars::lower(raw, found, &general.zone)
    });
    let types = Known::lower("report type", "report_types", raw_types, |raw| {
        types::lower(raw, found, &datasets, &broken)
    });
    let mut names = Names {
        general,
        datasets,
        broken,
        calendars,
        types,
        reports: Known::new("report", "reports"),
        receivers: Known::new("receiver", "receivers"),
        of_incidents: BTreeSet::new(),
        mails: Vec::new(),
        first_rule: None,
    };
    names.reports = Known::lower("report", "reports", raw_reports, |raw| {
        reports::lower(raw, found, &names).map(Arc::new)
    });
    let mut cares = receivers::Cares::default();
    let zone = &names.general.zone;
    names.receivers = Known::lower("receiver", "receivers", section("receivers"), |raw| {
        receivers::lower(raw, found, surroundings, zone, &mut cares)
    });
    names.of_incidents = cares.of_incidents(&names.receivers);
    let mut mails = Vec::new();
    let digests = Known::lower("digest", "digests", section("digests"), |raw| {
        digests::lower(raw, found, &names, surroundings, &mut mails).map(Arc::new)
    });
    names.mails = mails;
    names.first_rule = raw_rules.iter().next().map(|(name, raw)| (name.clone(), raw.at.clone()));
    let mut dependencies = rules::depends::Dependencies::among(&raw_rules);
    let rules = Known::lower("rule", "rules", raw_rules, |raw| {
        rules::lower(raw, found, &names, &mut dependencies).map(Arc::new)
    });
    dependencies.circles(found);
    let routes = routes::lower(routes, found, &mut names);
    let inhibitions = routes::inhibitions(inhibitions, found);
    if !smtp_written {
        smtp::missing(found, &names);
    }
    let read = rules.made.values().map(|rule| (rule.name.as_str(), &*rule.query, rule.reach()));
    datasets::keep::note(found, &keeps, &names, read);
    let alarm = general::alarm(found, &names);
    let about = rule_tests::About {
        rules: &rules.made,
        datasets: &names.datasets,
        receivers: names.receivers.declared.iter().map(String::as_str).collect(),
    };
    let rule_tests = rule_tests::lower(found, rule_tests, &about);
    let care = cares.settled(found, &names.receivers);
    let general = names.general;
    Some(Config {
        timezone: general.zone,
        locale: general.locale,
        week_starts: general.week_starts,
        state: general.state,
        owner: general.owner,
        alarm,
        archive: general.archive,
        public_url: general.public_url,
        metrics: general.metrics,
        watch: general.watch,
        shutdown_grace: general.shutdown_grace,
        heartbeat: general.heartbeat,
        ambiguous: general.ambiguous,
        // Known to whoever read the files.
        written: Written::default(),
        look,
        smtp,
        dkim: dkim.unwrap_or_default(),
        sources: sources.known.made,
        datasets: names.datasets,
        calendars: names.calendars.made,
        reports: names.reports.made,
        digests: digests.made,
        rules: rules.made,
        rule_tests,
        routes: routes?,
        inhibitions: inhibitions?,
        receivers: names.receivers.made,
        care,
    })
}

/// The zone written, or the one in force.
fn zone(
    found: &mut Findings<'_>,
    file: usize,
    written: Option<&Text>,
    default: &Zone,
) -> Option<Zone> {
    match written {
        None => Some(default.clone()),
        Some(name) => {
            let at = At::new(file, name.span());
            match Zone::named(name.get_ref()) {
                Ok(zone) => Some(zone),
                Err(message) => {
                    found.problem(at, message, "write an IANA name, e.g. `Europe/Berlin`");
                    None
                }
            }
        }
    }
}

/// One of a few words.
fn word<T: Clone>(
    found: &mut Findings<'_>,
    file: usize,
    written: &Text,
    words: &[(&str, T)],
) -> Option<T> {
    let text = written.get_ref().as_str();
    let chosen = words.iter().find(|(word, _)| *word == text);
    if chosen.is_none() {
        let help = suggestion(text, words.iter().map(|(word, _)| *word));
        found.problem(At::new(file, written.span()), format!("unknown value `{text}`"), help);
    }
    chosen.map(|(_, value)| value.clone())
}

/// A mail address, bare.
fn address(found: &mut Findings<'_>, file: usize, written: &Text) -> Option<String> {
    match written.get_ref().parse::<lettre::Address>() {
        Ok(address) => Some(address.to_string()),
        Err(_) => {
            let message = format!("`{}` is not a mail address", written.get_ref());
            let help = "write it bare, e.g. `ops@example.com`";
            found.problem(At::new(file, written.span()), message, help);
            None
        }
    }
}

/// Notes entries that are written twice in one list.
fn twice(found: &mut Findings<'_>, file: usize, list: &[Text], noun: &str) {
    let mut seen = BTreeSet::new();
    for entry in list {
        if !seen.insert(entry.get_ref().to_lowercase()) {
            let message = format!("{noun} `{}` is written twice", entry.get_ref());
            found.problem(At::new(file, entry.span()), message, "remove one of them");
        }
    }
}

/// A title made from a name, for tables that have none: `slow-answer` reads "Slow answer".
fn title_of(name: &str) -> String {
    let spaced = name.replace(['-', '_'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A fingerprint of texts: equal texts, equal fingerprint. 32 hexadecimal digits.
fn fingerprint(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let mut digits = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
