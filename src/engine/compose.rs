//! Composing: a notice and what the records say beside it become the content of a message.
//!
//! What the records are asked for is bounded, and none of it is needed: where they cannot be read,
//! or a question fails, the message is sent without it and says so in a line.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::TimeDelta;

use super::Plant;
use crate::domain::incident::{Incident, Reason};
use crate::domain::notification::{self, Change, Item, Kind, Notice};
use crate::domain::period::Window;
use crate::domain::rule::{Baseline, Rule};
use crate::render::chart::Course;
use crate::render::{
    Context, Evidence, IncidentKind, IncidentMail, NotificationMail, PassedIncident,
};
use crate::store::{Store, StoreError, View};

mod course;
mod data;
mod evidence;
mod narrow;
#[cfg(test)]
mod tests;

/// Incidents of a notice of which the worst records are shown.
const EVIDENCE_MAX: usize = 5;
/// Incidents whose worst records are asked for, of all that are told at once.
const EVIDENCES_MAX: usize = 100;
/// Incidents whose course is asked for, of all that are told at once: each is many questions.
const COURSES_MAX: usize = 20;

/// The content of one notice.
pub(super) fn compose(store: &Store, plant: &Plant, notice: &Notice) -> NotificationMail {
    let mut mails = each(store, plant, std::slice::from_ref(notice), |_, mail| mail.clone());
    mails.pop().expect("one content of each notice")
}

/// Composes notices that are decided together, each as it is handed to `make`. Records that cannot
/// be read cost what they would have said, not the notice.
pub(super) fn each<T>(
    store: &Store,
    plant: &Plant,
    notices: &[Notice],
    mut make: impl FnMut(&Notice, &NotificationMail) -> T,
) -> Vec<T> {
    let mut made = Vec::with_capacity(notices.len());
    if notices.is_empty() {
        return made;
    }
    let mut asked = Asked::default();
    let read = guarded(|| {
        store.read_records(|records| {
            for notice in notices {
                let mut mail = content(plant, notice);
                ask(records, plant, notice, &mut mail, &mut asked);
                made.push(make(notice, &mail));
            }
            Ok(())
        })
    });
    if let Err(why) = read {
        for notice in &notices[made.len()..] {
            tracing::warn!(notice = notice.key, why, "a notice goes out without its records");
            let mut mail = content(plant, notice);
            let wanted = wanting(plant, notice).next().map(|(index, ..)| index);
            if let Some(item) = wanted.and_then(|index| mail.items.get_mut(index)) {
                lost(&mut item.context, &why);
            }
            made.push(make(notice, &mail));
        }
    }
    made
}

/// What the records have said for notices that are decided together: several receivers are told of
/// one incident, and thousands may begin at once.
#[derive(Default)]
struct Asked {
    /// By incident.
    evidence: HashMap<String, Result<Option<Evidence>, String>>,
    /// By incident; `None`: it has none.
    courses: HashMap<String, (Option<Course>, course::Counts)>,
    sources: data::Known,
}

impl Asked {
    fn evidence(
        &mut self,
        records: &View<'_>,
        plant: &Plant,
        rule: &Rule,
        incident: &Incident,
    ) -> Result<Option<Evidence>, String> {
        if let Some(known) = self.evidence.get(&incident.id) {
            return known.clone();
        }
        if self.evidence.len() >= EVIDENCES_MAX {
            return Err(format!("more than {EVIDENCES_MAX} incidents are told at once"));
        }
        let found = guarded(|| evidence::evidence(records, plant, rule, incident));
        if let Err(why) = &found {
            tracing::warn!(rule = rule.name, why, "the worst records cannot be read");
        }
        self.evidence.insert(incident.id.clone(), found.clone());
        found
    }

