//! Requests are counted and kept within what may be ours; near the org's limit the urgent go first.

use std::sync::atomic::AtomicU64;

use super::*;

/// An org with so many requests allowed, of which somebody uses what the test says.
async fn thrifty(allowed: u64) -> (Arc<AtomicU64>, Server, Salesforce, Arc<LeapingClock>) {
    let used = Arc::new(AtomicU64::new(0));
    let says = used.clone();
    let (server, salesforce, clock) = scripted(move |_, _| {
        let usage = format!("api-usage={}/{allowed}", says.load(Ordering::SeqCst));
        reply(200, one_record()).with("sforce-limit-info", usage)
    })
    .await;
    (used, server, salesforce, clock)
}

fn wanted(purpose: Purpose) -> PullRequest {
    // A first load is history, whoever waits for it.
    let since = (purpose != Purpose::History).then(|| at("2026-03-01T11:00:00Z"));
    PullRequest { purpose, since, ..request("User") }
}

#[track_caller]
fn stopped(got: Got) -> String {
    match got.outcome {
        Err(SourceError::QuotaSpent { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn our_own_requests_stay_within_our_share_of_the_orgs() {
    // Half of ten may be ours, and digests may use nine tenths of them.
    let (_, server, salesforce, clock) = thrifty(10).await;
    assert_eq!(salesforce.quota(), None);
    for _ in 0..3 {
        pull(&salesforce, wanted(Purpose::Digest)).await.outcome.unwrap();
    }
    assert_eq!(salesforce.quota(), Some(Quota { used: 0, allowed: 10 }));
    // The login was one too.
    assert_eq!(salesforce.spent().total(at(NOW)), 4);
    let reason = stopped(pull(&salesforce, wanted(Purpose::Digest)).await);
    assert!(reason.contains("a digest may use 4; it goes on at 2026-03-02 13:00 UTC"), "{reason}");
    pull(&salesforce, wanted(Purpose::Rule)).await.outcome.unwrap();
    stopped(pull(&salesforce, wanted(Purpose::Rule)).await);
    assert_eq!(server.asked().len(), 5);
    // A day later they are forgotten.
    clock.advance(TimeDelta::hours(25));
    pull(&salesforce, wanted(Purpose::Verify)).await.outcome.unwrap();
    assert_eq!(salesforce.spent().total(clock.now()), 1);
}

#[tokio::test]
async fn what_an_earlier_process_spent_counts() {
    let (_, server, salesforce, clock) = thrifty(1000).await;
    pull(&salesforce, wanted(Purpose::Rule)).await.outcome.unwrap();
    let hour = clock.now().timestamp() / 3600;
    salesforce.recall(Spent::of([(hour - 30, 9999), (hour - 20, 400), (hour, 98)]));
    assert_eq!(salesforce.spent().total(clock.now()), 500);
    let reason = stopped(pull(&salesforce, wanted(Purpose::Rule)).await);
    assert!(reason.contains("500 of them ours"), "{reason}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn failed_requests_are_spent_too() {
    let (_server, salesforce, clock) = scripted(|_, _| reply(503, "")).await;
    pull(&salesforce, request("User")).await.outcome.unwrap_err();
    assert_eq!(salesforce.spent().total(clock.now()), 1 + 5);
}

#[tokio::test]
async fn near_the_orgs_limit_the_urgent_go_first() {
    let (used, server, salesforce, clock) = thrifty(1000).await;
    used.store(900, Ordering::SeqCst);
    pull(&salesforce, wanted(Purpose::Digest)).await.outcome.unwrap();
    let reason = stopped(pull(&salesforce, wanted(Purpose::Digest)).await);
    assert!(
        reason.contains("last 10 % alone; it is looked at again at 2026-03-01 12:15"),
        "{reason}"
    );
    stopped(pull(&salesforce, wanted(Purpose::History)).await);
    pull(&salesforce, wanted(Purpose::Rule)).await.outcome.unwrap();
    assert_eq!(server.asked().len(), 3);
    // Later one look tells whether usage has fallen, for everybody.
    clock.advance(TimeDelta::minutes(20));
    for _ in 0..2 {
        stopped(pull(&salesforce, wanted(Purpose::Digest)).await);
    }
    assert_eq!(server.asked()[3].path, "/services/data/v62.0/limits");
    assert_eq!(server.asked().len(), 4);
    clock.advance(TimeDelta::minutes(20));
    used.store(30, Ordering::SeqCst);
    pull(&salesforce, wanted(Purpose::Verify)).await.outcome.unwrap();
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn a_first_load_slows_down_before_it_stops() {
    let (_server, salesforce, clock) = scripted(|n, _| {
        let next = format!("/services/data/v62.0/query/01g-{n}");
        reply(200, page(&[], (n < 4).then_some(&next)))
            .with("sforce-limit-info", "api-usage=750/1000")
    })
    .await;
    pull(&salesforce, wanted(Purpose::History)).await.outcome.unwrap();
    // Nothing was known before the first answer; four times half the longest pause after it.
    assert_eq!(clock.now() - at(NOW), TimeDelta::seconds(60));
    pull(&salesforce, wanted(Purpose::Digest)).await.outcome.unwrap();
    assert_eq!(clock.now() - at(NOW), TimeDelta::seconds(60));
}

#[tokio::test]
async fn an_org_without_requests_left_is_left_alone_until_it_answers_again() {
    let open = Arc::new(AtomicUsize::new(0));
    let opened = open.clone();
    let (server, salesforce, clock) = scripted(move |_, asked| {
        match (opened.load(Ordering::SeqCst), asked.soql()) {
            (0, _) => error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
                .with("sforce-limit-info", "api-usage=100001/100000"),
            // No header: what `/limits` says in its body counts.
            (_, None) => reply(200, r#"{"DailyApiRequests":{"Max":100000,"Remaining":60000}}"#),
            (_, Some(_)) => reply(200, one_record()),
        }
    })
    .await;
    for purpose in [Purpose::Rule, Purpose::History, Purpose::Rule] {
        let outcome = pull(&salesforce, wanted(purpose)).await.outcome;
        let Err(SourceError::QuotaSpent { used: 100_001, reason, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(reason.contains("refuses more; it is looked at again at"), "{reason}");
    }
    assert_eq!(server.asked().len(), 2);
    // Looked at, still refused, and left alone for another while.
    clock.advance(TimeDelta::minutes(15));
    for _ in 0..2 {
        stopped(pull(&salesforce, wanted(Purpose::Rule)).await);
    }
    assert_eq!(server.asked().len(), 3);
    open.store(1, Ordering::SeqCst);
    clock.advance(TimeDelta::minutes(15));
    pull(&salesforce, wanted(Purpose::Rule)).await.outcome.unwrap();
    assert_eq!(salesforce.quota(), Some(Quota { used: 40_000, allowed: 100_000 }));
}

#[tokio::test]
async fn a_look_with_a_dead_token_costs_a_login_and_no_quarter_of_an_hour() {
    let (tokens, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Server::start(move |asked, home| {
        if asked.is_login() {
            return token(home, &format!("t{}", tokens.fetch_add(1, Ordering::SeqCst)));
        }
        match asked.token() {
            "t0" if answered.fetch_add(1, Ordering::SeqCst) == 0 => {
                reply(200, one_record()).with("sforce-limit-info", "api-usage=950/1000")
            }
            "t0" => error(401, "INVALID_SESSION_ID", "Session expired or invalid"),
            _ => reply(200, one_record()).with("sforce-limit-info", "api-usage=10/1000"),
        }
    })
    .await;
    let (salesforce, clock) = org(&server);
    pull(&salesforce, wanted(Purpose::Digest)).await.outcome.unwrap();
    clock.advance(TimeDelta::hours(1));
    pull(&salesforce, wanted(Purpose::Digest)).await.outcome.unwrap();
    // The look and the statement found the token dead; after a login both were asked again.
    assert_eq!((server.logins(), server.asked().len()), (2, 2 + 2 + 1 + 2));
}
