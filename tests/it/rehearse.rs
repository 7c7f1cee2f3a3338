//! What a rehearsal says would have been told is what was told: the same incidents and the same
//! notices as the daemon made over the same records. And the commands that are built on it.

use std::sync::Arc;

use chrono::TimeDelta;
use postrider::app::looking::Looking;
use postrider::clock::Clock;
use postrider::demo::org::{Id, Org};
use postrider::domain::incident::Incident;
use postrider::domain::notification::Notice;
use postrider::engine::rehearse::{Rehearsal, Sight, Timeline};

use crate::harness::process::Folder;
use crate::harness::records::{channel, ended, metric, metric_at};
use crate::harness::{HEAD, TestPostrider, utc};

const TYPES: &str = crate::alerts::TYPES;

const RULES: &str = r#"
[rules.longest]
title = "A customer waited too long"
type = "metrics"
date = "metric.CreatedDate"
where = "metric.MessagingSessionMetricType = 'MaxAgentResponseTime'"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "10 min"
every = "5 min"
levels = [["warning", "> 300"], ["critical", "> 900"]]
recover = { warning = "< 240", critical = "< 700" }
format = "duration"

[rules.lasting]
type = "metrics"
date = "metric.CreatedDate"
value = "avg(metric.MessagingSessionMetricValue)"
window = "15 min"
every = "5 min"
for = "10 min"
keep_firing_for = "10 min"
levels = [["warning", "> 400"]]
when_empty = "ok"

[[routes]]
when = "rule = 'longest'"
to = ["ops-mail", "ops-hook"]
repeat = "47 min"

[[routes]]
to = ["ops-hook"]
"#;

/// The same with all that decisions know: incidents grouped, with a wait and an interval between
/// notices, a rule that another explains, one that hides another, a receiver with a limit, and records
/// told one by one.
const INVOLVED: &str = r#"
[rules.many]
type = "metrics"
date = "metric.CreatedDate"
group_by = ["channel as Channel"]
value = "count()"
window = "10 min"
every = "5 min"
levels = [["warning", "> 4"]]
depends_on = ["lasting"]

[rules.awful]
kind = "event"
level = "critical"
type = "metrics"
date = "metric.CreatedDate"
window = "10 min"
where = "metric.MessagingSessionMetricValue > 1140"
columns = ["metric.MessagingSessionMetricValue as Wait"]

[[routes]]
when = "rule in ('longest', 'many')"
to = ["ops-mail", "ops-hook"]
group_by = ["rule"]
wait = "2 min"
interval = "15 min"
repeat = "50 min"

[[routes]]
to = ["ops-hook"]

[[inhibitions]]
when = "rule = 'longest' and level = 'critical'"
hides = "rule = 'many'"
equal = ["Channel"]
"#;

/// Small, the same everywhere, and good enough to make a day uneven.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A daemon that went through some hours of waits on two channels.
async fn went_through(config: &str, seed: u64, minutes: i64) -> TestPostrider {
    let mut sessions: Vec<Id> = Vec::new();
    let fill = |org: &Org| {
        for name in ["Web", "Text"] {
            let channel = channel(org, name);
            sessions.push(ended(org, &channel, "2026-11-20T12:00:00Z", &[]));
        }
    };
    let t = TestPostrider::start(config, "2026-11-23T08:50:00Z", fill).await;
    t.beat().await;
    let mut dice = Dice(seed);
    // A level that wanders, so that episodes last.
    let mut usual = [200i64, 200];
    for _ in 0..minutes {
        t.advance(TimeDelta::minutes(1)).await;
        for (session, usual) in sessions.iter().zip(&mut usual) {
            if dice.roll(20) == 0 {
                *usual = [100, 200, 350, 500, 1100][dice.roll(5) as usize];
            }
            if dice.roll(3) == 0 {
                let value = *usual + dice.roll(60) as i64;
                metric(&t.org, *session, "MaxAgentResponseTime", value);
            }
        }
    }
    // Long enough for everything that is visible to be judged.
    t.advance(TimeDelta::minutes(12)).await;
    t
}

/// What the daemon made: incidents that fired, and notices, in order.
fn real(t: &TestPostrider) -> (Vec<Incident>, Vec<Notice>) {
    let bodies = |sql: &str| -> Vec<String> {
        let read = t.app.engine().store().state.read(|tx| {
            let mut statement = tx.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<Vec<String>, _>>()?)
        });
        read.unwrap()
    };
    let incidents = bodies("select body from incident");
    let incidents = incidents.iter().map(|body| serde_json::from_str(body).unwrap());
    let mut incidents: Vec<Incident> =
        incidents.filter(|incident: &Incident| incident.fired_at.is_some()).collect();
    incidents.sort_by(|a, b| (a.began, &a.rule, &a.id).cmp(&(b.began, &b.rule, &b.id)));
    let notices = bodies("select body from notice order by at, rowid");
    (incidents, notices.iter().map(|body| serde_json::from_str(body).unwrap()).collect())
}

