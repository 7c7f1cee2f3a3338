//! `[[rules.NAME.test]]`: records or readings, and what a rule must make of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::super::load::Draft;
use super::super::problem::{Findings, suggestion};
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::wire::Text;
use super::Config;
use super::given::{self, RecordsToml};
use crate::domain::dataset::Dataset;
use crate::domain::notification::Kind;
use crate::domain::rule::trial::{
    ExpectedIncident, ExpectedNotice, Given, Records, RuleTest, SLOTS_MAX, When, series,
};
use crate::domain::rule::{Reading, Rule};
use crate::domain::zone::Zone;

/// More records than this are no small test.
const RECORDS_MAX: usize = 1_000;

/// Where a series begins that does not say when: a Monday.
const SERIES_FROM: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a date");

/// All kinds of notices.
const KINDS: [Kind; 8] = [
    Kind::Fired,
    Kind::LevelUp,
    Kind::Changed,
    Kind::Reminder,
    Kind::Resolved,
    Kind::Correction,
    Kind::Records,
    Kind::Summary,
];

/// One `[[rules.NAME.test]]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RuleTestToml {
    name: Option<Text>,
    at: Option<Text>,
    from: Option<Text>,
    to: Option<Text>,
    records: Option<RecordsToml>,
    #[serde(default)]
    records_at: BTreeMap<Text, RecordsToml>,
    series: Option<Spanned<BTreeMap<Text, Text>>>,
    incidents: Option<Vec<Spanned<IncidentToml>>>,
    notices: Option<Vec<Spanned<NoticeToml>>>,
}

/// One entry of `incidents`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct IncidentToml {
    #[serde(default)]
    group: Vec<Text>,
    began: Option<Text>,
    fired: Option<Text>,
    level: Option<Text>,
    resolved: Option<Text>,
    because: Option<Text>,
}

/// One entry of `notices`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct NoticeToml {
    at: Option<Text>,
    to: Option<Text>,
    kind: Option<Text>,
    because: Option<Text>,
}

/// The tests of one rule as they are written.
pub(in crate::config) struct Written<'r> {
    /// The rule's name.
    pub(in crate::config) rule: String,
    tests: Vec<Raw<'r>>,
}

/// What tests are about.
pub(in crate::config) struct About<'c> {
    /// The rules that are right.
    pub(in crate::config) rules: &'c BTreeMap<String, Arc<Rule>>,
    /// All datasets.
    pub(in crate::config) datasets: &'c [Arc<Dataset>],
    /// The names of all receivers.
    pub(in crate::config) receivers: BTreeSet<&'c str>,
}

/// Takes the tests out of the tables of rules: no rule becomes another one by being tested.
pub(in crate::config) fn take<'r>(
    found: &mut Findings<'_>,
    rules: &mut BTreeMap<String, Raw<'r>>,
) -> Vec<Written<'r>> {
    let mut all = Vec::new();
    for (rule, raw) in rules {
        let Some((key, value)) = raw.table.remove_entry("test") else { continue };
        let wrong = "tests of a rule are tables: write `[[rules.NAME.test]]` above each";
        let DeValue::Array(list) = value.into_inner() else {
            found.problem(At::new(raw.file, key.span()), wrong, None);
            continue;
        };
        let mut tests = Vec::new();
        for (index, entry) in list.into_iter().enumerate() {
            let at = At::new(raw.file, entry.span());
            let DeValue::Table(table) = entry.into_inner() else {
                found.problem(at, wrong, None);
                continue;
            };
            let (title, name) = (format!("a test of the rule `{rule}`"), (index + 1).to_string());
            tests.push(Raw { file: raw.file, title, name, at, table });
        }
        all.push(Written { rule: rule.clone(), tests });
    }
    all
}

