//! What was tried is not forgotten while nothing can be written.

use super::*;

fn execute(world: &World, sql: &str) {
    world.engine.store().state.write(|tx| Ok(tx.execute_batch(sql)?)).unwrap();
}

const FULL: &str = "create trigger full before update on attempt
                    begin select raise(abort, 'database or disk is full'); end";

#[tokio::test]
async fn what_cannot_be_written_down_is_written_later_and_nothing_is_sent_twice() {
    let (hook, mail) = (Played::fine(2), Played::fine(8));
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Resend));
    for n in 0..6 {
        world.owe(Kind::Notice, "hook", &format!("m{n}"), "hook");
    }
    world.owe(Kind::Notice, SMTP, "mail", "a@example.com");
    execute(&world, FULL);
    for _ in 0..5 {
        world.engine.deliver_due().await.unwrap_err();
        world.clock.advance(TimeDelta::hours(1));
    }
    assert_eq!((hook.ids().len(), mail.ids().len()), (2, 1), "nothing more is begun");
    execute(&world, "drop trigger full");
    world.deliver().await;
    assert!(world.states().iter().all(|row| row.ends_with("delivered")), "{:?}", world.states());
    let ids: HashSet<String> = hook.ids().into_iter().collect();
    assert_eq!((hook.ids().len(), ids.len()), (6, 6), "each once");
    for row in world.rows() {
        assert_eq!(world.outcomes(row.id), ["delivered"], "{}", row.subject);
    }
    // It is written down with its own time.
    let first = world.rows().into_iter().find(|row| row.subject == "mail").unwrap();
    assert_eq!(first.finished_at, Some(first.created_at));
}

#[tokio::test]
async fn a_file_that_cannot_grow_loses_nothing_and_repeats_nothing() {
    // Its words take more room than there is.
    let long = "x".repeat(200_000);
    let mail = Played::new(4, move |_, _| Outcome::Delivered(long.clone()));
    let world = World::new(plant(&mail, &[], Ambiguous::Resend));
    for n in 0..8 {
        world.owe(Kind::Digest, SMTP, &format!("m{n}"), "a@example.com");
    }
    let pages: i64 = world
        .engine
        .store()
        .state
        .read(|tx| Ok(tx.query_row("pragma page_count", [], |row| row.get(0))?))
        .unwrap();
    let grow_to = |pages: i64| {
        let sql = format!("pragma max_page_count = {pages}");
        let read = |tx: &rusqlite::Transaction<'_>| Ok(tx.query_row(&sql, [], |_| Ok(()))?);
        world.engine.store().state.read(read).unwrap();
    };
    grow_to(pages + 4);
    world.engine.deliver_due().await.unwrap_err();
    let sent = mail.ids().len();
    assert!((1..=4).contains(&sent), "{sent}");
    world.engine.deliver_due().await.unwrap_err();
    assert_eq!(mail.ids().len(), sent, "nothing more is begun");
    grow_to(i64::from(u32::MAX - 1));
    world.deliver().await;
    assert!(world.states().iter().all(|row| row.ends_with("delivered")), "{:?}", world.states());
    assert_eq!(mail.ids().len(), 8, "each once");
}

#[tokio::test]
async fn what_was_tried_lastly_is_written_down_when_the_engine_closes() {
    let mail = Played::fine(4);
    let world = World::new(plant(&mail, &[], Ambiguous::Resend));
    world.owe(Kind::Digest, SMTP, "one", "a@example.com");
    execute(&world, FULL);
    world.engine.deliver_due().await.unwrap_err();
    execute(&world, "drop trigger full");
    world.engine.stop();
    world.engine.close().await;
    assert_eq!(world.states(), ["one>a@example.com delivered"]);
}

#[tokio::test]
async fn messages_that_cannot_be_claimed_do_not_keep_outcomes_from_being_written() {
    let mail = Played::fine(1);
    let world = World::new(plant(&mail, &[], Ambiguous::Resend));
    world.owe(Kind::Digest, SMTP, "one", "a@example.com");
    world.owe(Kind::Digest, SMTP, "two", "a@example.com");
    execute(
        &world,
        "create trigger two before insert on attempt when new.delivery = 2
         begin select raise(abort, 'no'); end",
    );
    world.engine.deliver_due().await.unwrap();
    assert_eq!(world.states(), ["one>a@example.com delivered", "two>a@example.com pending"]);
    execute(&world, "drop trigger two");
    world.deliver().await;
    assert_eq!(mail.ids(), ["one", "two"]);
}

#[tokio::test]
async fn bytes_that_cannot_be_read_are_held_and_the_others_go() {
    let mail = Played::fine(1);
    let world = World::new(plant(&mail, &[], Ambiguous::Resend));
    world.owe(Kind::Digest, SMTP, "one", "a@example.com");
    world.owe(Kind::Digest, SMTP, "two", "a@example.com");
    execute(&world, "update outbox set packed = 1 where id = 1");
    world.deliver().await;
    assert_eq!(world.states(), ["one>a@example.com held", "two>a@example.com delivered"]);
    assert_eq!(mail.ids(), ["two"]);
}
