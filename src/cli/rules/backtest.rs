//! `postrider rules backtest`: what a rule would have told over stored records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant as Started;

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;
use clap::Args;
use serde_json::{Value, json};

use super::super::context::{Context, clock};
use super::super::{Done, Failure, print};
use super::stretch::{History, Instant, Stretch, bar};
use crate::app::looking::Looking;
use crate::domain::incident::Incident;
use crate::domain::notification::Kind;
use crate::domain::rule::{Kind as RuleKind, Rule};
use crate::engine::rehearse::{Rehearsal, Sight, Timeline};
use crate::render::Locale;
use crate::render::format::plain;

mod chart;

/// At most so many incidents are listed.
const LISTED_MAX: usize = 40;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider rules backtest slow-answer                       the last 30 days
  postrider rules backtest slow-answer --from 2026-11-01 --to 2026-11-08
  postrider rules backtest slow-answer --from 2w --chart waits.png
  postrider -c new.toml rules backtest slow-answer --json

It goes through the same steps as the daemon, on a virtual clock, and sends and writes nothing. It
judges records as they are stored now: what was edited or deleted since is as it is today, and
nobody silences or acknowledges. Rules that it depends on are rehearsed beside it.")]
pub(in crate::cli) struct Backtest {
    /// The rule
    rule: String,
    /// The first slots are at or after it: a day, an instant, or so long ago (30d)
    #[arg(long, value_name = "TIME")]
    from: Option<Instant>,
    /// The last slots are at or before it. Default: as far as the records are complete
    #[arg(long, value_name = "TIME")]
    to: Option<Instant>,
    /// Draw the value with its thresholds into this file (.svg or .png)
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// The group that is drawn, as it is shown. Default: the worst
    #[arg(long, value_name = "GROUP", requires = "chart")]
    group: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Backtest {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let rule = super::named(&config, &self.rule)?;
        if let Some(chart) = &self.chart {
            chart::kind(chart)?;
        }
        let clock = clock();
        let looking = Looking::open(&config, &config.state, &clock)?;
        let (stretch, cut) = stretch(&looking, &rule, self.from, self.to, clock.now())?;
        if let Some(there) = cut {
            print::remark(format!("cut to what is stored: {there}"));
        }
        let started = Started::now();
        let timeline = rehearsed(&looking, &rule, stretch)?;
        let shown = Shown {
            rule: &rule,
            stretch,
            timeline: &timeline,
            locale: Locale::named(&config.locale),
        };
        match self.json {
            true => print::json(&shown.facts()),
            false => shown.print(started.elapsed().as_secs_f64()),
        }
        if let Some(path) = &self.chart {
            self.draw(path, &shown, config.look.accent.as_deref())?;
        }
        Ok(())
    }

    fn draw(&self, path: &Path, shown: &Shown<'_>, accent: Option<&str>) -> anyhow::Result<()> {
        let Shown { rule, timeline, locale, .. } = shown;
        let bytes = chart::drawn(path, rule, timeline, self.group.as_deref(), *locale, accent)?;
        std::fs::write(path, bytes)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        print::remark(format!("the chart is in {}", path.display()));
        Ok(())
    }
}

/// The stretch asked for, within what is stored of a rule that can be tried over the past.
pub(super) fn stretch(
    looking: &Looking,
    rule: &Rule,
    from: Option<Instant>,
    to: Option<Instant>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(Stretch, Option<String>), Failure> {
    if let Some(why) = super::unfit(rule) {
        return Err(Failure::Failed(anyhow!(
            "`{}` cannot be tried over the past: {why}",
            rule.name
        )));
    }
    let history = History::of(&looking.store, rule)?;
    Ok(Stretch::within(rule, &history, from, to, now)?)
}

/// A rule, and those that explain it, over what is stored.
pub(super) fn rehearsed(
    looking: &Looking,
    rule: &Arc<Rule>,
    stretch: Stretch,
) -> anyhow::Result<Timeline> {
    let explaining = rule.depends_on.iter().filter_map(|name| looking.plant.rules.get(name));
    let explaining = explaining.filter(|rule| super::unfit(rule).is_none()).cloned();
    let rehearsal = Rehearsal {
        plant: &looking.plant,
        rules: std::iter::once(Arc::clone(rule)).chain(explaining).collect(),
        from: stretch.from,
        to: stretch.to,
        follow: Some(rule.name.clone()),
    };
    let bar = bar(&rehearsal);
    let done =
        rehearsal.run(&mut Sight::Records(&looking.store), &mut |done| bar.set_position(done));
    bar.finish_and_clear();
    Ok(done?)
}

struct Shown<'a> {
    rule: &'a Rule,
    stretch: Stretch,
    timeline: &'a Timeline,
    locale: Locale,
}