/// The same hours, rehearsed over what is stored.
fn rehearsed(t: &TestPostrider) -> Timeline {
    let config = t.app.config();
    let clock = Arc::clone(&t.clock) as Arc<dyn Clock>;
    let looking = Looking::open(&config, &config.state, &clock).unwrap();
    let rehearsal = Rehearsal {
        plant: &looking.plant,
        rules: config.rules.values().cloned().collect(),
        from: utc("2026-11-23T08:45:00Z"),
        to: t.clock.now() - TimeDelta::minutes(5),
        follow: Some("longest".into()),
    };
    let mut done = 0;
    let timeline =
        rehearsal.run(&mut Sight::Records(&looking.store), &mut |slots| done = slots).unwrap();
    assert_eq!(done, rehearsal.slots());
    timeline
}

fn incident(incident: &Incident) -> String {
    format!(
        "{} {} {} began {} fired {:?} {} worst {:?} {:?}",
        incident.id,
        incident.rule,
        incident.group.name(),
        incident.began,
        incident.fired_at,
        incident.peak.name,
        incident.worst,
        incident.resolved.map(|end| (end.at, end.reason)),
    )
}

/// Keys with what they are about, of one receiver in order.
fn told<'n>(
    receiver: &str,
    notices: impl Iterator<Item = (&'n str, &'n str, &'static str)>,
) -> Vec<String> {
    let of = notices.filter(|(to, ..)| *to == receiver);
    of.map(|(_, key, kind)| format!("{key} {kind}")).collect()
}

#[tokio::test]
async fn what_is_rehearsed_is_what_was_told() {
    holds(&format!("{HEAD}{TYPES}{RULES}"), &[1, 2], 8).await;
}

#[tokio::test]
async fn it_is_so_too_where_routes_group_and_rules_explain_each_other() {
    let (rules, _) = RULES.split_once("[[routes]]").unwrap();
    holds(&format!("{HEAD}{TYPES}{rules}{INVOLVED}"), &[3, 4], 3).await;
}

/// Of each seed's hours: the rehearsal is what the daemon made, and each receiver got so much at
/// least.
async fn holds(config: &str, seeds: &[u64], least: usize) {
    for seed in seeds.iter().copied() {
        let t = went_through(config, seed, 240).await;
        let (incidents, notices) = real(&t);
        let timeline = rehearsed(&t);
        let came: Vec<String> = incidents.iter().map(incident).collect();
        let mut rehearsed: Vec<&Incident> = timeline.incidents.iter().collect();
        rehearsed.sort_by(|a, b| (a.began, &a.rule, &a.id).cmp(&(b.began, &b.rule, &b.id)));
        let said: Vec<String> = rehearsed.into_iter().map(incident).collect();
        assert_eq!(came, said, "seed {seed}");
        assert!(came.len() >= 5, "seed {seed}: too quiet to prove anything: {came:#?}");
        for receiver in ["ops-mail", "ops-hook"] {
            let real = notices.iter().map(|n| (&*n.receiver, &*n.key, n.kind.word()));
            let said = timeline.notices.iter().map(|n| (&*n.receiver, &*n.key, n.kind.word()));
            let (real, said) = (told(receiver, real), told(receiver, said));
            assert_eq!(real, said, "seed {seed}, {receiver}");
            assert!(real.len() >= least, "seed {seed}: {real:#?}");
        }
    }
}

/// Records of three days, pulled once: each day two waits too long on one channel.
async fn three_days() -> Folder {
    let folder = Folder::new().await;
    let web = channel(&folder.org, "Web");
    let session = ended(&folder.org, &web, &folder.ago(TimeDelta::days(5)), &[]);
    for day in 1..=3i64 {
        for hour in 1..=20i64 {
            let value = if hour == 5 {
                400
            } else if hour == 9 {
                1000
            } else {
                100
            };
            let at = folder.ago(TimeDelta::days(day) - TimeDelta::hours(hour));
            metric_at(&folder.org, session, "MaxAgentResponseTime", value, &at);
        }
    }
    folder.write(&format!("{HEAD}{TYPES}{RULES}"));
    folder.done(&["pull"]);
    folder
}

