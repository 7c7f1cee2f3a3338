//! From every earlier schema: nothing that was there is lost, and what was owed is sent.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use postrider::app::{App, Limits};
use postrider::clock::{Clock, ManualClock};
use postrider::config::{self, Given, Mode};
use postrider::demo::inbox::Inbox;
use postrider::store::state::open::{APPLICATION, migrations};
use postrider::store::state::{State, StateError, check};
use rusqlite::Connection;

use crate::harness::utc;

/// A row for each table of the first schema, as that version wrote them. One message waits, one was
/// cut off, one had arrived.
const ROWS: &str = r#"
insert into schedule values ('morning', '0 8 * * *', 1700000000000);
insert into slot values ('morning', 1700000000000, 'run-1', null), ('morning', 1699900000000, null, 'holiday');
insert into run values ('run-1', 'morning', 1700000000000, 1700000001000, 'hash', 'Morning', 'schedule', 'made', null);
insert into rule_state values ('waiting', 1700000000000, null);
insert into ledger (at, kind, subject, text) values (1700000000000, 'trouble', 'smtp', 'down');
insert into outbox (message_id, kind, origin, receiver, recipient, subject, bytes, state, attempts, created_at, next_attempt_at, finished_at)
values ('waits@example.com', 'digest', 'run-1', 'smtp', 'ana@example.com', 'Morning',
        cast('Message-ID: <waits@example.com>' || char(13,10) || 'Subject: Morning' || char(13,10,13,10) || 'Figures' || char(13,10) as blob),
        'pending', 1, NOW, NOW, null),
       ('cut@example.com', 'notice', 'smtp', 'smtp', 'owner@example.com', 'Trouble',
        cast('Message-ID: <cut@example.com>' || char(13,10) || 'Subject: Trouble' || char(13,10,13,10) || 'Words' || char(13,10) as blob),
        'sending', 0, NOW, NOW, null),
       ('done@example.com', 'digest', 'run-1', 'smtp', 'ben@example.com', 'Morning', x'00',
        'delivered', 0, NOW, null, NOW);
insert into attempt values (1, 1, NOW, NOW, 'retry', '451'), (2, 1, NOW, null, null, null), (3, 1, NOW, NOW, 'delivered', '250 ok');
insert into hold (receiver, until, reason, broken) values ('smtp', 5, 'down', 0);
insert into source_down values ('MessagingSession', 1700000000000);
"#;

/// What later schemas brought, a row each.
const LATER: &[(usize, &str)] = &[
    (2, "insert into suppression values ('gone@example.com', '', 1, null, 'asked for')"),
    (2, "insert into withheld values ('run-1', 'gone@example.com', 'asked for')"),
    (2, "insert into key values ('links', x'0011')"),
    (3, "insert into told_tables values ('morning', '', 'run-1', 'print')"),
    (5, "insert into pulse values (1, 1700000000000, 'taken', 1700000000000)"),
    (5, "insert into occurrence values ('event', 'record', 1, 1, null)"),
    (5, "insert into told_in_part values ('event', 'record', 'ops')"),
];

