//! Whoever was told of an incident was told its beginning once and its end once; and the incidents
//! of a rule that can be counted again are the ones the org's records make.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use postrider::render::mail::{message_id, webhook_id};
use rusqlite::Connection;
use serde_json::Value;

use super::deliveries::Row;
use super::{Evidence, Findings, instant};

/// The addresses of the receiver `mail`.
const ADDRESSES: [&str; 2] = ["ops@example.com", "chief@example.com"];

/// An incident as stored.
struct Incident {
    id: String,
    rule: String,
    resolved: bool,
    body: Value,
}

/// What a receiver was told of one.
struct Told {
    incident: String,
    receiver: String,
    closed: bool,
    times: u64,
}

/// How often things happened.
#[derive(Default)]
struct Seen {
    fired: usize,
    closing: usize,
    between: usize,
    lines: BTreeMap<(String, String), usize>,
}

/// Compares incidents, what is remembered of telling, and messages.
pub(super) fn audit(
    state: &Connection,
    rows: &[Row],
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let incidents = incidents(state)?;
    let told = told(state)?;
    let mut owed: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == "notification") {
        owed.entry(&row.origin).or_default().push(row);
    }
    let mut seen = Seen::default();
    for incident in &incidents {
        let about: Vec<&Told> = told.iter().filter(|told| told.incident == incident.id).collect();
        let mut messages = owed.remove(incident.id.as_str()).unwrap_or_default();
        let mut receivers = BTreeSet::new();
        for told in &about {
            receivers.insert(told.receiver.as_str());
            audit_told(incident, told, &mut messages, &mut seen, findings);
        }
        for row in messages {
            findings
                .broken(format!("`{}` about {} was never decided", row.message_id, incident.id));
        }
        let fired = !incident.body["fired_at"].is_null();
        let expected: BTreeSet<&str> = match (fired, incident.rule.as_str()) {
            (false, _) => BTreeSet::new(),
            (true, "crowd") => ["hook"].into(),
            (true, _) => ["hook", "mail"].into(),
        };
        findings.check(receivers == expected, || {
            format!("{} of {} was told to {receivers:?}", incident.id, incident.rule)
        });
    }
    for (incident, messages) in &owed {
        findings.broken(format!("{} messages about {incident}, which is unknown", messages.len()));
    }
    audit_lines(state, &seen, findings)?;
    let counted = audit_against_org(state, &incidents, evidence, findings)?;

    findings.heading("incidents");
    findings.count("incidents", incidents.len());
    findings.count("  resolved", incidents.iter().filter(|incident| incident.resolved).count());
    findings.count("  of the rule that was counted again in the org, all alike", counted);
    findings.count("notices that it fired, one a receiver", seen.fired);
    findings.count("notices that it is over, one a receiver", seen.closing);
    findings.count("notices between: level up, reminder", seen.between);
    findings.count("told as a line in another notice", seen.lines.values().sum::<usize>());
    Ok(())
}

fn incidents(state: &Connection) -> anyhow::Result<Vec<Incident>> {
    let mut statement = state.prepare("select id, rule, state, body from incident")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Incident {
            id: row.get(0)?,
            rule: row.get(1)?,
            resolved: row.get::<_, String>(2)? == "resolved",
            body: serde_json::from_str(&row.get::<_, String>(3)?)?,
        });
    }
    Ok(found)
}

fn told(state: &Connection) -> anyhow::Result<Vec<Told>> {
    let mut statement = state.prepare("select incident, receiver, closed, body from told")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let body: Value = serde_json::from_str(&row.get::<_, String>(3)?)?;
        found.push(Told {
            incident: row.get(0)?,
            receiver: row.get(1)?,
            closed: row.get(2)?,
            times: body["times"].as_u64().unwrap_or(0),
        });
    }
    Ok(found)
}

/// One receiver's messages of one incident: taken out of `messages`, numbered without a gap, the
/// first says that it fired, the last that it is over, and no other says either.
fn audit_told(
    incident: &Incident,
    told: &Told,
    messages: &mut Vec<&Row>,
    seen: &mut Seen,
    findings: &mut Findings,
) {
    let name = format!("{} of {} to {}", incident.id, incident.rule, told.receiver);
    findings.check(told.closed == incident.resolved, || {
        format!("{name}: resolved {}, told so {}", incident.resolved, told.closed)
    });
    let recipients: Vec<Option<&str>> = match told.receiver.as_str() {
        "mail" => ADDRESSES.iter().map(|address| Some(*address)).collect(),
        _ => vec![None],
    };
    let mut missing = 0;
    for recipient in &recipients {
        let mut kinds = Vec::new();
        for seq in 1..=told.times {
            let key = format!("{}/{seq}/{}", incident.id, told.receiver);
            let id = match recipient {
                Some(address) => message_id(&[&key, address], "example.com"),
                None => webhook_id(&[&key]),
            };
            match messages.iter().position(|row| row.message_id == id) {
                Some(at) => kinds.push(kind(messages.remove(at))),
                None => missing += 1,
            }
        }
        if missing > 0 {
            continue;
        }
        let (fired, over) = (Some("fired"), Some("resolved"));
        let kinds: Vec<Option<&str>> = kinds.iter().map(|kind| kind.as_deref()).collect();
        let firsts = kinds.iter().filter(|kind| **kind == fired).count();
        let lasts = kinds.iter().filter(|kind| **kind == over).count();
        // One that came and went before anybody could be told has its end alone.
        let begins = kinds[0] == fired && firsts == 1 || kinds == [over];
        let ends =
            lasts == usize::from(incident.resolved) && (lasts == 0 || kinds.last() == Some(&over));
        findings.check(begins && ends, || format!("{name}: told {kinds:?}"));
        seen.fired += firsts;
        seen.closing += lasts;
        seen.between += kinds.len() - firsts - lasts;
    }
    if missing == recipients.len() && told.times == 1 && told.closed {
        *seen.lines.entry((incident.rule.clone(), told.receiver.clone())).or_default() += 1;
    } else {
        findings.check(missing == 0, || format!("{name}: {missing} messages were never owed"));
    }
}

