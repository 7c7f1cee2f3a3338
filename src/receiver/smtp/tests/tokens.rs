//! XOAUTH2 against a token endpoint and a mail server on real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::script::{Manners, Server};
use super::{bare_settings, one, to};
use crate::domain::delivery::Outcome;
use crate::receiver::Receiver;
use crate::receiver::smtp::{Bounds, Login, ServerSettings, Smtp, TokenSettings};

/// A token endpoint that gives these answers, status and body, the last one again and again.
struct Endpoint {
    port: u16,
    forms: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    async fn start(answers: &[(&str, &str)]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let forms = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&forms);
        let answers: Vec<(String, String)> =
            answers.iter().map(|(status, body)| ((*status).into(), (*body).into())).collect();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let form = loop {
                    let mut block = [0; 4_096];
                    let count = stream.read(&mut block).await.unwrap();
                    request.extend_from_slice(&block[..count]);
                    if let Some(form) = whole_form(&String::from_utf8_lossy(&request)) {
                        break form;
                    }
                };
                let number = {
                    let mut heard = heard.lock().unwrap();
                    heard.push(form);
                    heard.len() - 1
                };
                let (status, body) = answers.get(number).or(answers.last()).unwrap();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n{body}",
                    body.len()
                );
                // The client may have had enough of a long one.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Endpoint { port, forms }
    }

    fn forms(&self) -> Vec<String> {
        self.forms.lock().unwrap().clone()
    }

    fn settings(&self) -> TokenSettings {
        TokenSettings {
            url: format!("http://127.0.0.1:{}/CANARY-tenant/token", self.port),
            client_id: "postrider".into(),
            client_secret: Some(SecretString::from("CANARY-secret")),
            refresh_token: None,
            scope: Some("https://outlook.office365.com/.default".into()),
        }
    }
}

/// The form of a request that is there as a whole.
fn whole_form(request: &str) -> Option<String> {
    let (head, form) = request.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    })?;
    (form.len() >= length).then(|| form.to_owned())
}

/// A receiver that keeps no connection, so that each mail logs in.
fn through(server: &Server, token: TokenSettings) -> Smtp {
    let login = Some(Login::XOAuth2 { user: "reports@example.com".into(), token });
    let settings = ServerSettings { port: server.port, login, ..bare_settings() };
    let bounds =
        Bounds { idle: Duration::ZERO, token: Duration::from_secs(5), ..Bounds::default() };
    Smtp::with_bounds(one(settings), bounds).unwrap()
}

async fn outcome(smtp: &Smtp) -> Outcome {
    smtp.deliver(&to("ann@example.com")).await
}

fn polite() -> Manners {
    Manners::offering(&["AUTH LOGIN XOAUTH2"])
}

/// What a server heard after `AUTH XOAUTH2`, decoded.
fn logins(server: &Server) -> Vec<String> {
    server.heard(|heard| {
        let lines = heard.commands.iter().filter_map(|line| line.strip_prefix("AUTH XOAUTH2 "));
        lines.map(|line| String::from_utf8(STANDARD.decode(line).unwrap()).unwrap()).collect()
    })
}

fn sasl(token: &str) -> String {
    format!("user=reports@example.com\x01auth=Bearer {token}\x01\x01")
}

