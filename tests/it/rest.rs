//! A JSON API by config alone, the whole way to mails and rules: what vanishes, what is unchanged,
//! what cannot be read, what moves to another place, what is cut into windows and stopped.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::{Clock, ManualClock};
use postrider::demo::org::Org;
use postrider::engine::pull::Lane;
use postrider::store::records::DatasetState;
use serde_json::{Value, json};

use crate::harness::sources::{Api, Asked, Reply};
use crate::harness::{TestPostrider, utc};

mod beside;
mod hidden;

/// A Monday in Berlin, 07:30.
const NOW: &str = "2026-11-23T06:30:00Z";

/// What surrounds a dataset: mail, one API, a digest of its reports at eight.
const AROUND: &str = r#"
[postrider]
timezone = "Europe/Berlin"
owner = "owner@example.com"

[smtp]
host = "127.0.0.1"
tls = "none"
from = "Postrider <reports@example.com>"

[sources.desk]
kind = "rest"
base_url = "API"
pull_every = "5 min"
history = "5 days"

[receivers.ops-mail]
kind = "email"
to = ["ops@example.com"]

[[routes]]
to = ["ops-mail"]

[digests.daily]
reports = REPORTS
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

struct World {
    t: TestPostrider,
    api: Api,
}

impl World {
    /// At 07:30 in Berlin, with nothing pulled yet. `fill` tells the API what to answer.
    async fn start(config: &str, fill: impl FnOnce(&Api)) -> World {
        World::over(AROUND, config, fill).await
    }

    /// The same with other surroundings.
    async fn over(around: &str, config: &str, fill: impl FnOnce(&Api)) -> World {
        let clock = Arc::new(ManualClock::new(utc(NOW)));
        let api = Api::start(Arc::clone(&clock) as Arc<dyn Clock>).await;
        fill(&api);
        let org = Org::empty(Arc::clone(&clock) as Arc<dyn Clock>);
        let t = TestPostrider::over(&text(&api, around, config), clock, org).await;
        World { t, api }
    }

    async fn reload(&self, config: &str) {
        self.t.app.reload(self.t.config(&text(&self.api, AROUND, config))).await.unwrap();
    }

    /// Lets some minutes pass, with whatever is due in them.
    async fn minutes(&self, minutes: i64) {
        self.t.advance(TimeDelta::minutes(minutes)).await;
    }

    fn state(&self, dataset: &str) -> DatasetState {
        let states = self.t.app.engine().store().dataset_states().unwrap();
        states.into_iter().find(|state| state.dataset == dataset).expect("a dataset")
    }