/// The tests without a mistake, by rule. Those of rules that are not right are passed over.
pub(in crate::config) fn lower(
    found: &mut Findings<'_>,
    written: Vec<Written<'_>>,
    about: &About<'_>,
) -> BTreeMap<String, Vec<Arc<RuleTest>>> {
    let mut all: BTreeMap<String, Vec<Arc<RuleTest>>> = BTreeMap::new();
    for Written { rule, tests } in written {
        let Some(rule) = about.rules.get(&rule) else { continue };
        for raw in tests {
            let table = raw.shape::<RuleTestToml>(found, &[]);
            let reader = Reader { found: &mut *found, about, table: &table, rule };
            if let Some(test) = reader.read() {
                all.entry(rule.name.clone()).or_default().push(Arc::new(test));
            }
        }
    }
    all
}

/// The tests of a file that has nothing else.
pub(in crate::config) fn of_file(
    draft: Draft<'_>,
    found: &mut Findings<'_>,
    config: &Config,
) -> BTreeMap<String, Vec<Arc<RuleTest>>> {
    let Draft { postrider, smtp, look, mut sections, routes, inhibitions } = draft;
    let mut rules = sections.remove("rules").unwrap_or_default();
    let written = take(found, &mut rules);
    let others = sections.into_values().flat_map(BTreeMap::into_values);
    for raw in
        [postrider, smtp, look].into_iter().flatten().chain(routes).chain(inhibitions).chain(others)
    {
        let message = format!("{} in a file of tests", raw.title);
        found.problem(raw.at, message, "it has `[[rules.NAME.test]]` alone");
    }
    for (name, raw) in rules {
        if !config.rules.contains_key(&name) {
            let help = suggestion(&name, config.rules.keys().map(String::as_str));
            found.problem(raw.at, format!("the config has no rule `{name}`"), help);
        } else if let Some(key) = raw.table.keys().next() {
            let message = format!("`{}` of a rule in a file of tests", key.get_ref());
            let at = At::new(raw.file, key.span());
            found.problem(at, message, "the rule itself is the config's");
        }
    }
    let about = About {
        rules: &config.rules,
        datasets: &config.datasets,
        receivers: config.receivers.keys().map(String::as_str).collect(),
    };
    lower(found, written, &about)
}

struct Reader<'f, 's, 'c> {
    found: &'f mut Findings<'s>,
    about: &'c About<'c>,
    table: &'c Shaped<RuleTestToml>,
    rule: &'c Rule,
}

/// The stretch of a test.
#[derive(Clone, Copy)]
struct Stretch {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Reader<'_, '_, '_> {
    fn read(mut self) -> Option<RuleTest> {
        let (before, table) = (self.found.count(), self.table);
        let wire = &table.wire;
        let place = table.at.clone();
        let series = wire.series.as_ref().map(|series| self.series(series));
        let stretch = self.stretch(series.as_deref());
        let given = match (series, &wire.records, wire.records_at.is_empty()) {
            (Some(series), None, true) => Given::Series(series),
            (None, None, true) => {
                let help = "write `records = { DATASET = [ { FIELD = ... } ] }`, or the readings \
                            themselves: `series = { \"Web\" = \"100x5 400x10\" }`";
                self.found.problem(place.clone(), "a test that is given nothing", help);
                Given::Series(Vec::new())
            }
            (None, ..) => Given::Records(self.records(stretch)),
            (Some(series), ..) => {
                let message = "`series` are readings themselves: nothing is read from records";
                self.found.problem(place.clone(), message, "write one of the two");
                Given::Series(series)
            }
        };
        let incidents = wire
            .incidents
            .as_ref()
            .map(|list| list.iter().filter_map(|entry| self.incident(entry, stretch)).collect());
        let notices = wire
            .notices
            .as_ref()
            .map(|list| list.iter().filter_map(|entry| self.notice(entry, stretch)).collect());
        if wire.incidents.is_none() && wire.notices.is_none() {
            let whole = table.is_whole("incidents") && table.is_whole("notices");
            if whole {
                let help = "write the incidents that must fire, e.g. `incidents = [ { group = \
                            [\"Web\"], fired = \"09:05\" } ]`, or `incidents = []`";
                self.found.problem(place.clone(), "a test that expects nothing", help);
            }
        }
        (self.found.count() == before).then_some(())?;
        let stretch = stretch?;
        Some(RuleTest {
            rule: self.rule.name.clone(),
            name: wire.name.as_ref().map_or_else(|| table.name.clone(), |n| n.get_ref().clone()),
            from: stretch.from,
            to: stretch.to,
            given,
            incidents,
            notices,
            place: self.found.file_and_line(&place),
        })
    }

