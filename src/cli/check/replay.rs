//! `check --replay`: what another config would have told over stored records, beside the one in force.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::app::looking::Looking;
use crate::cli::context::clock;
use crate::cli::print;
use crate::cli::rules::stretch::{History, Stretch, bar};
use crate::cli::rules::{facts_of, unfit};
use crate::config::Config;
use crate::domain::incident::Incident;
use crate::domain::rule::Rule;
use crate::domain::zone::Zone;
use crate::engine::rehearse::{Rehearsal, Sight, Timeline};

/// At most so many incidents are listed, gained and lost each.
const LISTED_MAX: usize = 20;

/// Two configs over the same records.
pub(super) struct Replay {
    stretch: Stretch,
    zone: Zone,
    before: Side,
    after: Side,
}

/// One of them.
struct Side {
    rules: BTreeMap<String, Arc<Rule>>,
    timeline: Timeline,
    /// Rules that cannot be tried over the past, and why.
    unfit: BTreeMap<String, String>,
}

impl Replay {
    /// Goes over the records of the config in force, so far back.
    ///
    /// # Errors
    /// There are no records, or they cannot be read.
    pub(super) fn of(before: &Config, after: &Config, back: TimeDelta) -> anyhow::Result<Replay> {
        let clock = clock();
        let looking = Looking::open(before, &before.state, &clock)?;
        let other = Looking::open(after, &before.state, &clock)?;
        let rules = before.rules.values().map(|rule| (&looking, rule));
        let rules = rules.chain(after.rules.values().map(|rule| (&other, rule)));
        let mut histories = Vec::new();
        for (looking, rule) in rules.filter(|(_, rule)| unfit(rule).is_none()) {
            let history = History::of(&looking.store, rule)?;
            if let (Some(first), Some(end)) = (history.first, history.complete_to) {
                histories.push((first, end - rule.settle));
            }
        }
        // As far as any rule has records: one without is told as such.
        let first = histories.iter().map(|(first, _)| *first).min();
        let last = histories.iter().map(|(_, last)| *last).max();
        let (Some(first), Some(last)) = (first, last) else {
            return Err(anyhow!("no rule of either config has records to be tried over"));
        };
        let stretch = Stretch { from: (last - back).max(first), to: last };
        let zone = after.timezone.clone();
        if last - back < first {
            let since = print::civil(first, &zone);
            print::remark(format!("cut to what is stored: the first record is of {since}"));
        }
        Ok(Replay {
            stretch,
            zone,
            before: Side::of(&looking, before, stretch)?,
            after: Side::of(&other, after, stretch)?,
        })
    }

    /// For people.
    pub(super) fn show(&self) {
        let weeks = format!("{:.1}", self.stretch.weeks());
        print::line(format!("\nreplayed {}, {weeks} weeks", self.stretch.words(&self.zone)));
        for (words, names) in [
            ("added", names_beyond(&self.after.rules, &self.before.rules)),
            ("removed", names_beyond(&self.before.rules, &self.after.rules)),
        ] {
            if !names.is_empty() {
                print::line(format!("rules {words}: {}", names.join(", ")));
            }
        }
        let rows: Vec<Vec<String>> = self.counts().iter().map(Count::row).collect();
        match rows.is_empty() {
            true => print::line("neither config tells anybody anything"),
            false => {
                let headings = ["rule", "receiver", "notices before", "after", "change", "a week"];
                print::table(&headings, &rows);
            }
        }
        self.show_incidents("fire now and did not before", &self.gained());
        self.show_incidents("do not fire any more", &self.lost());
        for (name, why) in self.unfit() {
            print::line(format!("`{name}` was not replayed: {why}"));
        }
        for (name, unknown) in &self.after.unknown() {
            print::line(format!(
                "`{name}`: of {unknown} slots nothing could be known: is its data loaded?"
            ));
        }
    }

    fn show_incidents(&self, words: &str, incidents: &[&Incident]) {
        let count = print::count(incidents.len(), "incident");
        print::line(format!("\n{count} {words}"));
        for incident in incidents.iter().take(LISTED_MAX) {
            let at = print::civil(incident.fired_at.unwrap_or(incident.began), &self.zone);
            let group = incident.group.name();
            let of = if group.is_empty() { String::new() } else { format!(" {group}") };
            let end = incident.resolved.map_or_else(
                || "still open".to_owned(),
                |end| format!("until {}", print::civil(end.at, &self.zone)),
            );
            let level = &incident.peak.name;
            print::line(format!("  {at}  {}{of}  {level}, {end}", incident.rule));
        }
        if incidents.len() > LISTED_MAX {
            print::line(format!("  ... and {} more", incidents.len() - LISTED_MAX));
        }
    }

    /// Notices of each rule to each receiver, before and after.
    fn counts(&self) -> Vec<Count> {
        let mut counts: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
        for (side, after) in [(&self.before, false), (&self.after, true)] {
            for notice in &side.timeline.notices {
                let key = (notice.rule.clone(), notice.receiver.clone());
                let count = counts.entry(key).or_default();
                if after { count.1 += 1 } else { count.0 += 1 }
            }
        }
        let weeks = self.stretch.weeks();
        let counts = counts.into_iter().map(|((rule, receiver), (before, after))| Count {
            rule,
            receiver,
            before,
            after,
            a_week: after as f64 / weeks,
            rate: self.stretch.rate(after),
        });
        counts.collect()
    }

