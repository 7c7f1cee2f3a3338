//! Connections that stand still or crawl: every attempt ends within its bounds, rightly sorted.

use std::time::Duration;

use postrider::app::Limits;
use postrider::demo::inbox::InboxSettings;
use postrider::domain::delivery::Message;
use postrider::receiver::smtp::Bounds;
use postrider::store::state::outbox::SMTP;
use tokio::time::Instant;

use super::mail::Post;
use super::{Act, Direction, Fault, Table};

/// The shipped bounds, so many times shorter.
fn shorter(times: u32) -> Limits {
    let (mut limits, usual) = (Limits::default(), Bounds::default());
    let bounds = &mut limits.smtp;
    bounds.banner = usual.banner / times;
    bounds.hello = usual.hello / times;
    bounds.mail = usual.mail / times;
    bounds.rcpt = usual.rcpt / times;
    bounds.data = usual.data / times;
    bounds.block = usual.block / times;
    bounds.dot = usual.dot / times;
    bounds.quit = usual.quit / times;
    bounds.overall = usual.overall / times;
    bounds.idle = Duration::ZERO;
    limits
}

/// The ends of the lines of a conversation, and the byte before each.
fn ends(text: &[u8]) -> Vec<u64> {
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let around = ends.flat_map(|(at, _)| [at as u64, at as u64 + 1]);
    std::iter::once(0).chain(around).collect()
}

async fn stall(direction: Direction) {
    let mut limits = shorter(1);
    let bound = Duration::from_millis(250);
    limits.smtp = Bounds {
        banner: bound,
        hello: bound,
        mail: bound,
        rcpt: bound,
        data: bound,
        block: bound,
        dot: bound,
        quit: bound,
        ..limits.smtp
    };
    let post = Post::to(InboxSettings::default(), "tls = \"none\"", limits).await;
    let whole = post.whole().await;
    let text = match direction {
        Direction::Out => whole.out,
        Direction::Back => whole.back,
    };
    let mut table = Table::default();
    for at in ends(&text) {
        let (seen, passed) = post.point(Act::Stall, direction, at).await;
        super::mail::check(at, &seen, &passed);
        table.add(at, seen);
    }
    table.print(&format!("SMTP, stall at the ends of lines, {direction:?}"));
}

#[tokio::test]
async fn a_server_that_is_reached_no_more_is_waited_for_no_longer_than_its_bound() {
    stall(Direction::Out).await;
}

#[tokio::test]
async fn a_server_that_is_heard_no_more_is_waited_for_no_longer_than_its_bound() {
    stall(Direction::Back).await;
}

/// A mail at one byte a second, where a second lasts two milliseconds; how its attempt ended, how
/// long it took in such seconds, and how many had arrived.
async fn crawl(direction: Direction, body_bytes: usize) -> (String, u64, usize) {
    let post = Post::to(InboxSettings::default(), "tls = \"none\"", shorter(500)).await;
    let id = "crawl@sweep.example.com".to_owned();
    let mut bytes = format!("Message-ID: <{id}>\r\nSubject: s\r\n\r\n").into_bytes();
    bytes.extend(
        b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"
            .repeat(body_bytes / 64),
    );
    let message = Message { id, recipient: "ann@example.com".to_owned(), bytes };
    let act = Act::Drip(Duration::from_millis(2));
    post.line.proxy.plan(Fault { act, direction, at: 0 }, 1);
    let delivery = post.line.owe(SMTP, message);
    let begun = Instant::now();
    post.line.app.engine().deliver_due().await.unwrap();
    let seconds = begun.elapsed().as_millis() / 2;
    (post.line.outcomes(delivery).remove(0), seconds as u64, post.inbox.received())
}

#[tokio::test]
async fn a_short_mail_passes_at_a_byte_a_second() {
    let (outcome, _, arrived) = crawl(Direction::Out, 0).await;
    assert_eq!((outcome.as_str(), arrived), ("delivered", 1));
}

#[tokio::test]
async fn a_long_mail_at_a_byte_a_second_ends_in_time_and_may_have_arrived() {
    // All of it fits into the buffers of the machine: it has left us.
    let (outcome, seconds, arrived) = crawl(Direction::Out, 64 * 1024).await;
    assert_eq!((outcome.as_str(), arrived), ("uncertain", 0));
    assert!((600..2 * 1_200).contains(&seconds), "{seconds} s");
}

#[tokio::test]
async fn a_mail_too_long_for_all_buffers_ends_in_time_and_has_not_arrived() {
    let (outcome, seconds, arrived) = crawl(Direction::Out, 24 * 1024 * 1024).await;
    assert_eq!((outcome.as_str(), arrived), ("server down", 0));
    assert!((180..2 * 1_200).contains(&seconds), "{seconds} s");
}

#[tokio::test]
async fn a_server_that_speaks_a_byte_a_second_is_not_listened_to_for_ever() {
    let (outcome, seconds, arrived) = crawl(Direction::Back, 0).await;
    assert_eq!((outcome.as_str(), arrived), ("server down", 0));
    assert!(seconds < 2 * 1_200, "{seconds} s");
}
