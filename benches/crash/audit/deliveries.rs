//! Every message owed is there, no other is, and each one that is there more than once was in doubt.

use std::collections::{BTreeMap, BTreeSet};

use postrider::render::mail::message_id;
use rusqlite::Connection;

use super::super::sink::{Arrival, REFUSED};
use super::{Evidence, Findings};

/// Who is told of postrider's own troubles.
const OWNER: &str = "owner@example.com";

/// A row of the outbox with its attempts.
pub(super) struct Row {
    pub(super) message_id: String,
    /// When it was owed, in milliseconds since 1970.
    pub(super) owed_at: i64,
    pub(super) kind: String,
    pub(super) origin: String,
    pub(super) receiver: String,
    pub(super) recipient: String,
    pub(super) bytes: Vec<u8>,
    subject: String,
    state: String,
    attempts: Vec<Attempt>,
}

struct Attempt {
    outcome: Option<String>,
    words: String,
}

impl Row {
    fn ended_as(&self, outcome: &str) -> usize {
        let ended = |attempt: &&Attempt| attempt.outcome.as_deref() == Some(outcome);
        self.attempts.iter().filter(ended).count()
    }

    fn cut_off(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.words.starts_with("cut off")).count()
    }

    fn name(&self) -> String {
        format!("{} `{}` to {}", self.kind, self.message_id, self.recipient)
    }
}

