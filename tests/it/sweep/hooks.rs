//! The POST of a webhook, over HTTP/1.1.

use std::sync::Arc;
use std::time::Duration;

use postrider::app::Limits;
use postrider::clock::ManualClock;
use postrider::demo::catcher::{Answer, Catcher, Signed};
use postrider::domain::delivery::Message;
use secrecy::SecretString;
use tokio::time::timeout;

use super::{Act, Direction, Fault, HOOK_SECRET, Line, Passed, Seen, Table, check_unseen, utc};

/// How long an endpoint that was cut off is given to have seen what it got.
const MOMENT: Duration = Duration::from_millis(300);

fn hook(number: u64) -> Message {
    let id = format!("msg_{number}");
    Message { id, recipient: "hook".to_owned(), bytes: br#"{"a":"b"}"#.to_vec() }
}

struct Post {
    catcher: Catcher,
    line: Line,
}

impl Post {
    async fn new() -> Post {
        let clock = Arc::new(ManualClock::new(utc("2026-11-23T07:00:00Z")));
        let secrets = vec![SecretString::from(HOOK_SECRET)];
        let catcher = Catcher::start(([127, 0, 0, 1], 0).into(), secrets, clock).await.unwrap();
        let config = "[receivers.hook]\nkind = \"webhook\"\nurl = \"env:HOOK_URL\"\n\
                      secrets = [\"env:HOOK_SECRET\"]\nprivate = true\n";
        let line = Line::to(catcher.address(), config, Limits::default(), &[]).await;
        Post { catcher, line }
    }

    /// Has the next answers end their connections: the next attempt has one of its own.
    fn close_after(&self, answers: usize) {
        for _ in 0..answers {
            self.catcher.answer(Answer::with_header(200, "connection", "close"));
        }
    }

    async fn whole(&self) -> Passed {
        self.close_after(1);
        let delivery = self.line.owe("hook", hook(0));
        self.line.deliver().await;
        assert_eq!(self.line.outcomes(delivery), ["delivered"]);
        self.line.proxy.passed().remove(0)
    }

    async fn point(&self, fault: Fault) -> (Seen, Passed) {
        self.catcher.clear();
        self.close_after(2);
        let (at, sent) = (fault.at, hook(1_000 + fault.at));
        let (outcomes, passed) = self.line.point("hook", sent.clone(), fault).await;
        let expected = outcomes.len() - 1 + usize::from(is_whole_request(&passed.out));
        let hooks = match timeout(MOMENT, self.catcher.wait_for(expected)).await {
            Ok(hooks) => hooks,
            Err(_) => self.catcher.hooks(),
        };
        for arrived in &hooks {
            assert_eq!(arrived.body, sent.bytes, "byte {at}");
            assert_eq!(arrived.header("webhook-id"), Some(sent.id.as_str()), "byte {at}");
            assert_eq!(arrived.signed, Signed::Verified, "byte {at}");
        }
        assert_eq!(outcomes.last().map(String::as_str), Some("delivered"), "byte {at}");
        let (in_all, first) = (hooks.len(), outcomes[0].clone());
        let then = if outcomes.len() == 1 { in_all } else { in_all - 1 };
        (Seen { first, then, in_all }, passed)
    }

    async fn sweep(&self, act: Act, direction: Direction) {
        let whole = self.whole().await;
        let length = match direction {
            Direction::Out => whole.out.len(),
            Direction::Back => whole.back.len(),
        };
        let mut table = Table::default();
        for at in 0..=length as u64 {
            let (seen, passed) = self.point(Fault { act, direction, at }).await;
            check(at, &seen, &passed);
            table.add(at, seen);
        }
        table.print(&format!("webhook, {act:?}, {direction:?}"));
        assert!(table.count(|seen| seen.first == "uncertain") > 0);
    }
}

/// What the bytes that went through say about where the POST was broken.
fn check(at: u64, seen: &Seen, passed: &Passed) {
    let (whole, answered) = (is_whole_request(&passed.out), body_of(&passed.back).is_some());
    let expected: &[&str] = match (whole, answered) {
        (_, true) => &["delivered"],
        (true, false) => &["uncertain"],
        (false, false) => &["uncertain", "server down"],
    };
    assert!(expected.contains(&seen.first.as_str()), "byte {at}: {seen}, not {expected:?}");
    if !whole {
        assert_eq!(seen.then, 0, "byte {at}: {seen}");
    }
    check_unseen(at, seen);
}

/// What follows the headers, when they are whole.
fn body_of(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(&bytes[end + 4..])
}

fn is_whole_request(out: &[u8]) -> bool {
    body_of(out).is_some_and(|body| body == hook(0).bytes)
}

#[tokio::test]
async fn every_byte_to_the_endpoint_closed() {
    Post::new().await.sweep(Act::Cut, Direction::Out).await;
}

#[tokio::test]
async fn every_byte_from_the_endpoint_closed() {
    Post::new().await.sweep(Act::Cut, Direction::Back).await;
}

#[tokio::test]
async fn every_byte_to_the_endpoint_reset() {
    Post::new().await.sweep(Act::Reset, Direction::Out).await;
}

#[tokio::test]
async fn every_byte_from_the_endpoint_reset() {
    Post::new().await.sweep(Act::Reset, Direction::Back).await;
}