    /// `at`, or `from` and `to`; a series has a beginning and a length of its own.
    fn stretch(&mut self, series: Option<&[(Vec<String>, Vec<Reading>)]>) -> Option<Stretch> {
        let wire = &self.table.wire;
        let at = wire.at.as_ref().map(|text| self.instant(text, None));
        let from = wire.from.as_ref().map(|text| self.instant(text, None));
        let day = from.flatten();
        let to = wire.to.as_ref().map(|text| self.instant(text, day.map(|when| when.at)));
        let place = self.table.at.clone();
        let (from, to) = match (at, from, to, series) {
            (Some(at), None, None, None) => (at?.at, at?.at),
            (Some(_), ..) => {
                let message = "`at` is one slot and goes with `records` alone";
                self.found.problem(place, message, "write `from` and `to`, or `from` alone");
                return None;
            }
            (None, from, to, Some(series)) => {
                let start = SERIES_FROM.and_time(NaiveTime::MIN);
                let from = match from {
                    Some(from) => from?.at,
                    None => self.rule.zone.first_instant(start),
                };
                let longest = series.iter().map(|(_, readings)| readings.len()).max().unwrap_or(1);
                let slots = i32::try_from(longest.saturating_sub(1)).unwrap_or(i32::MAX);
                match to {
                    Some(to) => (from, to?.at),
                    // A slot more than there are multiples of `every`, where `from` is none.
                    None => (from, first_slot(from, self.rule.every) + self.rule.every * slots),
                }
            }
            (None, Some(from), Some(to), None) => (from?.at, to?.at),
            (None, ..) => {
                let help = "write e.g. `from = \"2026-11-23 09:00\"` and `to = \"10:30\"`";
                self.found.problem(place, "a test needs `from` and `to`, or `at`", help);
                return None;
            }
        };
        let slots = (to - from).num_seconds() / self.rule.every.num_seconds().max(1);
        if to < from {
            self.found.problem(place, "the test ends before it begins", None);
        } else if usize::try_from(slots).unwrap_or(usize::MAX) > SLOTS_MAX {
            let message = format!("{slots} slots are more than the {SLOTS_MAX} of a test");
            self.found.problem(place, message, "make the stretch shorter");
        }
        Some(Stretch { from, to })
    }

    /// An instant, in the rule's zone where it names none. A time without a date is that of the day
    /// of `after`, or of the next day where it would be before it.
    fn instant(&mut self, text: &Text, after: Option<DateTime<Utc>>) -> Option<When> {
        let read = instant(&self.rule.zone, text.get_ref(), after);
        if read.is_none() {
            let message = format!("`{}` is not an instant", text.get_ref());
            let help = match after {
                Some(_) => "write e.g. `09:05`, `2026-11-23 09:05` or `2026-11-23T09:05:00Z`",
                None => "write e.g. `2026-11-23 09:05` or `2026-11-23T09:05:00Z`",
            };
            self.found.problem(self.table.at(text), message, help);
        }
        read
    }

    fn when(&mut self, text: &Text, stretch: Option<Stretch>) -> Option<When> {
        self.instant(text, Some(stretch?.from))
    }

