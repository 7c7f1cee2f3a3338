//! Replay: the mails of a run are made again from what was kept, and compared with the bytes that
//! were sent; or its figures are asked of the records as they are now.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use super::differ::{Difference, difference};
use super::{Unpacked, unpack};
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;
use crate::engine::digest::Making;
use crate::engine::{Engine, EngineError};
use crate::render::mail::dkim::{self, Signer};
use crate::render::{self, DigestMail, Envelope, Rendered};
use crate::store::state::outbox::{self, Delivery, MadeOf};
use crate::store::state::slots::Run;
use crate::store::state::{StateError, archive};

/// One message of a run, made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The address, or the webhook's name.
    pub recipient: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// What making a message again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte is the same.
    Same,
    /// It is another message now.
    Different(Difference),
    /// It cannot be made again, and why.
    Impossible(String),
}

/// A figure that the records give otherwise than it was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The report's title.
    pub report: String,
    /// The row it is in: its grouping values, or `Total`.
    pub row: String,
    /// The column's heading; empty where the whole row is new or gone.
    pub column: String,
    /// As it was told; null where the row was not there.
    pub told: Value,
    /// As the records have it; null where the row is gone.
    pub now: Value,
}

/// What the records say of a run today.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recounted {
    /// Figures that differ, in the order of the mail.
    pub changed: Vec<Changed>,
    /// How many figures were compared.
    pub compared: usize,
    /// What could not be compared, and why.
    pub left_out: Vec<String>,
}

impl Engine {
    /// Makes every message of a run again from what was kept. Blocks.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn replay(&self, run: &Run) -> Result<Vec<Replayed>, EngineError> {
        let (state, plant) = (&self.store().state, self.plant());
        let signers = plant.mail.as_ref().map_or(&[][..], |mail| &mail.dkim);
        let rows = state.read(|tx| outbox::of_run(tx, &run.id))?;
        let mut drawn: Option<(String, Result<Drawn, String>)> = None;
        let mut replayed = Vec::new();
        for row in rows {
            let made_of = state.read(|tx| outbox::made_of(tx, row.id))?;
            let Some(made_of) = made_of else {
                replayed.push(impossible(&row, "what it was made of was not kept then"));
                continue;
            };
            // Messages of one part come together: one part is in memory at a time.
            if drawn.as_ref().is_none_or(|(part, _)| *part != made_of.part) {
                let part = state.read(|tx| draw(tx, run, &made_of.part))?;
                drawn = Some((made_of.part.clone(), part));
            }
            let Some((_, part)) = &drawn else { continue };
            let stored = state.read(|tx| outbox::show(tx, row.id))?;
            replayed.push(match part {
                Err(why) => impossible(&row, why),
                Ok(part) => {
                    let sent = stored.map(|shown| shown.bytes).unwrap_or_default();
                    Replayed {
                        recipient: row.recipient,
                        verdict: part.verdict(&made_of, &sent, signers),
                    }
                }
            });
        }
        Ok(replayed)
    }

    /// Asks the records of today for the figures of a run, by the digest as it is defined today.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn recount(&self, run: &Run) -> Result<Recounted, EngineError> {
        let plant = self.plant();
        let mut recounted = Recounted::default();
        let Some(digest) = plant.digests.get(&run.digest) else {
            recounted.left_out.push(format!("no digest is called `{}` any more", run.digest));
            return Ok(recounted);
        };
        if digest.hash != run.definition_hash {
            let text = "the digest's definition is another one today: it is that of today";
            recounted.left_out.push(text.to_owned());
        }
        // As by hand: whether it would go out again is not asked.
        let by_hand = Some("recount".to_owned());
        let making = Making { planned_at: run.planned_at, by_hand, ..Making::default() };
        let made = self.make(&plant, digest, &making).await;
        let id = run.id.clone();
        let kept = self.state(move |tx| kept(tx, &id)).await?;
        if kept.is_empty() {
            recounted.left_out.push("nothing was kept of this run".to_owned());
        }
        let now: BTreeMap<String, DigestMail> =
            made.snapshots.into_iter().filter_map(read_back).collect();
        for snapshot in kept {
            let part = snapshot.part.clone();
            let then = match unpack(snapshot) {
                Ok(Unpacked { mail, .. }) => mail,
                Err(err) => {
                    recounted.left_out.push(format!("what was kept cannot be read: {err}"));
                    continue;
                }
            };
            match now.get(&part) {
                Some(now) => recount(&then, now, &mut recounted),
                None => recounted.left_out.push(format!("part `{part}` is no more")),
            }
        }
        Ok(recounted)
    }
}

fn kept(tx: &rusqlite::Transaction<'_>, run: &str) -> Result<Vec<archive::Snapshot>, StateError> {
    let mut kept = Vec::new();
    for part in archive::parts(tx, run)? {
        kept.extend(archive::find(tx, run, &part)?);
    }
    Ok(kept)
}

