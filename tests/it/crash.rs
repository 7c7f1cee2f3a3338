//! Killed with SIGKILL at any moment, the real binary loses nothing and repeats nothing that was not
//! in doubt. The long campaign is `cargo bench --bench crash`; this is the same in small.

#[path = "../../benches/crash/campaign.rs"]
mod campaign;

use campaign::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_at_random_moments_loses_nothing_and_repeats_nothing() {
    let plan = Plan { kills: 6, seed: 7, speed: 120, life_ms: (50, 1_500), ..Plan::default() };
    let found = campaign::run(&plan, |_| {}).await.unwrap();
    let kept = found.kept.unwrap_or_default();
    assert!(found.broken.is_empty(), "{:#?}\n{}\n{}", found.broken, found.table, kept.display());
}
