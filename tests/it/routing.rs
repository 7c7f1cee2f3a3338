//! Whom to tell and when, in the running app: groups, hours, silences, acknowledgements, escalation
//! and inhibition over restarts. Looked at in the ledger, where every notice stands with its reason,
//! and at the far ends of the sockets.

use chrono::TimeDelta;
use postrider::clock::Clock;
use postrider::demo::org::{Id, Org, Value};
use postrider::domain::silence::{Ack, Silence};
use postrider::store::state::{acks, silences};

use crate::alerts::TYPES;
use crate::harness::records::{Channel, channel, session};
use crate::harness::{HEAD, TestPostrider};

const RULES: &str = r#"
[rules.waiting]
title = "Customers are waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "count()"
every = "1 min"
levels = [["warning", "> 0"], ["critical", "> 5"]]

[rules.crowded]
title = "Far too many are waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "count()"
every = "1 min"
levels = [["critical", "> 1"]]
labels = { cause = "yes" }
"#;

/// A running postrider with two channels.
struct Desk {
    t: TestPostrider,
    config: String,
    channels: Vec<Channel>,
}

impl Desk {
    /// From 08:50 (UTC) on a Monday.
    async fn begin(routes: &str) -> Desk {
        let config = format!("{HEAD}{TYPES}{RULES}{routes}");
        let mut channels = Vec::new();
        let fill = |org: &Org| channels = vec![channel(org, "Web"), channel(org, "Text")];
        let t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
        t.beat().await;
        Desk { t, config, channels }
    }

    async fn until(&self, at: &str) {
        self.t.advance_to(&format!("2026-11-23T{at}:00Z")).await;
    }

    /// A customer begins to wait.
    fn wait(&self, channel: usize) -> Id {
        let now = self.t.clock.now().to_rfc3339();
        session(&self.t.org, &self.channels[channel], &now, &[("Status", Value::Pick("Waiting"))])
    }

    /// And is answered.
    fn answer(&self, session: Id) {
        self.t.org.update(session, &[("Status", Value::Pick("Active"))]).unwrap();
    }

    /// What was owed to a receiver about a rule, in order: the kinds of the notices.
    fn told(&self, rule: &str, receiver: &str) -> Vec<String> {
        let marker = format!(" to `{receiver}`: ");
        let lines = self.t.ledger(rule).into_iter().filter(|(kind, _)| kind == "notification");
        let kinds = lines.filter_map(|(_, text)| Some(text.split_once(&marker)?.0.to_owned()));
        kinds.collect()
    }

    /// The reason of the last notice about a rule.
    fn reason(&self, rule: &str) -> String {
        let mut lines = self.t.ledger(rule).into_iter();
        lines.rfind(|(kind, _)| kind == "notification").expect("a notice").1
    }

    fn silence(&self, condition: &str, hours: i64) -> Silence {
        let now = self.t.clock.now();
        let silence = Silence {
            id: "5117e9ce".into(),
            condition: condition.into(),
            author: "jo@example.com".into(),
            reason: "drill".into(),
            created_at: now,
            ends_at: now + TimeDelta::hours(hours),
            until_resolved: false,
            ended_at: None,
            unless: Default::default(),
        };
        self.t.app.engine().store().state.write(|tx| silences::put(tx, &silence)).unwrap();
        silence
    }

    fn unsilence(&self) {
        let now = self.t.clock.now();
        let state = &self.t.app.engine().store().state;
        state.write(|tx| silences::end(tx, "5117e9ce", now)).unwrap().expect("it is live");
    }
}

const PLAIN: &str = "[[routes]]\nto = [\"ops-mail\"]\n";

#[tokio::test]
async fn a_silence_swallows_neither_an_end_nor_the_next_beginning() {
    let desk = Desk::begin(PLAIN).await;
    let first = desk.wait(0);
    desk.until("09:00").await;
    assert_eq!(desk.told("waiting", "ops-mail"), ["fired"]);
    desk.silence("rule = 'waiting'", 2);
    desk.until("09:05").await;
    desk.answer(first);
    desk.until("09:15").await;
    assert_eq!(desk.told("waiting", "ops-mail"), ["fired", "resolved"]);
    // It fires again under the silence; when that is ended, it is told at the next beat.
    desk.wait(0);
    desk.until("09:25").await;
    assert_eq!(desk.told("waiting", "ops-mail").len(), 2);
    desk.unsilence();
    desk.t.beat().await;
    assert_eq!(desk.told("waiting", "ops-mail"), ["fired", "resolved", "fired"]);
    assert!(desk.reason("waiting").contains("silenced by jo@example.com (5117e9ce) until now"));
    assert_eq!(desk.t.letters_to("ops@example.com").len(), 3);
    let line = desk.t.letters_to("jo@example.com");
    assert!(line[0].text.contains("silence 5117e9ce hid 1 notice"), "{}", line[0].text);
    assert_eq!(line.len(), 1, "what it hid is told once");
}

