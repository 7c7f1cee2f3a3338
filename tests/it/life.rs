//! The daemon's own life: how it tells its supervisor, how it ends, and what it does while the ground
//! gives way: disks, descriptors, sudden ends.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use postrider::demo::inbox::{Act, Stage};
use postrider::demo::org::Org;
use postrider::store::state::check;

use crate::harness::process::{Daemon, Folder};
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, PATIENCE, TRAFFIC};

mod clock;
mod disk;

fn fill(org: &Org) {
    let web = channel(org, "Web");
    ended(org, &web, "2026-11-22T12:00:00Z", &[]);
}

/// A digest a minute, on a clock that makes that a second.
const OFTEN: &str = r#"
[digests.often]
reports = ["traffic"]
schedule = "* * * * *"
missed = "all"
to = ["ana@example.com"]
"#;

fn config(general: &str) -> String {
    let head = HEAD.replace("[postrider]\n", &format!("[postrider]\n{general}\n"));
    format!("{head}{TRAFFIC}{OFTEN}")
}

async fn folder(general: &str) -> Folder {
    let folder = Folder::fast("2026-11-23T09:00:00Z", 60).await;
    fill(&folder.org);
    folder.write(&config(general));
    folder
}

/// Waits until so many mails have come.
async fn mails(folder: &Folder, count: usize) {
    let come = tokio::time::timeout(PATIENCE, folder.inbox.wait_for(count)).await;
    assert!(come.is_ok(), "{} mails, not {count}", folder.inbox.received());
}

/// Every message that came, once: those that are owed were neither lost nor repeated.
#[track_caller]
fn each_once(folder: &Folder) {
    let mut ids: Vec<String> = (folder.inbox.mails().iter())
        .map(|mail| crate::harness::Letter::read(mail).message_id)
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "a message came twice");
    assert_eq!(check::check(&folder.path("state/state.db")).unwrap(), [""; 0]);
}

struct Supervisor {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Supervisor {
    fn at(folder: &mut Folder, watchdog: Option<Duration>) -> Supervisor {
        let path = folder.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        folder.variables.push(("NOTIFY_SOCKET".into(), path.display().to_string()));
        if let Some(watchdog) = watchdog {
            folder.variables.push(("WATCHDOG_USEC".into(), watchdog.as_micros().to_string()));
        }
        Supervisor { socket, heard: Vec::new() }
    }

