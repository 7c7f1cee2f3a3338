//! What a state file can become on a disk: each is refused or healed, told with a way out, and never
//! touched.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use postrider::store::state::{DaemonLock, State, check};

use super::{filled, messages};

/// What becomes of a start on a file that was changed so.
#[derive(Debug, PartialEq)]
enum Start {
    /// It works, and has so many messages.
    Works(i64),
    /// It is refused: how the message begins after the path, and that.
    Refused(&'static str, &'static str),
}

use Start::{Refused, Works};

#[track_caller]
fn check_start(what: &str, change: impl FnOnce(&Path), expected: Start) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    filled(&state, 40);
    {
        // A daemon worked here.
        let (lock, _) = DaemonLock::take(&state).unwrap();
        lock.say(|said| said.seen = Some(chrono::DateTime::UNIX_EPOCH));
    }
    let file = state.join("state.db");
    change(&file);
    let before = fs::read(&file).ok();
    let opened = State::open(&state).and_then(|open| {
        assert!(open.look_over(Duration::from_secs(60))?, "{what}: looked over to the end");
        Ok(())
    });
    match (opened, expected) {
        (Ok(()), Works(count)) => {
            assert_eq!(messages(&state), count, "{what}");
            assert_eq!(check::check(&file).unwrap(), [""; 0], "{what}");
        }
        (Err(err), Refused(begins, holds)) => {
            let words = err.to_string();
            assert!(words.contains(begins) && words.contains(holds), "{what}: {words}");
            assert!(words.contains(&file.display().to_string()), "{what}: {words}");
            assert_eq!(fs::read(&file).ok(), before, "{what}: not touched");
        }
        (Ok(()), refused) => panic!("{what}: works, not {refused:?}"),
        (Err(err), works) => panic!("{what}: {err}, not {works:?}"),
    }
}

fn overwrite(file: &Path, at: u64, bytes: &[u8]) {
    let mut open = fs::File::options().write(true).open(file).unwrap();
    open.seek(SeekFrom::Start(at)).unwrap();
    open.write_all(bytes).unwrap();
}

const WAY_OUT: &str = "To go back to a backup: `postrider state restore FILE`";

#[test]
fn what_is_not_a_state_is_refused_with_a_way_out() {
    check_start("as it was", |_| (), Works(40));
    check_start("gone", |file| fs::remove_file(file).unwrap(), Works(0));
    let foreign = "is not a state of postrider: ";
    let text = |file: &Path| fs::write(file, "Dear diary, it was a fine day today.").unwrap();
    check_start("a text", text, Refused(foreign, "it is no SQLite database"));
    let short = |file: &Path| fs::write(file, "x").unwrap();
    check_start("one byte", short, Refused(foreign, WAY_OUT));
    let folder = |file: &Path| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    };
    check_start("a folder", folder, Refused("cannot be opened: ", "it is a folder"));
    let other = |file: &Path| {
        fs::remove_file(file).unwrap();
        let db = rusqlite::Connection::open(file).unwrap();
        db.execute_batch("create table customer (id); pragma user_version = 3").unwrap();
    };
    check_start("another database", other, Refused(foreign, "(customer)"));
    let marked = |file: &Path| {
        let db = rusqlite::Connection::open(file).unwrap();
        db.pragma_update(None, "application_id", 77).unwrap();
        db.pragma_update(None, "journal_mode", "delete").unwrap();
    };
    check_start("another program's", marked, Refused(foreign, "another program (0x4d)"));
    let records = |file: &Path| {
        let store = postrider::store::Store::open(&file.with_file_name("elsewhere")).unwrap();
        drop(store);
        fs::copy(file.with_file_name("elsewhere").join("records.db"), file).unwrap();
    };
    check_start("the records", records, Refused(foreign, "a file of records"));
}

#[test]
fn what_was_a_state_and_is_broken_is_refused_with_a_way_out() {
    let damaged = "is damaged: ";
    let empty = |file: &Path| fs::write(file, "").unwrap();
    check_start("emptied", empty, Refused(damaged, "it is empty, and was not before"));
    let zeroed = |file: &Path| {
        let length = file.metadata().unwrap().len() as usize;
        fs::write(file, vec![0; length]).unwrap();
    };
    check_start("zeroed", zeroed, Refused(damaged, "it begins with zeros"));
    for share in [2, 3, 10] {
        let cut = |file: &Path| {
            let length = file.metadata().unwrap().len();
            fs::File::options().write(true).open(file).unwrap().set_len(length / share).unwrap();
        };
        check_start(&format!("cut to 1/{share}"), cut, Refused(damaged, WAY_OUT));
    }
    let table = |file: &Path| {
        let db = rusqlite::Connection::open(file).unwrap();
        db.execute_batch("drop table ledger; pragma journal_mode = delete").unwrap();
    };
    check_start("a table gone", table, Refused(damaged, "its table `ledger` is missing"));
}

#[test]
fn a_flipped_page_is_found_or_says_nothing_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    filled(&state, 60);
    let file = state.join("state.db");
    let whole = fs::read(&file).unwrap();
    let (mut found, pages) = (0, whole.len() / 4096);
    for page in 0..pages {
        let mut bytes = whole.clone();
        // The head of a page, where its kind and its cells are.
        for byte in &mut bytes[page * 4096..page * 4096 + 64] {
            *byte = !*byte;
        }
        fs::write(&file, bytes).unwrap();
        let _ = fs::remove_file(state.join("state.db-wal"));
        let _ = fs::remove_file(state.join("state.db-shm"));
        let looked = State::open(&state).and_then(|open| open.look_over(Duration::from_secs(60)));
        found += usize::from(looked.is_err());
        let checked = check::check(&file);
        assert_eq!(looked.is_err(), checked.is_err() || !checked.unwrap().is_empty(), "{page}");
    }
    // Pages that are chained behind a large value, or free, hold nothing that can be wrong.
    assert!(found * 10 >= pages * 4, "{found} of {pages} found");
}

#[test]
fn a_log_that_is_gone_foreign_or_cut_loses_its_end_and_nothing_else() {
    /// What a daemon that was killed leaves: 40 messages in the file, 5 in its log.
    fn killed(change: impl FnOnce(&Path)) -> (tempfile::TempDir, i64) {
        let folder = tempfile::tempdir().unwrap();
        let (live, dead) = (folder.path().join("live"), folder.path().join("dead"));
        filled(&live, 40);
        let open = State::open(&live).unwrap();
        open.write(|tx| (40..45).try_for_each(|n| super::owe(tx, n))).unwrap();
        fs::create_dir(&dead).unwrap();
        for name in ["state.db", "state.db-wal"] {
            fs::copy(live.join(name), dead.join(name)).unwrap();
        }
        change(&dead.join("state.db-wal"));
        drop(State::open(&dead).unwrap());
        let count = messages(&dead);
        assert_eq!(check::check(&dead.join("state.db")).unwrap(), [""; 0]);
        (folder, count)
    }
    assert_eq!(killed(|_| ()).1, 45);
    assert_eq!(killed(|log| fs::remove_file(log).unwrap()).1, 40);
    assert_eq!(killed(|log| fs::write(log, "").unwrap()).1, 40);
    assert_eq!(killed(|log| fs::write(log, vec![7; 9000]).unwrap()).1, 40);
    // Half a transaction is none.
    let cut = |log: &Path| {
        let length = log.metadata().unwrap().len();
        fs::File::options().write(true).open(log).unwrap().set_len(length - 5000).unwrap();
    };
    assert_eq!(killed(cut).1, 40);
    assert_eq!(killed(|log| overwrite(log, 40, &[1, 2, 3])).1, 40);
}
