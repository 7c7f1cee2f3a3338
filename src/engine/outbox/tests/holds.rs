//! Receivers that are told to wait while other attempts are under way, and their probes.

use std::time::Duration;

use super::*;

fn hour(said: &str) -> Outcome {
    Outcome::Retry { after: Some(Duration::from_secs(3_600)), reason: said.into() }
}

/// Says to each id what is written there, and else that it took it.
/// What is said to a recipient.
type Said = (&'static str, fn() -> Outcome);

fn saying(said: &'static [Said]) -> Arc<Played> {
    Played::new(8, move |message, _| {
        let found = said.iter().find(|(id, _)| *id == message.id);
        found.map_or_else(|| Outcome::Delivered("200".into()), |(_, says)| says())
    })
}

fn until(world: &World) -> Option<TimeDelta> {
    let holds = world.engine.store().state.read(outbox::holds).unwrap();
    holds.first().map(|hold| hold.until - world.clock.now())
}

/// A slow attempt is under way while another one is told to wait for an hour; then it ends.
async fn check(slow: fn() -> Outcome) {
    let hook = Played::new(8, move |message, _| match message.id.as_str() {
        "slow" => slow(),
        "busy" => hour("429"),
        _ => Outcome::Delivered("200".into()),
    });
    hook.stall("slow", Stall::After);
    let world = World::new(plant(&Played::fine(1), &[("hook", &hook)], Ambiguous::Resend));
    world.owe(Kind::Notice, "hook", "slow", "hook");
    world.owe(Kind::Notice, "hook", "busy", "hook");
    let delivering = world.engine.deliver_due();
    tokio::pin!(delivering);
    tokio::select! {
        _ = &mut delivering => panic!("one is stalled"),
        () = async { while until(&world).is_none() { tokio::task::yield_now().await; } } => {}
    }
    world.clock.advance(MINUTE);
    world.owe(Kind::Notice, "hook", "next", "hook");
    hook.let_go("slow");
    delivering.await.unwrap();
    let hour = TimeDelta::minutes(59);
    assert_eq!(until(&world), Some(hour), "it waits as long as it was told to");
    assert!(!hook.ids().contains(&"next".to_owned()));
    world.clock.advance(hour);
    assert!(world.deliver().await > 0, "then it is asked");
}

#[tokio::test]
async fn what_was_under_way_before_neither_ends_nor_shortens_a_wait() {
    check(|| Outcome::Delivered("200".into())).await;
    check(|| Outcome::ServerDown("refused".into())).await;
}

#[tokio::test]
async fn a_probe_does_not_wait_for_what_is_under_way_and_is_alone() {
    let hook = saying(&[("busy", || Outcome::ServerDown("refused".into()))]);
    hook.stall("slow", Stall::After);
    let world = World::new(plant(&Played::fine(1), &[("hook", &hook)], Ambiguous::Resend));
    world.owe(Kind::Notice, "hook", "slow", "hook");
    world.owe(Kind::Notice, "hook", "busy", "hook");
    let delivering = world.engine.deliver_due();
    tokio::pin!(delivering);
    tokio::select! {
        _ = &mut delivering => panic!("one is stalled"),
        () = async {
            // Written down, and every other seat free again.
            while until(&world).is_none() || world.engine.under_way.take("hook", 8).others > 1 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    // The wait is over, and the slow one is still there.
    world.owe(Kind::Notification, "hook", "probe", "hook");
    hook.stall("probe", Stall::After);
    world.clock.advance(MINUTE);
    let probing = world.engine.deliver_due();
    tokio::pin!(probing);
    tokio::select! {
        _ = &mut probing => panic!("the probe is stalled"),
        () = async { while hook.ids().len() < 3 { tokio::task::yield_now().await; } } => {}
    }
    assert_eq!(hook.ids().last().map(String::as_str), Some("probe"));
    world.owe(Kind::Notification, "hook", "third", "hook");
    world.clock.advance(MINUTE);
    assert_eq!(world.deliver().await, 0, "the probe is not over");
    hook.let_go("probe");
    probing.await.unwrap();
    assert!(hook.ids().contains(&"third".to_owned()), "it works again: {:?}", hook.ids());
    hook.let_go("slow");
    delivering.await.unwrap();
}

#[tokio::test]
async fn a_probe_that_a_crash_cut_off_is_made_again_at_once() {
    let hook = saying(&[("a", || Outcome::ServerDown("refused".into()))]);
    let hooks = [("hook", &hook)];
    let world = World::new(plant(&Played::fine(1), &hooks, Ambiguous::Resend));
    world.owe(Kind::Notice, "hook", "a", "hook");
    world.deliver().await;
    world.clock.advance(MINUTE);
    hook.stall("a", Stall::After);
    {
        let probing = world.engine.deliver_due();
        tokio::pin!(probing);
        tokio::select! {
            _ = &mut probing => panic!("the probe is stalled"),
            () = async { while hook.ids().len() < 2 { tokio::task::yield_now().await; } } => {}
        }
    }
    assert_eq!(until(&world), Some(crate::engine::outbox::PROBE));
    let world = world.restarted(plant(&Played::fine(1), &hooks, Ambiguous::Resend)).await;
    assert_eq!(until(&world), Some(TimeDelta::zero()));
    hook.let_go("a");
    assert_eq!(world.deliver().await, 1);
}

#[tokio::test]
async fn a_probe_says_how_it_goes_on() {
    let hook = Played::new(8, |message, nth| match (message.id.as_str(), nth) {
        ("a", 1) => hour("429"),
        ("a", 2) => Outcome::ServerDown("refused".into()),
        ("a", 3) => later("503"),
        _ => Outcome::Delivered("200".into()),
    });
    let world = World::new(plant(&Played::fine(1), &[("hook", &hook)], Ambiguous::Resend));
    world.owe(Kind::Notice, "hook", "a", "hook");
    world.deliver().await;
    assert_eq!(until(&world), Some(TimeDelta::hours(1)));
    world.owe(Kind::Digest, "hook", "b", "hook");
    world.clock.advance(TimeDelta::hours(1));
    world.deliver().await;
    assert_eq!(hook.ids(), ["a", "a"], "one probe");
    let wait = until(&world).unwrap();
    assert!(wait <= TimeDelta::minutes(6), "it is down now, and asked soon: {wait}");
    world.clock.advance(wait);
    world.deliver().await;
    // It answered, though it did not take it: the next one is the next probe, at once.
    assert_eq!(hook.ids(), ["a", "a", "a", "b"]);
    assert_eq!(until(&world), None);
}