#[tokio::test]
async fn a_group_is_told_together_and_its_notices_are_apart() {
    let routes = "[[routes]]\nto = [\"ops-hook\"]\ngroup_by = [\"rule\"]\nwait = \"10 min\"\n\
                  interval = \"20 min\"\n";
    let desk = Desk::begin(routes).await;
    let web = desk.wait(0);
    desk.until("08:55").await;
    let text = desk.wait(1);
    desk.until("09:10").await;
    assert_eq!(desk.told("waiting", "ops-hook"), ["fired"]);
    assert!(desk.reason("waiting").contains("2 fired"), "{}", desk.reason("waiting"));
    desk.answer(web);
    desk.until("09:15").await;
    desk.answer(text);
    desk.until("09:19").await;
    assert_eq!(desk.told("waiting", "ops-hook"), ["fired"]);
    desk.until("09:40").await;
    assert_eq!(desk.told("waiting", "ops-hook"), ["fired", "resolved"]);
    assert_eq!(desk.t.catcher.hooks().len(), 2, "two messages, not four");
}

#[tokio::test]
async fn what_was_missed_is_told_when_the_hours_open() {
    let routes = "[calendars.office]\ntimezone = \"Europe/Berlin\"\n\
                  hours = { mon-fri = \"10:30-18:00\" }\n\
                  [[routes]]\nto = [\"ops-mail\"]\nhours = \"office\"\n";
    let desk = Desk::begin(routes).await;
    desk.wait(0);
    let text = desk.wait(1);
    desk.until("09:05").await;
    desk.answer(text);
    desk.until("09:29").await;
    assert_eq!(desk.told("waiting", "ops-mail"), [""; 0]);
    desk.until("09:30").await;
    let mut told = desk.told("waiting", "ops-mail");
    told.sort();
    assert_eq!(told, ["fired", "resolved"], "what goes on, and what came and went");
    desk.until("10:30").await;
    assert_eq!(desk.told("waiting", "ops-mail").len(), 2);
}

#[tokio::test]
async fn what_nobody_takes_escalates_and_what_somebody_takes_does_not() {
    let routes = "[[routes]]\nto = [\"ops-mail\"]\nrepeat = \"30 min\"\n\
                  escalate = [{ after = \"45 min\", to = [\"ops-hook\"] }]\n";
    let mut desk = Desk::begin(routes).await;
    desk.wait(0);
    desk.until("09:10").await;
    let incident = desk.t.incidents().into_iter().find(|i| i.rule == "waiting").expect("it fires");
    let now = desk.t.clock.now();
    let ack = Ack {
        incident: incident.id,
        by: "Jo".into(),
        note: None,
        at: now,
        until: now + TimeDelta::hours(1),
    };
    desk.t.app.engine().store().state.write(|tx| acks::put(tx, &ack)).unwrap();
    desk.until("10:09").await;
    assert_eq!(desk.told("waiting", "ops-mail"), ["fired"]);
    // It runs out, also over a restart; then the time counts anew.
    let config = desk.config.clone();
    desk.t.restart(&config).await;
    desk.until("10:10").await;
    assert_eq!(desk.told("waiting", "ops-mail"), ["fired", "reminder"]);
    assert!(desk.reason("waiting").contains("the acknowledgement of Jo ran out"));
    desk.until("10:54").await;
    assert_eq!(desk.told("waiting", "ops-hook"), [""; 0]);
    desk.until("10:56").await;
    assert_eq!(desk.told("waiting", "ops-hook"), ["fired"]);
    assert!(desk.reason("waiting").contains("nobody acknowledged it within 45 min"));
}

#[tokio::test]
async fn what_is_hidden_by_its_cause_is_not_told_by_a_restart() {
    let routes = "[[inhibitions]]\nwhen = \"cause = 'yes'\"\nhides = \"rule = 'waiting'\"\n\
                  equal = [\"Channel\"]\n[[routes]]\nto = [\"ops-mail\"]\n";
    let mut desk = Desk::begin(routes).await;
    let sessions = [desk.wait(0), desk.wait(0)];
    desk.wait(1);
    desk.until("09:05").await;
    assert_eq!(desk.told("crowded", "ops-mail"), ["fired"]);
    assert_eq!(desk.told("waiting", "ops-mail"), ["fired"], "the other channel's alone");
    let config = desk.config.clone();
    for at in ["09:06", "09:20", "09:30"] {
        desk.t.restart(&config).await;
        desk.until(at).await;
        assert_eq!(desk.told("waiting", "ops-mail"), ["fired"], "after a restart at {at}");
    }
    desk.answer(sessions[0]);
    desk.until("09:45").await;
    assert_eq!(desk.told("crowded", "ops-mail"), ["fired", "resolved"]);
    assert_eq!(desk.told("waiting", "ops-mail"), ["fired", "fired"], "now it is");
}

#[tokio::test]
async fn a_route_in_other_words_repeats_nothing() {
    let desk = Desk::begin("[[routes]]\nto = [\"ops-hook\"]\ngroup_by = [\"rule\"]\n").await;
    desk.wait(0);
    desk.until("09:10").await;
    let reworded = format!(
        "{HEAD}{TYPES}{RULES}[[routes]]\nwhen = \"rule in ('waiting')\"\nto = [\"ops-hook\"]\n\
         group_by = [\"rule\"]\n[[routes]]\nto = [\"ops-mail\"]\n"
    );
    desk.t.app.reload(desk.t.config(&reworded)).await.unwrap();
    desk.until("09:30").await;
    assert_eq!(desk.told("waiting", "ops-hook"), ["fired"]);
}