impl Shown<'_> {
    fn incidents(&self) -> Vec<&Incident> {
        self.timeline.incidents_of(&self.rule.name).collect()
    }

    fn print(&self, took: f64) {
        let (rule, stretch) = (self.rule, self.stretch);
        let counts = self.timeline.counts.get(&rule.name).copied().unwrap_or_default();
        print::line(format!("{}: {}", rule.name, rule.title));
        print::line(format!(
            "{}: {} slots in {took:.1} s",
            stretch.words(&rule.zone),
            counts.evaluated
        ));
        if counts.outside > 0 {
            print::line(format!("{} slots were outside its hours", counts.outside));
        }
        if counts.unknown > 0 {
            print::line(format!("of {} slots nothing could be known", counts.unknown));
        }
        match rule.kind {
            RuleKind::Event => {
                let rate = self.stretch.a_week(counts.records as usize);
                let records = print::count(counts.records as usize, "new record");
                print::line(format!("\n{records} ({rate})"));
            }
            RuleKind::State => self.print_incidents(counts.forgotten),
        }
        self.print_notices();
        let lines = chart::lines(rule, self.timeline, self.locale);
        if !lines.is_empty() {
            print::line("");
        }
        for line in lines {
            print::line(line);
        }
    }

    fn print_incidents(&self, forgotten: u64) {
        let incidents = self.incidents();
        let rate = self.stretch.a_week(incidents.len());
        let count = print::count(incidents.len(), "incident");
        print::line(format!("\n{count} ({rate})"));
        if forgotten > 0 {
            let breaches =
                print::count(forgotten as usize, "breach").replace("breachs", "breaches");
            print::line(format!(
                "{forgotten} {breaches} cleared within `for = \"{}\"` and told nobody",
                self.rule.hold
            ));
        }
        let rows: Vec<Vec<String>> =
            incidents.iter().take(LISTED_MAX).map(|incident| self.row(incident)).collect();
        if !rows.is_empty() {
            print::table(&["fired", "ended", "lasted", "group", "level", "worst", "why"], &rows);
        }
        if incidents.len() > LISTED_MAX {
            print::line(format!("... and {} more; --json has all", incidents.len() - LISTED_MAX));
        }
    }

    fn row(&self, incident: &Incident) -> Vec<String> {
        let zone = &self.rule.zone;
        let group = incident.group.name();
        let end = incident.resolved.map(|resolved| resolved.at);
        vec![
            print::civil(incident.fired_at.unwrap_or(incident.began), zone),
            end.map_or_else(|| "still open".to_owned(), |at| print::civil(at, zone)),
            words(incident.duration(self.stretch.to)),
            if group.is_empty() { "(all)".to_owned() } else { group },
            incident.peak.name.clone(),
            incident
                .worst
                .map_or_else(String::new, |x| plain(&self.locale.number(x, self.rule.format))),
            incident.resolved.map_or("", |resolved| resolved.reason.words()).to_owned(),
        ]
    }

    fn print_notices(&self) {
        let by_receiver = self.by_receiver();
        let total: usize = by_receiver.values().flat_map(BTreeMap::values).sum();
        let rate = self.stretch.a_week(total);
        print::line(format!("\n{} ({rate})", print::count(total, "notice")));
        let rows: Vec<Vec<String>> = (by_receiver.iter())
            .map(|(receiver, kinds)| {
                let count: usize = kinds.values().sum();
                let kinds: Vec<String> =
                    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
                vec![
                    (*receiver).to_owned(),
                    count.to_string(),
                    self.stretch.rate(count),
                    kinds.join(", "),
                ]
            })
            .collect();
        if !rows.is_empty() {
            print::table(&["receiver", "notices", "a week", "of them"], &rows);
        }
        let routed = self.incidents().is_empty() || total > 0;
        if !routed {
            print::line("no route leads them to a receiver");
        }
    }

    fn by_receiver(&self) -> BTreeMap<&str, BTreeMap<&'static str, usize>> {
        let mut counts: BTreeMap<&str, BTreeMap<&'static str, usize>> = BTreeMap::new();
        for notice in self.timeline.notices.iter().filter(|notice| notice.rule == self.rule.name) {
            let kinds = counts.entry(&notice.receiver).or_default();
            *kinds.entry(Kind::word(notice.kind)).or_default() += 1;
        }
        counts
    }

    fn facts(&self) -> Value {
        let counts = self.timeline.counts.get(&self.rule.name).copied().unwrap_or_default();
        let weeks = self.stretch.weeks();
        let notices: Vec<Value> = (self.timeline.notices.iter())
            .filter(|notice| notice.rule == self.rule.name)
            .map(|notice| {
                json!({
                    "at": print::stamp(notice.at),
                    "receiver": notice.receiver,
                    "kind": notice.kind.word(),
                    "reason": notice.reason,
                    "incidents": notice.incidents.iter().map(|(id, _)| id).collect::<Vec<_>>(),
                    "groups": notice.groups,
                })
            })
            .collect();
        let incidents: Vec<Value> = self.incidents().into_iter().map(incident_facts).collect();
        json!({
            "rule": self.rule.name,
            "from": print::stamp(self.stretch.from),
            "to": print::stamp(self.stretch.to),
            "weeks": weeks,
            "slots": {
                "evaluated": counts.evaluated,
                "outside": counts.outside,
                "unknown": counts.unknown,
            },
            "cleared_within_for": counts.forgotten,
            "records": counts.records,
            "incidents": incidents,
            "notices": notices,
            "notices_by_receiver": self.by_receiver(),
            "left_out": {
                "incidents": self.timeline.incidents_more,
                "notices": self.timeline.notices_more,
            },
        })
    }
}

/// An incident for machines.
pub(in crate::cli) fn incident_facts(incident: &Incident) -> Value {
    let end = incident.resolved;
    json!({
        "id": incident.id,
        "rule": incident.rule,
        "group": incident.group.name(),
        "began": print::stamp(incident.began),
        "fired": incident.fired_at.map(print::stamp),
        "resolved": end.map(|end| print::stamp(end.at)),
        "why": end.map(|end| end.reason.words()),
        "level": incident.peak.name,
        "worst": incident.worst,
    })
}

/// `2 h 5 min`.
pub(in crate::cli) fn words(length: TimeDelta) -> String {
    let minutes = length.num_minutes().max(0);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