    fn records(&mut self, stretch: Option<Stretch>) -> Vec<(Option<DateTime<Utc>>, Records)> {
        let wire = &self.table.wire;
        let first = wire.records.iter();
        let count = first.chain(wire.records_at.values()).flat_map(BTreeMap::values);
        let count: usize = count.map(Vec::len).sum();
        if count > RECORDS_MAX {
            let message = format!("{count} records are more than the {RECORDS_MAX} of a test");
            self.found.problem(self.table.at.clone(), message, None);
        }
        let explaining = self.rule.depends_on.iter().filter_map(|name| self.about.rules.get(name));
        let queries = explaining.map(|rule| &rule.query).chain([&self.rule.query]);
        let mut reads: BTreeSet<String> =
            queries.flat_map(|query| query.reads().into_keys()).collect();
        let evidence = self.rule.evidence.iter().flat_map(|query| query.reads().into_keys());
        reads.extend(evidence);
        let mut given = given::Given {
            datasets: self.about.datasets,
            reads: reads.iter().map(String::as_str).collect(),
            what: "rule",
            file: self.table.file,
            made: BTreeMap::new(),
        };
        let mut lots = Vec::new();
        if let Some(records) = &wire.records {
            lots.push((None, given.read(self.found, records)));
        }
        for (at, records) in &wire.records_at {
            let records = given.read(self.found, records);
            if let Some(when) = self.when(at, stretch) {
                lots.push((Some(when.at), records));
            }
        }
        lots.sort_by_key(|(at, _)| *at);
        lots
    }

    fn series(
        &mut self,
        written: &Spanned<BTreeMap<Text, Text>>,
    ) -> Vec<(Vec<String>, Vec<Reading>)> {
        if written.get_ref().is_empty() {
            let help = "write e.g. `series = { \"Web\" = \"100x5 400x10\" }`";
            self.found.problem(self.table.at(written), "a series without groups", help);
        }
        let mut all = Vec::new();
        for (group, text) in written.get_ref() {
            let shown = match self.rule.query.groups.len() {
                0 => Vec::new(),
                1 => vec![group.get_ref().clone()],
                _ => group.get_ref().split(", ").map(str::to_owned).collect(),
            };
            self.group(group, shown.len());
            let readings = self.found.value(self.table.at(text), series(text.get_ref()));
            all.push((shown, readings.unwrap_or_default()));
        }
        all
    }

    /// Notes where a group has other than the rule's number of values.
    fn group(&mut self, at: &Text, values: usize) {
        let groups = &self.rule.query.groups;
        if values != groups.len() {
            let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
            let message = format!(
                "`{}` has {values} of the {} values of a group: {}",
                at.get_ref(),
                groups.len(),
                names.join(", ")
            );
            self.found.problem(self.table.at(at), message, None);
        }
    }

    fn incident(
        &mut self,
        written: &Spanned<IncidentToml>,
        stretch: Option<Stretch>,
    ) -> Option<ExpectedIncident> {
        let wire = written.get_ref();
        let names: Vec<String> =
            self.rule.query.groups.iter().map(|group| group.name.clone()).collect();
        if wire.group.len() != names.len() {
            let message = match names.is_empty() {
                true => "the rule has no groups".to_owned(),
                false => format!("which group? It has a value for each of: {}", names.join(", ")),
            };
            let help = (!names.is_empty()).then(|| "write e.g. `group = [\"Web\"]`".to_owned());
            self.found.problem(self.table.at(written), message, help);
        }
        if let Some(level) = &wire.level {
            let levels = self.rule.levels.iter().map(|level| level.name.as_str());
            if !levels.clone().any(|name| name == level.get_ref()) {
                let help = suggestion(level.get_ref(), levels.collect::<Vec<_>>());
                let message = format!("unknown level `{}`", level.get_ref());
                self.found.problem(self.table.at(level), message, help);
            }
        }
        if wire.fired.is_none() {
            let help = "write e.g. `fired = \"09:05\"`: the end of the window that makes it fire";
            self.found.problem(self.table.at(written), "when does it fire?", help);
        }
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.get_ref().clone());
        let mut when = |text: &Option<Text>| text.as_ref().map(|text| self.when(text, stretch));
        let (began, fired, resolved) = (when(&wire.began), when(&wire.fired), when(&wire.resolved));
        Some(ExpectedIncident {
            group: wire.group.iter().map(|text| text.get_ref().clone()).collect(),
            began: began.flatten(),
            fired: fired??,
            level: text(&wire.level),
            resolved: resolved.flatten(),
            because: text(&wire.because),
        })
    }

    fn notice(
        &mut self,
        written: &Spanned<NoticeToml>,
        stretch: Option<Stretch>,
    ) -> Option<ExpectedNotice> {
        let wire = written.get_ref();
        let place = self.table.at(written);
        let (Some(at), Some(to), Some(kind)) = (&wire.at, &wire.to, &wire.kind) else {
            let help = "write e.g. `{ at = \"09:07\", to = \"ops-mail\", kind = \"fired\" }`";
            self.found.problem(place, "a notice has `at`, `to` and `kind`", help);
            return None;
        };
        if !self.about.receivers.contains(to.get_ref().as_str()) {
            let help = suggestion(to.get_ref(), self.about.receivers.iter().copied());
            let message = format!("unknown receiver `{}`", to.get_ref());
            self.found.problem(self.table.at(to), message, help);
        }
        let found = KINDS.into_iter().find(|known| known.word() == kind.get_ref());
        if found.is_none() {
            let help = suggestion(kind.get_ref(), KINDS.map(Kind::word));
            let message = format!("unknown kind `{}`", kind.get_ref());
            self.found.problem(self.table.at(kind), message, help);
        }
        Some(ExpectedNotice {
            at: self.when(at, stretch)?,
            to: to.get_ref().clone(),
            kind: found?,
            because: wire.because.as_ref().map(|text| text.get_ref().clone()),
        })
    }
}

