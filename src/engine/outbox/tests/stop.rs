//! Stopping, crashing, and what may have arrived.

use super::*;

#[tokio::test]
async fn after_the_grace_what_was_not_handed_over_is_taken_back_and_the_rest_is_awaited() {
    let hook = Played::fine(4);
    hook.stall("before", Stall::Before);
    hook.stall("after", Stall::After);
    let mail = Played::fine(1);
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Resend));
    world.owe(Kind::Notice, "hook", "before", "hook");
    world.owe(Kind::Notice, "hook", "after", "hook");
    let delivering = world.engine.deliver_due();
    tokio::pin!(delivering);
    let both = async {
        hook.until_here(2).await;
        world.engine.stop();
        world.owe(Kind::Notice, "hook", "new", "hook");
        world.engine.cut();
        // The first one is gone, the other is waited for.
        hook.until_here(1).await;
    };
    tokio::select! {
        _ = &mut delivering => panic!("one was handed over and not answered for"),
        () = both => {}
    }
    hook.let_go("after");
    assert_eq!(delivering.await.unwrap(), 1, "what was taken back was no attempt");
    assert_eq!(world.states(), ["before>hook pending", "after>hook delivered", "new>hook pending"]);
    assert_eq!(world.outcomes(1), [] as [&str; 0], "as if it had never begun");
    let row = world.rows().remove(0);
    assert_eq!((row.attempts, row.next_attempt_at), (0, Some(row.created_at)));
}

#[tokio::test]
async fn what_may_have_arrived_is_held_once_told_and_sent_when_it_is_released() {
    let lost = |message: &Message, nth: usize| match (message.id.as_str(), nth) {
        ("one" | "two", 1) => Outcome::Uncertain("lost after the dot".into()),
        _ => Outcome::Delivered("250".into()),
    };
    let (hook, mail) = (Played::new(1, lost), Played::fine(1));
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Hold));
    for id in ["one", "two", "three"] {
        world.owe(Kind::Notice, "hook", id, "hook");
    }
    for _ in 0..5 {
        world.deliver().await;
        world.clock.advance(TimeDelta::hours(12));
    }
    assert_eq!(world.states(), ["one>hook held", "two>hook held", "three>hook delivered"]);
    assert_eq!(world.told(), ["[postrider] a message to hook is held: it may have arrived"]);
    // What is held is not forgotten.
    world.clock.advance(TimeDelta::days(1000));
    let now = world.clock.now();
    let state = &world.engine.store().state;
    assert_eq!(state.write(|tx| outbox::prune(tx, now, now, 99)).unwrap(), 2);
    let act = |id, action| state.write(|tx| outbox::act(tx, id, action, "by hand", now)).unwrap();
    use crate::domain::delivery::Action;
    assert_eq!(act(1, Action::Release), None);
    assert_eq!(act(2, Action::Cancel), None);
    world.deliver().await;
    assert_eq!(world.states(), ["one>hook delivered", "two>hook cancelled"]);
    assert_eq!(hook.ids(), ["one", "two", "three", "one"]);
}

/// Ends a process while messages are under way: how many are pending and held afterwards.
async fn crashed(ambiguous: Ambiguous) -> (World, usize, usize) {
    let (hook, mail) = (Played::fine(2), Played::fine(1));
    let world = World::new(plant(&mail, &[("hook", &hook)], ambiguous));
    for n in 0..20 {
        let id = format!("m{n}");
        hook.stall(&id, Stall::After);
        world.owe(Kind::Notice, "hook", &id, "hook");
    }
    tokio::select! {
        _ = world.engine.deliver_due() => panic!("they are stalled"),
        () = hook.until_here(2) => {}
    }
    let again = Played::fine(2);
    let world = world.restarted(plant(&mail, &[("hook", &again)], ambiguous)).await;
    let count = |state: &str| world.states().iter().filter(|row| row.ends_with(state)).count();
    let (pending, held) = (count("pending"), count("held"));
    world.deliver().await;
    assert_eq!(again.ids().len(), 20 - held);
    (world, pending, held)
}

#[tokio::test]
async fn a_crash_repeats_what_was_under_way_or_holds_it_as_is_wanted() {
    let (world, pending, held) = crashed(Ambiguous::Resend).await;
    assert_eq!((pending, held, world.told().len()), (20, 0, 0));
    let (world, pending, held) = crashed(Ambiguous::Hold).await;
    assert_eq!((pending, held), (18, 2), "no more than were attempted at a time");
    assert_eq!(world.told(), ["[postrider] 2 messages to hook are held: they may have arrived"]);
    assert_eq!(world.outcomes(1), ["uncertain"]);
}