    /// A picture says nothing that the words do not: without it nobody misses anything.
    fn course(
        &mut self,
        records: &View<'_>,
        plant: &Plant,
        rule: &Rule,
        incident: &Incident,
    ) -> (Option<Course>, course::Counts) {
        if let Some(known) = self.courses.get(&incident.id) {
            return known.clone();
        }
        if self.courses.len() >= COURSES_MAX {
            return (None, None);
        }
        let seen = guarded(|| course::course(records, plant, rule, incident));
        let seen = seen.unwrap_or_else(|why| {
            tracing::warn!(rule = rule.name, why, "a course cannot be read");
            (None, None)
        });
        self.courses.insert(incident.id.clone(), seen.clone());
        seen
    }
}

/// What the notice says by itself.
fn content(plant: &Plant, notice: &Notice) -> NotificationMail {
    NotificationMail {
        kind: notice.kind,
        key: notice.key.clone(),
        thread: notice.thread.clone(),
        sequence: notice.seq,
        at: notice.at,
        reason: notice.reason.clone(),
        grouped_by: notice.grouped_by.clone(),
        items: notice.items.iter().map(|item| incident_mail(plant, notice, item)).collect(),
        more_firing: notice.more_firing,
        more_ended: notice.more_ended,
        records: notice.records.clone(),
        records_more: notice.records_more,
        instead_of: notice.instead_of.clone(),
        late: notice.late,
        data: Vec::new(),
        zone: plant.zone.clone(),
        locale: plant.locale.clone(),
        owner: plant.owner.clone(),
        public_url: plant.public_url.clone(),
        look: plant.look.clone(),
    }
}

/// Whether a notice is news, which people want to look into; others repeat what they have.
fn is_news(kind: Kind) -> bool {
    matches!(kind, Kind::Fired | Kind::LevelUp | Kind::Changed | Kind::Correction)
}

/// The incidents of a notice that records are wanted for, with their place in it and their rule.
fn wanting<'a>(
    plant: &'a Plant,
    notice: &'a Notice,
) -> impl Iterator<Item = (usize, &'a Item, &'a Rule)> {
    let items = notice.items.iter().enumerate().take(EVIDENCE_MAX);
    items.filter_map(move |(index, item)| {
        let rule = plant.rules.get(&item.incident.rule)?;
        let open = item.change != Change::Resolved && item.incident.is_open();
        let shown = rule.evidence.is_some() && item.incident.value.is_some();
        (is_news(notice.kind) && open && shown).then_some((index, item, &**rule))
    })
}

/// Asks the records for what stands beside a notice. Each question that fails costs its own answer.
fn ask(
    records: &View<'_>,
    plant: &Plant,
    notice: &Notice,
    mail: &mut NotificationMail,
    asked: &mut Asked,
) {
    for (index, item, rule) in wanting(plant, notice) {
        let Some(into) = mail.items.get_mut(index) else { continue };
        match asked.evidence(records, plant, rule, &item.incident) {
            Ok(found) => into.context.evidence = found,
            Err(why) => lost(&mut into.context, &why),
        }
    }
    let first = notice.items.first().filter(|item| is_news(notice.kind) && is_current(item));
    if let Some((item, into)) = first.zip(mail.items.first_mut())
        && let Some(rule) = plant.rules.get(&item.incident.rule)
    {
        let seen = asked.course(records, plant, rule, &item.incident);
        (into.context.course, into.context.counts) = seen;
    }
    let told = guarded(|| asked.sources.of(records, plant, notice, is_news(notice.kind)));
    match told {
        Ok(told) => mail.data = told,
        Err(why) => tracing::warn!(why, "how complete the data is cannot be told"),
    }
}

/// Whether the value of an incident is that of now.
fn is_current(item: &Item) -> bool {
    item.change != Change::Resolved && item.incident.is_open() && item.incident.value.is_some()
}

fn lost(context: &mut Context, why: &str) {
    context.evidence_lost = Some(format!("The worst records are missing here: {why}."));
}

