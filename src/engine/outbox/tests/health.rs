//! Receivers that want nothing any more, and whether everything adds up.

use super::*;
use crate::store::state::ledger;

#[tokio::test]
async fn a_receiver_that_is_gone_gets_nothing_until_it_is_enabled() {
    let hook = Played::new(1, |message, _| match message.id.as_str() {
        "one" => Outcome::Gone("answered 410".into()),
        _ => Outcome::Delivered("200".into()),
    });
    let mail = Played::fine(8);
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Resend));
    for id in ["one", "two"] {
        world.owe(Kind::Notice, "hook", id, "hook");
    }
    for _ in 0..5 {
        world.deliver().await;
        world.clock.advance(MINUTE);
    }
    assert_eq!(hook.ids(), ["one"]);
    assert_eq!(world.states(), ["one>hook pending", "two>hook pending"]);
    assert_eq!(world.told(), ["[postrider] receiver hook is disabled"]);
    let state = &world.engine.store().state;
    // What waits expires by its age, untried; a digest is worth more time.
    world.owe(Kind::Digest, "hook", "digest", "hook");
    world.clock.advance(TimeDelta::hours(25));
    assert_eq!(world.engine.expire_for_disabled().await.unwrap(), 2);
    assert_eq!(world.states(), ["one>hook expired", "two>hook expired", "digest>hook pending"]);
    assert!(state.write(|tx| outbox::enable(tx, "hook")).unwrap());
    assert!(!state.write(|tx| outbox::enable(tx, "hook")).unwrap());
    world.deliver().await;
    assert_eq!(hook.ids(), ["one", "digest"]);
    let known = state.read(|tx| outbox::endpoint_of(tx, "hook")).unwrap().unwrap();
    assert_eq!((known.disabled, known.fares.taken_at), (None, Some(world.clock.now())));
}

#[tokio::test]
async fn a_webhook_that_failed_for_five_days_is_disabled_and_the_mail_server_never() {
    let down = |_: &Message, _: usize| Outcome::ServerDown("refused".into());
    let (hook, mail) = (Played::new(1, down), Played::new(1, down));
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Resend));
    for hour in 0..=125 {
        if hour % 24 == 0 {
            world.owe(Kind::Digest, "hook", &format!("h{hour}"), "hook");
            world.owe(Kind::Digest, SMTP, &format!("m{hour}"), "a@example.com");
        }
        world.deliver().await;
        let state = &world.engine.store().state;
        let disabled = state.read(|tx| outbox::is_disabled(tx, "hook")).unwrap();
        assert_eq!(disabled, hour >= 120, "after {hour} hours");
        assert!(!state.read(|tx| outbox::is_disabled(tx, SMTP)).unwrap());
        world.clock.advance(TimeDelta::hours(1));
    }
    let disabled = |subject: &&String| subject.contains("hook is disabled");
    assert_eq!(world.told().iter().filter(disabled).count(), 1, "{:?}", world.told());
}

#[tokio::test]
async fn what_is_missing_is_told_once() {
    let mail = Played::fine(8);
    let world = World::new(plant(&mail, &[], Ambiguous::Resend));
    for n in 0..3 {
        world.owe(Kind::Digest, SMTP, &format!("m{n}"), "a@example.com");
    }
    world.deliver().await;
    // Forgotten in time, it adds up.
    let later = world.clock.now() + MINUTE;
    let state = &world.engine.store().state;
    assert_eq!(state.write(|tx| outbox::prune(tx, later, later, 1)).unwrap(), 1);
    world.engine.check_balance().await.unwrap();
    assert_eq!(world.told().len(), 0);
    world.adds_up();
    // Taken away by something else, it does not.
    state.write(|tx| Ok(tx.execute("delete from outbox where id = 2", [])?)).unwrap();
    for _ in 0..3 {
        world.engine.check_balance().await.unwrap();
    }
    assert_eq!(world.told(), ["[postrider] the outbox does not add up"]);
    let said = state.read(|tx| ledger::latest(tx, Some("outbox"), 9)).unwrap();
    assert_eq!(said.len(), 1);
    state
        .write(|tx| {
            Ok(tx.execute("update outbox_total set count = count - 1 where what = 'owed'", [])?)
        })
        .unwrap();
}
