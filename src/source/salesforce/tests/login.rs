//! Logging in: what an org wants to see, and what is made of its refusals.

use super::*;
use crate::source::salesforce::jwt::tests::{KEY, verified};

#[tokio::test]
async fn a_refused_login_is_explained_and_not_repeated_at_once() {
    let server = Server::start(|asked, _| {
        assert!(asked.is_login());
        reply(
            400,
            r#"{"error":"invalid_grant","error_description":"request not supported on this domain"}"#,
        )
    })
    .await;
    let (salesforce, clock) = org(&server);
    for _ in 0..3 {
        let got = pull(&salesforce, request("MessagingSession")).await;
        let told = got.outcome.unwrap_err().to_string();
        assert!(told.contains("refuses us") && told.contains("My Domain"), "{told}");
    }
    assert_eq!(server.logins(), 1);
    clock.advance(TimeDelta::minutes(2));
    pull(&salesforce, request("MessagingSession")).await.outcome.unwrap_err();
    assert_eq!(server.logins(), 2);
}

#[tokio::test]
async fn a_login_page_under_maintenance_is_tried_again() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |asked, home| match asked.is_login() {
        true => match count.fetch_add(1, Ordering::SeqCst) {
            0 => reply(503, "<html>Down for maintenance</html>"),
            1 => reply(200, "<html>Soon</html>"),
            _ => token(home, "t"),
        },
        false => reply(200, one_record()),
    })
    .await;
    let (salesforce, _) = org(&server);
    assert_eq!(pull(&salesforce, request("MessagingSession")).await.outcome.unwrap().records, 1);
    assert_eq!(server.logins(), 3);
}

fn jwt_settings(url: &str) -> SalesforceSettings {
    SalesforceSettings {
        auth: SalesforceAuth::JwtBearer {
            client_id: SecretString::from("3MVG9"),
            username: "ann@acme.com".to_owned(),
            private_key: SecretString::from(KEY),
            audience: "https://test.salesforce.com".to_owned(),
        },
        ..settings(url)
    }
}

/// The claims of a login.
fn claims(asked: &Asked) -> serde_json::Value {
    let form: Vec<_> = url::form_urlencoded::parse(asked.body.as_bytes()).collect();
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(form.len(), 2, "{}", asked.body);
    assert_eq!(form[1].0, "assertion");
    verified(&form[1].1)
}

/// An org whose clock shows `now`, and that takes assertions of its own time alone.
async fn strict_org(now: &'static str) -> Server {
    Server::start(move |asked, home| {
        if !asked.is_login() {
            return reply(200, one_record());
        }
        let left = claims(asked)["exp"].as_i64().unwrap() - at(now).timestamp();
        let date = httpdate::fmt_http_date(at(now).into());
        let reply = match (0..=180).contains(&left) {
            true => token(home, "t"),
            false => {
                reply(400, r#"{"error":"invalid_grant","error_description":"invalid assertion"}"#)
            }
        };
        Reply { headers: vec![("date", date)], ..reply }
    })
    .await
}

fn jwt_org(server: &Server) -> Salesforce {
    Salesforce::new(jwt_settings(&server.url), LeapingClock::at(NOW)).unwrap()
}

#[tokio::test]
async fn a_signed_assertion_logs_in() {
    let server = strict_org(NOW).await;
    let salesforce = jwt_org(&server);
    assert_eq!(pull(&salesforce, request("User")).await.pulled().records, 1);
    let claims = claims(&server.asked()[0]);
    assert_eq!(claims["iss"], "3MVG9");
    assert_eq!(claims["sub"], "ann@acme.com");
    assert_eq!(claims["aud"], "https://test.salesforce.com");
    assert_eq!(claims["exp"], at(NOW).timestamp() + 120);
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn a_clock_that_is_off_by_less_than_a_minute_is_off_by_nothing() {
    for theirs in ["2026-03-01T11:59:10Z", "2026-03-01T12:00:50Z"] {
        let server = strict_org(theirs).await;
        pull(&jwt_org(&server), request("User")).await.outcome.unwrap();
        assert_eq!(server.logins(), 1, "{theirs}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_noticed_and_the_orgs_used_from_then_on() {
    for theirs in ["2026-03-01T12:07:00Z", "2026-03-01T09:00:00Z"] {
        let server = strict_org(theirs).await;
        let salesforce = jwt_org(&server);
        pull(&salesforce, request("User")).await.outcome.unwrap();
        assert_eq!(server.logins(), 2, "{theirs}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_with_what_else_is_wrong() {
    let server = Server::start(|_, _| {
        let body =
            r#"{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}"#;
        reply(400, body).with("date", "Sun, 01 Mar 2026 12:07:00 GMT")
    })
    .await;
    let salesforce = jwt_org(&server);
    for _ in 0..2 {
        let told = pull(&salesforce, request("User")).await.outcome.unwrap_err().to_string();
        assert!(told.contains("pre-authorized"), "{told}");
        assert!(told.contains("our clock is 7 min behind the org's"), "{told}");
        assert!(!told.contains("eyJ"), "{told}");
    }
    // Once more by the org's clock, and that was all.
    assert_eq!(server.logins(), 2);
}

#[tokio::test]
async fn an_assertion_refused_by_an_org_of_our_time_is_not_tried_again() {
    let server = Server::start(|_, _| {
        reply(400, r#"{"error":"invalid_grant","error_description":"audience is invalid"}"#)
            .with("date", NOW_HTTP)
    })
    .await;
    let told = pull(&jwt_org(&server), request("User")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("`audience` must be") && !told.contains("clock"), "{told}");
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn an_assertion_that_comes_back_in_an_error_is_not_shown() {
    let server = Server::start(|asked, _| {
        let (_, assertion) = asked.body.split_once("assertion=").unwrap();
        reply(400, format!(r#"{{"error":"invalid_grant","error_description":"bad {assertion}"}}"#))
    })
    .await;
    let told = pull(&jwt_org(&server), request("User")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("bad ***"), "{told}");
}

#[tokio::test]
async fn logins_that_can_never_work_are_refused_before_any_is_tried() {
    let refused = |settings| {
        Salesforce::new(settings, LeapingClock::at(NOW)).err().map(|err| err.to_string())
    };
    for host in ["https://login.salesforce.com", "https://test.salesforce.com/"] {
        let told = refused(settings(host)).unwrap();
        assert!(told.contains("My Domain"), "{told}");
        // The flow that logs in there.
        assert_eq!(refused(jwt_settings(host)), None);
    }
    let mut settings = jwt_settings("https://acme.my.salesforce.com");
    if let SalesforceAuth::JwtBearer { private_key, .. } = &mut settings.auth {
        *private_key = SecretString::from("oops");
    }
    let told = refused(settings).unwrap();
    assert!(told.contains("BEGIN PRIVATE KEY") && !told.contains("oops"), "{told}");
}

#[tokio::test]
async fn a_login_endpoint_that_asks_for_time_gets_it() {
    let server = Server::start(|_, _| reply(429, "").with("retry-after", "600")).await;
    let (salesforce, clock) = org(&server);
    for _ in 0..3 {
        let outcome = pull(&salesforce, request("User")).await.outcome;
        assert!(matches!(outcome, Err(SourceError::Down { .. })), "{outcome:?}");
    }
    assert_eq!(server.logins(), 1);
    clock.advance(TimeDelta::minutes(10));
    pull(&salesforce, request("User")).await.outcome.unwrap_err();
    assert_eq!(server.logins(), 2);
}