/// Runs a question; a failure, also a defect's panic, is a reason in words without paths and SQL.
fn guarded<T>(question: impl FnOnce() -> Result<T, StoreError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(question)) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(err)) => Err(match err {
            StoreError::Loading(what) => format!("{what} is still being loaded"),
            _ => "the records could not be read".to_owned(),
        }),
        Err(_) => Err("a defect of postrider, which its log tells of".to_owned()),
    }
}

/// The datasets a rule reads.
fn datasets(rule: &Rule) -> Vec<String> {
    rule.query.reads().into_keys().collect()
}

/// The window of an incident's last reading; `None`: the state as it was then.
fn window(rule: &Rule, incident: &Incident) -> Option<Window> {
    let to = incident.last_read_at;
    rule.window.map(|length| Window { from: to - length, to })
}

/// What is told, from the incident as it is and its rule as it is configured (a removed rule leaves
/// what the incident remembers of it).
fn incident_mail(plant: &Plant, notice: &Notice, item: &Item) -> IncidentMail {
    let incident = &item.incident;
    let rule = plant.rules.get(&incident.rule);
    // An incident is over when its lowest level is left.
    let lowest = rule.and_then(|rule| rule.levels.first());
    let levels = incident.about.levels.len();
    IncidentMail {
        kind: match item.change {
            Change::Fired => IncidentKind::Fired,
            Change::LevelUp => IncidentKind::LevelUp,
            Change::Still => IncidentKind::Reminder,
            Change::Resolved => IncidentKind::Resolved,
            Change::Corrected => IncidentKind::Corrected,
        },
        incident: incident.id.clone(),
        rule: incident.rule.clone(),
        title: incident.about.title.clone(),
        group: incident.group.shown.clone(),
        level: incident.level.name.clone(),
        severe: levels > 1 && incident.level.index + 1 == levels,
        previous_level: item.from.as_ref().map(|level| level.name.clone()),
        value: incident.value,
        format: incident.about.format,
        threshold: incident.threshold().parse().ok(),
        recover: lowest.map(|level| level.recover.unwrap_or(level.breach.negation())),
        keep_firing_for: rule
            .map_or(TimeDelta::zero(), |rule| rule.keep_firing_for.length(rule.every)),
        records: incident.records,
        window: rule.and_then(|rule| window(rule, incident)),
        at: incident.last_read_at,
        began: incident.began,
        fired: incident.fired_at.unwrap_or(incident.began),
        resolved: incident.resolved.map(|resolved| resolved.at),
        closed: incident
            .resolved
            .filter(|resolved| resolved.reason != Reason::Cleared)
            .map(|resolved| resolved.reason.words().to_owned()),
        passed: notice.passed.iter().map(passed).collect(),
        passed_more: notice.passed_more,
        worst: incident.worst,
        value_at_fire: incident.value_at_fire,
        reason: notice.reason.clone(),
        sequence: notice.seq,
        labels: incident.about.labels.clone(),
        runbook: incident.about.runbook.clone(),
        zone: plant.zone.clone(),
        locale: plant.locale.clone(),
        instance: None,
        owner: plant.owner.clone(),
        look: plant.look.clone(),
        context: Context {
            measured: incident.measured,
            format_measured: incident.about.format_measured,
            usual: incident.usual,
            usual_is: rule.and_then(|rule| usual_is(rule)),
            rule_owner: incident.about.owner.clone(),
            ack: item.ack.clone(),
            recent: item.recent,
            remarks: item.remarks.clone(),
            ..Context::default()
        },
    }
}

/// What a value is compared with, in words; `None`: what is usual.
fn usual_is(rule: &Rule) -> Option<String> {
    let words = match rule.usual.as_ref()?.baseline {
        Baseline::PreviousWindow => "in the window before",
        Baseline::LastWeek => "a week before",
        Baseline::MedianOfWeeks(_) => return None,
    };
    Some(words.to_owned())
}

fn passed(passed: &notification::Passed) -> PassedIncident {
    PassedIncident {
        began: passed.began,
        ended: passed.ended,
        level: passed.peak.name.clone(),
        worst: passed.worst,
    }
}
