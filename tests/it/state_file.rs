//! The state file as a thing on a disk: broken, foreign, copied, put back, from every earlier version.

use std::path::Path;

use postrider::store::state::{State, StateError, backup, check};
use rusqlite::Connection;

mod broken;
mod commands;
mod upgrade;

/// A state with some messages in it, closed as a daemon that stopped closes it.
fn filled(folder: &Path, messages: usize) {
    let state = State::open(folder).unwrap();
    state
        .write(|tx| {
            for n in 0..messages {
                owe(tx, n)?;
            }
            Ok(())
        })
        .unwrap();
    state.checkpoint().unwrap();
}

fn owe(tx: &rusqlite::Transaction<'_>, n: usize) -> Result<(), StateError> {
    tx.execute(
        "insert into outbox (message_id, kind, origin, receiver, recipient, subject, bytes, state,
                             created_at, next_attempt_at)
         values (?1, 'digest', 'run', 'smtp', 'ana@example.com', 'Morning', ?2, 'pending', ?3, ?3)",
        rusqlite::params![format!("m{n}@example.com"), vec![b'x'; 2000], n as i64],
    )?;
    tx.execute(
        "insert into outbox_total (what, count) values ('owed', 1)
         on conflict (what) do update set count = count + 1",
        [],
    )?;
    Ok(())
}

fn messages(folder: &Path) -> i64 {
    let connection = Connection::open(folder.join("state.db")).unwrap();
    connection.query_row("select count(*) from outbox", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_copy_is_of_one_moment_private_and_never_overwrites_by_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let daemon = State::open(&state).unwrap();
    daemon.write(|tx| owe(tx, 1)).unwrap();
    let to = folder.path().join("copy.db");
    // While somebody writes: what is not committed is not in it.
    let found = daemon
        .write(|tx| {
            owe(tx, 2)?;
            Ok(backup::backup(&state, &to, false).unwrap())
        })
        .unwrap();
    assert_eq!(found.messages, [("pending".to_owned(), 1)]);
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let refused = backup::backup(&state, &to, false).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
    assert_eq!(check::info(&to).unwrap().messages, [("pending".to_owned(), 1)]);
    assert_eq!(backup::backup(&state, &to, true).unwrap().messages[0].1, 2);
    assert_eq!(check::check(&to).unwrap(), [""; 0]);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 2, "nothing is left beside it: {names:?}");
}

#[test]
fn a_copy_is_put_back_while_no_daemon_runs_and_nothing_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let (state, copy) = (folder.path().join("state"), folder.path().join("copy.db"));
    filled(&state, 3);
    backup::backup(&state, &copy, false).unwrap();
    filled_more(&state, 3..9);
    let open = State::open(&state).unwrap();
    let lock = open.lock().unwrap();
    let refused = backup::restore(&state, &copy).unwrap_err();
    assert!(refused.to_string().contains("another postrider (process "), "{refused}");
    drop((lock, open));
    assert_eq!(messages(&state), 9);
    // What is no copy of a state changes nothing.
    std::fs::write(folder.path().join("notes.txt"), "Dear diary, it was a fine day today.")
        .unwrap();
    let refused = backup::restore(&state, &folder.path().join("notes.txt")).unwrap_err();
    assert!(refused.to_string().contains("is not a state of postrider"), "{refused}");
    assert_eq!(messages(&state), 9);

    let (found, aside) = backup::restore(&state, &copy).unwrap();
    assert_eq!(found.messages, [("pending".to_owned(), 3)]);
    assert_eq!(messages(&state), 3);
    let aside = Connection::open(aside.unwrap()).unwrap();
    let kept: i64 = aside.query_row("select count(*) from outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 9);
    // Into an empty folder too.
    let (_, aside) = backup::restore(&folder.path().join("other"), &copy).unwrap();
    assert_eq!(aside, None);
    assert_eq!(messages(&folder.path().join("other")), 3);
}