/// A file as a postrider of `version` left it, its messages of an hour before `now`.
fn file_of(version: usize, folder: &std::path::Path, now: DateTime<Utc>) {
    std::fs::create_dir_all(folder).unwrap();
    let db = Connection::open(folder.join("state.db")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    for (n, step) in (1..).zip(&migrations()[..version]) {
        db.execute_batch(step).unwrap();
        if n == 1 {
            let owed = now.timestamp_millis() - 3_600_000;
            db.execute_batch(&ROWS.replace("NOW", &owed.to_string())).unwrap();
        }
        for (of, row) in LATER {
            if *of == n {
                db.execute_batch(row).unwrap();
            }
        }
    }
    db.pragma_update(None, "user_version", version as u32).unwrap();
}

const CONFIG: &str = r#"
[postrider]
owner = "owner@example.com"
[smtp]
host = "127.0.0.1"
port = PORT
tls = "none"
from = "Postrider <reports@example.com>"
"#;

#[tokio::test]
async fn what_every_earlier_version_owed_is_sent_after_the_upgrade() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for version in 1..=migrations().len() {
        let now = utc("2026-11-23T09:00:00Z");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(now));
        let inbox = Inbox::start(Arc::clone(&clock)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        file_of(version, &folder.path().join("state"), now);
        let text = CONFIG.replace("PORT", &inbox.address().port().to_string());
        let env = Given::default();
        let loaded = config::load_text("config.toml", &text, folder.path(), &env, Mode::Run);
        let (mut config, _) = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        config.state = folder.path().join("state");
        let app = App::build(config, clock, Limits::default()).unwrap();
        assert_eq!(app.engine().recover().await.unwrap(), 1, "schema {version}: one was cut off");
        app.engine().deliver_due().await.unwrap();
        let mut arrived: Vec<String> =
            inbox.mails().iter().map(|mail| mail.recipients.join(" ")).collect();
        arrived.sort();
        assert_eq!(arrived, ["ana@example.com", "owner@example.com"], "schema {version}");
        let file = folder.path().join("state/state.db");
        assert_eq!(check::check(&file).unwrap(), [""; 0], "schema {version}");
        let found = check::info(&file).unwrap();
        assert_eq!(found.schema.0, migrations().len());
        assert_eq!(found.messages, [("delivered".to_owned(), 3)], "schema {version}");
        let db = Connection::open(&file).unwrap();
        let mark: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap();
        assert_eq!(mark, APPLICATION);
        for (of, row) in LATER.iter().filter(|(of, _)| *of <= version) {
            let table = row.split(' ').nth(2).unwrap();
            let count: i64 = db
                .query_row(&format!("select count(*) from {table}"), [], |row| row.get(0))
                .unwrap();
            assert!(count >= 1, "schema {version}: the row of `{table}` (since {of}) is gone");
        }
    }
}

#[test]
fn a_newer_file_is_refused_and_nothing_is_written_to_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(State::open(folder.path()).unwrap());
    let file = folder.path().join("state.db");
    let db = Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    db.pragma_update(None, "journal_mode", "delete").unwrap();
    drop(db);
    let before = std::fs::read(&file).unwrap();
    let refused = State::open(folder.path()).err().expect("refused");
    assert!(matches!(refused, StateError::Newer { found: 99, .. }));
    let words = refused.to_string();
    assert!(words.contains("Install that version again, or restore a backup"), "{words}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_migration_that_is_cut_off_leaves_the_old_schema_whole() {
    let folder = tempfile::tempdir().unwrap();
    let now = utc("2026-11-23T09:00:00Z");
    for version in 1..migrations().len() {
        let state = folder.path().join(format!("{version}"));
        file_of(version, &state, now);
        let db = Connection::open(state.join("state.db")).unwrap();
        // As the daemon does it, and then the end of the process.
        db.execute_batch("begin immediate").unwrap();
        db.execute_batch(migrations()[version]).unwrap();
        drop(db);
        assert_eq!(check::info(&state.join("state.db")).unwrap().schema.0, version);
        drop(State::open(&state).unwrap());
        assert_eq!(check::check(&state.join("state.db")).unwrap(), [""; 0]);
    }
}

#[test]
fn a_schema_is_not_changed_under_a_daemon_that_works_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let earlier = migrations().len() - 1;
    file_of(earlier, folder.path(), utc("2026-11-23T09:00:00Z"));
    let schema = || check::info(&folder.path().join("state.db")).unwrap().schema.0;
    let (lock, _) = State::place(folder.path()).unwrap();
    let refused = State::open(folder.path()).err().expect("refused");
    assert!(matches!(refused, StateError::Served { pid: Some(_), .. }), "{refused}");
    assert!(refused.to_string().contains("stop it before"), "{refused}");
    assert_eq!(schema(), earlier);
    // The daemon itself brings it up to date, and others go on beside it.
    drop(State::open_by(folder.path(), Some(&lock)).unwrap());
    assert_eq!(schema(), migrations().len());
    State::open(folder.path()).unwrap();
}
