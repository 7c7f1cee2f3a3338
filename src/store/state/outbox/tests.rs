//! The outbox of earlier schemas, and the plans of what is asked again and again.

use rusqlite::Connection;

use super::*;
use crate::store::state::State;
use crate::store::state::open::MIGRATIONS;

/// A database of an earlier schema: three messages, of which the last was forgotten, with what the
/// schema knows of them.
fn earlier(folder: &std::path::Path, version: usize) {
    let old = Connection::open(folder.join("state.db")).unwrap();
    for step in &MIGRATIONS[..version] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch(
        "insert into outbox (id, message_id, kind, origin, receiver, recipient, subject, bytes,
                             state, attempts, created_at, next_attempt_at, finished_at, reason)
         values (3, 'm3', 'digest', 'r', 'smtp', 'a@example.com', 's3', x'0003', 'pending', 2, 10,
                 20, null, 'busy'),
                (5, 'm5', 'notification', 'i', 'hook', 'hook', 's5', x'05', 'delivered', 0, 11, null,
                 30, '200'),
                (9, 'm9', 'notice', 'n', 'smtp', 'b@example.com', 's9', x'09', 'sending', 1, 12, 12,
                 null, null);
         delete from outbox where id = 9;
         insert into attempt (delivery, n, started_at, finished_at, outcome, words)
         values (3, 1, 13, 14, 'retry', 'busy');
         insert into hold (receiver, until, reason, broken) values ('smtp', 50, 'down', 1);",
    )
    .unwrap();
    if version >= 2 {
        old.execute_batch(
            "update outbox set part = 'North', envelope = '{}' where id = 3;
             update hold set since = 7, told = 1",
        )
        .unwrap();
    }
    if version >= 5 {
        old.execute_batch("update outbox set notice = 'k', fallback = 'mail' where id = 5")
            .unwrap();
    }
    old.pragma_update(None, "user_version", version as u32).unwrap();
}

#[test]
fn the_outbox_of_every_earlier_schema_comes_through_whole() {
    let fresh = tempfile::tempdir().unwrap();
    let expected = shape(&State::open(fresh.path()).unwrap());
    for version in 1..6 {
        let folder = tempfile::tempdir().unwrap();
        earlier(folder.path(), version);
        let state = State::open(folder.path()).unwrap();
        assert_eq!(shape(&state), expected, "schema {version}");
        let (rows, shown, made_of, balance, holds) = state
            .read(|tx| {
                let shown = show(tx, 3)?.expect("it is there");
                let all = list(tx, None, None, 9)?;
                Ok((all, shown, made_of(tx, 3)?, super::balance(tx)?, holds(tx)?))
            })
            .unwrap();
        let [five, three] = rows.as_slice() else { panic!("schema {version}: {rows:?}") };
        assert_eq!((five.id, five.state.as_str(), five.panics), (5, "delivered", 0));
        assert_eq!(five.finished_at, Some(instant(30)));
        assert_eq!((three.id, three.attempts, three.next_attempt_at), (3, 2, Some(instant(20))));
        assert_eq!((shown.bytes.as_slice(), shown.attempts.len()), (&[0, 3][..], 1));
        assert_eq!(made_of.is_some(), version >= 2, "schema {version}");
        assert_eq!((balance.owed, balance.missing()), (2, 0));
        assert!(holds[0].broken);
        let notice: Option<String> = state
            .read(|tx| {
                Ok(tx.query_row(
                    "select notice || fallback from outbox where id = 5",
                    [],
                    |row| row.get(0),
                )?)
            })
            .unwrap();
        assert_eq!(notice.as_deref(), (version >= 5).then_some("kmail"));
        // Numbers of messages that were forgotten are not given again; recipients share an id.
        let owed = |to: &str| Owed {
            kind: Kind::Notice,
            origin: "n".into(),
            receiver: SMTP.into(),
            subject: "s".into(),
            message: Message { id: "m3".into(), recipient: to.into(), bytes: vec![0, 3] },
            made_of: None,
        };
        let owe = |to| state.write(|tx| super::owe(tx, &owed(to), instant(60))).unwrap();
        assert_eq!(
            (owe("b@example.com"), owe("a@example.com"), owe("b@example.com")),
            (true, false, false)
        );
        let newest = state.read(|tx| list(tx, None, None, 1)).unwrap().remove(0);
        assert_eq!(newest.id, 10, "schema {version}");
    }
}

/// Columns and indexes of the outbox.
fn shape(state: &State) -> Vec<String> {
    state
        .read(|tx| {
            let mut statement = tx.prepare(
                "select name || ' ' || type || ' ' || \"notnull\" from pragma_table_info('outbox')
                 union all
                 select name || ' ' || sql from sqlite_schema
                 where type = 'index' and tbl_name = 'outbox' and sql is not null order by 1",
            )?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .unwrap()
}

#[test]
fn a_backlog_is_neither_sorted_nor_read_through() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path()).unwrap();
    let plan = |question: &str| -> String {
        state
            .read(|tx| {
                let mut statement = tx.prepare(&format!("explain query plan {question}"))?;
                let rows = statement.query_map([], |row| row.get::<_, String>(3))?;
                Ok(rows.collect::<Result<Vec<_>, _>>()?.join("; "))
            })
            .unwrap()
    };
    let claimed = plan(
        "select id from outbox indexed by outbox_waiting
         where state = 'pending' and receiver = 'r'
           and (case kind when 'notification' then 0 when 'digest' then 2 else 1 end) = 1
           and next_attempt_at <= 9 order by next_attempt_at, id limit 1",
    );
    assert!(!claimed.contains("TEMP B-TREE"), "{claimed}");
    assert!(claimed.contains("(receiver=? AND <expr>=? AND next_attempt_at<?)"), "{claimed}");
    let due = plan(
        "select 1 from outbox indexed by outbox_waiting
         where state = 'pending' and receiver = 'r'
           and (case kind when 'notification' then 0 when 'digest' then 2 else 1 end) in (0, 1, 2)
           and next_attempt_at <= 9",
    );
    assert!(due.contains("(receiver=? AND <expr>=? AND next_attempt_at<?)"), "{due}");
    let siblings = plan(
        "select id from outbox indexed by outbox_by_message
         where message_id = 'm' and state = 'pending'",
    );
    assert!(siblings.contains("outbox_by_message (message_id=?)"), "{siblings}");
}
