//! `postrider rules advise`: thresholds and holds that give at most so many alerts a week.

use anyhow::anyhow;
use chrono::TimeDelta;
use clap::Args;
use serde_json::{Value, json};

use super::super::context::{Context, clock};
use super::super::{Done, Failure, print};
use super::backtest::{rehearsed, stretch, words};
use super::stretch::{Instant, Stretch};
use crate::app::looking::Looking;
use crate::domain::rule::{Hold, Kind, Rule};
use crate::engine::rehearse::{Advice, Choice, advise};

/// Less than this says little.
const LITTLE: TimeDelta = TimeDelta::weeks(2);
/// Fewer incidents at present than this say little of what is missed.
const FEW: usize = 5;
/// At most so many missed incidents are listed.
const MISSED_MAX: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider rules advise slow-answer                     at most one alert a week
  postrider rules advise slow-answer --per-week 3 --from 60d

For the rule's lowest level it tries thresholds among the values that came, each with several holds
(`for`), on what is stored. Each line is the threshold that says most of its hold within the bound;
one that would fire a fifth of the time is none. CAUGHT counts the incidents of the present levels that it would have fired in too, MISSED the
others: look at those before you choose. It knows what happened, not what mattered.")]
pub(in crate::cli) struct Advise {
    /// The rule
    rule: String,
    /// At most so many alerts a week
    #[arg(long, value_name = "K", default_value_t = 1.0)]
    per_week: f64,
    /// From when: a day, an instant, or so long ago (30d)
    #[arg(long, value_name = "TIME")]
    from: Option<Instant>,
    /// Until when. Default: as far as the records are complete
    #[arg(long, value_name = "TIME")]
    to: Option<Instant>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Advise {
    pub(super) fn execute(&self, context: &Context) -> Done {
        if !(0.0..=10_000.0).contains(&self.per_week) {
            return Err(Failure::Config(Some(anyhow!("--per-week is from 0 to 10000"))));
        }
        let config = context.check()?;
        let rule = super::named(&config, &self.rule)?;
        if rule.kind == Kind::Event {
            let why = "it tells each record once and has no threshold";
            return Err(Failure::Failed(anyhow!("`{}` is an event rule: {why}", rule.name)));
        }
        let clock = clock();
        let looking = Looking::open(&config, &config.state, &clock)?;
        let (stretch, cut) = stretch(&looking, &rule, self.from, self.to, clock.now())?;
        if let Some(there) = cut {
            print::remark(format!("cut to what is stored: {there}"));
        }
        let timeline = rehearsed(&looking, &rule, stretch)?;
        // A stretch of less than a week is not blown up to one.
        let weeks = stretch.weeks().max(1.0);
        let most = (self.per_week * weeks).floor() as usize;
        let advice = advise(&rule, &timeline.tracks, most).ok_or_else(|| {
            let upward = rule.levels.first().and_then(|level| level.breach.upward());
            match upward {
                None => anyhow!("levels of `{}` do not compare with `<` or `>`", rule.name),
                Some(_) => anyhow!("`{}` read no value in that stretch", rule.name),
            }
        })?;
        let doubts = doubts(&rule, stretch, &advice, timeline.tracks.cut);
        match self.json {
            true => print::json(&facts(&rule, stretch, &advice, &doubts)),
            false => self.print(&rule, stretch, &advice, &doubts),
        }
        Ok(())
    }

    fn print(&self, rule: &Rule, stretch: Stretch, advice: &Advice, doubts: &[String]) {
        print::line(format!("{}: {}", rule.name, rule.title));
        print::line(format!("{}, {} values", stretch.words(&rule.zone), advice.values));
        let mut rows = vec![row(rule, stretch, &advice.present, "present")];
        let choices = advice.choices.iter().enumerate();
        rows.extend(choices.map(|(n, choice)| row(rule, stretch, choice, &(n + 1).to_string())));
        print::line("");
        print::table(
            &["", "level", "for", "alerts", "a week", "caught", "missed", "new", "later"],
            &rows,
        );
        if advice.choices.is_empty() {
            print::line(format!(
                "no threshold that came gives at most {} alerts a week",
                self.per_week
            ));
        }
        if let Some(first) = advice.choices.first() {
            print::line("");
            if first.missed.is_empty() {
                print::line("1 misses nothing of what fires at present");
            }
            for (group, at) in first.missed.iter().take(MISSED_MAX) {
                let group = if group.is_empty() { "it" } else { group };
                let at = print::civil(*at, &rule.zone);
                print::line(format!("1 would have missed {group} at {at}"));
            }
            if first.missed.len() > MISSED_MAX {
                print::line(format!("... and {} more", first.missed.len() - MISSED_MAX));
            }
        }
        for doubt in doubts {
            print::line(format!("careful: {doubt}"));
        }
    }
}

fn row(rule: &Rule, stretch: Stretch, choice: &Choice, name: &str) -> Vec<String> {
    vec![
        name.to_owned(),
        level(rule, choice),
        hold(choice.hold),
        choice.alerts.to_string(),
        stretch.rate(choice.alerts),
        choice.caught.to_string(),
        choice.missed.len().to_string(),
        choice.new.to_string(),
        match choice.later.num_seconds() {
            0 => "-".to_owned(),
            1.. => words(choice.later),
            _ => format!("{} earlier", words(-choice.later)),
        },
    ]
}

/// The lowest level of a choice, e.g. `warning > 300`.
fn level(rule: &Rule, choice: &Choice) -> String {
    rule.levels.first().map_or_else(String::new, |level| {
        let mut breach = level.breach;
        breach.than = choice.than;
        format!("{} {breach}", level.name)
    })
}

fn hold(hold: Hold) -> String {
    if hold.is_none() { "at once".to_owned() } else { hold.to_string() }
}

/// Why the advice should not be trusted too much.
fn doubts(rule: &Rule, stretch: Stretch, advice: &Advice, cut: bool) -> Vec<String> {
    let mut doubts = Vec::new();
    if stretch.to - stretch.from < LITTLE {
        doubts.push("less than two weeks were looked at: a quiet one says little".to_owned());
    }
    if advice.present.alerts < FEW {
        doubts.push(format!(
            "{} at present: what is missed says little",
            print::count(advice.present.alerts, "incident")
        ));
    }
    if rule.levels.len() > 1 {
        doubts.push("only the lowest level was tried; the others stay as they are".to_owned());
    }
    if cut {
        doubts.push("too many readings were there: the later ones were not looked at".to_owned());
    }
    doubts
}

fn facts(rule: &Rule, stretch: Stretch, advice: &Advice, doubts: &[String]) -> Value {
    let of = |choice: &Choice| {
        json!({
            "level": level(rule, choice),
            "than": choice.than,
            "for": hold(choice.hold),
            "alerts": choice.alerts,
            "a_week": choice.alerts as f64 / stretch.weeks(),
            "caught": choice.caught,
            "missed": choice.missed.iter().map(|(group, at)| {
                json!({ "group": group, "fired": print::stamp(*at) })
            }).collect::<Vec<_>>(),
            "new": choice.new,
            "later_seconds": choice.later.num_seconds(),
            "firing": choice.firing,
        })
    };
    json!({
        "rule": rule.name,
        "from": print::stamp(stretch.from),
        "to": print::stamp(stretch.to),
        "values": advice.values,
        "present": of(&advice.present),
        "choices": advice.choices.iter().map(of).collect::<Vec<_>>(),
        "careful": doubts,
    })
}
