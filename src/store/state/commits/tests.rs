use std::sync::{Arc, mpsc};

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;

fn state() -> (tempfile::TempDir, State) {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path()).unwrap();
    state.write(|tx| Ok(tx.execute_batch("create table wrote (n integer primary key)")?)).unwrap();
    (folder, state)
}

/// What stands in the table, in the order in which it came there.
fn wrote(state: &State) -> Vec<i64> {
    state
        .read(|tx| {
            let mut statement = tx.prepare("select n from wrote order by rowid")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .unwrap()
}

fn insert(tx: &Transaction<'_>, n: i64) -> Result<(), StateError> {
    tx.execute("insert into wrote (n) values (?1)", [n])?;
    Ok(())
}

/// Writes one after the other, each a letter: `.` is done, `!` fails after it has written, `p`
/// panics after it has written, `d` writes what is there already. Returns what each heard.
fn play(state: &State, script: &str) -> String {
    let (tell, told) = mpsc::channel();
    let mut leads = 0;
    for (n, symbol) in (0..).zip(script.chars()) {
        let tell = tell.clone();
        let lead = state.enqueue(
            move |tx| {
                match symbol {
                    'd' => insert(tx, 0)?,
                    _ => insert(tx, n)?,
                }
                match symbol {
                    '!' => Err(StateError::Random("said no".to_owned())),
                    'p' => panic!("broke down"),
                    _ => Ok(n),
                }
            },
            move |heard| {
                let heard = match heard {
                    Ok(n) => ('.', n),
                    Err(WriteError::State(StateError::Random(_))) => ('!', n),
                    Err(WriteError::State(_)) => ('d', n),
                    Err(WriteError::Panicked(words)) => {
                        assert_eq!(words, "broke down");
                        ('p', n)
                    }
                };
                tell.send(heard).unwrap();
            },
        );
        leads += usize::from(lead);
    }
    assert!(leads <= 1, "one writes for all");
    if leads == 1 {
        state.lead();
    }
    drop(tell);
    let heard: Vec<(char, i64)> = told.iter().collect();
    assert!(heard.iter().map(|(_, n)| *n).eq(0..script.len() as i64), "in order: {heard:?}");
    heard.into_iter().map(|(symbol, _)| symbol).collect()
}

#[track_caller]
fn check(script: &str, kept: &[i64], commits: u64) {
    let (_folder, state) = state();
    assert_eq!(play(&state, script), script);
    assert_eq!(wrote(&state), kept, "{script}");
    assert_eq!(state.commits(), (commits, kept.len() as u64), "{script}");
}

#[test]
fn what_waits_together_is_committed_once_and_a_failure_is_its_own() {
    check("", &[], 0);
    check(".", &[0], 1);
    check("!", &[], 0);
    check("p", &[], 0);
    check("......", &[0, 1, 2, 3, 4, 5], 1);
    check(".!.p.", &[0, 2, 4], 1);
    check("!p!", &[], 0);
    check("p.", &[1], 1);
    check(".d.", &[0, 2], 1);
    let many = ".".repeat(TOGETHER_MAX + 1);
    check(&many, &(0..=TOGETHER_MAX as i64).collect::<Vec<_>>(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever fails among them: exactly what is said to be done is there, in order.
    #[test]
    fn what_is_said_to_be_done_is_there_and_nothing_else(script in "[.!p]{0,40}") {
        let (_folder, state) = state();
        prop_assert_eq!(&play(&state, &script), &script);
        let done = script.chars().enumerate().filter(|(_, symbol)| *symbol == '.');
        let done: Vec<i64> = done.map(|(n, _)| n as i64).collect();
        prop_assert_eq!(wrote(&state), done);
    }
}

#[test]
fn all_hear_of_a_commit_that_fails_and_later_writes_are_done() {
    let (folder, state) = state();
    state
        .write(|tx| {
            Ok(tx.execute_batch(
                "create table parent (id integer primary key);
                 create table child (of integer references parent (id)
                                     deferrable initially deferred);",
            )?)
        })
        .unwrap();
    state.connection().pragma_update(None, "foreign_keys", true).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = |name: &'static str| {
        let heard = Arc::clone(&heard);
        move |outcome: Result<(), WriteError>| {
            let failed = match outcome {
                Ok(()) => false,
                Err(WriteError::State(StateError::Database(err))) => {
                    let code = err.sqlite_error_code();
                    assert_eq!(code, Some(rusqlite::ErrorCode::ConstraintViolation));
                    true
                }
                Err(other) => panic!("{other:?}"),
            };
            heard.lock().unwrap().push((name, failed));
        }
    };
    // The constraint is looked at when everything is committed.
    let orphan = |tx: &Transaction<'_>| Ok(tx.execute_batch("insert into child values (9)")?);
    assert!(state.enqueue(|tx| insert(tx, 1), hears("first")));
    assert!(!state.enqueue(orphan, hears("second")));
    state.lead();
    assert!(state.enqueue(|tx| insert(tx, 2), hears("third")));
    state.lead();
    let expected = [("first", true), ("second", true), ("third", false)];
    assert_eq!(*heard.lock().unwrap(), expected);
    assert_eq!(wrote(&state), [2]);
    drop(folder);
}

#[test]
fn a_failure_that_takes_the_transaction_with_it_costs_nobody_who_comes_after() {
    let (_folder, state) = state();
    let (tell, told) = mpsc::channel();
    for n in 0..4 {
        let tell = tell.clone();
        let work = move |tx: &Transaction<'_>| match n {
            1 => Ok(tx.execute_batch("rollback")?),
            n => insert(tx, n),
        };
        let _ = state.enqueue(work, move |heard| tell.send((n, heard.is_ok())).unwrap());
    }
    state.lead();
    drop(tell);
    let heard: Vec<(i64, bool)> = told.iter().collect();
    assert_eq!(heard, [(0, false), (1, false), (2, true), (3, true)]);
    assert_eq!(wrote(&state), [2, 3]);
}

#[test]
fn a_write_that_is_said_to_be_done_is_seen_by_another_connection() {
    let (folder, state) = state();
    let path = folder.path().join("state.db");
    let (tell, told) = mpsc::channel();
    for n in 0..5 {
        let (tell, path) = (tell.clone(), path.clone());
        let hears = move |heard: Result<(), WriteError>| {
            heard.unwrap();
            let beside = Connection::open(&path).unwrap();
            let seen: bool = beside
                .query_row("select exists (select 1 from wrote where n = ?1)", [n], |row| {
                    row.get(0)
                })
                .unwrap();
            tell.send(seen).unwrap();
        };
        let _ = state.enqueue(move |tx| insert(tx, n), hears);
    }
    state.lead();
    drop(tell);
    assert_eq!(told.iter().collect::<Vec<_>>(), [true; 5]);
}

#[test]
fn what_is_given_up_hears_of_it_and_the_next_one_leads() {
    let (_folder, state) = state();
    let (tell, told) = mpsc::channel();
    assert!(state.enqueue(|tx| insert(tx, 1), move |heard| tell.send(heard.is_err()).unwrap()));
    state.give_up();
    assert_eq!(told.iter().collect::<Vec<_>>(), [true]);
    assert!(state.enqueue(|tx| insert(tx, 2), |heard| heard.unwrap()));
    state.lead();
    assert_eq!(wrote(&state), [2]);
}

#[test]
fn many_threads_write_everything_once_in_fewer_commits() {
    let (_folder, state) = state();
    let state = Arc::new(state);
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let state = Arc::clone(&state);
            std::thread::spawn(move || {
                for n in 0..50 {
                    let (tell, told) = mpsc::channel();
                    let key = thread * 1_000 + n;
                    if state.enqueue(move |tx| insert(tx, key), move |h| tell.send(h).unwrap()) {
                        state.lead();
                    }
                    told.recv().unwrap().unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(wrote(&state).len(), 400);
    let (commits, writes) = state.commits();
    assert_eq!(writes, 400);
    assert!(commits < writes, "{commits} commits of {writes} writes");
}