    /// Today's digest as it would be now, on one line.
    async fn figures(&self) -> String {
        let engine = self.t.app.engine();
        let plant = engine.plant();
        let slot = utc("2026-11-23T07:00:00Z");
        let made = engine.preview(&plant, &plant.digests["daily"], slot).await;
        made.mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Today's digest as it was sent, on one line.
    async fn daily(&self) -> String {
        self.t.advance_to("2026-11-23T07:05:00Z").await;
        let letters = self.t.letters_to("ana@example.com");
        assert_eq!(letters.len(), 1);
        letters[0].words()
    }
}

fn text(api: &Api, around: &str, config: &str) -> String {
    let names = config.split("[reports.").skip(1).filter_map(|rest| rest.split(']').next());
    let names = format!("{:?}", names.collect::<Vec<_>>());
    format!("{around}{config}").replace("API", &api.url()).replace("REPORTS", &names)
}

#[track_caller]
fn says(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
}

const AGENTS: &str = r#"
[datasets.agents]
source = "desk"
path = "/agents"
records = "/agents"
key = "id"
fields = { id = "text", team = "text" }

[reports.figures]
title = "Agents by team"
type = "agents"
group_by = ["agents.team as Team"]
columns = ["count() as Agents"]
sort = "Agents desc"
total = true
"#;

/// These agents, under a mark: whoever knows it is told that nothing changed.
fn agents(mark: &'static str, agents: &[(&str, &str)]) -> impl Fn(&Asked) -> Reply + use<> {
    let agents: Vec<Value> =
        agents.iter().map(|(id, team)| json!({ "id": id, "team": team })).collect();
    let answer = json!({ "agents": agents });
    move |asked| match asked.header("if-none-match") == Some(mark) {
        true => Reply::of(304, ""),
        false => Reply::json(&answer).with("etag", mark),
    }
}

#[tokio::test]
async fn what_vanishes_from_an_answer_leaves_the_figures_and_what_is_unchanged_stays() {
    let all = [("1", "North"), ("2", "North"), ("3", "South")];
    let w = World::start(AGENTS, |api| api.tells("/agents", agents("\"a\"", &all))).await;
    w.t.beat().await;
    says(&w.figures().await, &["North 2", "South 1", "Total 3"]);
    let first = w.api.asked();
    assert_eq!((first.len(), first[0].header("if-none-match")), (1, None));

    // Unchanged, again and again.
    for _ in 0..3 {
        w.minutes(6).await;
        let asked = w.api.asked();
        assert!(!asked.is_empty());
        assert!(asked.iter().all(|one| one.header("if-none-match") == Some("\"a\"")), "{asked:?}");
        says(&w.figures().await, &["North 2", "South 1", "Total 3"]);
    }

    w.api.tells("/agents", agents("\"b\"", &[("1", "North"), ("3", "South")]));
    w.minutes(6).await;
    assert_eq!(w.state("agents").records, 2);
    says(&w.daily().await, &["North 1", "South 1", "Total 2"]);
    w.minutes(12).await;
    assert_eq!(w.api.asked().last().unwrap().header("if-none-match"), Some("\"b\""));
    says(&w.figures().await, &["North 1", "South 1", "Total 2"]);

    // Nobody left: lost permissions look like that.
    w.api.tells("/agents", agents("\"c\"", &[]));
    w.minutes(6).await;
    says(&w.figures().await, &["North 1", "South 1", "Total 2"]);
    let told = w.t.ledger("pull");
    assert!(told.iter().any(|(_, text)| text.contains("came back empty")), "{told:?}");
    // And one who comes back is there again.
    w.api.tells("/agents", agents("\"d\"", &[("2", "North")]));
    w.minutes(6).await;
    let figures = w.figures().await;
    says(&figures, &["North 1", "Total 1"]);
    assert!(!figures.contains("South"), "{figures}");
}

const CALLS: &str = r#"
[datasets.calls]
source = "desk"
path = "/calls"
key = "id"
fields = { id = "text", minutes = "integer" }

[reports.figures]
title = "Calls"
type = "calls"
columns = ["count() as Calls", "sum(calls.minutes) as Minutes"]
"#;

/// Forty calls of a minute each, so many of them without a key.
fn calls(bad: usize) -> Vec<Value> {
    let call = |number: usize| match number <= bad {
        true => json!({ "number": number, "minutes": 1 }),
        false => json!({ "id": format!("c{number}"), "minutes": 1 }),
    };
    (1..=40).map(call).collect()
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_out_and_too_many_fail_the_pull() {
    let mut first = calls(1);
    first[9]["minutes"] = json!("soon");
    let w = World::start(CALLS, |api| api.gives("/calls", json!(first))).await;
    w.t.beat().await;
    let state = w.state("calls");
    assert_eq!((state.records, state.left_out, state.misfits), (39, 1, 1));
    let known = "1 record and 1 value of calls could not be read and are left out.";
    says(&w.figures().await, &["39 38", known]);

    w.api.gives("/calls", json!(calls(10)));
    w.minutes(14).await;
    let state = w.state("calls");
    let (_, why) = state.failure.expect("a failure");
    says(&why, &["10 of 40 records of `calls` cannot be read", "record 1 of a page has no key"]);
    assert_eq!(state.records, 39, "what was known stays");
    let daily = w.daily().await;
    says(&daily, &["39 38", known, "Source desk has given nothing of calls since 23 Nov 2026"]);

    w.api.gives("/calls", json!(calls(0)));
    w.minutes(10).await;
    let figures = w.figures().await;
    says(&figures, &["40 40"]);
    assert!(!figures.contains("left out") && !figures.contains("given nothing"), "{figures}");
}

const TICKETS: &str = r#"
[datasets.tickets]
source = "desk"
path = "/tickets"
query = { since = "{watermark}" }
key = "id"
updated = "changed"
fields = { id = "integer", changed = "timestamp", owner = "/owner/name text" }

[reports.figures]
title = "Tickets by owner"
type = "tickets"
group_by = ["tickets.owner as Owner"]
columns = ["count() as Tickets"]
total = true

[reports.all]
title = "All tickets"
type = "tickets"
columns = ["count() as Tickets"]

[rules.busy]
title = "Somebody has tickets"
type = "tickets"
group_by = ["tickets.owner as Owner"]
value = "count()"
every = "5 min"
levels = [["warning", "> 0"]]
"#;

#[tokio::test]
async fn a_field_that_is_read_elsewhere_is_loaded_anew_and_reports_say_so_until_then() {
    let ticket = |id: u32, owner: &str, agent: &str| {
        let changed = "2026-11-20T10:00:00Z";
        json!({ "id": id, "changed": changed, "owner": { "name": owner }, "agent": agent })
    };
    let all = json!([ticket(1, "Ada", "Cem"), ticket(2, "Ben", "Cem")]);
    let w = World::start(TICKETS, |api| api.gives("/tickets", all)).await;
    w.t.beat().await;
    w.minutes(6).await;
    says(&w.figures().await, &["Ada 1", "Ben 1", "Total 2"]);
    assert_eq!(w.t.incidents().len(), 2);
    w.api.asked();

    w.api.dead(true);
    let moved = TICKETS.replace("/owner/name text", "/agent text");
    w.reload(&moved).await;
    w.minutes(2).await;
    assert_eq!(w.state("tickets").loading, ["owner"]);
    let daily = w.daily().await;
    says(&daily, &["Tickets by owner", "tickets.owner is still being loaded", "All tickets"]);
    assert!(!daily.contains("Ada"), "what was read elsewhere is not the answer: {daily}");
    assert_eq!(w.t.incidents().len(), 2, "what cannot be seen is not over");

    w.api.dead(false);
    w.minutes(10).await;
    let asked = w.api.asked();
    assert!(asked[0].query["since"].starts_with("2026-11-18"), "all of it: {asked:?}");
    says(&w.figures().await, &["Cem 2", "Total 2"]);
    w.minutes(6).await;
    let groups: Vec<String> = w.t.incidents().iter().map(|open| open.group.name()).collect();
    assert_eq!(groups, ["Cem"]);
}

const LINES: &str = r#"
[datasets.lines]
source = "desk"
path = "/orders"
explode = "/lines"
key = ["order", "line"]
fields = { order = "/id text", line = "/lines/number text", price = "/lines/price real" }

[reports.figures]
title = "Orders"
type = "lines"
columns = ["count(distinct lines.order) as Orders", "count() as Lines", "sum(lines.price) as Value"]
"#;

fn order(id: &str, lines: impl IntoIterator<Item = Value>) -> Value {
    json!({ "id": id, "lines": lines.into_iter().collect::<Vec<_>>() })
}

fn line(number: &str, price: u32) -> Value {
    json!({ "number": number, "price": price })
}

#[tokio::test]
async fn a_list_in_each_record_becomes_records_with_a_key_of_both() {
    let a = order("A", [line("1", 10), line("2", 10), line("3", 10)]);
    let b = order("B", [line("1", 5)]);
    let none = json!({ "id": "D", "lines": null });
    // Two keys, although they read the same when they are put together.
    let (c, c_1) = (order("C", [line("1/2", 1)]), order("C/1", [line("2", 1)]));
    let all = json!([a, b, c, c_1, none, order("E", [])]);
    let w = World::start(LINES, |api| api.gives("/orders", all)).await;
    w.t.beat().await;
    assert_eq!(w.state("lines").misfits, 0);
    says(&w.figures().await, &["4 6 37"]);
    assert_eq!(w.t.rows("SELECT count(*) FROM lines WHERE key IN ('A/1', 'B/1', 'C/1~12')"), 3);

    // A line goes, an order goes, and of a hundred lines three have no number: they are few.
    let many = (1..=100).map(|number| match number <= 3 {
        true => json!({ "price": 1 }),
        false => line(&number.to_string(), 1),
    });
    let a = order("A", [line("1", 10), line("3", 10)]);
    w.api.gives("/orders", json!([a.clone(), order("M", many)]));
    w.minutes(6).await;
    assert_eq!(w.state("lines").failure, None);
    says(&w.figures().await, &["2 99 117", "3 records of lines could not be read"]);

    let half = order("M", [line("1", 1), json!({ "price": 1 })]);
    w.api.gives("/orders", json!([a, half]));
    w.minutes(6).await;
    let (_, why) = w.state("lines").failure.expect("a failure");
    says(&why, &["1 of 4 records of `lines` cannot be read", "no key `order/line`"]);
    says(&w.figures().await, &["2 99 117"]);
}

const VISITS: &str = r#"
[datasets.visits]
source = "desk"
path = "/visits"
query = { from = "{from}", to = "{to}" }
window = "1 day"
key = "id"
updated = "at"
created = "at"
fields = { id = "text", at = "timestamp" }

[reports.figures]
title = "Visits"
type = "visits"
columns = ["count() as Visits"]
"#;

/// A visit every six hours of the window that is asked for.
fn visits(asked: &Asked) -> Reply {
    let bound = |name: &str| utc(&asked.query[name]).timestamp();
    const SIX_HOURS: i64 = 6 * 3_600;
    let first = (bound("from") + SIX_HOURS - 1).div_euclid(SIX_HOURS);
    let after = (bound("to") + SIX_HOURS - 1).div_euclid(SIX_HOURS);
    let visit = |number: i64| {
        let at: DateTime<Utc> = DateTime::from_timestamp(number * SIX_HOURS, 0).unwrap();
        json!({ "id": number.to_string(), "at": at.to_rfc3339() })
    };
    Reply::json(&(first..after).map(visit).collect())
}

#[tokio::test]
async fn windows_go_on_where_a_stop_cut_them_off() {
    let mut w = World::start(VISITS, |api| api.tells("/visits", visits)).await;
    let from = |w: &World| -> Vec<String> {
        w.api.asked().into_iter().map(|asked| asked.query["from"].clone()).collect()
    };
    // The third of five days is asked for when the daemon stops.
    w.api.answers_only(2);
    let engine = Arc::clone(w.t.app.engine());
    let stopping = async {
        w.api.has_been_asked(3).await;
        engine.stop();
    };
    let (pulled, ()) = tokio::join!(engine.take_turn("desk", Lane::Loads), stopping);
    assert_eq!(pulled.unwrap(), 0);
    assert_eq!(from(&w), ["2026-11-18T06:30:00Z", "2026-11-19T06:30:00Z", "2026-11-20T06:30:00Z"]);
    let state = w.state("visits");
    assert_eq!((state.ready, state.load_records, state.failure), (false, 8, None));
    says(&w.figures().await, &["visits is still being loaded"]);

    w.api.answers();
    let config = text(&w.api, AROUND, VISITS);
    w.t.restart(&config).await;
    w.t.beat().await;
    // Behind the second day, less the overlap.
    let rest = ["20T06:20:00Z", "21T06:20:00Z", "22T06:20:00Z", "23T06:20:00Z"]
        .map(|at| format!("2026-11-{at}"));
    assert_eq!(from(&w), rest);
    assert_eq!(w.state("visits").records, 20);
    says(&w.figures().await, &["20 Based on 20 records"]);
    w.minutes(6).await;
    assert_eq!(from(&w).len(), 1, "one window suffices from here on");

    let plant = w.t.app.engine().plant();
    let verified = w.t.app.engine().verify(&plant, &plant.datasets[0], false).await.unwrap();
    assert_eq!(verified.words(), "the source cannot count");
}