/// The first multiple of `every` since 1970 UTC at or after an instant.
fn first_slot(from: DateTime<Utc>, every: TimeDelta) -> DateTime<Utc> {
    let every = every.num_milliseconds().max(1);
    let over = from.timestamp_millis().rem_euclid(every);
    if over == 0 { from } else { from + TimeDelta::milliseconds(every - over) }
}

/// Reads `2026-11-23T09:05:00Z`, `2026-11-23 09:05` or, after an instant, `09:05`; each with seconds
/// or without.
fn instant(zone: &Zone, text: &str, after: Option<DateTime<Utc>>) -> Option<When> {
    let (minute, second) = (TimeDelta::minutes(1), TimeDelta::zero());
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(When { at: at.to_utc(), within: second });
    }
    for (form, within) in [("%H:%M", minute), ("%H:%M:%S", second)] {
        if let Ok(civil) = NaiveDateTime::parse_from_str(text, &format!("%Y-%m-%d {form}")) {
            return Some(When { at: zone.first_instant(civil), within });
        }
        if let (Ok(time), Some(after)) = (NaiveTime::parse_from_str(text, form), after) {
            let day = zone.date(after);
            let same = zone.first_instant(day.and_time(time));
            let next = || zone.first_instant(day.succ_opt().unwrap_or(day).and_time(time));
            return Some(When { at: if same < after { next() } else { same }, within });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_day_of_the_test_or_of_the_night_after_it() {
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        let after = "2026-11-23T21:00:00Z".parse().expect("an instant");
        let check = |text: &str, expected: Option<(&str, i64)>| {
            let read = instant(&zone, text, Some(after));
            let read = read.map(|when| (when.at.to_rfc3339(), when.within.num_seconds()));
            let expected = expected.map(|(at, within)| (format!("{at}+00:00"), within));
            assert_eq!(read, expected, "{text}");
        };
        check("22:30", Some(("2026-11-23T21:30:00", 60)));
        check("22:30:05", Some(("2026-11-23T21:30:05", 0)));
        check("00:15", Some(("2026-11-23T23:15:00", 60)));
        check("2026-07-01 12:00", Some(("2026-07-01T10:00:00", 60)));
        check("2026-11-23T09:05:00Z", Some(("2026-11-23T09:05:00", 0)));
        check("soon", None);
        check("25:00", None);
        assert_eq!(instant(&zone, "22:30", None), None, "of which day?");
    }
}