/// What a message says: `fired`, `level_up`, `reminder` or `resolved`.
fn kind(row: &Row) -> Option<String> {
    if row.receiver != "smtp" {
        let body: Value = serde_json::from_slice(&row.bytes).ok()?;
        return Some(body["type"].as_str()?.strip_prefix("incident.")?.to_owned());
    }
    let mail = mail_parser::MessageParser::default().parse(&row.bytes)?;
    let page = mail.body_html(0)?;
    let kinds = [
        ("Still firing: ", "reminder"),
        ("Worse: now ", "level_up"),
        ("Firing: ", "fired"),
        ("Resolved", "resolved"),
    ];
    let kind = kinds.iter().find(|(words, _)| page.contains(words))?;
    Some(kind.1.to_owned())
}

/// Incidents told as lines are as many as the notices that carry them say.
fn audit_lines(state: &Connection, seen: &Seen, findings: &mut Findings) -> anyhow::Result<()> {
    let mut said: BTreeMap<(String, String), usize> = BTreeMap::new();
    let sql = "select subject, text from ledger where kind = 'notification'";
    let mut statement = state.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (rule, text): (String, String) = (row.get(0)?, row.get(1)?);
        let lines = text
            .split_once(" more fired and ended before it")
            .and_then(|(before, _)| before.rsplit_once("; ")?.1.parse::<usize>().ok());
        if let Some(lines) = lines {
            let receiver = text.split('`').nth(1).unwrap_or_default().to_owned();
            *said.entry((rule, receiver)).or_default() += lines;
        }
    }
    findings.check(said == seen.lines, || {
        format!("told as lines: {:?} remembered, {said:?} said", seen.lines)
    });
    Ok(())
}

/// Counts the rule `slow` again, slot by slot, in the org's own records: its incidents must be the
/// stretches in breach, each once, with these ends. How many were compared.
fn audit_against_org(
    state: &Connection,
    incidents: &[Incident],
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> anyhow::Result<usize> {
    let Some(from) = evidence.rule_seen else {
        findings.broken("the rule `slow` was never evaluated");
        return Ok(0);
    };
    let sql = "select evaluated_until from rule_state where rule = 'slow'";
    let until = instant(state.query_row(sql, [], |row| row.get(0))?);
    let mut visible: Vec<DateTime<Utc>> = evidence
        .org
        .records("MessagingSessionMetrics")
        .iter()
        .filter(|record| record.text("MessagingSessionMetricType") == Some("MaxAgentResponseTime"))
        .filter(|record| record.int("MessagingSessionMetricValue").is_some_and(|value| value > 300))
        .filter_map(|record| record.at("CreatedDate"))
        .collect();
    visible.sort_unstable();
    let expected: BTreeSet<_> =
        stretches(&visible, until).into_iter().filter(|(began, _, _)| *began > from).collect();
    let found: Vec<_> = incidents
        .iter()
        .filter(|incident| incident.rule == "slow")
        .map(|incident| {
            let millis = |value: &Value| value.as_i64().map(instant);
            let began = millis(&incident.body["began"]).unwrap_or_default();
            let peak = incident.body["peak"]["name"].as_str().unwrap_or_default().to_owned();
            (began, millis(&incident.body["resolved"]["at"]), peak)
        })
        .filter(|(began, _, _)| *began > from)
        .collect();
    let once: BTreeSet<_> = found.iter().cloned().collect();
    findings.check(once.len() == found.len(), || "an incident is there twice".to_owned());
    for (began, ended, peak) in expected.difference(&once) {
        findings.broken(format!("no incident of `slow` from {began} to {ended:?} at {peak}"));
    }
    for (began, ended, peak) in once.difference(&expected) {
        findings.broken(format!(
            "an incident of `slow` from {began} to {ended:?} at {peak} that is none"
        ));
    }
    Ok(expected.len())
}

/// The stretches of slots at which the last two minutes hold any of these instants: beginning, end,
/// highest level.
fn stretches(
    visible: &[DateTime<Utc>],
    until: DateTime<Utc>,
) -> Vec<(DateTime<Utc>, Option<DateTime<Utc>>, String)> {
    let minute = TimeDelta::minutes(1);
    let Some(first) = visible.first() else { return Vec::new() };
    let mut slot = instant(first.timestamp_millis() / 60_000 * 60_000);
    let mut found: Vec<(DateTime<Utc>, Option<DateTime<Utc>>, String)> = Vec::new();
    while slot <= until {
        let begin = visible.partition_point(|at| *at < slot - minute * 2);
        let count = visible.partition_point(|at| *at < slot) - begin;
        let open = found.last_mut().filter(|(_, ended, _)| ended.is_none());
        match (open, count) {
            (None, 0) => {}
            (None, _) => found.push((slot, None, level(count).to_owned())),
            (Some(stretch), 0) => stretch.1 = Some(slot),
            (Some(stretch), _) if count > 6 => stretch.2 = level(count).to_owned(),
            (Some(_), _) => {}
        }
        slot += minute;
    }
    found
}

fn level(count: usize) -> &'static str {
    if count > 6 { "critical" } else { "warning" }
}
