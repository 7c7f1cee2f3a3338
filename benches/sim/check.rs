//! The promises, looked at from outside: what is committed, what the far sides got and what the
//! source shows must fit each other.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::domain::silence::Ack;
use postrider::store::Store;
use postrider::store::state::StateError;
use postrider::store::state::outbox::counts_of_run;
use rusqlite::{Connection, Transaction, params};
use serde_json::Value;

use super::broken::Break;
use super::shared::{Shared, Sim};
use super::tally::Tally;

/// Digests: name, milliseconds between slots, readers.
const DIGESTS: [(&str, i64, usize); 2] = [("often", 600_000, 3), ("seldom", 1_800_000, 2)];

/// Somebody takes an incident.
pub(crate) fn ack(incident: String, at: DateTime<Utc>, until: DateTime<Utc>) -> Ack {
    Ack { incident, by: "somebody".to_owned(), note: None, at, until }
}

/// What is still to come.
pub(crate) struct Waits {
    messages: i64,
    incidents: i64,
    /// Whether an incident is open, or somebody is owed its end.
    pub(crate) live: bool,
    /// When the next message may go.
    pub(crate) until: Option<DateTime<Utc>>,
}

impl Waits {
    pub(crate) fn is_nothing(&self) -> bool {
        self.messages == 0 && !self.live
    }

    pub(crate) fn words(&self) -> String {
        format!("{} messages and {} incidents are not done", self.messages, self.incidents)
    }
}