    /// Waits for a message that begins with a text, and returns it.
    #[track_caller]
    fn hears(&mut self, text: &str) -> String {
        tokio::task::block_in_place(|| {
            loop {
                let mut bytes = [0; 1024];
                let length = self.socket.recv(&mut bytes).unwrap_or_else(|err| {
                    panic!("no `{text}` ({err}) in {:#?}", self.heard);
                });
                let said = String::from_utf8(bytes[..length].to_vec()).unwrap();
                self.heard.push(said.clone());
                if said.starts_with(text) {
                    return said;
                }
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_hears_of_ready_reload_life_and_end() {
    let mut folder = folder("").await;
    let mut supervisor = Supervisor::at(&mut folder, Some(Duration::from_secs(2)));
    let daemon = folder.daemon(&[]);
    assert_eq!(supervisor.hears("READY=1"), "READY=1\nSTATUS=1 digests, 0 rules");
    supervisor.hears("WATCHDOG=1");
    supervisor.hears("WATCHDOG=1");
    daemon.signal("HUP");
    assert!(supervisor.hears("RELOADING=1").contains("\nMONOTONIC_USEC="));
    assert!(supervisor.hears("READY=1").contains("the config is in force"));
    folder.write(&config("nonsense = 1"));
    daemon.signal("HUP");
    supervisor.hears("RELOADING=1");
    assert!(supervisor.hears("READY=1").contains("the one before it is in force"));
    daemon.signal("TERM");
    supervisor.hears("STOPPING=1");
    assert_eq!(daemon.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_handed_over_is_waited_for_beyond_the_grace() {
    let mut folder = folder("shutdown_grace = \"1 s\"").await;
    let mut supervisor = Supervisor::at(&mut folder, None);
    folder.inbox.misbehave(Stage::Dot, Act::Late(Duration::from_secs(3)), 1);
    let daemon = folder.daemon(&[]);
    // It is there, and the answer is not.
    mails(&folder, 1).await;
    let asked = Instant::now();
    daemon.signal("TERM");
    supervisor.hears("STOPPING=1");
    supervisor.hears("EXTEND_TIMEOUT_USEC=");
    supervisor.hears("STATUS=waiting for the answer to what was handed over");
    assert_eq!(daemon.ended().await.code(), Some(0));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let seen = folder.inbox.received();
    let mut daemon = folder.daemon(&[]);
    mails(&folder, seen + 1).await;
    let cut_off = daemon.log().iter().any(|line| line.contains("cut off"));
    assert!(!cut_off, "its answer was heard: {:?}", daemon.log());
    daemon.says("postrider is ready", 1).await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    each_once(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_not_handed_over_is_cut_off_after_the_grace() {
    let folder = folder("shutdown_grace = \"1 s\"").await;
    folder.inbox.misbehave(Stage::Data, Act::Stall, 1);
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider is ready", 1).await;
    let db = || {
        let file = folder.path("state/state.db");
        rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
    };
    let count = |sql: &str| -> i64 { db().unwrap().query_row(sql, [], |row| row.get(0)).unwrap() };
    let began = Instant::now();
    while count("select count(*) from attempt where finished_at is null") == 0 {
        assert!(began.elapsed() < PATIENCE, "nothing is tried");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    assert_eq!(daemon.stop().await.code(), Some(0));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(folder.inbox.received(), 0);
    assert_ne!(count("select count(*) from outbox"), 0);
    let burned = "select count(*) from outbox where state <> 'pending' or attempts <> 0";
    assert_eq!(count(burned), 0, "as if it had never begun");
    let daemon = folder.daemon(&[]);
    mails(&folder, 1).await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    each_once(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_busy_does_not_make_the_daemon_look_dead() {
    let mut folder = folder("").await;
    let mut supervisor = Supervisor::at(&mut folder, Some(Duration::from_secs(2)));
    let daemon = folder.daemon(&[]);
    supervisor.hears("READY=1");
    let other = rusqlite::Connection::open(folder.path("state/state.db")).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let began = Instant::now();
    for _ in 0..8 {
        supervisor.hears("WATCHDOG=1");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    other.execute_batch("rollback").unwrap();
    drop(other);
    assert_eq!(daemon.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let folder = folder("shutdown_grace = \"60 s\"").await;
    folder.inbox.misbehave(Stage::Dot, Act::Stall, 1);
    let mut daemon = folder.daemon(&[]);
    mails(&folder, 1).await;
    daemon.signal("TERM");
    daemon.says("stopping: finishing what is under way", 1).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await.code(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_any_phase_it_ends_in_time_and_nothing_is_lost_or_repeated() {
    let folder = folder("shutdown_grace = \"5 s\"").await;
    for (round, wait_ms) in [0, 90, 300, 700, 1_100].into_iter().enumerate() {
        let mut daemon = folder.daemon(&[]);
        // The handlers of signals are there from here on.
        daemon.says("postrider is ready", 1).await;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let asked = Instant::now();
        assert_eq!(daemon.stop().await.code(), Some(0), "round {round}");
        assert!(asked.elapsed() < Duration::from_secs(15), "round {round}: {:?}", asked.elapsed());
    }
    each_once(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_starts_it_opens_again_and_is_whole() {
    for round in 0..6u64 {
        let folder = folder("").await;
        // First starts, then starts on what the killed one left; from the first instruction to work.
        for kill in 0..5u64 {
            let daemon = folder.daemon(&[]);
            tokio::time::sleep(Duration::from_millis(3 + (round * 5 + kill) * 9)).await;
            daemon.signal("KILL");
            daemon.ended().await;
            let file = folder.path("state/state.db");
            if file.metadata().is_ok_and(|about| about.len() > 0) {
                // A new file that was not finished has nothing in it; any other is whole.
                match check::check(&file) {
                    Ok(problems) => assert_eq!(problems, [""; 0], "round {round}, kill {kill}"),
                    Err(err) => assert!(err.to_string().contains("nothing in it"), "{err}"),
                }
            }
        }
        let mut daemon = folder.daemon(&[]);
        daemon.says("postrider is ready", 1).await;
        assert_eq!(daemon.stop().await.code(), Some(0));
        assert_eq!(check::check(&folder.path("state/state.db")).unwrap(), [""; 0]);
    }
}

/// Starts it with so many descriptors.
fn with_descriptors(folder: &Folder, count: u32) -> Daemon {
    let limited = format!("ulimit -n {count}; exec \"$@\"");
    folder.daemon_by(&["sh", "-c", &limited, "sh"])
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_it_fails_softly_and_goes_on_when_there_are_some() {
    let folder = folder("").await;
    let daemon = with_descriptors(&folder, 1024);
    mails(&folder, 1).await;
    // All but those that are open are taken away, and then given back.
    let limit = |count: &str| {
        let pid = daemon.pid().to_string();
        let set = std::process::Command::new("prlimit")
            .args(["--pid", &pid, &format!("--nofile={count}:1024")])
            .status()
            .unwrap();
        assert!(set.success());
    };
    limit("4");
    let starved = folder.clock.now();
    while folder.clock.now() - starved < chrono::TimeDelta::minutes(4) {
        tokio::task::yield_now().await;
    }
    let seen = folder.inbox.received();
    limit("1024");
    mails(&folder, seen + 2).await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    each_once(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_few_descriptors_it_works_or_says_why_not() {
    for count in [12, 24, 40] {
        let folder = folder("").await;
        let daemon = with_descriptors(&folder, count);
        let come = tokio::time::timeout(Duration::from_secs(4), folder.inbox.wait_for(1)).await;
        let log = daemon.log().join("\n");
        assert!(!log.contains("panicked"), "{count}: {log}");
        if come.is_ok() {
            assert_eq!(daemon.stop().await.code(), Some(0), "{count}");
        } else {
            assert!(log.contains("ERROR") || log.contains("error: "), "{count}: {log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reloads_a_second_of_whole_and_half_configs_lose_nothing() {
    let folder = folder("").await;
    let daemon = folder.daemon(&[]);
    mails(&folder, 1).await;
    let whole = std::fs::read_to_string(folder.config()).unwrap();
    let began = Instant::now();
    for n in 0..150 {
        match n % 3 {
            0 => std::fs::write(folder.config(), &whole[..whole.len() * 2 / 3]).unwrap(),
            1 => std::fs::write(folder.config(), format!("{whole}\n# {n}\n")).unwrap(),
            // As an editor does it: beside, then renamed.
            _ => {
                let other = whole.replace("How many sessions", &format!("{n}: how many sessions"));
                std::fs::write(folder.path(".config.toml.swp"), other).unwrap();
                std::fs::rename(folder.path(".config.toml.swp"), folder.config()).unwrap();
            }
        }
        daemon.signal("HUP");
        tokio::time::sleep_until((began + Duration::from_millis(10) * n).into()).await;
    }
    folder.write(&config("").replace("ana@example.com", "ben@example.com"));
    daemon.signal("HUP");
    let to_ben = async {
        let mut seen = 0;
        let ben = |folder: &Folder| {
            folder.inbox.mails().iter().any(|mail| mail.recipients == ["ben@example.com"])
        };
        while !ben(&folder) {
            seen = folder.inbox.wait_for(seen + 1).await.len();
        }
    };
    assert!(tokio::time::timeout(PATIENCE, to_ben).await.is_ok(), "{:?}", daemon.log());
    assert_eq!(daemon.stop().await.code(), Some(0));
    each_once(&folder);
}
