//! The client against real sockets: what it asks, what it makes of faults, what it never does.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;

use super::*;
use crate::domain::dataset::{Cell, Cursor, Dataset, Purpose};
use server::{Asked, LeapingClock, Reply, Server, SmallOrg, page, record, reply};

mod bulk;
mod count;
mod describe;
mod faults;
mod login;
mod quota;
mod server;
mod versions;

const NOW: &str = "2026-03-01T12:00:00Z";
const NOW_HTTP: &str = "Sun, 01 Mar 2026 12:00:00 GMT";
const SECRET: &str = "s3cr3t+/=";

fn settings(url: &str) -> SalesforceSettings {
    SalesforceSettings {
        name: "acme".to_owned(),
        login_url: url.to_owned(),
        auth: SalesforceAuth::ClientCredentials {
            client_id: SecretString::from("key"),
            client_secret: SecretString::from(SECRET),
        },
        api_version: Some("62.0".to_owned()),
        pull_every: TimeDelta::minutes(5),
        quota_share: 0.5,
        history: None,
        overlap: TimeDelta::minutes(10),
        bulk_above: None,
    }
}

fn token(home: &str, token: &str) -> Reply {
    let body =
        format!(r#"{{"access_token":"{token}","instance_url":"{home}","token_type":"Bearer"}}"#);
    reply(200, body).with("date", NOW_HTTP)
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    reply(status, format!(r#"[{{"message":"{message}","errorCode":"{code}"}}]"#))
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn dataset(name: &str) -> Arc<Dataset> {
    Arc::new(objects::datasets("acme").into_iter().find(|d| d.name == name).unwrap())
}

fn request(name: &str) -> PullRequest {
    PullRequest {
        dataset: dataset(name),
        since: None,
        resume: None,
        from: None,
        purpose: Purpose::Digest,
    }
}

/// What a pull gave: its outcome, the keys in the order they came, the last place told.
struct Got {
    outcome: Result<Pulled, SourceError>,
    keys: Vec<String>,
    place: Option<Cursor>,
}

impl Got {
    #[track_caller]
    fn pulled(&self) -> &Pulled {
        self.outcome.as_ref().unwrap()
    }

    fn distinct(&self) -> usize {
        self.keys.iter().collect::<BTreeSet<_>>().len()
    }
}

async fn pull(org: &Salesforce, request: PullRequest) -> Got {
    let (into, mut batches) = mpsc::channel::<Batch>(2);
    let (width, key) = (request.dataset.fields.len(), request.dataset.key);
    let read = async move {
        let (mut keys, mut place) = (vec![], None);
        while let Some(batch) = batches.recv().await {
            for row in batch.cells.chunks(width) {
                let Cell::Text(at, len) = row[key] else { panic!("no key") };
                keys.push(batch.text_of(at, len).to_owned());
            }
            place = batch.cursor.or(place);
        }
        (keys, place)
    };
    let (outcome, (keys, place)) = tokio::join!(org.pull(request, into), read);
    Got { outcome, keys, place }
}

fn org(server: &Server) -> (Salesforce, Arc<LeapingClock>) {
    let clock = LeapingClock::at(NOW);
    (Salesforce::new(settings(&server.url), clock.clone()).unwrap(), clock)
}

/// A server that logs in and gives each further request to `answer`, with its number.
async fn scripted(
    answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
) -> (Server, Salesforce, Arc<LeapingClock>) {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |asked, home| {
        if asked.is_login() {
            return token(home, "t0");
        }
        answer(count.fetch_add(1, Ordering::SeqCst), asked).with("date", NOW_HTTP)
    })
    .await;
    let (salesforce, clock) = org(&server);
    (server, salesforce, clock)
}

fn one_record() -> String {
    page(&[record("0Mw1", at("2026-03-01T11:00:00Z"))], None)
}

#[tokio::test]
async fn a_pull_asks_for_every_field_and_says_how_far_it_is_complete() {
    let (server, salesforce, _) = scripted(|_, _| reply(200, one_record())).await;
    let mut wanted = request("MessagingSessionMetrics");
    wanted.since = Some(at("2026-03-01T11:55:30.700Z"));
    let got = pull(&salesforce, wanted).await;
    let pulled = got.pulled();
    assert_eq!(pulled.watermark, at("2026-03-01T11:59:00Z"));
    assert_eq!((pulled.records, pulled.requests, pulled.misfits), (1, 1, 0));
    assert_eq!(got.keys, ["0Mw1"]);
    assert_eq!(
        server.queries(),
        ["SELECT Id, Name, MessagingSessionId, MessagingSessionMetricType, \
          MessagingSessionMetricValue, CreatedDate, CreatedById, LastModifiedDate, \
          LastModifiedById, SystemModstamp, IsDeleted FROM MessagingSessionMetrics \
          WHERE SystemModstamp >= 2026-03-01T11:45:30Z AND SystemModstamp < 2026-03-01T11:59:00Z \
          ORDER BY SystemModstamp, Id"]
    );
    let login = &server.asked()[0];
    assert_eq!(
        login.body,
        "grant_type=client_credentials&client_id=key&client_secret=s3cr3t%2B%2F%3D"
    );
    let query = &server.asked()[1];
    assert!(query.head.contains("sforce-query-options: batchsize=2000"));
    assert!(query.head.contains("accept-encoding: gzip"));
    assert_eq!(query.token(), "t0");
}

#[tokio::test]
async fn the_first_load_begins_with_its_history_or_with_everything() {
    let (server, salesforce, _) = scripted(|_, _| reply(200, page(&[], None))).await;
    let mut wanted = request("AgentWork");
    pull(&salesforce, wanted.clone()).await.outcome.unwrap();
    wanted.from = Some(at("2025-02-01T00:00:00Z"));
    let pulled = pull(&salesforce, wanted).await.outcome.unwrap();
    assert_eq!((pulled.records, pulled.watermark), (0, at("2026-03-01T11:59:00Z")));
    let queries = server.queries();
    assert!(queries[0].contains("WHERE SystemModstamp < 2026"), "{}", queries[0]);
    assert!(queries[1].contains("SystemModstamp >= 2025-02-01T00:00:00Z AND"), "{}", queries[1]);
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn objects_read_whole_and_objects_without_the_deleted_flag_are_asked_accordingly() {
    let (server, salesforce, _) = scripted(|_, _| reply(200, one_record())).await;
    let got = pull(&salesforce, request("MessagingChannel")).await;
    assert_eq!(got.pulled().watermark, at("2026-03-01T11:59:00Z"));
    assert_eq!(got.place, None);
    pull(&salesforce, request("User")).await.outcome.unwrap();
    let queries = server.queries();
    assert!(queries[0].ends_with("IsDeleted FROM MessagingChannel ORDER BY Id"), "{}", queries[0]);
    assert!(!queries[1].contains("IsDeleted"), "{}", queries[1]);
}

#[tokio::test]
async fn pages_of_any_size_are_followed_until_the_org_says_done() {
    let sizes = [250, 2000, 1, 0, 749];
    let (_server, salesforce, _) = scripted(move |n, asked| {
        let stamp = at("2026-01-01T00:00:00Z") + TimeDelta::minutes(n as i64);
        let records: Vec<_> =
            (0..sizes[n]).map(|row| record(&format!("{n}-{row:04}"), stamp)).collect();
        let expected = format!("/services/data/v62.0/query/01g-{n}");
        assert!(n == 0 || asked.path == expected, "{}", asked.path);
        let next = format!("/services/data/v62.0/query/01g-{}", n + 1);
        reply(200, page(&records, (n + 1 < sizes.len()).then_some(&next)))
    })
    .await;
    let got = pull(&salesforce, request("MessagingSession")).await;
    assert_eq!(got.pulled().records, 3000);
    assert_eq!(got.distinct(), 3000);
}

/// 2 500 records of one second, two of another.
fn wall() -> SmallOrg {
    let tie = at("2026-03-01T10:00:00Z");
    let mut records: Vec<_> = (0..2500).map(|n| (format!("0Mw{n:05}"), tie)).collect();
    records.push(("0MwA".to_owned(), tie - TimeDelta::hours(1)));
    records.push(("0MwZ".to_owned(), tie + TimeDelta::hours(1)));
    SmallOrg { records, page: 200 }
}

#[tokio::test]
async fn a_load_stopped_inside_a_tie_goes_on_inside_it() {
    let (server, salesforce, _) = scripted(|_, asked| wall().answer(asked)).await;
    // The reader takes three pages and goes away.
    let (into, mut batches) = mpsc::channel::<Batch>(1);
    let wanted = request("MessagingSession");
    let read = async move {
        let mut place = None;
        for _ in 0..3 {
            place = batches.recv().await.unwrap().cursor;
        }
        place
    };
    let (outcome, place) = tokio::join!(salesforce.pull(wanted.clone(), into), read);
    assert_eq!(outcome, Err(SourceError::Stopped));
    let place = place.unwrap();
    assert_eq!((place.stamp, place.key.as_str()), (at("2026-03-01T10:00:00Z"), "0Mw00598"));

    let got = pull(&salesforce, PullRequest { resume: Some(place), ..wanted }).await;
    assert_eq!(got.pulled().watermark, at("2026-03-01T11:59:00Z"));
    assert_eq!((got.keys.len(), got.distinct()), (1902, 1902));
    assert_eq!(got.place.unwrap().key, "0MwZ");
    // What was committed late before the place is looked for, without its ties.
    let late = "SystemModstamp >= 2026-03-01T09:50:00Z AND SystemModstamp < 2026-03-01T10:00:00Z";
    assert!(server.queries()[1].contains(late), "{}", server.queries()[1]);
}

#[tokio::test]
async fn a_token_that_dies_between_pages_costs_one_login_and_no_record() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |asked, home| {
        if asked.is_login() {
            return token(home, &format!("t{}", count.fetch_add(1, Ordering::SeqCst)));
        }
        let first_page = asked.soql().is_some();
        match asked.token() {
            "t0" if !first_page => error(401, "INVALID_SESSION_ID", "Session expired or invalid"),
            "t0" | "t1" => SmallOrg { page: 2000, ..wall() }.answer(asked),
            other => panic!("token {other}"),
        }
    })
    .await;
    let (salesforce, _) = org(&server);
    let got = pull(&salesforce, request("MessagingSession")).await;
    assert_eq!(got.pulled().records, 2502);
    assert_eq!((got.keys.len(), got.distinct()), (2502, 2502));
    assert_eq!(server.logins(), 2);
    assert!(server.queries()[1].contains("Id > '0Mw01998'"), "{}", server.queries()[1]);
}

#[tokio::test]
async fn a_lost_locator_is_asked_again_but_not_for_ever() {
    let (server, salesforce, _) = scripted(|n, asked| match n {
        1 | 3 => error(400, "INVALID_QUERY_LOCATOR", "invalid query locator"),
        _ => SmallOrg { page: 2000, ..wall() }.answer(asked),
    })
    .await;
    let got = pull(&salesforce, request("MessagingSession")).await;
    assert_eq!(got.pulled().records, 2502);
    assert_eq!(server.queries().len(), 2);

    let (server, salesforce, _) =
        scripted(|_, _| error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")).await;
    let got = pull(&salesforce, request("MessagingSession")).await;
    assert!(matches!(got.outcome, Err(SourceError::Down { .. })), "{:?}", got.outcome);
    assert_eq!(server.queries().len(), 3);
}

#[tokio::test]
async fn logins_happen_once_for_many_pulls_at_a_time() {
    let (server, salesforce, _) = scripted(|_, _| reply(200, one_record())).await;
    let names = ["MessagingSession", "AgentWork", "Account", "User", "ConversationEntry"];
    let pulls = names.map(|name| pull(&salesforce, request(name)));
    for got in futures_util::future::join_all(pulls).await {
        got.outcome.unwrap();
    }
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn a_hopeless_401_is_named_after_one_login_more() {
    let (server, salesforce, _) = scripted(|_, _| {
        error(401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
    })
    .await;
    let got = pull(&salesforce, request("MessagingSession")).await;
    let told = got.outcome.unwrap_err().to_string();
    assert!(told.contains("refuses us") && told.contains("IP ranges"), "{told}");
    assert_eq!(server.logins(), 1);

    let (server, salesforce, _) =
        scripted(|_, _| error(401, "INVALID_SESSION_ID", "Session expired or invalid")).await;
    let got = pull(&salesforce, request("MessagingSession")).await;
    let told = got.outcome.unwrap_err().to_string();
    assert!(told.contains("again after a new login"), "{told}");
    assert_eq!(server.logins(), 2);
}

#[tokio::test]
async fn passing_trouble_is_waited_out() {
    let (_server, salesforce, clock) = scripted(|n, _| match n {
        0 => error(503, "SERVER_UNAVAILABLE", "Server too busy"),
        1 => reply(200, "<html>Please wait</html>"),
        2 => reply(200, one_record()).cut_at(60),
        3 => reply(406, ""),
        _ => reply(200, one_record()),
    })
    .await;
    let got = pull(&salesforce, request("MessagingSession")).await;
    let pulled = got.pulled();
    assert_eq!((pulled.records, pulled.requests, got.keys.len()), (1, 5, 1));
    let waited = clock.now() - at(NOW);
    assert!(waited > TimeDelta::seconds(7) && waited <= TimeDelta::seconds(15), "{waited}");
}

#[tokio::test]
async fn lasting_trouble_is_told_as_what_it_is() {
    let (server, salesforce, _) =
        scripted(|_, _| reply(503, "<h1>Maintenance\n till 3</h1>")).await;
    let outcome = pull(&salesforce, request("MessagingSession")).await.outcome;
    let Err(SourceError::Down { name, reason }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(name, "acme");
    assert!(reason.contains("503") && reason.contains("<h1>Maintenance till 3</h1>"), "{reason}");
    assert_eq!(server.queries().len(), 5);

    let (server, salesforce, _) = scripted(|_, _| reply(420, "<html>no host</html>")).await;
    pull(&salesforce, request("MessagingSession")).await.outcome.unwrap_err();
    assert_eq!(server.queries().len(), 3);

    let (_server, salesforce, _) = scripted(|_, _| reply(200, "<html>Hello</html>")).await;
    let outcome = pull(&salesforce, request("MessagingSession")).await.outcome;
    let Err(SourceError::Unreadable { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason, "<html>Hello</html>");
}

#[tokio::test]
async fn what_is_wrong_for_good_is_asked_once_and_told_in_the_orgs_words() {
    let (server, salesforce, _) =
        scripted(|_, _| error(400, "MALFORMED_QUERY", "unexpected token: 'FRM'")).await;
    let outcome = pull(&salesforce, request("MessagingSession")).await.outcome;
    let Err(SourceError::Refused { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("MALFORMED_QUERY: unexpected token: 'FRM'"), "{reason}");
    assert_eq!(server.queries().len(), 1);
}

#[tokio::test]
async fn a_query_too_slow_for_the_org_is_halved() {
    // The org answers at most an hour of changes at a time.
    let (server, salesforce, _) = scripted(|_, asked| {
        let soql = asked.soql().unwrap();
        let stamp = |mark: &str| -> DateTime<Utc> {
            let (_, rest) = soql.split_once(mark).unwrap();
            at(&rest[..20])
        };
        let begin = stamp(if soql.contains(">= ") { ">= " } else { "> 2" });
        match stamp("SystemModstamp < ") - begin > TimeDelta::hours(1) {
            true => error(400, "QUERY_TIMEOUT", "Your query request was running for too long."),
            false => SmallOrg { page: 9999, ..wall() }.answer(asked),
        }
    })
    .await;
    let mut wanted = request("MessagingSession");
    wanted.from = Some(at("2026-03-01T08:00:00Z"));
    let got = pull(&salesforce, wanted).await;
    assert_eq!(got.pulled().watermark, at("2026-03-01T11:59:00Z"));
    assert_eq!((got.keys.len(), got.distinct()), (2502, 2502));
    assert!(server.queries().len() < 20, "{}", server.queries().len());

    let (server, salesforce, _) = scripted(|_, _| error(400, "QUERY_TIMEOUT", "too long")).await;
    let outcome = pull(&salesforce, request("MessagingSession")).await.outcome;
    assert!(matches!(outcome, Err(SourceError::Down { .. })), "{outcome:?}");
    assert!(server.queries().len() < 30, "{}", server.queries().len());
}

#[tokio::test]
async fn a_page_too_few_is_no_end() {
    // Three are announced, one comes, and that is said to be all.
    let (_server, salesforce, _) =
        scripted(|_, _| reply(200, one_record().replacen("\"totalSize\":1", "\"totalSize\":3", 1)))
            .await;
    for name in ["MessagingChannel", "User"] {
        let outcome = pull(&salesforce, request(name)).await.outcome;
        let said = outcome.unwrap_err().to_string();
        assert!(said.contains("of 3 records that it found it gave 1"), "{said}");
    }
}

#[tokio::test]
async fn an_org_that_lives_in_the_future_puts_nothing_out_of_sight() {
    let (_server, salesforce, clock) =
        scripted(|_, _| reply(200, one_record()).with("date", "Fri, 01 Mar 2030 12:00:00 GMT"))
            .await;
    pull(&salesforce, request("User")).await.outcome.unwrap();
    // From here on the org's clock is what its answer said.
    let got = pull(&salesforce, request("User")).await;
    assert_eq!(got.pulled().watermark, clock.now() + TimeDelta::days(1));
}

#[tokio::test]
async fn a_field_the_org_hides_stays_empty_and_is_told() {
    let (server, salesforce, _) = scripted(|_, asked| match asked.soql() {
        Some(soql) if soql.contains("Industry") || soql.contains("IsDeleted") => {
            error(400, "INVALID_FIELD", "No such column 'Industry' on entity 'Account'")
        }
        Some(_) => reply(200, one_record()),
        None => {
            let fields: Vec<_> = dataset("Account")
                .fields
                .iter()
                .filter(|field| field.name != "Industry")
                .map(|field| format!(r#"{{"name":"{}","type":"string"}}"#, field.name))
                .collect();
            reply(200, format!(r#"{{"name":"Account","fields":[{}]}}"#, fields.join(",")))
        }
    })
    .await;
    for _ in 0..2 {
        let pulled = pull(&salesforce, request("Account")).await.outcome.unwrap();
        assert_eq!(pulled.hidden, ["Industry"]);
    }
    // Known from then on: the second pull asked right away for what there is.
    assert_eq!(server.asked().len(), 1 + 3 + 1);
    assert_eq!(server.asked()[2].path, "/services/data/v62.0/sobjects/Account/describe");
}

#[tokio::test]
async fn next_pages_stay_on_the_host_and_end() {
    let circle = "/services/data/v62.0/query/01g-1";
    for (next, says) in [
        ("https://evil.example.com/steal", "another host"),
        ("//evil.example.com/steal", "another host"),
        (circle, "circle"),
    ] {
        let (server, salesforce, _) =
            scripted(move |_, _| reply(200, page(&[record("a", at(NOW))], Some(next)))).await;
        let outcome = pull(&salesforce, request("MessagingSession")).await.outcome;
        let Err(SourceError::Unreadable { reason, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(says), "{reason}");
        assert!(server.asked().len() <= 3);
    }
}

#[tokio::test]
async fn redirects_to_another_host_carry_no_token_there() {
    let thief = Server::start(|_, _| reply(200, one_record())).await;
    let target = format!("{}/steal", thief.url);
    let (_server, salesforce, _) =
        scripted(move |_, _| reply(302, "").with("location", target.clone())).await;
    let outcome = pull(&salesforce, request("MessagingSession")).await.outcome;
    assert!(matches!(outcome, Err(SourceError::Down { .. })), "{outcome:?}");
    assert!(thief.asked().is_empty());
}

#[tokio::test]
async fn a_clock_that_leapt_ahead_proves_nothing_about_the_future() {
    let (_server, salesforce, clock) = scripted(|_, _| reply(200, one_record())).await;
    pull(&salesforce, request("User")).await.outcome.unwrap();
    // Ours leaps a day; the org's stays.
    clock.advance(TimeDelta::days(1));
    let mut wanted = request("User");
    wanted.since = Some(at("2026-03-01T11:59:00Z"));
    let pulled = pull(&salesforce, wanted).await.outcome.unwrap();
    assert_eq!(pulled.watermark, at("2026-03-01T11:59:00Z"));
}

#[tokio::test]
async fn secrets_stay_out_of_errors_and_debug() {
    let server = Server::start(|asked, home| match asked.is_login() {
        true => token(home, "t0ps3cret"),
        false => reply(500, format!("echo {} {}", asked.head, asked.body)),
    })
    .await;
    let (salesforce, _) = org(&server);
    let told = pull(&salesforce, request("User")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("echo"), "{told}");
    assert!(!told.contains("t0ps3cret"), "{told}");

    let server = Server::start(|asked, _| {
        assert!(asked.is_login());
        reply(400, format!(r#"{{"error":"x","error_description":"{SECRET} is wrong"}}"#))
    })
    .await;
    let (salesforce, _) = org(&server);
    let told = pull(&salesforce, request("User")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("*** is wrong"), "{told}");
    assert!(!format!("{:?}", settings(&server.url)).contains(SECRET));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |change: fn(&mut SalesforceSettings)| {
        let mut settings = settings("https://acme.my.salesforce.com");
        change(&mut settings);
        Salesforce::new(settings, LeapingClock::at(NOW)).err().map(|err| err.to_string())
    };
    assert_eq!(refused(|_| {}), None);
    assert_eq!(refused(|s| s.api_version = Some("68.0".to_owned())), None);
    for version in ["61.0", "62", "v62.0", "", "62.x", "-62.0"] {
        let mut settings = settings("https://acme.my.salesforce.com");
        settings.api_version = Some(version.to_owned());
        assert!(Salesforce::new(settings, LeapingClock::at(NOW)).is_err(), "{version}");
    }
    assert!(
        refused(|s| s.api_version = Some("61.0".to_owned())).unwrap().contains("62.0 or higher")
    );
    assert!(refused(|s| s.login_url = "http://acme.example".to_owned()).unwrap().contains("https"));
    assert!(refused(|s| s.login_url = "acme".to_owned()).unwrap().contains("no address"));
}
