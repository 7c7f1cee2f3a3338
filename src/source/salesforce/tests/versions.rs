//! Which version is spoken, and what happens where the org has another.

use super::*;

/// An org with these versions, and a source that takes the newest or the one given.
async fn org_with(versions: &'static [&'static str], pinned: Option<&str>) -> (Server, Salesforce) {
    let server = Server::start(move |asked, home| {
        if asked.is_login() {
            return token(home, "t0");
        }
        if asked.path == "/services/data" {
            assert!(!asked.head.contains("authorization"), "{}", asked.head);
            let list: Vec<_> = versions
                .iter()
                .map(|v| format!(r#"{{"label":"X","url":"/services/data/v{v}","version":"{v}"}}"#))
                .collect();
            return reply(200, format!("[{}]", list.join(",")));
        }
        match versions.iter().any(|v| asked.path.starts_with(&format!("/services/data/v{v}/"))) {
            true if asked.soql().is_some_and(|soql| soql.contains("FROM AgentWork")) => {
                error(404, "NOT_FOUND", "The requested resource does not exist")
            }
            true => reply(200, one_record()),
            false => error(404, "NOT_FOUND", "The requested resource does not exist"),
        }
    })
    .await;
    let mut settings = settings(&server.url);
    settings.api_version = pinned.map(str::to_owned);
    let salesforce = Salesforce::new(settings, LeapingClock::at(NOW)).unwrap();
    (server, salesforce)
}

fn lists(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.path == "/services/data").count()
}

#[tokio::test]
async fn the_newest_version_both_know_is_asked_for_once_a_login() {
    let (server, salesforce) = org_with(&["61.0", "66.0", "67.0", "99.0"], None).await;
    let pulls = ["User", "Account"].map(|name| pull(&salesforce, request(name)));
    for got in futures_util::future::join_all(pulls).await {
        got.outcome.unwrap();
    }
    pull(&salesforce, request("User")).await.outcome.unwrap();
    assert_eq!(lists(&server), 1);
    assert!(server.asked().last().unwrap().path.starts_with("/services/data/v67.0/queryAll"));
}

#[tokio::test]
async fn an_org_too_old_for_metrics_is_refused_with_what_it_has() {
    let (server, salesforce) = org_with(&["60.0", "61.0"], None).await;
    let told = pull(&salesforce, request("User")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("refuses us") && told.contains("61.0"), "{told}");
    assert!(told.contains("metrics exist from 62.0 on"), "{told}");
    assert_eq!(server.queries().len(), 0);
}

#[tokio::test]
async fn a_version_the_org_does_not_have_is_told_with_its_newest() {
    let (server, salesforce) = org_with(&["65.0", "66.0"], Some("68.0")).await;
    for _ in 0..2 {
        let told = pull(&salesforce, request("User")).await.outcome.unwrap_err().to_string();
        assert!(
            told.contains("no version `68.0`") && told.contains("66.0 is its newest"),
            "{told}"
        );
    }
    assert_eq!((server.queries().len(), lists(&server)), (2, 1));
}

#[tokio::test]
async fn a_404_for_another_reason_is_told_in_the_orgs_words() {
    let (server, salesforce) = org_with(&["65.0", "66.0"], Some("66.0")).await;
    let told = pull(&salesforce, request("AgentWork")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("NOT_FOUND: The requested resource"), "{told}");
    assert!(!told.contains("version"), "{told}");
    assert_eq!(lists(&server), 1);
    // Where all is well nobody asks which versions there are.
    let (server, salesforce) = org_with(&["65.0", "66.0"], Some("66.0")).await;
    pull(&salesforce, request("User")).await.outcome.unwrap();
    assert_eq!(lists(&server), 0);
}

#[tokio::test]
async fn a_list_of_versions_that_cannot_be_read_is_no_reason_to_guess() {
    let server = Server::start(|asked, home| match asked.path.as_str() {
        "/services/data" => reply(404, "<html>no</html>"),
        _ if asked.is_login() => token(home, "t0"),
        _ => reply(200, one_record()),
    })
    .await;
    let settings = SalesforceSettings { api_version: None, ..settings(&server.url) };
    let salesforce = Salesforce::new(settings, LeapingClock::at(NOW)).unwrap();
    let told = pull(&salesforce, request("User")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("set `api_version`"), "{told}");
    assert_eq!(server.queries().len(), 0);
}

#[tokio::test]
async fn a_list_of_versions_that_does_not_come_is_asked_for_as_often_as_anything_else() {
    let server = Server::start(|asked, home| match asked.is_login() {
        true => token(home, "t0"),
        false => reply(503, "<html>no</html>"),
    })
    .await;
    let settings = SalesforceSettings { api_version: None, ..settings(&server.url) };
    let salesforce = Salesforce::new(settings, LeapingClock::at(NOW)).unwrap();
    let outcome = pull(&salesforce, request("User")).await.outcome;
    assert!(matches!(outcome, Err(SourceError::Down { .. })), "{outcome:?}");
    assert_eq!((lists(&server), server.asked().len()), (5, 1 + 5));
}