/// The whole outbox, oldest first.
pub(super) fn rows(state: &Connection) -> rusqlite::Result<Vec<Row>> {
    let mut attempts: BTreeMap<i64, Vec<Attempt>> = BTreeMap::new();
    let sql = "select delivery, outcome, coalesce(words, '') from attempt order by delivery, n";
    let mut statement = state.prepare(sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let attempt = Attempt { outcome: row.get(1)?, words: row.get(2)? };
        attempts.entry(row.get(0)?).or_default().push(attempt);
    }
    let sql = "select id, message_id, kind, origin, receiver, recipient, bytes, state,
                      subject, created_at, packed from outbox
               order by id";
    let mut statement = state.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Row {
            message_id: row.get(1)?,
            kind: row.get(2)?,
            origin: row.get(3)?,
            receiver: row.get(4)?,
            recipient: row.get(5)?,
            bytes: plain(row.get(6)?, row.get(10)?),
            state: row.get(7)?,
            subject: row.get(8)?,
            owed_at: row.get(9)?,
            attempts: attempts.remove(&row.get(0)?).unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// Bytes as they were sent: the outbox packs those of a digest after a while.
fn plain(bytes: Vec<u8>, packed: bool) -> Vec<u8> {
    use std::io::Read as _;
    let mut plain = Vec::new();
    match packed {
        true => match flate2::read::ZlibDecoder::new(bytes.as_slice()).read_to_end(&mut plain) {
            Ok(_) => plain,
            Err(_) => bytes,
        },
        false => bytes,
    }
}

/// How often things happened.
#[derive(Default)]
struct Seen {
    delivered: usize,
    rejected: usize,
    lost: usize,
    duplicates: usize,
    duplicates_cut_off: usize,
    attempts: usize,
    cut_off: usize,
    uncertain: usize,
    refused: usize,
}

/// Compares the outbox with what came.
pub(super) fn audit(
    state: &Connection,
    rows: &[Row],
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut by_id: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in evidence.arrivals {
        by_id.entry(&arrival.id).or_default().push(arrival);
    }
    let mut seen = Seen::default();
    for row in rows {
        let came = by_id.remove(row.message_id.as_str()).unwrap_or_default();
        audit_row(row, &came, &mut seen, findings);
    }
    for (id, came) in by_id {
        findings.broken(format!("`{id}` came {} times and nobody owes it", came.len()));
    }
    let notices = told_to_the_owner(rows, findings);
    let holds: i64 = state.query_row("select count(*) from hold where broken", [], |r| r.get(0))?;
    findings.check(holds == 0, || format!("{holds} receivers are held as broken"));

    findings.heading("messages");
    findings.count("owed", rows.len());
    findings.count("delivered", seen.delivered);
    findings.count("rejected by the far side, as it was told to", seen.rejected);
    findings.count("lost", seen.lost);
    findings.count("to the owner: rejections, a source down and back", notices);
    findings.count("arrived more than once, same id and bytes", seen.duplicates);
    findings.count("  of these after a kill cut the attempt off", seen.duplicates_cut_off);
    findings.count(
        "  of these after the far side lost its answer",
        seen.duplicates - seen.duplicates_cut_off,
    );
    let per_thousand = seen.duplicates_cut_off as f64 * 1000.0 / f64::from(evidence.kills.max(1));
    findings.count("  duplicates for each 1000 kills", format!("{per_thousand:.1}"));
    findings.count("attempts", seen.attempts);
    findings.count("  cut off by a kill", seen.cut_off);
    findings.count("  whose answer was lost", seen.uncertain - seen.cut_off);
    findings.count("  refused for the moment", seen.refused);
    Ok(())
}

fn audit_row(row: &Row, came: &[&Arrival], seen: &mut Seen, findings: &mut Findings) {
    let taken = came.iter().filter(|arrival| arrival.taken).count();
    let refused = came.len() - taken;
    let uncertain = row.ended_as("uncertain");
    let delivered = row.ended_as("delivered");
    seen.attempts += row.attempts.len();
    seen.cut_off += row.cut_off();
    seen.uncertain += uncertain;
    seen.refused += row.ended_as("retry") + row.ended_as("server down");

    match row.state.as_str() {
        "delivered" if taken > 0 => seen.delivered += 1,
        "delivered" => {
            seen.lost += 1;
            findings.broken(format!("{} is called delivered and never came", row.name()));
        }
        "rejected" if row.recipient == REFUSED && came.is_empty() => seen.rejected += 1,
        other => {
            seen.lost += usize::from(taken == 0);
            findings.broken(format!("{} is {other}, and came {taken} times", row.name()));
        }
    }
    let ends = usize::from(row.state == "delivered");
    findings.check(delivered == ends, || {
        format!("{} has {delivered} attempts called delivered", row.name())
    });
    findings.check(row.attempts.iter().all(|attempt| attempt.outcome.is_some()), || {
        format!("{} has an attempt without an end", row.name())
    });
    // Each arrival needs an attempt that can have caused it; in doubt it may have been either kind.
    let explained = taken <= delivered + uncertain && came.len() <= row.attempts.len();
    findings.check(explained, || {
        format!(
            "{} came {taken} times (and {refused} times refused), with {delivered} attempts \
             delivered and {uncertain} uncertain",
            row.name()
        )
    });
    let more = taken.saturating_sub(1);
    seen.duplicates += more;
    seen.duplicates_cut_off += more.min(row.cut_off());

    for arrival in came {
        findings.check(arrival.bytes == row.bytes, || {
            format!("{} came with other bytes than it is owed with", row.name())
        });
        let rightly = match &arrival.recipient {
            Some(address) => row.receiver == "smtp" && *address == row.recipient,
            None => row.receiver == row.recipient && row.receiver != "smtp",
        };
        findings.check(rightly, || format!("{} came for somebody else", row.name()));
    }
}

/// Each message that was rejected is told to the owner, once; and each source that gave nothing is
/// told as often as it is told to be back.
fn told_to_the_owner(rows: &[Row], findings: &mut Findings) -> usize {
    let mut notices: BTreeMap<&str, &str> = rows
        .iter()
        .filter(|row| row.kind == "notice")
        .map(|row| (row.message_id.as_str(), row.subject.as_str()))
        .collect();
    let all = notices.len();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for row in rows.iter().filter(|row| row.state == "rejected") {
        let owed_at = row.owed_at.to_string();
        let id = match row.kind.as_str() {
            // Of a run once, whatever else of it was rejected.
            "digest" => message_id(&["run", &row.origin, &owed_at, OWNER], "example.com"),
            _ => message_id(&["delivery", &row.message_id, OWNER], "example.com"),
        };
        let before = !told.insert(id.clone());
        findings.check(before || notices.remove(id.as_str()).is_some(), || {
            format!("{} was rejected and the owner not told", row.name())
        });
    }
    let (mut down, mut back, mut unknown, mut overdue) = (0, 0, 0, 0);
    for subject in notices.into_values() {
        if subject == format!("[postrider] {REFUSED} gets no digest any more") {
            unknown += 1;
            continue;
        }
        // A minute of the scaled clock is short: a busy machine falls behind, and says so.
        if subject.starts_with("[postrider] digest ") && subject.ends_with(" is overdue") {
            overdue += 1;
            continue;
        }
        match subject.split_once("source salesforce gives ") {
            Some((_, "data again")) => back += 1,
            Some((_, about)) if about.starts_with("no ") => down += 1,
            _ => findings.broken(format!("the owner was told `{subject}`")),
        }
    }
    findings.check(unknown <= 1, || {
        format!("the owner was told {unknown} times that {REFUSED} gets no digest")
    });
    findings.check(down == back, || {
        format!("the source was told {down} times to be down and {back} times to be back")
    });
    findings.count("  to the owner: a digest is overdue, on a machine that is too slow", overdue);
    all
}
