//! A world that lives: what is decided is stored, read back and decided from.

use super::*;

/// The engine, as far as notices go: one rule, and one group unless a test says another. What is
/// decided is stored and read back.
pub(super) struct World {
    pub(super) rule: Rule,
    pub(super) group: Group,
    pub(super) routes: Vec<Route>,
    /// Minutes; `at` is the instant.
    pub(super) now: i64,
    pub(super) open: Option<Incident>,
    pub(super) live: BTreeMap<String, Incident>,
    pub(super) told: BTreeMap<String, BTreeMap<String, Told>>,
    pub(super) threads: BTreeMap<String, BTreeMap<String, Thread>>,
    pub(super) occurrences: Vec<Occurrence>,
    pub(super) told_in_part: BTreeMap<(String, String), BTreeSet<String>>,
    pub(super) corrections: Vec<Correction>,
    pub(super) silences: Vec<Silence>,
    pub(super) hidden: BTreeMap<String, BTreeMap<String, Hidden>>,
    pub(super) acks: BTreeMap<String, Ack>,
    pub(super) inhibitions: Vec<Inhibition>,
    pub(super) depends_on: BTreeMap<String, Vec<String>>,
    pub(super) blind: BTreeMap<String, String>,
    pub(super) limits: BTreeMap<String, (u32, TimeDelta)>,
    pub(super) sent: BTreeMap<String, Vec<DateTime<Utc>>>,
    /// Every incident as it was last, in the order in which they came.
    pub(super) incidents: Vec<Incident>,
    pub(super) notices: Vec<(i64, Notice)>,
}

fn stored<T: Serialize + for<'a> Deserialize<'a>>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it is stored");
    serde_json::from_str(&text).expect("and read back")
}

