//! The comparison: what each receiver saw, incident by incident, from the daemon that was killed and
//! from the one that was not; and what both have stored.
//!
//! The declared difference: a daemon that is blind for longer than something lasts tells it together
//! with what came after (or as over, where it fired and ended meanwhile). It counts as that only
//! where the daemon was indeed so late, and only if beginning and end were told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::render::mail::{message_id, webhook_id};
use serde_json::Value;

use super::findings::Findings;
use super::sink::Arrival;
use super::state::State;
use super::timeline::LINGER;

/// The domain of the sender.
const DOMAIN: &str = "example.com";
/// Who gets mails of the receiver `mail`.
const READERS: [&str; 2] = ["ops@example.com", "chief@example.com"];
/// Who is told of the daemon's own troubles.
const OWNER: &str = "owner@example.com";
/// The webhook.
const HOOK: &str = "hook";

/// One daemon's story.
pub(crate) struct Told<'a> {
    pub(crate) state: &'a State,
    pub(crate) arrivals: &'a [Arrival],
}

/// A message as its receiver saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    kind: String,
    level: String,
    /// What was said of the incident: rule, group, times, values.
    facts: String,
    seq: i64,
    id: String,
    /// How long after it happened it was decided.
    late: TimeDelta,
}

impl Seen {
    /// All but when it was told.
    fn same(&self, other: &Seen) -> bool {
        Seen { late: TimeDelta::zero(), ..self.clone() }
            == Seen { late: TimeDelta::zero(), ..other.clone() }
    }
}

/// By receiver and incident what came, each message once, in order.
type Sequences = BTreeMap<(String, String), Vec<Seen>>;

/// What one side's receivers saw.
#[derive(Default)]
struct View {
    sequences: Sequences,
    /// Messages that came again, by receiver.
    duplicates: BTreeMap<String, usize>,
    latest: TimeDelta,
}

/// Compares everything.
pub(crate) fn compare(alone: &Told<'_>, killed: &Told<'_>, findings: &mut Findings) {
    findings.heading("what receivers saw: left alone, killed");
    let fired = alone.state.incidents.len();
    findings.count("incidents", format!("{fired} {:>6}", killed.state.incidents.len()));
    let (one, other) = (view(alone, "alone", findings), view(killed, "killed", findings));
    for receiver in READERS.into_iter().chain([HOOK]) {
        let of = |view: &View| {
            let all = view.sequences.iter().filter(|((name, _), _)| name == receiver);
            all.map(|(_, seen)| seen.len()).sum::<usize>()
        };
        findings
            .count(&format!("notices at {receiver}"), format!("{} {:>6}", of(&one), of(&other)));
        let twice = |view: &View| view.duplicates.get(receiver).copied().unwrap_or(0);
        findings.count("  twice, same bytes", format!("{} {:>6}", twice(&one), twice(&other)));
    }
    for (kind, count) in kinds(&one) {
        let killed = kinds(&other).get(&kind).copied().unwrap_or(0);
        findings.count(&format!("  {kind}"), format!("{count} {killed:>6}"));
    }
    let seconds = |view: &View| view.latest.num_seconds();
    let latest = format!("{} {:>6}", seconds(&one), seconds(&other));
    findings.count("longest between a slot and its notice, s", latest);
    sequences(&one, &other, findings);
    states(alone.state, killed.state, findings);
}

fn kinds(view: &View) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for seen in view.sequences.values().flatten() {
        *kinds.entry(seen.kind.clone()).or_default() += 1;
    }
    kinds
}

