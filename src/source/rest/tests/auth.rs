//! Every way in which an API knows us, and that nobody else does.

use super::*;

fn oauth(url: &str) -> RestAuth {
    RestAuth::OAuth2 {
        token_url: format!("{url}/token"),
        client_id: SecretString::from("key"),
        client_secret: SecretString::from(SECRET),
        scope: Some("read all".to_owned()),
    }
}

/// A server that gives tokens (t0ken0, t0ken1, ...) that live for `lives` seconds, and a source
/// that uses them. `answer` gets the other requests with their number.
async fn tokens(
    lives: i64,
    answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
) -> Desk {
    let (tokens, others) =
        (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0));
    let next = |count: &std::sync::atomic::AtomicUsize| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    };
    Desk::new(
        |settings, _| settings.auth = oauth(settings.base_url.trim_end_matches("/api")),
        move |_, asked, _| match asked.path.as_str() {
            "/token" => {
                let number = next(&tokens);
                reply(200, format!(r#"{{"access_token":"t0ken{number}","expires_in":{lives}}}"#))
            }
            _ => answer(next(&others), asked),
        },
    )
    .await
}

fn logins(desk: &Desk) -> usize {
    desk.server.paths().iter().filter(|path| *path == "/token").count()
}

#[tokio::test]
async fn each_kind_of_credentials_is_sent_as_it_should_be() {
    let secret = || SecretString::from(SECRET);
    let basic = RestAuth::Basic { username: "me".to_owned(), password: secret() };
    let header = RestAuth::Header { name: "X-Api-Key".to_owned(), value: secret() };
    let query = RestAuth::Query { name: "api key".to_owned(), value: secret() };
    for (auth, header, expected, path) in [
        (RestAuth::None, "authorization", None, "/api/v2/tickets"),
        (RestAuth::Bearer(secret()), "authorization", Some("Bearer s3cr3t+/="), "/api/v2/tickets"),
        (basic, "authorization", Some("Basic bWU6czNjcjN0Ky89"), "/api/v2/tickets"),
        (header, "x-api-key", Some("s3cr3t+/="), "/api/v2/tickets"),
        (query, "authorization", None, "/api/v2/tickets?api+key=s3cr3t%2B%2F%3D"),
    ] {
        let desk = Desk::new(
            |settings, _| settings.auth = auth,
            |_, _, _| reply(401, r#"{"error":"no"}"#),
        )
        .await;
        assert!(!format!("{:?}", desk.rest.settings).contains("s3cr3t"));
        desk.first().await.failed("Refused", &["401 (`no`)", "check `auth`"]);
        let asked = desk.server.asked();
        assert_eq!((asked[0].header(header), asked[0].path.as_str()), (expected, path));
        assert_eq!(asked.len(), 1);
    }
}

#[tokio::test]
async fn a_query_parameter_goes_with_every_page_and_is_never_told() {
    let desk = Desk::new(
        |settings, spec| {
            settings.auth =
                RestAuth::Query { name: "key".to_owned(), value: SecretString::from(SECRET) };
            spec.paging = Paging::NextUrl { pointer: "/next".to_owned(), more: None };
        },
        |number, asked, home| match number {
            0 => reply(200, body(0..1, &format!(r#","next":"{home}/x?key=old&page=2""#))),
            1 => reply(200, body(1..2, r#","next":"/y?page=3""#)),
            _ => reply(400, format!("bad request: {}", asked.path)),
        },
    )
    .await;
    desk.first().await.failed("Unreadable", &["400 (`bad request: /y?page=3&key=***`)"]);
    let sent = "s3cr3t%2B%2F%3D";
    let paths = desk.server.paths();
    assert_eq!(paths[1..], [format!("/x?key={sent}&page=2"), format!("/y?page=3&key={sent}")]);
}

#[tokio::test]
async fn tokens_are_fetched_once_and_renewed_before_they_expire() {
    let desk = tokens(3600, |_, _| reply(200, body(0..1, ""))).await;
    assert_eq!(desk.first().await.pulled().requests, 2);
    assert_eq!(desk.first().await.pulled().requests, 1);
    let login = &desk.server.asked()[0];
    assert_eq!(
        login.body,
        "grant_type=client_credentials&scope=read+all&client_id=key&client_secret=s3cr3t%2B%2F%3D"
    );
    assert_eq!(desk.server.asked()[1].header("authorization"), Some("Bearer t0ken0"));
    desk.clock.advance(TimeDelta::seconds(3541));
    desk.first().await.outcome.unwrap();
    assert_eq!(desk.server.asked()[4].header("authorization"), Some("Bearer t0ken1"));
    assert_eq!((logins(&desk), desk.rest.spent().total(desk.clock.now())), (2, 5));
}

#[tokio::test]
async fn pulls_beside_each_other_share_one_token() {
    let desk = tokens(3600, |_, _| reply(200, body(0..1, ""))).await;
    let pulls = (0..5).map(|_| desk.first());
    let got = futures_util::future::join_all(pulls).await;
    assert!(got.iter().all(|got| got.outcome.is_ok()));
    assert_eq!(logins(&desk), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let desk = tokens(3600, |number, asked| match asked.header("authorization") {
        Some("Bearer t0ken0") if number > 0 => reply(401, "t0ken0 is dead"),
        _ => reply(200, body(0..1, "")),
    })
    .await;
    desk.first().await.outcome.unwrap();
    assert_eq!(desk.first().await.pulled().requests, 3);
    assert_eq!(logins(&desk), 2);
    let hopeless = tokens(3600, |_, asked| reply(401, asked.head.clone())).await;
    hopeless.first().await.failed("Refused", &["again with a new token"]);
    assert_eq!((logins(&hopeless), hopeless.server.asked().len()), (2, 4));
}

#[tokio::test]
async fn id_and_secret_go_by_header_where_the_form_is_not_taken() {
    let desk = Desk::new(
        |settings, _| settings.auth = oauth(settings.base_url.trim_end_matches("/api")),
        |_, asked, _| match (asked.path.as_str(), asked.header("authorization")) {
            ("/token", None) => reply(401, r#"{"error":"invalid_client"}"#),
            ("/token", Some("Basic a2V5OnMzY3IzdCUyQiUyRiUzRA==")) => {
                reply(200, r#"{"access_token":"t0ken","expires_in":"1"}"#)
            }
            ("/token", other) => panic!("{other:?}"),
            _ => reply(200, body(0..1, "")),
        },
    )
    .await;
    assert_eq!(desk.first().await.pulled().requests, 3);
    desk.clock.advance(TimeDelta::seconds(2));
    assert_eq!(desk.first().await.pulled().requests, 2);
    let second = &desk.server.asked()[3];
    assert!(!second.body.contains("client_secret"), "{}", second.body);
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_and_not_repeated_at_once() {
    let desk = Desk::new(
        |settings, _| settings.auth = oauth(settings.base_url.trim_end_matches("/api")),
        |_, _, _| {
            reply(400, r#"{"error":"invalid_scope","error_description":"no scope s3cr3t+/="}"#)
        },
    )
    .await;
    desk.first().await.failed("Refused", &["no scope ***", "`client_secret`"]);
    desk.first().await.failed("Refused", &["no scope ***"]);
    assert_eq!(desk.server.asked().len(), 1);
    desk.clock.advance(TimeDelta::minutes(2));
    desk.first().await.failed("Refused", &["no scope ***"]);
    assert_eq!(desk.server.asked().len(), 2);
    let half = Desk::new(
        |settings, _| settings.auth = oauth(settings.base_url.trim_end_matches("/api")),
        |_, _, _| reply(200, r#"{"access_token":"t0ken0"#),
    )
    .await;
    half.first().await.failed("Refused", &["`token_url` answered no `access_token`"]);
}
