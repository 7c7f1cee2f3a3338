//! Under every seed the promises hold, whatever dies, refuses or comes late in between; a seed gives
//! the same life again; and a build that breaks a promise is caught. The long campaign is
//! `cargo bench --bench sim`; this is the same in small.

#[path = "../../benches/sim/campaign.rs"]
mod campaign;

use campaign::{Break, Plan};

const PLAN: Plan = Plan { first: 1, seeds: 12, steps: 80, breaks: None, twice: false, all: false };

#[test]
fn every_promise_is_kept_under_every_seed_and_a_seed_gives_the_same_life_again() {
    let found = campaign::run(&Plan { twice: true, ..PLAN }, |_| {}).unwrap();
    assert!(found.broken.is_empty(), "{:#?}\n{}", found.broken, found.tally);
}

#[test]
fn builds_that_break_a_promise_are_caught() {
    for breaks in [
        Break::SendBeforeCommit,
        Break::NewIdEachAttempt,
        Break::RecordedBeforeSent,
        Break::ForgetsWhoWasTold,
        Break::WatermarkFirst,
    ] {
        let plan = Plan { seeds: 100, breaks: Some(breaks), ..PLAN };
        let found = campaign::run(&plan, |_| {}).unwrap();
        assert!(!found.broken.is_empty(), "{breaks:?} is not caught:\n{}", found.tally);
    }
}