#[tokio::test]
async fn a_token_is_asked_for_in_the_clients_name_and_kept() {
    let endpoint =
        Endpoint::start(&[("200 OK", r#"{"access_token":"one","expires_in":3599}"#)]).await;
    let server = Server::start(polite()).await;
    let smtp = through(&server, endpoint.settings());
    for _ in 0..3 {
        assert!(matches!(outcome(&smtp).await, Outcome::Delivered(_)));
    }
    assert_eq!(logins(&server), [sasl("one"), sasl("one"), sasl("one")]);
    let form = "client_id=postrider&grant_type=client_credentials&client_secret=CANARY-secret&\
                scope=https%3A%2F%2Foutlook.office365.com%2F.default";
    assert_eq!(endpoint.forms(), [form]);
}

#[tokio::test]
async fn a_token_is_refreshed_by_what_came_with_the_last_one() {
    let endpoint = Endpoint::start(&[
        ("200 OK", r#"{"access_token":"one","expires_in":"0","refresh_token":"second"}"#),
        ("200 OK", r#"{"access_token":"two","expires_in":0.0}"#),
    ])
    .await;
    let server = Server::start(polite()).await;
    let settings = TokenSettings {
        refresh_token: Some(SecretString::from("first")),
        client_secret: None,
        scope: None,
        ..endpoint.settings()
    };
    let smtp = through(&server, settings);
    for _ in 0..3 {
        assert!(matches!(outcome(&smtp).await, Outcome::Delivered(_)));
    }
    assert_eq!(logins(&server), [sasl("one"), sasl("two"), sasl("two")]);
    let form =
        |token| format!("client_id=postrider&grant_type=refresh_token&refresh_token={token}");
    assert_eq!(endpoint.forms(), [form("first"), form("second"), form("second")]);
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_renewed_once() {
    let endpoint = Endpoint::start(&[
        ("200 OK", r#"{"access_token":"one","expires_in":3599}"#),
        ("200 OK", r#"{"access_token":"two","expires_in":3599}"#),
    ])
    .await;
    // Taken once, then refused: a challenge that explains, an empty line, the refusal.
    let manners = polite()
        .rule_times("AUTH", "235 in", 1)
        .rule_times("AUTH", "334 eyJzdGF0dXMiOiI0MDEifQ==", 1)
        .rule("=empty line", "535 5.7.3 unsuccessful");
    let server = Server::start(manners).await;
    let smtp = through(&server, endpoint.settings());
    assert!(matches!(outcome(&smtp).await, Outcome::Delivered(_)));
    assert!(matches!(outcome(&smtp).await, Outcome::Delivered(_)));
    assert_eq!(logins(&server), [sasl("one"), sasl("one"), sasl("two")]);
    assert_eq!(endpoint.forms().len(), 2);
}

#[tokio::test]
async fn a_new_token_that_is_refused_breaks_the_receiver() {
    let endpoint =
        Endpoint::start(&[("200 OK", r#"{"access_token":"CANARY-token","expires_in":3599}"#)])
            .await;
    let server =
        Server::start(polite().rule("AUTH", "535 5.7.3 Authentication unsuccessful")).await;
    let smtp = through(&server, endpoint.settings());
    let expected = "AUTH: 535 5.7.3 Authentication unsuccessful";
    assert_eq!(outcome(&smtp).await, Outcome::ReceiverBroken(expected.into()));
    assert_eq!((endpoint.forms().len(), logins(&server).len()), (1, 1));
    // The next attempt asks for another one.
    assert!(matches!(outcome(&smtp).await, Outcome::ReceiverBroken(_)));
    assert_eq!(endpoint.forms().len(), 2);
}

#[tokio::test]
async fn what_a_token_endpoint_says_is_sorted_and_shows_no_secret() {
    let long = format!("{{\"access_token\":\"{}\"}}", "x".repeat(100_000));
    let description =
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: no \u001b[2J"}"#;
    let echo = r#"{"error":"invalid_client","error_description":"not CANARY-secret"}"#;
    for (status, body, broken, words) in [
        (
            "401 Unauthorized",
            description,
            true,
            "the token endpoint answered 401: invalid_client: AADSTS7000215: no \\u{1b}[2J",
        ),
        ("400 Bad Request", "nonsense", true, "the token endpoint answered 400"),
        ("302 Found", "", true, "the token endpoint answered 302"),
        ("401 Unauthorized", echo, true, "(its words repeat the password and are withheld)"),
        ("200 OK", "{}", true, "the token endpoint's answer holds no token"),
        (
            "200 OK",
            r#"{"access_token":"a\r\nb"}"#,
            true,
            "the token endpoint's answer holds no token",
        ),
        ("200 OK", "nonsense", true, "the token endpoint's answer is not the JSON it should be"),
        ("200 OK", &long, true, "the token endpoint's answer is too long"),
        ("429 Too Many", "{}", false, "AUTH: the token endpoint answered 429"),
        ("503 Down", "", false, "AUTH: the token endpoint answered 503"),
    ] {
        let endpoint = Endpoint::start(&[(status, body)]).await;
        let server = Server::start(polite()).await;
        let smtp = through(&server, endpoint.settings());
        let expected = match broken {
            true => Outcome::ReceiverBroken(words.into()),
            false => Outcome::ServerDown(words.into()),
        };
        assert_eq!(outcome(&smtp).await, expected, "{status} {:.80}", body);
        // The server was not bothered.
        assert_eq!(server.heard(|heard| heard.connections), 0);
    }
    // Nobody there.
    let endpoint = Endpoint::start(&[]).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{gone}/CANARY");
    let server = Server::start(polite()).await;
    let smtp = through(&server, TokenSettings { url, ..endpoint.settings() });
    let expected = "AUTH: the token endpoint cannot be reached";
    assert_eq!(outcome(&smtp).await, Outcome::ServerDown(expected.into()));
    assert!(!format!("{:?}", endpoint.settings()).contains("CANARY"));
}

#[tokio::test]
async fn a_server_that_repeats_the_token_is_not_quoted() {
    let token = "CANARY-token-of-today";
    let body = format!(r#"{{"access_token":"{token}","expires_in":3599}}"#);
    let endpoint = Endpoint::start(&[("200 OK", &body)]).await;
    for said in [token.to_owned(), STANDARD.encode(sasl(token))] {
        let server = Server::start(polite().rule("AUTH", format!("535 5.7.3 {said}?"))).await;
        let smtp = through(&server, endpoint.settings());
        let expected = "(its words repeat the password and are withheld)";
        assert_eq!(outcome(&smtp).await, Outcome::ReceiverBroken(expected.into()));
    }
}

#[tokio::test]
async fn a_server_without_xoauth2_breaks_the_receiver() {
    let endpoint =
        Endpoint::start(&[("200 OK", r#"{"access_token":"one","expires_in":3599}"#)]).await;
    let server = Server::start(Manners::offering(&["AUTH PLAIN"])).await;
    let expected = "the server does not offer AUTH XOAUTH2";
    let smtp = through(&server, endpoint.settings());
    assert_eq!(outcome(&smtp).await, Outcome::ReceiverBroken(expected.into()));
}
