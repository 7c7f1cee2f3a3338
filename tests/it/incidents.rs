//! Killed with SIGKILL at any moment, the real binary tells every receiver what it would have told
//! had it lived. The long campaign is `cargo bench --bench incidents`; this is the same in small.

#[path = "../../benches/incidents/campaign.rs"]
mod campaign;

mod points;

use campaign::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_tells_what_it_would_have_told() {
    let plan = Plan { kills: 8, seed: 7, speed: 120, forgetful: false };
    let found = campaign::run(&plan, |_| {}).await.unwrap();
    let kept = found.kept.unwrap_or_default();
    assert!(found.broken.is_empty(), "{:#?}\n{}\n{}", found.broken, found.table, kept.display());
}