fn read_back(snapshot: archive::Snapshot) -> Option<(String, DigestMail)> {
    let part = snapshot.part.clone();
    Some((part, unpack(snapshot).ok()?.mail))
}

fn impossible(row: &Delivery, why: &str) -> Replayed {
    Replayed { recipient: row.recipient.clone(), verdict: Verdict::Impossible(why.to_owned()) }
}

/// One part of a run, written again.
struct Drawn {
    rendered: Rendered,
    payload: Vec<u8>,
}

impl Drawn {
    fn verdict(&self, made_of: &MadeOf, sent: &[u8], signers: &[Signer]) -> Verdict {
        let bytes = match &made_of.envelope {
            None => Ok(self.payload.clone()),
            Some(text) => serde_json::from_str::<Envelope>(text)
                .map_err(|err| format!("its envelope cannot be read: {err}"))
                .and_then(|envelope| {
                    let made = render::mail_bytes(&envelope, &self.rendered);
                    let made = made.map_err(|err| err.to_string())?;
                    Ok(dkim::sign_like(sent, made, signers, envelope.date))
                }),
        };
        match bytes {
            Err(why) => Verdict::Impossible(why),
            Ok(made) => difference(sent, &made).map_or(Verdict::Same, Verdict::Different),
        }
    }
}

/// Writes a part of a run again; otherwise says why that cannot be.
fn draw(
    tx: &rusqlite::Transaction<'_>,
    run: &Run,
    part: &str,
) -> Result<Result<Drawn, String>, StateError> {
    let Some(snapshot) = archive::find(tx, &run.id, part)? else {
        return Ok(Err("what it was made of is not kept any more".to_owned()));
    };
    let mail = match unpack(snapshot) {
        Ok(unpacked) => unpacked.mail,
        Err(err) => return Ok(Err(format!("what it was made of cannot be read: {err}"))),
    };
    let drawn = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let rendered = render::render_digest(&mail);
        let payload = render::digest_payload(&mail, &rendered);
        Drawn { rendered, payload }
    }));
    Ok(drawn.map_err(|_| "writing it failed: this is a defect of postrider".to_owned()))
}

/// Compares the tables of two makings of one mail, report by report.
fn recount(then: &DigestMail, now: &DigestMail, recounted: &mut Recounted) {
    let mut left: Vec<&Section> = now.sections.iter().collect();
    for section in &then.sections {
        let Section::Table(told) = section else { continue };
        let same = |section: &&Section| match section {
            Section::Table(table) => table.report == told.report && table.only == told.only,
            Section::Failed { report, .. } => *report == told.report,
        };
        match left.iter().position(same).map(|at| left.remove(at)) {
            Some(Section::Table(now)) => tables(told, now, recounted),
            Some(Section::Failed { reason, .. }) => {
                recounted.left_out.push(format!("{}: {reason}", told.title));
            }
            None => recounted.left_out.push(format!("{}: not in the digest any more", told.title)),
        }
    }
}

fn tables(told: &Table, now: &Table, recounted: &mut Recounted) {
    let names = |table: &Table| -> Vec<String> {
        table.columns.iter().map(|column| column.name.clone()).collect()
    };
    if names(told) != names(now) {
        recounted.left_out.push(format!("{}: it has other columns today", told.title));
        return;
    }
    if told.window != now.window {
        recounted.left_out.push(format!("{}: it has another period today", told.title));
        return;
    }
    let groups = told.columns.iter().filter(|column| column.grouping).count();
    let key = |row: &[Value]| -> String {
        let cells: Vec<String> = row[..groups.min(row.len())].iter().map(shown).collect();
        cells.join(", ")
    };
    let mut compare = |row: &str, told_row: &[Value], now_row: &[Value]| {
        for at in groups..told.columns.len() {
            let (before, after) = (told_row.get(at), now_row.get(at));
            recounted.compared += 1;
            if before != after {
                recounted.changed.push(Changed {
                    report: told.title.clone(),
                    row: row.to_owned(),
                    column: told.columns[at].name.clone(),
                    told: before.cloned().unwrap_or(Value::Null),
                    now: after.cloned().unwrap_or(Value::Null),
                });
            }
        }
    };
    if told.list {
        if told.rows != now.rows {
            let text = format!("{}: the list of records is another one today", told.title);
            recounted.left_out.push(text);
        }
    } else {
        let mut rows: BTreeMap<String, &Vec<Value>> =
            now.rows.iter().map(|row| (key(row), row)).collect();
        for row in &told.rows {
            let key = key(row);
            compare(&key, row, rows.remove(&key).map_or(&[], Vec::as_slice));
        }
        for (key, row) in rows {
            compare(&key, &[], row);
        }
    }
    if let (Some(told_total), Some(now_total)) = (&told.total, &now.total) {
        compare("Total", told_total, now_total);
    }
}

/// A value in a few words.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Boolean(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Timestamp(at) => at.to_rfc3339(),
    }
}
