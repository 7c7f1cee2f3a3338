//! Posting over real sockets: whom a name may lead to, what a connection is kept for, who is
//! trusted, and through whom.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};

use self::far::{Far, Manner, Pki};
use super::guard::Lookup;
use super::{BODY_BYTES_MAX, Bounds, Endpoint, PER_CONNECTION, Passage, Post, PostError, classify};
use crate::clock::Clock;
use crate::domain::delivery::Outcome;
use crate::receiver::Handover;

mod far;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
    fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A resolver that answers each question as told, the last answer from then on, and counts.
struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Names {
        let answer = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Names { answers: answers.iter().map(answer).collect(), asked: Arc::default() }
    }

    fn lookup(&self) -> Lookup {
        let (answers, asked) = (self.answers.clone(), Arc::clone(&self.asked));
        Arc::new(move |name| {
            let mut asked = asked.lock().unwrap();
            let answer = &answers[asked.len().min(answers.len() - 1)];
            asked.push(name);
            let found: io::Result<Vec<SocketAddr>> =
                Ok(answer.iter().map(|ip| SocketAddr::new(*ip, 0)).collect());
            Box::pin(std::future::ready(found))
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn allowing(networks: &[&str]) -> Passage {
    let allow = networks.iter().map(|text| text.parse().unwrap()).collect();
    Passage { allow, ..Passage::default() }
}

fn made(url: &str, passage: &Passage, bounds: Bounds, names: &Names) -> Result<Post, PostError> {
    let endpoint = Endpoint { name: "hook", url, passage, withheld: Vec::new() };
    Post::asking(endpoint, Arc::new(Stopped), bounds, names.lookup())
}

fn post(url: &str, passage: &Passage, bounds: Bounds, names: &Names) -> Post {
    made(url, passage, bounds, names).unwrap_or_else(|err| panic!("{err}"))
}

async fn send(post: &Post) -> Outcome {
    let (headers, handover) = (HeaderMap::new(), Handover::default());
    post.send(&headers, b"{}".to_vec(), &handover, classify::classify).await
}

/// Each message has a connection of its own.
fn fresh() -> Bounds {
    Bounds { idle: Duration::ZERO, ..Bounds::default() }
}

/// Connections are kept for longer than any test takes.
fn kept() -> Bounds {
    Bounds { idle: Duration::from_secs(600), ..Bounds::default() }
}

fn delivered() -> Outcome {
    Outcome::Delivered("answered 200".into())
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_connected_to() {
    let right = Far::plain("127.0.0.1:0", Manner::Keep).await;
    let wrong = Far::plain(&format!("127.0.0.2:{}", right.port()), Manner::Keep).await;
    // A name that is pointed elsewhere after the first question.
    let names = Names::new(&[&["127.0.0.1"], &["127.0.0.2"], &["169.254.169.254"]]);
    let url = format!("http://hooks.test:{}/x", right.port());
    let post = post(&url, &allowing(&["127.0.0.1"]), fresh(), &names);
    assert_eq!(send(&post).await, delivered());
    for expected in ["leads to a private address", "an address that is never called"] {
        let outcome = send(&post).await;
        assert!(
            matches!(&outcome, Outcome::ReceiverBroken(why) if why.contains(expected)),
            "{outcome:?}"
        );
    }
    assert_eq!((right.requests(), wrong.connections()), (1, 0));
    // One question for each connection: there is no second one that could be answered otherwise.
    assert_eq!(names.asked(), ["hooks.test"; 3]);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_called_are() {
    let right = Far::plain("127.0.0.1:0", Manner::Keep).await;
    let wrong = Far::plain(&format!("127.0.0.2:{}", right.port()), Manner::Keep).await;
    let names = Names::new(&[&["169.254.169.254", "127.0.0.2", "::ffff:127.0.0.2", "127.0.0.1"]]);
    let url = format!("http://hooks.test:{}/x", right.port());
    let post = post(&url, &allowing(&["127.0.0.1"]), fresh(), &names);
    assert_eq!(send(&post).await, delivered());
    assert_eq!((right.requests(), wrong.connections()), (1, 0));
}

#[tokio::test]
async fn an_address_in_any_spelling_is_judged_before_anything_is_sent() {
    let far = Far::plain("127.0.0.2:0", Manner::Keep).await;
    let names = Names::new(&[&["127.0.0.2"]]);
    // Each is 127.0.0.2, and may be called: it is this machine. A name for it may not.
    for host in ["127.0.0.2", "127.2", "2130706434", "0x7f000002", "0177.0.0.2", "[::ffff:7f00:2]"]
    {
        let url = format!("http://{host}:{}/x", far.port());
        assert_eq!(send(&post(&url, &Passage::default(), fresh(), &names)).await, delivered());
    }
    assert_eq!((far.requests(), names.asked().len()), (6, 0));
    let url = format!("https://rebound.test:{}/x", far.port());
    let outcome = send(&post(&url, &Passage::default(), fresh(), &names)).await;
    assert!(matches!(outcome, Outcome::ReceiverBroken(_)), "{outcome:?}");
    // Who is meant stands behind the `@`.
    for host in ["hooks.example.com@127.0.0.2", "hooks.example.com%2f@127.0.0.2"] {
        let url = format!("http://{host}:{}/x", far.port());
        let refused = made(&url, &Passage::default(), fresh(), &names);
        assert!(matches!(refused, Err(PostError::Address { .. })), "{host}");
    }
    assert_eq!(far.connections(), 6);
}

#[tokio::test]
async fn a_redirect_of_any_kind_goes_nowhere() {
    let elsewhere = Far::plain("127.0.0.1:0", Manner::Keep).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("http://127.0.0.1:{}/taken", elsewhere.port());
        let far = Far::plain("127.0.0.1:0", Manner::Redirect(status, to)).await;
        let names = Names::new(&[&["127.0.0.1"]]);
        let url = format!("http://127.0.0.1:{}/x", far.port());
        let outcome = send(&post(&url, &Passage::default(), kept(), &names)).await;
        let reason = format!("answered {status}: redirects are not followed");
        assert_eq!(outcome, Outcome::Retry { after: None, reason });
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_connection_is_kept_for_a_hundred_messages() {
    let pki = Pki::new("localhost");
    let far = Far::tls("127.0.0.1:0", &pki, Manner::Keep).await;
    let passage = Passage { ca: Some(pki.authority()), ..Passage::default() };
    let names = Names::new(&[&["127.0.0.1"]]);
    let url = format!("https://localhost:{}/x", far.port());
    let one = post(&url, &passage, kept(), &names);
    for _ in 0..PER_CONNECTION {
        assert_eq!(send(&one).await, delivered());
    }
    assert_eq!(far.connections(), 1);
    assert_eq!(send(&one).await, delivered());
    assert_eq!((far.requests(), far.connections()), (PER_CONNECTION + 1, 2));
    // A name is asked for anew with each connection.
    assert_eq!(names.asked().len(), 2);

    let each = post(&url, &passage, fresh(), &names);
    for _ in 0..3 {
        assert_eq!(send(&each).await, delivered());
    }
    assert_eq!(far.connections(), 5);
}

#[tokio::test]
async fn a_far_side_that_hangs_up_between_messages_costs_nothing() {
    let mut far = Far::plain("127.0.0.1:0", Manner::HangUp).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let url = format!("http://127.0.0.1:{}/x", far.port());
    let post = post(&url, &Passage::default(), kept(), &names);
    for count in 1..=20 {
        assert_eq!(send(&post).await, delivered());
        far.ended(count).await;
        // The end is on its way through this machine: it is there once a later one has come through.
        Far::plain("127.0.0.1:0", Manner::Keep).await.round_trip().await;
    }
    assert_eq!((far.requests(), far.connections()), (20, 20));
}

#[tokio::test]
async fn a_message_that_a_kept_connection_swallowed_is_uncertain_and_not_repeated_by_itself() {
    let far = Far::plain("127.0.0.1:0", Manner::SwallowSecond).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let url = format!("http://127.0.0.1:{}/x", far.port());
    let post = post(&url, &Passage::default(), kept(), &names);
    assert_eq!(send(&post).await, delivered());
    let lost = "sent, but the connection broke before the answer".to_owned();
    assert_eq!(send(&post).await, Outcome::Uncertain(lost));
    assert_eq!((far.requests(), far.connections()), (2, 1));
    assert_eq!(send(&post).await, delivered());
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let pki = Pki::new("localhost");
    let far = Far::tls("127.0.0.1:0", &pki, Manner::Keep).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let url = format!("https://localhost:{}/x", far.port());
    let trusting = Passage { ca: Some(pki.authority()), ..Passage::default() };
    assert_eq!(send(&post(&url, &trusting, fresh(), &names)).await, delivered());
    let other = Passage { ca: Some(Pki::new("localhost").authority()), ..Passage::default() };
    // The right authority, and the certificate of another host.
    let named = Names::new(&[&["127.0.0.1"]]);
    let elsewhere = format!("https://hooks.test:{}/x", far.port());
    let misled = Passage { ca: Some(pki.authority()), ..allowing(&["127.0.0.1"]) };
    for (url, passage, names) in [(&url, &other, &names), (&elsewhere, &misled, &named)] {
        let Outcome::ReceiverBroken(why) = send(&post(url, passage, fresh(), names)).await else {
            panic!("it was trusted");
        };
        assert!(why.contains("its TLS is not acceptable"), "{why}");
    }
    assert_eq!(far.requests(), 1);
}

#[tokio::test]
async fn a_proxy_is_asked_to_connect_and_sees_nothing_of_the_message() {
    let pki = Pki::new("hooks.test");
    let far = Far::tls("127.0.0.1:0", &pki, Manner::Keep).await;
    let proxy = Far::plain("127.0.0.1:0", Manner::Tunnel(far.port())).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let passage = Passage {
        proxy: Some(SecretString::from(format!("http://ada:secret@proxy.test:{}", proxy.port()))),
        ca: Some(pki.authority()),
        ..allowing(&["127.0.0.1"])
    };
    let post = post("https://hooks.test/services/secret", &passage, fresh(), &names);
    assert_eq!(send(&post).await, delivered());
    let asked = proxy.heads().join("\n");
    assert!(asked.starts_with("CONNECT hooks.test:443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("YWRhOnNlY3JldA=="), "who asks: {asked}");
    assert!(!asked.contains("services"), "{asked}");
    assert!(far.heads()[0].starts_with("POST /services/secret HTTP/1.1\r\n"));
    assert!(!far.heads()[0].contains("YWRhOnNlY3JldA=="), "that is the proxy's alone");
    // The proxy looks up the endpoint, we look up the proxy.
    assert_eq!(names.asked(), ["proxy.test"]);
}

#[tokio::test]
async fn a_proxy_is_guarded_too_and_one_that_refuses_is_no_answer() {
    let proxy = Far::plain("127.0.0.2:0", Manner::Keep).await;
    let names = Names::new(&[&["127.0.0.2"], &["169.254.169.254"]]);
    let passage = Passage {
        proxy: Some(SecretString::from(format!("http://proxy.test:{}", proxy.port()))),
        ..allowing(&["127.0.0.1"])
    };
    let guarded = post("https://hooks.test/x", &passage, fresh(), &names);
    for _ in 0..2 {
        let Outcome::ReceiverBroken(why) = send(&guarded).await else { panic!("it was asked") };
        assert!(why.contains("its host name leads to"), "{why}");
    }
    assert_eq!(proxy.connections(), 0);
    // One that answers otherwise than a proxy does: nothing was sent, so nothing can have arrived.
    let far = Far::plain("127.0.0.1:0", Manner::Redirect(407, "nowhere".to_owned())).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let passage = Passage {
        proxy: Some(SecretString::from(format!("http://proxy.test:{}", far.port()))),
        ..allowing(&["127.0.0.1"])
    };
    let outcome = send(&post("https://hooks.test/x", &passage, fresh(), &names)).await;
    assert!(matches!(&outcome, Outcome::ServerDown(why) if why.contains("prox")), "{outcome:?}");
}

#[tokio::test]
async fn an_endpoint_has_its_own_time_and_a_message_its_bound() {
    // The kernel accepts for a listener that nobody serves.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let names = Names::new(&[&["127.0.0.1"]]);
    let passage = Passage { timeout: Some(Duration::from_millis(200)), ..Passage::default() };
    let late = "sent, but not answered within the time allowed".to_owned();
    let patient = Bounds { overall: Duration::from_secs(600), ..fresh() };
    let outcome = send(&post(&url, &passage, patient, &names)).await;
    assert_eq!(outcome, Outcome::Uncertain(late));

    let far = Far::plain("127.0.0.1:0", Manner::Keep).await;
    let url = format!("http://127.0.0.1:{}/x", far.port());
    let post = post(&url, &Passage::default(), fresh(), &names);
    for (bytes, taken) in [(BODY_BYTES_MAX, true), (BODY_BYTES_MAX + 1, false)] {
        let (headers, handover) = (HeaderMap::new(), Handover::default());
        let body = vec![b' '; bytes];
        let outcome = post.send(&headers, body, &handover, classify::classify).await;
        assert_eq!(outcome == delivered(), taken, "{outcome:?}");
        assert_eq!(matches!(outcome, Outcome::Rejected(_)), !taken, "{outcome:?}");
        assert_eq!(handover.has_begun(), taken);
    }
    assert_eq!(far.requests(), 1);
    let head = far.heads().concat().to_lowercase();
    assert!(head.contains(&format!("content-length: {BODY_BYTES_MAX}\r\n")), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
}

#[tokio::test]
async fn who_cannot_be_connected_to_in_time_was_told_nothing() {
    // Nobody accepts and its queue is full: the kernel answers no more.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream.unwrap());
    }
    let names = Names::new(&[&["127.0.0.1"]]);
    let url = format!("http://{address}/x");
    let down = Outcome::ServerDown("no connection within the time allowed".into());
    let long = Duration::from_secs(600);
    for (connect, overall) in [(long, 300), (Duration::from_millis(300), 300)] {
        let timeout = Some(Duration::from_millis(overall));
        let passage = Passage { timeout, ..Passage::default() };
        let bounds = Bounds { connect, ..fresh() };
        let (headers, handover) = (HeaderMap::new(), Handover::default());
        let post = post(&url, &passage, bounds, &names);
        let outcome = post.send(&headers, b"{}".to_vec(), &handover, classify::classify).await;
        assert_eq!(outcome, down);
        assert!(!handover.has_begun(), "an end of the daemon may cut it off");
    }
    // Also where the whole time is over first.
    let bounds = Bounds { connect: long, overall: Duration::from_millis(300), ..fresh() };
    assert_eq!(send(&post(&url, &Passage::default(), bounds, &names)).await, down);
}

#[test]
fn connecting_has_two_thirds_of_the_time_at_most() {
    for (timeout, connect) in [(5_000, 3_333), (10_000, 6_666), (15_000, 10_000), (60_000, 10_000)]
    {
        let timeout = Some(Duration::from_millis(timeout));
        let passage = Passage { timeout, ..Passage::default() };
        let bounds = Bounds::default().on(&passage);
        assert_eq!(bounds.connect.as_millis(), connect);
    }
}

/// Counts what the tests count, for the tests' own helper.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