fn json(folder: &Folder, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&folder.done(arguments)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_tried_over_what_is_stored_and_nothing_is_written() {
    let folder = three_days().await;
    let before = std::fs::metadata(folder.path("state/state.db")).unwrap().modified().unwrap();
    let out = folder.done(&["rules", "backtest", "longest", "--chart", "waits.png"]);
    for part in [
        "longest: A customer waited too long",
        "6 incidents",
        "24 notices",
        "ops-hook",
        "20 min",
        "16 min 40 s",
        "▲",
    ] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    let png = std::fs::read(folder.path("waits.png")).unwrap();
    assert_eq!(&png[1..4], b"PNG");
    folder.done(&["rules", "backtest", "longest", "--chart", "waits.svg", "--group", "Web"]);
    let svg = std::fs::read_to_string(folder.path("waits.svg")).unwrap();
    assert!(svg.starts_with("<svg"), "{svg}");
    let facts = json(&folder, &["rules", "backtest", "longest", "--from", "36h", "--json"]);
    assert_eq!(facts["incidents"].as_array().unwrap().len(), 2, "{facts}");
    let after = std::fs::metadata(folder.path("state/state.db")).unwrap().modified().unwrap();
    assert_eq!(before, after, "the daemon's state is not touched");

    let output =
        folder.run(&["rules", "backtest", "longest", "--from", "2001-01-01", "--to", "2001-02-01"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("there are no records of that stretch: the records it reads go from"),
        "{said}"
    );
    let output = folder.run(&["rules", "backtest", "longest", "--chart", "waits.gif"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains(".svg or a .png"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_rule_says_what_would_come_of_it() {
    let folder = three_days().await;
    let at = folder.ago(TimeDelta::days(1) - TimeDelta::hours(5) - TimeDelta::minutes(6));
    let out = folder.done(&["rules", "eval", "longest", "--at", &at]);
    for part in ["Web", "6 min 40 s", "warning", "fired", "`ops-mail` would be told: fired"] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    let facts = json(&folder, &["rules", "eval", "longest", "--at", &at, "--json"]);
    assert_eq!(facts["groups"][0]["value"], 400.0, "{facts}");
    assert_eq!(facts["groups"][0]["level"], "warning");
    assert_eq!(facts["notices"][0]["kind"], "fired");
    let out = folder.done(&["rules", "eval", "longest"]);
    assert!(out.contains("no records in that window, and no open incident"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_config_is_held_against_the_one_in_force() {
    let folder = three_days().await;
    let changed = format!("{HEAD}{TYPES}{RULES}")
        .replace("[\"warning\", \"> 300\"]", "[\"warning\", \"> 500\"]")
        .replace("warning = \"< 240\"", "warning = \"< 450\"")
        .replace("[rules.lasting]", "[rules.enduring]");
    let config = std::fs::read_to_string(folder.config()).unwrap();
    let head = config.split("[report_types").next().unwrap();
    let changed = changed.replacen(HEAD, head, 1);
    std::fs::write(folder.path("new.toml"), changed).unwrap();
    let out = folder.done(&["check", "--replay", "30d", "new.toml"]);
    for part in [
        "rules added: enduring",
        "rules removed: lasting",
        "longest",
        "6 incidents do not fire any more",
        "3 incidents fire now and did not before",
        "-6",
    ] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    let facts = json(&folder, &["check", "--replay", "30d", "new.toml", "--json"]);
    let notices = facts["replay"]["notices"].as_array().unwrap();
    let of_mail = notices.iter().find(|n| n["receiver"] == "ops-mail").unwrap();
    assert_eq!((&of_mail["before"], &of_mail["after"]), (&12.into(), &6.into()), "{facts}");
    // Three of each are those of the rule that has another name now.
    assert_eq!(facts["replay"]["lost"].as_array().unwrap().len(), 6);
    // The same the other way round, and a config against itself.
    let facts = json(&folder, &["check", "--replay", "30d", "--against", "new.toml", "--json"]);
    assert_eq!(facts["replay"]["gained"].as_array().unwrap().len(), 6, "{facts}");
    let facts = json(&folder, &["check", "--replay", "30d", "config.toml", "--json"]);
    assert_eq!(facts["replay"]["gained"].as_array().unwrap().len(), 0);
    assert!(
        facts["replay"]["notices"].as_array().unwrap().iter().all(|n| n["before"] == n["after"])
    );
    let output = folder.run(&["check", "--replay", "30d"]);
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_are_advised_with_what_they_would_miss() {
    let folder = three_days().await;
    let facts = json(&folder, &["rules", "advise", "longest", "--per-week", "3", "--json"]);
    assert_eq!(facts["present"]["alerts"], 6, "{facts}");
    let first = &facts["choices"][0];
    assert!(first["alerts"].as_u64().unwrap() <= 3, "{facts}");
    assert!(first["than"].as_f64().unwrap() >= 400.0, "{facts}");
    assert_eq!(first["missed"].as_array().unwrap().len(), 3, "{facts}");
    let careful = facts["careful"].to_string();
    assert!(careful.contains("less than two weeks"), "{careful}");
    let out = folder.done(&["rules", "advise", "longest", "--per-week", "3"]);
    for part in ["present", "warning > 300", "would have missed Web", "careful: "] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
}
