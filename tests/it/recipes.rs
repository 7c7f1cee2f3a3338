//! The recipes of the docs, run as they are written, against servers that answer in the shapes that
//! GitHub and Zendesk document. Nothing but the address is changed.

use std::sync::Arc;

use chrono::TimeDelta;
use postrider::clock::{Clock, ManualClock};
use postrider::demo::org::Org;

use super::harness::{TestPostrider, utc};
use desk::Zendesk;
use github::GitHub;

mod desk;
mod github;

/// A Monday in Berlin, 09:00.
const NOW: &str = "2026-03-02T08:00:00Z";

/// What surrounds a recipe: mail, a digest of its report, a route for its rule.
const AROUND: &str = r#"
[postrider]
timezone = "Europe/Berlin"
owner = "owner@example.com"
[smtp]
host = "127.0.0.1"
tls = "none"
from = "Postrider <reports@example.com>"
[receivers.ops-mail]
kind = "email"
to = ["ops@example.com"]
[[routes]]
to = ["ops-mail"]
[digests.daily]
reports = ["REPORT"]
schedule = "5 9 * * *"
to = ["lead@example.com"]
"#;

/// The recipe as it is in the docs, its server being this one.
fn recipe(text: &str, theirs: &str, ours: &str, report: &str) -> String {
    assert_eq!(text.matches(theirs).count(), 1, "the recipe names its server once");
    format!("{}{}", AROUND.replace("REPORT", report), text.replace(theirs, ours))
}

async fn start(config: &str) -> TestPostrider {
    let clock = Arc::new(ManualClock::new(utc(NOW)));
    let org = Org::empty(Arc::clone(&clock) as Arc<dyn Clock>);
    TestPostrider::over(config, clock, org).await
}

/// How many lines the source and its datasets take.
fn lines_of_source(text: &str) -> usize {
    let tables =
        text.split("\n[").filter(|t| t.starts_with("sources.") || t.starts_with("datasets."));
    tables.flat_map(str::lines).filter(|line| !line.trim().is_empty()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn github_issues_are_added_by_config_alone() {
    let text = include_str!("../../docs/recipes/github-issues.toml");
    assert!(lines_of_source(text) < 20, "{}", lines_of_source(text));
    let github = GitHub::start(utc(NOW)).await;
    let config = recipe(text, "https://api.github.com", &github.url(), "issues-by-author");
    let app = start(&config).await;
    app.beat().await;
    // 230 issues, a hundred a page, each page named by the last one's `Link`.
    assert_eq!(app.rows("SELECT count(*) FROM issues"), 230);
    assert_eq!(github.pages_asked(), 3);

    app.advance_to("2026-03-02T08:06:00Z").await;
    let letters = app.letters_to("lead@example.com");
    let text = &letters[0].text;
    // By hand: of the last seven whole days each author of seven has eight issues a day, every
    // tenth is a pull request and left out.
    assert!(text.contains("Who opened how many issues"), "{text}");
    for (author, opened, open) in
        github.expected(utc("2026-02-22T23:00:00Z"), utc("2026-03-01T23:00:00Z"))
    {
        let line = text.lines().find(|line| line.trim_start().starts_with(&author));
        let line = line.unwrap_or_else(|| panic!("no {author} in\n{text}"));
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(&cells[1..3], [opened.to_string(), open.to_string()], "{line}");
    }

    // Issues come in a burst: the rule fires, and what was there already is not read again.
    github.open(12, app.clock.now());
    app.advance(TimeDelta::minutes(12)).await;
    assert_eq!(app.rows("SELECT count(*) FROM issues"), 242);
    let alarms = app.letters_to("ops@example.com");
    assert!(alarms.iter().any(|mail| mail.subject.contains("Many issues at once")), "{alarms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn zendesk_tickets_are_added_by_config_alone() {
    let text = include_str!("../../docs/recipes/zendesk-tickets.toml");
    assert!(lines_of_source(text) < 20, "{}", lines_of_source(text));
    let desk = Zendesk::start(utc(NOW)).await;
    let theirs = "https://acme.zendesk.com/api/v2";
    let config = recipe(text, theirs, &format!("{}/api/v2", desk.url()), "tickets-by-status");
    let app = start(&config).await;
    app.beat().await;
    assert_eq!(app.rows("SELECT count(*) FROM tickets"), 250);
    assert_eq!(desk.pages_asked(), 3);

    app.advance_to("2026-03-02T08:06:00Z").await;
    let letters = app.letters_to("lead@example.com");
    let text = &letters[0].text;
    for (status, tickets) in desk.expected(utc("2026-02-22T23:00:00Z"), utc("2026-03-01T23:00:00Z"))
    {
        let line = text.lines().find(|line| line.trim_start().starts_with(status));
        let line = line.unwrap_or_else(|| panic!("no {status} in\n{text}"));
        assert_eq!(line.split_whitespace().nth(1), Some(tickets.to_string().as_str()), "{line}");
    }

    desk.urgent(4, app.clock.now());
    app.advance(TimeDelta::minutes(12)).await;
    let alarms = app.letters_to("ops@example.com");
    assert!(alarms.iter().any(|mail| mail.subject.contains("Urgent tickets wait")), "{alarms:?}");
    // They are solved: the incident is over.
    desk.solve_urgent(app.clock.now());
    app.advance(TimeDelta::minutes(30)).await;
    assert!(app.incidents().is_empty());
}
