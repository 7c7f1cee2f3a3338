//! A disk that is full, read-only or broken, in a mount namespace of the daemon's own.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chrono::TimeDelta;
use postrider::clock::Clock as _;
use postrider::demo::org::Org;
use postrider::store::state::{check, life};

use crate::harness::process::{Daemon, Folder};
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, Letter, PATIENCE, TRAFFIC, TestPostrider};

use super::{folder, mails};

/// Whether this machine lets us have mounts of our own.
fn has_mounts() -> bool {
    let tried = Command::new("unshare").args(["-rm", "true"]).output();
    let has = tried.is_ok_and(|output| output.status.success());
    if !has {
        let _ = writeln!(std::io::stderr(), "no mounts of our own here: not tested");
    }
    has
}

/// A daemon whose state lies on a disk of so many megabytes.
async fn on_disk(folder: &Folder, megabytes: u32) -> Daemon {
    std::fs::create_dir(folder.path("state")).unwrap();
    let script = format!("mount -t tmpfs -o size={megabytes}m,mode=700 tmpfs state; exec \"$@\"");
    let mut daemon = folder.daemon_by(&["unshare", "-rm", "sh", "-c", &script, "sh"]);
    daemon.says("postrider is ready", 1).await;
    daemon
}

/// A file on that disk, seen from here.
fn inside(folder: &Folder, daemon: &Daemon, name: &str) -> PathBuf {
    let path = folder.path("state").join(name);
    PathBuf::from(format!("/proc/{}/root{}", daemon.pid(), path.display()))
}

/// Calls of the daemon on the log of its state that fail from now on; dropping it ends that.
struct Fault(std::process::Child);