#[test]
fn a_copy_never_takes_the_place_of_the_state_itself() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    filled(&state, 3);
    let link = folder.path().join("copy.db");
    std::fs::hard_link(state.join("state.db"), &link).unwrap();
    let own = ["state.db", "state.db-wal", "daemon.lock", "../state/state.db-shm", "records.db"];
    let own = own.map(|name| state.join(name));
    for to in own.into_iter().chain([link]) {
        for force in [false, true] {
            let refused = backup::backup(&state, &to, force).unwrap_err();
            assert!(matches!(refused, backup::BackupError::Itself(_)), "{to:?}: {refused}");
        }
    }
    assert_eq!(messages(&state), 3);
    backup::backup(&state, &state.join("monday.db"), false).unwrap();
}

#[test]
fn what_is_moved_aside_is_whole_without_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let [live, state] = ["live", "state"].map(|name| folder.path().join(name));
    let copy = folder.path().join("copy.db");
    filled(&live, 3);
    backup::backup(&live, &copy, false).unwrap();
    // As a daemon that was killed leaves it: its end is in the log.
    let open = State::open(&live).unwrap();
    open.write(|tx| (3..9).try_for_each(|n| owe(tx, n))).unwrap();
    std::fs::create_dir(&state).unwrap();
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(live.join(name), state.join(name)).unwrap();
    }
    let (_, aside) = backup::restore(&state, &copy).unwrap();
    let aside = aside.unwrap();
    let log = aside.with_file_name("state.db.aside-1-wal");
    assert!(log.metadata().map_or(0, |about| about.len()) == 0, "nothing is in its log");
    let aside = Connection::open(aside).unwrap();
    let kept: i64 = aside.query_row("select count(*) from outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 9);
}

#[test]
fn a_check_knows_what_is_held_and_counts_what_was_owed() {
    use postrider::domain::delivery::{Action, Next};
    use postrider::store::state::outbox;
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 5);
    let state = State::open(folder.path()).unwrap();
    let now = crate::harness::utc("2026-11-23T09:00:00Z");
    state
        .write(|tx| {
            let next = Next::Held { reason: "its answer was lost".into() };
            outbox::finish(tx, 1, "uncertain", &next, false, now)?;
            outbox::act(tx, 2, Action::Hold, "wait", now)?;
            outbox::act(tx, 3, Action::Cancel, "no", now)?;
            Ok(())
        })
        .unwrap();
    let file = folder.path().join("state.db");
    assert_eq!(check::check(&file).unwrap(), [""; 0]);
    let lose = |sql| state.write(|tx| Ok(tx.execute(sql, [])?)).unwrap();
    lose("delete from outbox where id = 5");
    let expected =
        "the outbox does not add up: 5 owed, but 1 cancelled + 2 held + 1 pending: 1 missing";
    assert_eq!(check::check(&file).unwrap(), [expected]);
    lose("update outbox set finished_at = 1 where id = 1");
    assert!(check::check(&file).unwrap()[0].contains("end does not fit"));
}

fn filled_more(folder: &Path, numbers: std::ops::Range<usize>) {
    let state = State::open(folder).unwrap();
    state.write(|tx| numbers.clone().try_for_each(|n| owe(tx, n))).unwrap();
}

#[test]
fn everything_in_the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("a/state");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let store = postrider::store::Store::open(&inside).unwrap();
    store.state.write(|tx| owe(tx, 1)).unwrap();
    let _lock = store.state.lock().unwrap();
    assert!(store.state.stock_ballast());
    assert_eq!(mode(&inside), 0o700);
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(&inside).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
        seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    seen.sort();
    let expected = [
        "ballast",
        "daemon.lock",
        "records.db",
        "records.db-shm",
        "records.db-wal",
        "state.db",
        "state.db-shm",
        "state.db-wal",
    ];
    assert_eq!(seen, expected);
    // One that others could read is narrowed.
    drop(store);
    let file = inside.join("state.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(State::open(&inside).unwrap());
    assert_eq!(mode(&file), 0o600);
}
