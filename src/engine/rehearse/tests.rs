use std::collections::BTreeMap;

use super::*;
use crate::domain::route::{Repeat, Route};
use crate::domain::rule::hold::Hold;
use crate::domain::rule::sample;
use crate::domain::value::Value;
use crate::domain::zone::Zone;
use crate::render::Look;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

fn minute(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + MINUTE * i32::try_from(n).unwrap()
}

fn minutes(at: DateTime<Utc>) -> i64 {
    (at - minute(0)).num_minutes()
}

/// One route to two receivers, with a reminder after so many minutes.
fn plant(repeat: Option<i64>) -> Plant {
    let route = Route {
        when: None,
        to: vec!["mail".into(), "hook".into()],
        repeat: repeat.map(|repeat| Repeat::every(TimeDelta::minutes(repeat))),
        ..Route::default()
    };
    Plant {
        ambiguous: Default::default(),
        zone: Zone::utc(),
        locale: "en-GB".into(),
        week_starts: 1,
        owner: None,
        alarm: None,
        archive: TimeDelta::days(400),
        public_url: None,
        metrics: None,
        look: Look::default(),
        mail: None,
        sources: BTreeMap::new(),
        datasets: Vec::new(),
        in_use: Default::default(),
        digests: BTreeMap::new(),
        rules: BTreeMap::new(),
        routes: vec![route],
        inhibitions: Vec::new(),
        receivers: BTreeMap::new(),
        heartbeat: None,
    }
}

/// One reading a minute from minute 0: `!` breach, `#` critical, `.` clear, `x` gone, `?` unknown.
fn told(hold: i64, repeat: Option<i64>, readings: &str) -> (Vec<String>, Vec<String>) {
    let mut rule = sample::rule(&[("warning", "> 1", None), ("critical", "> 10", None)]);
    rule.hold = Hold::Length(MINUTE * i32::try_from(hold).unwrap());
    let plant = plant(repeat);
    let length = i64::try_from(readings.len()).unwrap();
    let rehearsal = Rehearsal {
        plant: &plant,
        rules: vec![Arc::new(rule)],
        from: minute(0),
        to: minute(length - 1),
        follow: Some("slow-answer".into()),
    };
    assert_eq!(rehearsal.slots(), length.unsigned_abs());
    let group = Group::of(["Channel"], &[Value::Text("Web".into())], &[Value::Text("Web".into())]);
    let readings: Vec<char> = readings.chars().collect();
    let mut observer = |_: &Rule, slot: &Slot| {
        let reading = match readings[usize::try_from(minutes(slot.at)).unwrap()] {
            '!' => Reading::Value(5.0),
            '#' => Reading::Value(50.0),
            '.' => Reading::Value(0.0),
            'x' => Reading::Gone,
            _ => return None,
        };
        Some(vec![Observation::of(group.clone(), reading)])
    };
    let mut done = 0;
    let timeline =
        rehearsal.run(&mut Sight::Given(&mut observer), &mut |slots| done = slots).unwrap();
    assert_eq!(done, length.unsigned_abs());
    let counts = timeline.counts["slow-answer"];
    assert_eq!(counts.evaluated + counts.unknown, length.unsigned_abs());
    let unknown = readings.iter().filter(|reading| **reading == '?').count();
    assert_eq!(counts.unknown, unknown as u64);
    let incidents = timeline.incidents.iter().map(|incident| {
        let end = incident.resolved.map(|resolved| minutes(resolved.at));
        format!(
            "{} {} {} {end:?}",
            minutes(incident.began),
            incident.fired_at.map_or(-1, minutes),
            incident.peak.name
        )
    });
    let notices =
        timeline.notices.iter().filter(|notice| notice.receiver == "hook").map(|notice| {
            assert_eq!(notice.groups, ["Web"]);
            format!("{} {}", minutes(notice.at), notice.kind.word())
        });
    let mails = timeline.notices.iter().filter(|notice| notice.receiver == "mail").count();
    let (incidents, notices): (Vec<_>, Vec<_>) = (incidents.collect(), notices.collect());
    assert_eq!(mails, notices.len());
    (incidents, notices)
}

#[track_caller]
fn check(hold: i64, repeat: Option<i64>, readings: &str, incidents: &[&str], notices: &[&str]) {
    let (came, sent) = told(hold, repeat, readings);
    assert_eq!(came, incidents, "{readings}");
    assert_eq!(sent, notices, "{readings}");
}

#[test]
fn an_episode_is_told_from_its_beginning_to_its_end() {
    check(0, None, "..!!..", &["2 2 warning Some(4)"], &["4 fired", "6 resolved"]);
    check(0, None, ".!#!.", &["1 1 critical Some(4)"], &["3 fired", "4 level_up", "6 resolved"]);
    check(2, None, ".!!.!!!", &["4 6 warning None"], &["8 fired"]);
    check(0, None, "!!??!.", &["0 0 warning Some(5)"], &["2 fired", "7 resolved"]);
    check(0, None, "!xxxx", &["0 0 warning Some(4)"], &["2 fired", "6 resolved"]);
    check(0, None, "......", &[], &[]);
}

#[test]
fn reminders_fall_due_between_slots_too() {
    let expected = ["2 fired", "5 reminder", "8 reminder"];
    check(0, Some(3), "!!!!!!!!!", &["0 0 warning None"], &expected);
    // Nothing is read for a while: the reminder comes nevertheless, by the clock.
    check(0, Some(3), "!????????", &["0 0 warning None"], &expected);
}

#[test]
fn readings_of_the_rule_followed_are_kept_and_equal_ones_take_the_room_of_one() {
    let mut tracks = Tracks::default();
    let group = Group::all();
    let values = [1.0, 1.0, 1.0, 2.0, 2.0, 1.0];
    for (slot, value) in (0..).zip(values) {
        let group = group.clone();
        tracks.add(minute(slot), &[Observation::of(group, Reading::Value(value))]);
    }
    tracks.add(minute(6), &[]);
    let track = &tracks.groups["[]"];
    let runs: Vec<(u32, u32)> = track.runs.iter().map(|run| (run.first, run.count)).collect();
    assert_eq!(runs, [(0, 3), (3, 2), (5, 1)]);
    for (slot, value) in values.iter().enumerate() {
        assert_eq!(track.at(slot), Some(Reading::Value(*value)), "{slot}");
    }
    assert_eq!(track.at(6), None);
    let around: Vec<i64> =
        tracks.around(track, minute(3), 1).iter().map(|(at, _)| minutes(*at)).collect();
    assert_eq!(around, [2, 3, 4]);
    assert_eq!(tracks.around(track, minute(60), 2).len(), 1);
}

#[test]
fn slots_lie_on_the_grid_whatever_the_stretch() {
    let mut rule = sample::rule(&[("warning", "> 1", None)]);
    rule.every = MINUTE * 5;
    let plant = plant(None);
    let count = |from: i64, to: i64| {
        let (from, to) = (minute(from), minute(to));
        let rules = vec![Arc::new(rule.clone())];
        let rehearsal = Rehearsal { plant: &plant, rules, from, to, follow: None };
        let mut seen = Vec::new();
        let mut observer = |_: &Rule, slot: &Slot| {
            seen.push(minutes(slot.at));
            Some(Vec::new())
        };
        rehearsal.run(&mut Sight::Given(&mut observer), &mut |_| ()).unwrap();
        assert_eq!(rehearsal.slots(), seen.len() as u64);
        seen
    };
    assert_eq!(count(0, 10), [0, 5, 10]);
    assert_eq!(count(1, 14), [5, 10]);
    assert_eq!(count(6, 9), [0; 0]);
}
