//! Cases about logins: refusals that no new login mends, errors of every shape.

use chrono::TimeDelta;
use postrider::demo::org::{Call, Fault, On, Org};

use super::{SESSIONS, World};
use crate::harness::records::{channel, ended};

/// A quarter past six in Berlin: the daily mail is at eight.
const EARLY: &str = "2026-11-23T05:15:00Z";

fn fill(org: &Org) {
    let web = channel(org, "Web");
    for hour in ["10", "11", "12"] {
        ended(org, &web, &format!("2026-11-22T{hour}:00:00Z"), &[]);
    }
}

#[tokio::test]
async fn hopeless_401() {
    let w = World::start(SESSIONS, EARLY, fill).await;
    w.t.org.faults().always(Fault::SessionRefused, On::any());
    w.t.advance(TimeDelta::minutes(60)).await;
    assert!((1..=2).contains(&w.asked(Call::Token)), "{} logins in an hour", w.asked(Call::Token));
    let asked = w.asked_in_all();
    assert!(
        asked <= 20,
        "{asked} requests in an hour: one a pull, pulls further and further apart"
    );
    let why = w.failure("MessagingSession");
    for part in ["refuses us", "not valid for use with the REST API", "IP ranges", "session policy"]
    {
        assert!(why.contains(part), "`{part}` not in `{why}`");
    }
    // The owner is told that the source fails, once, and what to look at.
    let told = w.t.letters_to("owner@example.com");
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("source salesforce"), "{}", told[0].subject);
    assert!(told[0].words().contains("IP ranges"), "{}", told[0].text);
    // The mail at eight has no figures rather than zeros.
    w.t.advance_to("2026-11-23T07:15:00Z").await;
    let letters = w.t.letters_to("ana@example.com");
    assert_eq!(letters.len(), 1);
    let words = letters[0].words();
    assert!(words.contains("could not be made"), "{words}");
    assert!(!words.contains("Total 0") && !words.contains("Nothing"), "{words}");
}

#[tokio::test]
async fn a_session_that_dies_at_once_after_every_login() {
    let w = World::start(SESSIONS, EARLY, fill).await;
    w.t.org.faults().token_calls(Some(0));
    w.pull().await;
    // One new login a request, then the trouble is told.
    assert_eq!((w.asked(Call::Token), w.statements("MessagingSession").len()), (2, 2));
    let why = w.failure("MessagingSession");
    assert!(why.contains("again after a new login"), "{why}");
    w.t.advance(TimeDelta::minutes(60)).await;
    assert!(w.asked(Call::Token) <= 40, "{} logins in an hour", w.asked(Call::Token));
}

/// One pull while the token endpoint answers so: what is said, and how many logins it took.
async fn refused_login(fault: Fault, times: Option<u32>) -> (World, u64) {
    let w = World::start(SESSIONS, EARLY, fill).await;
    match times {
        Some(times) => w.t.org.faults().next(fault, On::call(Call::Token), times),
        None => w.t.org.faults().always(fault, On::call(Call::Token)),
    }
    w.pull().await;
    let logins = w.asked(Call::Token);
    (w, logins)
}

#[tokio::test]
async fn oauth_error_shapes() {
    // The wrong host: one try, and the cure is named.
    let message = "request not supported on this domain";
    let wrong_host = Fault::Error { status: 400, code: "invalid_grant", message };
    let (w, logins) = refused_login(wrong_host, None).await;
    let why = w.failure("MessagingSession");
    assert!(why.contains("My Domain") && why.contains(message), "{why}");
    assert_eq!(logins, 1);
    // An error without a description.
    let bare = Fault::Error { status: 400, code: "invalid_client", message: "" };
    let (w, logins) = refused_login(bare, None).await;
    let why = w.failure("MessagingSession");
    assert!(why.contains("invalid_client") && why.contains("client_id"), "{why}");
    assert_eq!(logins, 1);
    // A page of HTML from the edge is tried again.
    let (w, logins) = refused_login(Fault::Html(503), Some(2)).await;
    assert_eq!((w.state("MessagingSession").records, logins), (3, 3));
    // While it lasts, it is an outage: five tries a pull, no more.
    let (w, logins) = refused_login(Fault::Html(503), None).await;
    assert!(w.failure("MessagingSession").contains("is down"), "{}", w.failure("MessagingSession"));
    assert_eq!(logins, 5);
    // A token without `expires_in` is as good as any: no org sends one.
    let w = World::start(SESSIONS, EARLY, fill).await;
    w.pull().await;
    assert_eq!((w.state("MessagingSession").records, w.asked(Call::Token)), (3, 1));
}
