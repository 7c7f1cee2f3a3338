//! `postrider state` and what a start says by its exit code.

use serde_json::Value as Json;

use crate::harness::HEAD;
use crate::harness::process::Folder;

fn said(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_daemon_is_made_looked_at_and_put_back() {
    let folder = Folder::new().await;
    folder.write(HEAD);
    let (code, _, err) = said(&folder.run(&["state", "info"]));
    assert_eq!(code, Some(1), "there is none yet: {err}");
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider is ready", 1).await;

    // A second one: who is the first?
    let (code, _, err) = said(&folder.run(&["run"]));
    assert_eq!(code, Some(75), "{err}");
    assert!(err.contains(&format!("another postrider (process {}) runs", daemon.pid())), "{err}");

    let info = folder.done(&["state", "info"]);
    assert!(info.contains(&format!("daemon: running, process {}", daemon.pid())), "{info}");
    std::fs::create_dir(folder.path("backups")).unwrap();
    let made = folder.done(&["state", "backup", "backups"]);
    assert!(made.starts_with("backups/state-20") && made.contains("read through"), "{made}");
    let copy = made.split(':').next().unwrap().to_owned();
    assert!(folder.done(&["state", "check", &copy]).contains("is whole"));
    assert!(folder.done(&["state", "check"]).contains("is whole"));
    let (code, _, err) = said(&folder.run(&["state", "restore", &copy]));
    assert_eq!(code, Some(75), "{err}");
    assert_eq!(daemon.stop().await.code(), Some(0));

    let restored = folder.done(&["state", "restore", &copy]);
    assert!(restored.contains("state.db.aside-1"), "{restored}");
    let json: Json = serde_json::from_str(&folder.done(&["state", "info", "--json"])).unwrap();
    assert_eq!(json["schema"], json["schema_known"]);
    assert_eq!(json["daemon"], Json::Null);
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider is ready", 1).await;
    assert!(!daemon.log().iter().any(|line| line.contains("has lost")), "{:?}", daemon.log());
    assert_eq!(daemon.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_used_has_its_exit_code_and_a_way_out_that_works() {
    let folder = Folder::new().await;
    folder.write(HEAD);
    folder.done(&["status"]);
    folder.done(&["state", "backup", "copy.db"]);
    std::fs::write(folder.path("state/state.db"), "Dear diary").unwrap();
    for command in [&["run"][..], &["status"], &["state", "check"], &["state", "info"]] {
        let (code, _, err) = said(&folder.run(command));
        assert_eq!(code, Some(74), "{command:?}: {err}");
        assert!(err.contains("postrider state restore FILE"), "{command:?}: {err}");
        assert!(err.contains("mkdir ") && err.contains("/aside && mv "), "{command:?}: {err}");
    }
    folder.done(&["state", "restore", "copy.db"]);
    folder.done(&["status"]);
    // The other way out.
    std::fs::write(folder.path("state/state.db"), "Dear diary").unwrap();
    let (_, _, err) = said(&folder.run(&["status"]));
    let command = err.split('`').find(|part| part.starts_with("mkdir ")).expect("a command");
    let moved = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(folder.path(""))
        .status()
        .unwrap();
    assert!(moved.success(), "{command}");
    folder.done(&["status"]);
    assert!(folder.path("state/aside/state.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_lost_its_end_is_told_to_the_owner_and_works_on() {
    let folder = Folder::fast("2026-11-23T09:00:00Z", 60).await;
    folder.write(HEAD);
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider is ready", 1).await;
    folder.done(&["state", "backup", "copy.db"]);
    // A minute of the trial later the daemon has written more.
    let later = async {
        let before = folder.clock.now();
        while folder.clock.now() - before < chrono::TimeDelta::minutes(3) {
            tokio::task::yield_now().await;
        }
    };
    later.await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    std::fs::copy(folder.path("copy.db"), folder.path("state/state.db")).unwrap();
    let mut daemon = folder.daemon(&[]);
    daemon.says("the state has lost what was written last", 1).await;
    let mails = tokio::time::timeout(crate::harness::PATIENCE, folder.inbox.wait_for(1)).await;
    let subject = &mails.expect("a mail")[0].subject;
    assert!(subject.contains("the state has lost what was written last"), "{subject}");
    assert_eq!(daemon.stop().await.code(), Some(0));
}