    fn gained(&self) -> Vec<&Incident> {
        beyond(&self.after.timeline, &self.before.timeline)
    }

    fn lost(&self) -> Vec<&Incident> {
        beyond(&self.before.timeline, &self.after.timeline)
    }

    fn unfit(&self) -> BTreeMap<&String, &String> {
        self.before.unfit.iter().chain(&self.after.unfit).collect()
    }

    /// For machines.
    pub(super) fn facts(&self) -> Value {
        let counts = self.counts();
        let counts = counts.iter().map(|count| {
            json!({
                "rule": count.rule,
                "receiver": count.receiver,
                "before": count.before,
                "after": count.after,
                "a_week": count.a_week,
            })
        });
        let facts = |incidents: Vec<&Incident>| -> Vec<Value> {
            incidents.into_iter().map(facts_of).collect()
        };
        json!({
            "from": print::stamp(self.stretch.from),
            "to": print::stamp(self.stretch.to),
            "rules_added": names_beyond(&self.after.rules, &self.before.rules),
            "rules_removed": names_beyond(&self.before.rules, &self.after.rules),
            "notices": counts.collect::<Vec<_>>(),
            "gained": facts(self.gained()),
            "lost": facts(self.lost()),
            "not_replayed": self.unfit(),
            "unknown_slots": self.after.unknown(),
        })
    }
}

impl Side {
    fn of(looking: &Looking, config: &Config, stretch: Stretch) -> anyhow::Result<Side> {
        let (mut rules, mut reasons) = (Vec::new(), BTreeMap::new());
        for (name, rule) in &config.rules {
            match unfit(rule) {
                Some(why) => {
                    reasons.insert(name.clone(), why.to_owned());
                }
                None => rules.push(Arc::clone(rule)),
            }
        }
        let Stretch { from, to } = stretch;
        let rehearsal = Rehearsal { plant: &looking.plant, rules, from, to, follow: None };
        let bar = bar(&rehearsal);
        let timeline = rehearsal
            .run(&mut Sight::Records(&looking.store), &mut |done| bar.set_position(done))?;
        bar.finish_and_clear();
        Ok(Side { rules: config.rules.clone(), timeline, unfit: reasons })
    }

    fn unknown(&self) -> BTreeMap<&String, u64> {
        let counts = self.timeline.counts.iter();
        counts.map(|(name, counts)| (name, counts.unknown)).filter(|(_, n)| *n > 0).collect()
    }
}

/// How many notices of a rule a receiver gets.
struct Count {
    rule: String,
    receiver: String,
    before: usize,
    after: usize,
    a_week: f64,
    rate: String,
}

impl Count {
    fn row(&self) -> Vec<String> {
        let change = self.after as i64 - self.before as i64;
        vec![
            self.rule.clone(),
            self.receiver.clone(),
            self.before.to_string(),
            self.after.to_string(),
            if change == 0 { "same".to_owned() } else { format!("{change:+}") },
            self.rate.clone(),
        ]
    }
}

fn names_beyond<'a, T>(
    these: &'a BTreeMap<String, T>,
    those: &BTreeMap<String, T>,
) -> Vec<&'a str> {
    these.keys().filter(|name| !those.contains_key(*name)).map(String::as_str).collect()
}

/// From when to when an incident was open.
type Lasted = (DateTime<Utc>, DateTime<Utc>);

/// The incidents of one timeline that overlap none of the same rule and group in the other.
fn beyond<'t>(these: &'t Timeline, those: &Timeline) -> Vec<&'t Incident> {
    let mut known: BTreeMap<(&str, &str), BTreeSet<Lasted>> = BTreeMap::new();
    let end = |incident: &Incident| incident.resolved.map_or(those.to, |end| end.at);
    for incident in &those.incidents {
        let key = (incident.rule.as_str(), incident.group.key.as_str());
        known.entry(key).or_default().insert((incident.began, end(incident)));
    }
    let other = |incident: &&Incident| {
        let key = (incident.rule.as_str(), incident.group.key.as_str());
        let overlaps = known.get(&key).into_iter().flatten();
        let mut overlaps =
            overlaps.filter(|(began, over)| *began <= end(incident) && incident.began <= *over);
        overlaps.next().is_none()
    };
    these.incidents.iter().filter(other).collect()
}

/// What `check --replay` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArguments {
    /// The changed config, with --replay; without it the one in force is checked
    #[arg(value_name = "NEW")]
    pub(super) new: Option<PathBuf>,
    /// Compare what the changed config would have told over the stored records of so long, with
    /// what the one in force would have: 30d, 2w
    #[arg(long, value_name = "LENGTH", value_parser = crate::cli::rules::stretch::length)]
    pub(super) replay: Option<TimeDelta>,
    /// The config in force, if not the one of -c
    #[arg(long, value_name = "OLD", requires = "replay")]
    pub(super) against: Option<PathBuf>,
}