/// What came, each message once; and that nothing came that was not owed so.
fn view(told: &Told<'_>, side: &str, findings: &mut Findings) -> View {
    let notices = notices_by_id(told.state);
    let mut view = View::default();
    let mut taken = BTreeSet::new();
    for arrival in told.arrivals {
        let receiver = arrival.recipient.as_deref().unwrap_or(HOOK);
        let Some(owed) = told.state.outbox.get(&arrival.id) else {
            findings.broken(format!("{side}: {receiver} got {}, which nobody owes", arrival.id));
            continue;
        };
        if owed.bytes != arrival.bytes {
            findings.broken(format!("{side}: {receiver} got {} in other bytes", arrival.id));
        }
        if receiver == OWNER || !arrival.taken {
            continue;
        }
        if !taken.insert((receiver.to_owned(), arrival.id.clone())) {
            *view.duplicates.entry(receiver.to_owned()).or_default() += 1;
            continue;
        }
        let Some((key, notice)) = notices.get(&arrival.id) else {
            findings.broken(format!("{side}: {receiver} got {}, no notice's", arrival.id));
            continue;
        };
        let seen = seen(&arrival.id, notice);
        if arrival.recipient.is_none()
            && let Some(why) = otherwise(&arrival.bytes, &seen)
        {
            findings.broken(format!("{side}: the body of {key} says {why}"));
        }
        view.latest = view.latest.max(seen.late);
        let thread = notice["thread"].as_str().unwrap_or_default().to_owned();
        view.sequences.entry((receiver.to_owned(), thread)).or_default().push(seen);
    }
    for (id, owed) in &told.state.outbox {
        if owed.kind == "notification" && !taken.contains(&(owed.recipient.clone(), id.clone())) {
            findings.broken(format!("{side}: {} never got {id} ({})", owed.recipient, owed.state));
        }
        if owed.state != "delivered" {
            findings.broken(format!("{side}: {id} to {} is {}", owed.recipient, owed.state));
        }
    }
    view
}

/// Notices by the ids of their messages.
fn notices_by_id(state: &State) -> BTreeMap<String, (&String, &Value)> {
    let mut found = BTreeMap::new();
    for (key, notice) in &state.notices {
        if notice["receiver"] == HOOK {
            found.insert(webhook_id(&[key]), (key, notice));
        } else {
            for reader in READERS {
                found.insert(message_id(&[key, reader], DOMAIN), (key, notice));
            }
        }
    }
    found
}

fn seen(id: &str, notice: &Value) -> Seen {
    let incident = &notice["items"][0]["incident"];
    let kind = notice["kind"].as_str().unwrap_or_default();
    let instant = |value: &Value| value.as_i64().and_then(DateTime::<Utc>::from_timestamp_millis);
    let happened = match kind {
        // A receiver that only another level's route picks hears of it when it comes there.
        "fired" => instant(&incident["fired_at"]).max(instant(&incident["level_since"])),
        "level_up" => instant(&incident["level_since"]),
        "resolved" => instant(&incident["resolved"]["at"]),
        _ => None,
    };
    let late = match (instant(&notice["at"]), happened) {
        (Some(at), Some(happened)) => at - happened,
        _ => TimeDelta::zero(),
    };
    let mut facts = String::new();
    for fact in ["rule", "group", "began", "fired_at", "value_at_fire", "resolved", "worst", "peak"]
    {
        let _ = write!(facts, "{fact} {} ", incident[fact]);
    }
    Seen {
        kind: kind.to_owned(),
        level: incident["level"]["name"].as_str().unwrap_or_default().to_owned(),
        facts,
        seq: notice["seq"].as_i64().unwrap_or_default(),
        id: id.to_owned(),
        late,
    }
}

/// What a webhook's body says otherwise than its notice.
fn otherwise(body: &[u8], seen: &Seen) -> Option<String> {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let expected = [
        ("type", Value::from(format!("incident.{}", seen.kind)), &said["type"]),
        ("level", Value::from(seen.level.as_str()), &said["data"]["level"]),
        ("sequence", Value::from(seen.seq), &said["data"]["sequence"]),
    ];
    let wrong = expected.into_iter().find(|(_, expected, found)| *found != expected);
    wrong.map(|(what, expected, found)| format!("{what} {found}, not {expected}"))
}