impl Fault {
    /// `None`: this machine lets nobody trace.
    async fn begin(folder: &Folder, daemon: &Daemon, calls: &str, error: &str) -> Option<Fault> {
        let (pid, log) = (daemon.pid().to_string(), folder.path("state/state.db-wal"));
        let inject = format!("inject={calls}:error={error}");
        let mut child = Command::new("strace")
            .args(["-f", "-p", &pid, "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &inject, "-P"])
            .arg(log.canonicalize().unwrap())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .ok()?;
        let said = child.stderr.take().unwrap();
        let attached = tokio::task::spawn_blocking(move || {
            use std::io::BufRead as _;
            std::io::BufReader::new(said).lines().next().and_then(Result::ok)
        });
        let attached = attached.await.unwrap().is_some_and(|line| line.contains("attached"));
        if !attached {
            let _ = writeln!(std::io::stderr(), "no tracing here: not tested");
        }
        attached.then_some(Fault(child))
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.0.wait();
    }
}

/// Mails to the owner whose subject holds a text.
fn to_owner(folder: &Folder, text: &str) -> usize {
    let mails = folder.inbox.mails();
    let owners = mails.iter().filter(|mail| mail.recipients == ["owner@example.com"]);
    owners.filter(|mail| Letter::read(mail).subject.contains(text)).count()
}

async fn owner_hears(folder: &Folder, text: &str) {
    let heard = async {
        let mut seen = 0;
        while to_owner(folder, text) == 0 {
            seen = folder.inbox.wait_for(seen + 1).await.len();
        }
    };
    let heard = tokio::time::timeout(PATIENCE, heard).await;
    assert!(heard.is_ok(), "no mail of `{text}`: {:?}", subjects(folder));
}

fn subjects(folder: &Folder) -> Vec<String> {
    folder.inbox.mails().iter().map(|mail| mail.subject.clone()).collect()
}

const UNWRITABLE: &str = "the state cannot be written";
const WRITABLE: &str = "the state can be written again";

/// Copies the state while the daemon works, from where it sees it.
fn backed_up(folder: &Folder, daemon: &Daemon, own_disk: bool) {
    let (config, copy) = (folder.config(), folder.path("copy.db"));
    let arguments = ["-c", &config.display().to_string(), "state", "backup"].map(str::to_owned);
    let pid = daemon.pid().to_string();
    let mut command = match own_disk {
        true => {
            let mut command = Command::new("nsenter");
            command.args(["-t", &pid, "-U", "-m", "--preserve-credentials"]);
            command.arg(env!("CARGO_BIN_EXE_postrider"));
            command
        }
        false => Command::new(env!("CARGO_BIN_EXE_postrider")),
    };
    let done = command.args(arguments).arg(copy).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// After an outage: told once, told that it is over, and the digests of the time in between come.
async fn all_is_made_up_for(folder: &Folder, mut daemon: Daemon, own_disk: bool) {
    owner_hears(folder, WRITABLE).await;
    daemon.says("the state can be written again", 1).await;
    let seen = folder.inbox.received();
    mails(folder, seen + 2).await;
    assert_eq!(to_owner(folder, UNWRITABLE), 1, "{:?}", subjects(folder));
    assert_eq!(to_owner(folder, WRITABLE), 1, "{:?}", subjects(folder));
    // Its state may be gone with its disk, so it is looked at before.
    let copy = folder.path("copy.db");
    backed_up(folder, &daemon, own_disk);
    assert_eq!(check::check(&copy).unwrap(), [""; 0]);
    let db = rusqlite::Connection::open(&copy).unwrap();
    let slots = "select count(*), (max(planned_at) - min(planned_at)) / 60000 + 1 from slot";
    let (slots, minutes): (i64, i64) =
        db.query_row(slots, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(slots, minutes, "late, not lost: a slot for every minute");
    assert_eq!(daemon.stop().await.code(), Some(0));
    let mut ids: Vec<_> =
        folder.inbox.mails().iter().map(|mail| Letter::read(mail).message_id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "nothing came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_late_is_told_once_and_heals_by_itself() {
    if !has_mounts() {
        return;
    }
    let folder = folder("").await;
    let mut daemon = on_disk(&folder, 64).await;
    mails(&folder, 1).await;
    let reserve = inside(&folder, &daemon, "ballast");
    assert!(reserve.exists());
    let hog = inside(&folder, &daemon, "hog");
    let mut file = std::fs::File::create(&hog).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    drop(file);
    daemon.says("the state cannot be written", 1).await;
    owner_hears(&folder, UNWRITABLE).await;
    assert!(!reserve.exists(), "its room is for what was handed over");
    let seen = folder.inbox.received();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(folder.inbox.received() <= seen + 2, "nothing new is made: {:?}", subjects(&folder));
    std::fs::remove_file(&hog).unwrap();
    all_is_made_up_for(&folder, daemon, true).await;
}

/// While calls fail: told once; afterwards all is made up for.
async fn check_fault(calls: &str, error: &str) {
    let folder = folder("").await;
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider is ready", 1).await;
    mails(&folder, 1).await;
    let Some(fault) = Fault::begin(&folder, &daemon, calls, error).await else { return };
    daemon.says("the state cannot be written", 1).await;
    owner_hears(&folder, UNWRITABLE).await;
    let status = folder.done(&["status"]);
    assert!(status.contains("the state cannot be written: the disk fails since"), "{status}");
    drop(fault);
    all_is_made_up_for(&folder, daemon, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_write_makes_late_is_told_once_and_heals_by_itself() {
    check_fault("pwrite64", "EROFS").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_sync_makes_late_is_told_once_and_heals_by_itself() {
    check_fault("fsync,fdatasync", "EIO").await;
}

#[tokio::test]
async fn a_load_that_finds_no_room_fails_and_leaves_the_state_its_own() {
    let config = format!("{HEAD}{TRAFFIC}{}", super::OFTEN);
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        for _ in 0..3_000 {
            ended(org, &web, "2026-11-22T12:00:00Z", &[]);
        }
    };
    let mut t = TestPostrider::start(&config, "2026-11-23T09:00:00Z", fill).await;
    t.may_owe = true;
    let store = std::sync::Arc::clone(t.app.engine().store());
    store.records().bound(64 * 1024).unwrap();
    let _ = t.patiently(t.app.engine().pull_due("salesforce")).await;
    let sessions = || {
        let states = store.dataset_states().unwrap();
        states.into_iter().find(|state| state.dataset == "MessagingSession").unwrap()
    };
    assert!(!sessions().ready, "it does not fit");
    assert_eq!(store.state.is_failing(), None);
    store.state.write(|tx| life::saw(tx, t.clock.now())).unwrap();
    // With room it comes by itself.
    store.records().bound(1 << 30).unwrap();
    t.advance(TimeDelta::minutes(6)).await;
    assert!(sessions().ready, "{:?}", sessions().failure);
    assert_eq!(sessions().records, 3_000);
}