impl World {
    pub(super) fn new(rule: Rule, routes: Vec<Route>) -> World {
        World {
            rule,
            group: Group::all(),
            routes,
            now: 0,
            open: None,
            live: BTreeMap::new(),
            told: BTreeMap::new(),
            threads: BTreeMap::new(),
            occurrences: Vec::new(),
            told_in_part: BTreeMap::new(),
            corrections: Vec::new(),
            silences: Vec::new(),
            hidden: BTreeMap::new(),
            acks: BTreeMap::new(),
            inhibitions: Vec::new(),
            depends_on: BTreeMap::new(),
            blind: BTreeMap::new(),
            limits: BTreeMap::new(),
            sent: BTreeMap::new(),
            incidents: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(super) fn keep(&mut self, incident: Option<Incident>) {
        if let Some(incident) = &incident {
            match self.incidents.iter_mut().find(|known| known.id == incident.id) {
                Some(known) => known.clone_from(incident),
                None => self.incidents.push(incident.clone()),
            }
            self.live.insert(incident.id.clone(), stored(incident));
        } else if let Some(gone) = &self.open {
            self.live.remove(&gone.id);
        }
        self.open = incident.filter(Incident::is_open);
    }

    pub(super) fn view(&self) -> super::super::World<'_> {
        super::super::World {
            occurrences: &self.occurrences,
            told_in_part: &self.told_in_part,
            corrections: &self.corrections,
            silences: &self.silences,
            hidden: &self.hidden,
            acks: &self.acks,
            threads: &self.threads,
            inhibitions: &self.inhibitions,
            depends_on: &self.depends_on,
            blind: &self.blind,
            limits: &self.limits,
            sent: &self.sent,
            ..super::super::World::of(&self.live, &self.told, &self.routes)
        }
    }

    /// What would be decided, and is not committed.
    pub(super) fn ask(&self) -> Decision {
        let decision = decide(&self.view(), minute(self.now));
        assert_eq!(decision, decide(&self.view(), minute(self.now)), "it is a function");
        decision
    }

    pub(super) fn decide(&mut self) -> Decision {
        self.settle();
        let decision = self.ask();
        self.commit(&decision);
        decision
    }

    pub(super) fn commit(&mut self, decision: &Decision) {
        for told in &decision.told {
            let rows = self.told.entry(told.incident.clone()).or_default();
            rows.insert(told.receiver.clone(), stored(told));
        }
        for thread in &decision.threads {
            let rows = self.threads.entry(thread.thread.clone()).or_default();
            rows.insert(thread.receiver.clone(), stored(thread));
        }
        for hidden in &decision.hidden {
            let rows = self.hidden.entry(hidden.silence.clone()).or_default();
            rows.insert(hidden.incident.clone(), stored(hidden));
        }
        for silence in &mut self.silences {
            if decision.ended_silences.contains(&silence.id) {
                silence.ended_at = Some(minute(self.now));
            }
        }
        for id in &decision.done {
            self.live.remove(id);
        }
        for (rule, key, receiver) in &decision.told_in_part {
            let key = (rule.clone(), key.clone());
            self.told_in_part.entry(key).or_default().insert(receiver.clone());
        }
        let told = |o: &Occurrence| (o.rule.clone(), o.record.clone());
        self.occurrences.retain(|o| !decision.told_records.contains(&told(o)));
        self.corrections
            .retain(|c| !decision.told_corrections.contains(&(c.incident.clone(), c.number)));
        for notice in &decision.notices {
            self.sent.entry(notice.receiver.clone()).or_default().push(notice.at);
        }
        let notices = decision.notices.iter().map(|notice| (self.now, stored(notice)));
        self.notices.extend(notices);
        assert!(decision.next.is_none_or(|next| next > minute(self.now)), "{:?}", decision.next);
    }

    pub(super) fn read(&mut self, reading: Reading) {
        let slot = Slot { at: minute(self.now), window: None, reach: MINUTE };
        let seen = Observation::of(self.group.clone(), reading);
        let step = step(&self.rule, self.open.as_ref(), &seen, &slot);
        let moved = step.transition.is_some();
        let before = self.open.as_ref().and_then(|open| open.moved_at);
        let mut incident = step.incident;
        if let Some(incident) = &mut incident {
            incident.moved_at = if moved { None } else { before };
        }
        self.keep(incident);
    }

    /// One reading of a rule for a channel; nothing is decided yet.
    pub(super) fn see(&mut self, rule: &str, channel: &str, value: f64) {
        let mut rule = Rule { name: rule.to_owned(), ..self.rule.clone() };
        rule.labels.insert("team".into(), "desk".into());
        let group = Group {
            key: format!("[\"{channel}\"]"),
            shown: vec![("Channel".to_owned(), channel.to_owned())],
        };
        let same = |i: &&Incident| i.is_open() && i.rule == rule.name && i.group == group;
        let open = self.live.values().find(same).cloned();
        let slot = Slot { at: minute(self.now), window: None, reach: MINUTE };
        let seen = Observation::of(group.clone(), Reading::Value(value));
        let step = step(&rule, open.as_ref(), &seen, &slot);
        let kept = self.open.take();
        match (step.incident, &open) {
            (Some(mut incident), open) => {
                let before = open.as_ref().and_then(|open| open.moved_at);
                incident.moved_at = if step.transition.is_some() { None } else { before };
                self.keep(Some(incident));
            }
            (None, Some(open)) => drop(self.live.remove(&open.id)),
            (None, None) => {}
        }
        self.open = kept;
    }

    /// Readings such as `a! b# c.`: a channel, and warning, critical or clear; then a decision.
    pub(super) fn step(&mut self, readings: &str) -> Decision {
        for reading in readings.split_whitespace() {
            let (channel, value) = reading.split_at(reading.len() - 1);
            let (rule, channel) = channel.split_once('/').unwrap_or(("slow-answer", channel));
            self.see(
                rule,
                channel,
                match value {
                    "!" => 400.0,
                    "#" => 1000.0,
                    _ => 100.0,
                },
            );
        }
        self.decide()
    }

    /// Goes on to a minute, deciding whenever a deadline says so and at no other time.
    pub(super) fn wait_to(&mut self, until: i64) {
        for _ in 0..10_000 {
            let Some(next) = self.ask().next else { break };
            let next = (next - minute(0)).num_seconds();
            assert_eq!(next % 60, 0, "whole minutes in tests");
            if next / 60 > until {
                break;
            }
            self.now = next / 60;
            self.decide();
        }
        self.now = until;
    }

    /// Every notice: minute, kind, receiver, and its items: `+` fired, `^` rose, `=` goes on, `-`
    /// ended, `~` corrected.
    pub(super) fn said(&self) -> Vec<String> {
        let word = |(at, notice): &(i64, Notice)| {
            let items = notice.items.iter().map(|item| {
                let change = match item.change {
                    Change::Fired => '+',
                    Change::LevelUp => '^',
                    Change::Still => '=',
                    Change::Resolved => '-',
                    Change::Corrected => '~',
                };
                format!("{}{change}", item.incident.group.name())
            });
            let records = notice.records.iter().map(|record| record.record.clone());
            let items: Vec<String> = items.chain(records).collect();
            format!("{at} {} {}: {}", notice.kind.word(), notice.receiver, items.join(" "))
        };
        let mut said: Vec<(i64, String)> =
            self.notices.iter().map(|told| (told.0, word(told))).collect();
        // Within one decision the order means nothing.
        said.sort();
        said.into_iter().map(|(_, words)| words).collect()
    }

    /// Why a receiver is told nothing of a channel's incident now.
    pub(super) fn why(&self, channel: &str, receiver: &str) -> (String, Option<i64>) {
        let id =
            self.incidents.iter().rfind(|i| i.group.name() == channel).expect(channel).id.clone();
        let quiet = self.ask().quiet.into_iter().find(|quiet| {
            quiet.incident == id && quiet.receiver.as_deref().is_none_or(|name| name == receiver)
        });
        let quiet = quiet.unwrap_or_else(|| panic!("nothing is said of {channel} to {receiver}"));
        (quiet.reason, quiet.until.map(|at| (at - minute(0)).num_minutes()))
    }

    pub(super) fn id(&self, channel: &str) -> String {
        self.incidents.iter().rfind(|i| i.group.name() == channel).expect(channel).id.clone()
    }

    /// The clock's time is put in when it is committed.
    pub(super) fn settle(&mut self) {
        for incident in
            self.live.values_mut().chain(self.incidents.iter_mut()).chain(self.open.iter_mut())
        {
            incident.moved_at.get_or_insert(minute(self.now));
        }
    }

    /// `.` clear, `!` warning, `#` critical, `?` unknown, `g` gone, each a minute; capitals change
    /// the routes; `Z` removes the rule; in parentheses no decision is made until the last.
    pub(super) fn run(&mut self, script: &str) {
        let mut replaying = false;
        for symbol in script.chars() {
            let reading = match symbol {
                'A' | 'B' | 'C' | 'D' => {
                    self.routes = match symbol {
                        'A' => everything(),
                        'B' => by_level(),
                        'C' => nobody(),
                        _ => elsewhere(),
                    };
                    continue;
                }
                '(' => {
                    replaying = true;
                    continue;
                }
                ')' => {
                    replaying = false;
                    self.now -= 1;
                    self.decide();
                    self.now += 1;
                    continue;
                }
                'Z' => {
                    if let Some(open) = self.open.take() {
                        let at = minute(self.now);
                        self.keep(close(&open, Reason::RuleRemoved, at).incident);
                    }
                    self.decide();
                    continue;
                }
                '.' => Reading::Value(100.0),
                '!' => Reading::Value(400.0),
                '#' => Reading::Value(1000.0),
                '?' => Reading::Unknown,
                'g' => Reading::Gone,
                other => panic!("no step `{other}`"),
            };
            self.read(reading);
            if !replaying {
                self.decide();
            }
            self.now += 1;
        }
    }

    /// Minute, kind and receiver of each notice, e.g. `0Fmail`; `+n` with so many passed incidents.
    pub(super) fn summary(&self) -> String {
        let mut sorted: Vec<_> = self.notices.iter().collect();
        sorted.sort_by_key(|(at, notice)| {
            let began = notice.first().map(|incident| incident.began);
            (*at, began, notice.receiver.clone())
        });
        let words = sorted.into_iter().map(|(at, notice)| {
            let kind = match notice.kind {
                Kind::Fired => 'F',
                Kind::LevelUp => 'U',
                Kind::Reminder => 'M',
                Kind::Resolved => 'R',
                other => panic!("no {other:?} of a single incident"),
            };
            let passed = match notice.passed.len() {
                0 => String::new(),
                n => format!("+{n}"),
            };
            format!("{at}{kind}{}{passed}", notice.receiver)
        });
        words.collect::<Vec<_>>().join(" ")
    }
}