/// Incident by incident what each receiver saw.
fn sequences(alone: &View, killed: &View, findings: &mut Findings) {
    let keys: BTreeSet<_> = alone.sequences.keys().chain(killed.sequences.keys()).collect();
    let (mut lost, mut more, mut different, mut collapsed) = (0, 0, 0, 0);
    for key in keys {
        let of = |view: &View| view.sequences.get(key).cloned().unwrap_or_default();
        let (expected, found) = (of(alone), of(killed));
        let same = expected.len() == found.len()
            && expected.iter().zip(&found).all(|(one, other)| one.same(other));
        if same {
            continue;
        }
        if is_collapse(&expected, &found) {
            collapsed += 1;
            continue;
        }
        match found.len().cmp(&expected.len()) {
            std::cmp::Ordering::Less => lost += expected.len() - found.len(),
            std::cmp::Ordering::Greater => more += found.len() - expected.len(),
            std::cmp::Ordering::Equal => different += 1,
        }
        let (receiver, thread) = key;
        let facts = other_facts(&expected, &found);
        let (expected, found) = (words(&expected), words(&found));
        findings.broken(format!("{receiver}, {thread}: saw [{found}], not [{expected}]{facts}"));
    }
    findings.heading("differences between the two");
    findings.count("incidents told to somebody", alone.sequences.len());
    findings.count("notices lost", lost);
    findings.count("notices too many", more);
    findings.count("other notices", different);
    findings.count("told in one, as declared: blind for too long", collapsed);
}

/// Whether the daemon was too late to tell all of it, and told the rest as it promises.
fn is_collapse(expected: &[Seen], found: &[Seen]) -> bool {
    let lasts = TimeDelta::minutes(i64::from(LINGER) - 1);
    let blind = found.iter().any(|seen| lasts <= seen.late);
    let told = |seen: &&Seen| seen.kind != "reminder";
    let levels = |all: &[Seen]| -> Vec<String> {
        all.iter().filter(told).map(|seen| seen.level.clone()).collect()
    };
    let mut left = levels(expected).into_iter();
    let in_order = levels(found).into_iter().all(|level| left.any(|other| other == level));
    let ends = |all: &[Seen]| all.last().is_some_and(|seen| seen.kind == "resolved");
    let begins = found.first().is_some_and(|seen| seen.kind == "fired") || found.len() == 1;
    blind && in_order && begins && ends(found) && ends(expected)
}

fn words(sequence: &[Seen]) -> String {
    let one = |seen: &Seen| {
        let (seq, kind, late) = (seen.seq, &seen.kind, seen.late.num_seconds());
        format!("{seq} {kind} {} after {late} s", seen.level)
    };
    sequence.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The first message of which other things were said.
fn other_facts(expected: &[Seen], found: &[Seen]) -> String {
    let mut pairs = expected.iter().zip(found);
    let differ = pairs.find(|(one, other)| one.facts != other.facts || one.id != other.id);
    differ.map_or(String::new(), |(one, other)| {
        let (one, other) =
            (format!("{} {}", one.id, one.facts), format!("{} {}", other.id, other.facts));
        format!("; of one message {other}, not {one}")
    })
}

/// What both have stored.
fn states(alone: &State, killed: &State, findings: &mut Findings) {
    let differ = |what: &str, findings: &mut Findings, differences: Vec<String>| {
        findings.count(&format!("{what} that differ"), differences.len());
        for key in differences {
            findings.broken(format!("{what}: {key}"));
        }
    };
    differ("incidents", findings, differences(&alone.incidents, &killed.incidents));
    differ("rows of what was told", findings, differences(&alone.told, &killed.told));
    let outbox = |state: &State| -> BTreeMap<String, String> {
        let incidents = state.outbox.iter().filter(|(_, owed)| owed.kind == "notification");
        incidents
            .map(|(id, owed)| {
                (id.clone(), format!("{} {} {}", owed.recipient, owed.subject, owed.state))
            })
            .collect()
    };
    differ("rows of the outbox", findings, differences(&outbox(alone), &outbox(killed)));
    for (side, state) in [("alone", alone), ("killed", killed)] {
        for id in &state.live {
            findings.broken(format!("{side}: incident {id} is not over"));
        }
    }
}

fn differences<K: Ord + Clone + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
) -> Vec<String> {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    let differ = keys.into_iter().filter(|key| one.get(key) != other.get(key));
    differ.map(|key| format!("{key:?}: {:?}, not {:?}", other.get(key), one.get(key))).collect()
}