/// What is still to come.
pub(crate) fn waits(sim: &Sim) -> rusqlite::Result<Waits> {
    let sim = sim.lock();
    let (messages, until): (i64, Option<i64>) = sim.witness.query_row(
        "select count(*), min(max(coalesce(next_attempt_at, 0), coalesce(hold.until, 0)))
         from outbox left join hold on hold.receiver = outbox.receiver
         where outbox.state in ('pending', 'sending')",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let incidents: i64 =
        sim.witness
            .query_row("select count(*) from incident where live = 1", [], |row| row.get(0))?;
    let until = until.and_then(DateTime::from_timestamp_millis);
    Ok(Waits { messages, incidents, live: incidents > 0, until })
}

/// After each call: what is cheap to look at.
pub(crate) fn after_call(sim: &Sim) -> anyhow::Result<()> {
    let mut sim = sim.lock();
    let twice: i64 = sim.witness.query_row(
        "select (select count(*) from slot)
              - (select count(*) from (select distinct digest, planned_at from slot))",
        [],
        |row| row.get(0),
    )?;
    if twice > 0 {
        sim.found(3, format!("{twice} slots are claimed twice"));
    }
    rows(&mut sim)?;
    watermark(&mut sim)
}

/// No message vanishes: the rows that were there are there.
fn rows(sim: &mut Shared) -> rusqlite::Result<()> {
    let (last, known) = sim.owed;
    let (still, last_now, known_now): (i64, i64, i64) = sim
        .witness
        .prepare_cached(
            "select count(*) filter (where id <= ?1), coalesce(max(id), 0), count(*) from outbox",
        )?
        .query_row([last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if still != known {
        sim.found(2, format!("{known} messages were owed, and {still} of them are left"));
    }
    sim.owed = (last_now, known_now);
    Ok(())
}

/// The records that are visible are those that the watermark covers.
fn watermark(sim: &mut Shared) -> anyhow::Result<()> {
    let transaction = sim.records.unchecked_transaction()?;
    let mark: Option<i64> = transaction
        .prepare_cached("select max(watermark) from _dataset_state where ready = 1")?
        .query_row([], |row| row.get(0))?;
    let Some(mark) = mark else { return Ok(()) };
    let (covered, beyond): (i64, i64) = transaction
        .prepare_cached(
            "select count(*) filter (where seen <= ?1), count(*) filter (where seen > ?1)
             from samples",
        )?
        .query_row([mark], |row| Ok((row.get(0)?, row.get(1)?)))?;
    drop(transaction);
    let to = DateTime::from_timestamp_millis(mark).unwrap_or_default();
    let expected = sim.lines.seen_up_to(to) as i64;
    if covered != expected || beyond > 0 {
        let what = format!(
            "the watermark {to} covers {expected} records, {covered} are visible and {beyond} beyond it"
        );
        sim.found(1, what);
    }
    Ok(())
}

/// When everything is over: all of it. What there was is counted.
pub(crate) fn at_the_end(sim: &Sim, tally: &mut Tally) -> anyhow::Result<()> {
    let mut sim = sim.lock();
    let one = |table: &str| -> rusqlite::Result<u64> {
        let sql = format!("select count(*) from {table}");
        sim.witness.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    tally.incidents += one("(select distinct incident from told)")?;
    tally.notices += one("notice")?;
    tally.runs += one("run")?;
    tally.messages += one("outbox")?;
    tally.records += sim.lines.count();
    messages(&mut sim)?;
    slots(&mut sim)?;
    told(&mut sim)?;
    statuses(&mut sim)
}

/// No message is left: every row has ended, and was taken if it says so.
fn messages(sim: &mut Shared) -> anyhow::Result<()> {
    let mut statement =
        sim.witness.prepare("select message_id, recipient, state from outbox order by id")?;
    let rows: Vec<(String, String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    drop(statement);
    for (id, to, state) in rows {
        let known = sim.far.known.get(&(id.clone(), to.clone()));
        let taken = known.is_some_and(|known| known.taken > 0);
        match state.as_str() {
            "delivered" if !taken => {
                sim.found(2, format!("{id} is delivered, and {to} never got it"));
            }
            "delivered" | "rejected" | "expired" | "held" | "cancelled" => {}
            _ => sim.found(2, format!("{id} to {to} is still {state}")),
        }
    }
    Ok(())
}

/// One slot, one run, none left out, and a message to each reader.
fn slots(sim: &mut Shared) -> anyhow::Result<()> {
    for (digest, every, readers) in DIGESTS {
        let one = |sql: &str| -> rusqlite::Result<i64> {
            sim.witness.query_row(sql, [digest], |row| row.get(0))
        };
        let slots = one("select count(*) from slot where digest = ?1")?;
        let span = one("select coalesce(max(planned_at) - min(planned_at), -1) from slot
                        where digest = ?1")?;
        let expected = if span < 0 { 0 } else { span / every + 1 };
        let considered = one("select coalesce(max(considered_until), 0) from schedule
                              where digest = ?1")?;
        let last = one("select coalesce(max(planned_at), 0) from slot where digest = ?1")?;
        let runs = one("select count(*) from run where digest = ?1")?;
        let claimed = one("select count(*) from slot join run on run.id = slot.run
                           where slot.digest = ?1")?;
        let slots_with_run =
            one("select count(*) from slot where digest = ?1 and run is not null")?;
        let lacking = one(&format!(
            "select count(*) from run where digest = ?1 and outcome like 'made%'
               and (select count(distinct recipient) from outbox
                    where origin = run.id and kind = 'digest')
                 + (select count(*) from withheld where run = run.id) <> {readers}"
        ))?;
        let doubled = one("select count(*) from outbox where kind = 'digest'
                             and origin in (select id from run where digest = ?1)")?
            - one("select count(*) from (select distinct origin, recipient from outbox
                   where kind = 'digest' and origin in (select id from run where digest = ?1))")?;
        let wrong = [
            (slots != expected, format!("{slots} slots, and {expected} were due")),
            (slots > 0 && last + every <= considered, "slots were passed over".to_owned()),
            (
                runs != claimed || runs != slots_with_run,
                format!("{runs} runs, {slots_with_run} slots with a run, {claimed} fit"),
            ),
            (
                lacking > 0,
                format!("{lacking} runs do not have a message, or a reason, for each reader"),
            ),
            (doubled > 0, format!("{doubled} readers got a run twice")),
        ];
        for (_, what) in wrong.into_iter().filter(|(is, _)| *is) {
            sim.found(3, format!("`{digest}`: {what}"));
        }
    }
    Ok(())
}

/// Whoever was told of an incident was told its end, once.
fn told(sim: &mut Shared) -> anyhow::Result<()> {
    #[derive(Default)]
    struct Heard {
        open: usize,
        ends: usize,
    }
    let mut heard: BTreeMap<(String, String), Heard> = BTreeMap::new();
    let mut silent = Vec::new();
    {
        let mut statement = sim.witness.prepare(
            "select n.key, n.receiver, n.body,
                    exists (select 1 from outbox where outbox.notice = n.key)
             from notice n order by n.at, n.key",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (key, receiver, body): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let body: Value = serde_json::from_str(&body)?;
            if !body["instead_of"].is_null() {
                continue;
            }
            if !row.get::<_, bool>(3)? {
                silent.push(key);
            }
            for item in body["items"].as_array().into_iter().flatten() {
                let incident = item["incident"]["id"].as_str().unwrap_or_default().to_owned();
                let heard = heard.entry((incident, receiver.clone())).or_default();
                match item["change"].as_str().unwrap_or_default() {
                    "resolved" => heard.ends += 1,
                    "corrected" => {}
                    _ => heard.open += 1,
                }
            }
        }
    }
    for key in silent {
        sim.found(9, format!("notice {key} has no message"));
    }
    for ((incident, receiver), heard) in &heard {
        if heard.ends > 1 || heard.open > 0 && heard.ends == 0 {
            let (open, ends) = (heard.open, heard.ends);
            let what =
                format!("{receiver} heard {open} times of {incident} and {ends} times its end");
            sim.found(9, what);
        }
    }
    let unclosed: i64 = sim.witness.query_row(
        "select count(*) from told where closed = 0
           and coalesce(json_extract(body, '$.times'), 0) > 0",
        [],
        |row| row.get(0),
    )?;
    if unclosed > 0 {
        sim.found(9, format!("{unclosed} receivers are still owed the end of an incident"));
    }
    Ok(())
}

/// What a run is said to have come to is what its rows and its readers say.
fn statuses(sim: &mut Shared) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    {
        let tx = sim.witness.unchecked_transaction()?;
        let mut runs = tx.prepare("select id from run")?;
        let runs: Vec<String> = runs.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for run in runs {
            let counts: BTreeMap<String, u64> = counts_of_run(&tx, &run)?.into_iter().collect();
            let said = counts.get("delivered").copied().unwrap_or(0);
            let mut rows = tx.prepare_cached(
                "select message_id, recipient, state from outbox where origin = ?1",
            )?;
            let mut rows = rows.query(params![run])?;
            let mut got = 0;
            while let Some(row) = rows.next()? {
                let key = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
                let taken = sim.far.known.get(&key).is_some_and(|known| known.taken > 0);
                let delivered = row.get::<_, String>(2)? == "delivered";
                got += u64::from(taken && delivered);
            }
            if said != got {
                wrong.push(format!("run {run} says {said} delivered, its readers say {got}"));
            }
        }
    }
    for what in wrong {
        sim.found(14, what);
    }
    Ok(())
}

/// What a broken build does to its state when it begins again.
pub(crate) fn break_at_start(
    store: &Store,
    breaks: Break,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    let sql = match breaks {
        Break::ForgetsWhoWasTold => "delete from told where closed = 0",
        Break::CutOffIsDelivered => {
            "update outbox set state = 'delivered', finished_at = ?1, next_attempt_at = null
             where state = 'sending'"
        }
        Break::SendsAgainAfterStart => {
            "update outbox set state = 'pending', finished_at = null, next_attempt_at = ?1
             where id = (select max(id) from outbox where state = 'delivered')"
        }
        Break::DropsWhenStarted => {
            "delete from outbox where id = (select max(id) from outbox where state = 'pending')"
        }
        _ => return Ok(()),
    };
    store.state.write(|tx: &Transaction<'_>| {
        let binds = usize::from(sql.contains("?1"));
        tx.execute(sql, rusqlite::params_from_iter([now.timestamp_millis()].iter().take(binds)))?;
        Ok(())
    })
}

/// The databases of a broken build, if it has any of its own.
pub(crate) fn break_databases(folder: &Path, breaks: Break) -> rusqlite::Result<()> {
    if breaks != Break::SlotWithoutKey {
        return Ok(());
    }
    let connection = Connection::open(folder.join("state.db"))?;
    connection.execute_batch(
        "alter table slot rename to old_slot;
         create table slot (digest text not null, planned_at integer not null, run text,
                            skipped text) strict;
         insert into slot select digest, planned_at, run, skipped from old_slot;
         drop table old_slot;",
    )
}

/// So long, at least, lies between two quiet beats.
pub(crate) const QUIET_STEP: TimeDelta = TimeDelta::minutes(2);
