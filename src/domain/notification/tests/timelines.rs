//! Random timelines of several incidents under everything that hides and delays, with reloads, lost
//! decisions and restarts: nobody is told twice, nobody is left without an end.

use std::sync::Arc;

use super::super::super::calendar::Calendar;
use super::super::super::zone::Zone;
use super::*;
use crate::domain::route::Escalation;

fn calendar(ranges: &str) -> Arc<Calendar> {
    let hours = [("mon-sun", ranges)];
    Arc::new(Calendar::parse("some", Zone::utc(), &hours, &[]).expect("a calendar"))
}

/// Sets of routes that a reload changes between.
fn routes(which: usize) -> Vec<Route> {
    let grouped = |labels: &[&str], wait, interval| Route {
        group_by: labels.iter().map(|label| (*label).to_owned()).collect(),
        wait: TimeDelta::minutes(wait),
        interval: TimeDelta::minutes(interval),
        ..route(None, &["mail"], Some(7))
    };
    match which % 6 {
        0 => everything(),
        1 => by_level(),
        2 => vec![grouped(&["rule"], 2, 5)],
        3 => vec![Route {
            hours: Some(calendar("00:10-00:20,00:40-01:00")),
            ..grouped(&["Channel"], 1, 0)
        }],
        4 => vec![
            Route {
                mute: vec![calendar("00:05-00:25")],
                ..route(Some("level = 'critical'"), &["hook"], None)
            },
            grouped(&["level"], 0, 3),
        ],
        _ => vec![Route {
            escalate: vec![Escalation { after: TimeDelta::minutes(6), to: vec!["boss".into()] }],
            ..route(None, &["mail"], Some(4))
        }],
    }
}

#[derive(Clone, Debug)]
enum Event {
    See(usize, usize, f64),
    Reload(usize),
    Silence(usize, i64, bool),
    Unsilence,
    Ack(usize, i64),
    Lose,
    Wait(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let value = prop::sample::select(vec![100.0, 100.0, 250.0, 400.0, 800.0, 1000.0]);
    let event = prop_oneof![
        12 => (0usize..3, 0usize..2, value).prop_map(|(c, r, v)| Event::See(c, r, v)),
        1 => (0usize..6).prop_map(Event::Reload),
        1 => (0usize..3, 1i64..20, any::<bool>()).prop_map(|(c, l, u)| Event::Silence(c, l, u)),
        1 => Just(Event::Unsilence),
        1 => (0usize..3, 1i64..15).prop_map(|(c, l)| Event::Ack(c, l)),
        2 => Just(Event::Lose),
        6 => (1i64..6).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 0..40)
}

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const RULES: [&str; 2] = ["down", "slow"];

fn play(w: &mut World, events: &[Event]) {
    for event in events {
        match event {
            Event::See(channel, rule, value) => {
                w.see(RULES[*rule], CHANNELS[*channel], *value);
                w.decide();
            }
            Event::Reload(which) => {
                w.routes = routes(*which);
                w.decide();
            }
            Event::Silence(channel, length, until_resolved) => {
                w.silences.push(Silence {
                    id: format!("s{}", w.silences.len()),
                    condition: format!("Channel = '{}'", CHANNELS[*channel]),
                    author: "Jo".into(),
                    reason: "x".into(),
                    created_at: minute(w.now),
                    ends_at: minute(w.now + length),
                    until_resolved: *until_resolved,
                    ended_at: None,
                    unless: Default::default(),
                });
                w.decide();
            }
            Event::Unsilence => {
                let now = minute(w.now);
                if let Some(silence) = w.silences.last_mut().filter(|silence| silence.is_live(now))
                {
                    silence.ended_at = Some(now);
                }
                w.decide();
            }
            Event::Ack(channel, length) => {
                let name = CHANNELS[*channel];
                let open = w.live.values().find(|i| i.is_open() && i.group.name() == name);
                if let Some(incident) = open.map(|incident| incident.id.clone()) {
                    let (at, until) = (minute(w.now), minute(w.now + length));
                    let ack =
                        Ack { incident: incident.clone(), by: "Jo".into(), note: None, at, until };
                    w.acks.insert(incident, ack);
                }
                w.decide();
            }
            // Decided and never committed: the next one is made from the same.
            Event::Lose => drop(w.ask()),
            Event::Wait(minutes) => {
                for _ in 0..*minutes {
                    w.now += 1;
                    w.decide();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whoever_was_told_the_beginning_is_told_one_end(
        events in events(),
        first in 0usize..6,
        limited in any::<bool>(),
        inhibited in any::<bool>(),
    ) {
        let mut w = World::new(rule(0, 0), routes(first));
        if limited {
            w.limits.insert("mail".into(), (2, TimeDelta::minutes(10)));
        }
        if inhibited {
            w.depends_on = BTreeMap::from([("slow".into(), vec!["down".into()])]);
        }
        play(&mut w, &events);
        // All clear, and time enough for every delay.
        for rule in RULES {
            for channel in CHANNELS {
                w.see(rule, channel, 100.0);
            }
        }
        w.decide();
        w.wait_to(w.now + 3 * 24 * 60);
        prop_assert!(w.live.is_empty(), "somebody is owed for ever: {:?}", w.ask().quiet);
        let mut keys = BTreeSet::new();
        let mut seqs: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        // By receiver and incident: beginnings and ends heard.
        let mut heard: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
        for (_, notice) in &w.notices {
            prop_assert!(keys.insert(notice.key.clone()), "{} twice", notice.key);
            let last = seqs.insert((&notice.thread, &notice.receiver), notice.seq);
            prop_assert!(last.is_none_or(|last| last < notice.seq), "{} goes back", notice.key);
            for item in &notice.items {
                let key = (notice.receiver.as_str(), item.incident.id.as_str());
                let (begun, ended) = heard.entry(key).or_default();
                match item.change {
                    Change::Fired => *begun += 1,
                    Change::Resolved => *ended += 1,
                    Change::Still | Change::LevelUp | Change::Corrected => {
                        prop_assert_eq!((*begun, *ended), (1, 0), "{:?} of {:?}", item.change, key);
                    }
                }
                prop_assert!(*begun <= 1 && *ended <= 1, "{:?}", key);
                prop_assert!(*ended == 0 || item.change == Change::Resolved, "after the end");
            }
            for passed in &notice.passed {
                let key = (notice.receiver.as_str(), passed.incident.as_str());
                let (begun, ended) = heard.entry(key).or_default();
                *ended += 1;
                prop_assert_eq!((*begun, *ended), (0, 1), "{:?}", key);
            }
        }
        for (key, (_, ended)) in &heard {
            prop_assert_eq!(*ended, 1, "{:?} without an end", key);
        }
    }

    #[test]
    fn deadlines_are_when_something_happens(events in events(), first in 0usize..6) {
        // Deciding every minute, and deciding when the last decision said so, is the same.
        let mut often = World::new(rule(0, 0), routes(first));
        play(&mut often, &events);
        let mut seldom = World::new(rule(0, 0), routes(first));
        play(&mut seldom, &events);
        let before = often.notices.len();
        let until = often.now + 90;
        while often.now < until {
            often.now += 1;
            often.decide();
        }
        seldom.wait_to(until);
        prop_assert_eq!(&often.said()[before..], &seldom.said()[before..]);
    }
}
