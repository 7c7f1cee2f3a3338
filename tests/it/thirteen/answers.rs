//! What each shipped report must say, computed from the raw records in plain Rust. Long because it is
//! one list, a function a report in the order of the config, with nothing shared to take out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use postrider::domain::value::Value;

use super::facts::{Channel, Entry, Facts, Session, Work};
use super::shape::{Expected, Grouping, Key, figures};
use super::stats::{count, max, mean, median, ratio, tail};

/// A half-open stretch of time.
pub(super) type Stretch = (DateTime<Utc>, DateTime<Utc>);

/// What the records are asked for.
pub(super) struct Asked<'a> {
    pub(super) facts: &'a Facts,
    pub(super) week: Stretch,
    pub(super) month: Stretch,
    /// The day from which records are loaded.
    pub(super) loaded: &'a str,
}

fn within(at: Option<DateTime<Utc>>, (from, to): Stretch) -> bool {
    at.is_some_and(|at| from <= at && at < to)
}

fn some(values: impl Iterator<Item = Option<f64>>) -> Vec<f64> {
    values.flatten().collect()
}

fn served(session: &&Session) -> bool {
    matches!(session.agent_type.as_deref(), Some("Agent" | "BotToAgent"))
}

fn type_label(value: &str) -> &str {
    match value {
        "EmbeddedMessaging" => "Enhanced Chat",
        "Facebook" => "Facebook Messenger",
        "Text" => "SMS",
        "Line" => "LINE",
        "AppleBusinessChat" => "Apple Messages for Business",
        same => same,
    }
}

fn actor_label(value: &str) -> &str {
    if value == "EndUser" { "End user" } else { value }
}

fn as_is(value: &str) -> &str {
    value
}

/// What became of a session's assignments to people.
struct Served<'a> {
    channel: &'a Channel,
    answer: Option<f64>,
    waited: Option<f64>,
    missed: usize,
}

impl<'a> Asked<'a> {
    /// The tables of all shipped reports, by name.
    pub(super) fn all(&self) -> BTreeMap<&'static str, Expected> {
        BTreeMap::from([
            ("messages-to-resolve", self.messages_to_resolve()),
            ("agent-response-time", self.agent_response_time()),
            ("longest-wait", self.longest_wait()),
            ("longest-waits", self.longest_waits()),
            ("end-user-messages", self.end_user_messages()),
            ("ended-by", self.ended_by()),
            ("session-length", self.session_length()),
            ("resolved-by-bot", self.resolved_by_bot()),
            ("time-to-accept", self.time_to_accept()),
            ("traffic-by-type", self.traffic_by_type()),
            ("traffic-by-channel", self.traffic_by_channel()),
            ("sessions-by-account", self.sessions_by_account()),
            ("users-by-account", self.users_by_account()),
            ("users", self.users()),
            ("undelivered-messages", self.undelivered_messages()),
            ("undelivered-codes", self.undelivered_codes()),
        ])
    }

    /// Sessions that began in a stretch; `None` is all time.
    fn begun(&self, stretch: Option<Stretch>) -> Vec<&'a Session> {
        let inside = |session: &&Session| stretch.is_none_or(|it| within(Some(session.start), it));
        self.facts.sessions.iter().filter(inside).collect()
    }

    fn of_week(&self) -> Vec<&'a Session> {
        self.begun(Some(self.week))
    }

    fn channel(&self, session: &Session) -> &'a Channel {
        &self.facts.channels[session.channel]
    }

    fn channel_key(channel: &Channel) -> Key {
        Key::record(&channel.id, &channel.label)
    }

    fn account_key(&self, account: Option<&str>) -> Key {
        account.map_or_else(
            || Key::nobody("(no account)"),
            |id| Key::record(id, &self.facts.accounts[id]),
        )
    }

    /// How many ended sessions have metrics, where some have none, and how many are still to come.
    fn measured(&self, stretch: Option<Stretch>) -> Vec<String> {
        let ended: Vec<_> = self.begun(stretch).into_iter().filter(|one| one.ended).collect();
        let without: Vec<_> = ended.iter().filter(|one| one.received.is_none()).collect();
        assert!(without.iter().all(|one| self.channel(one).standard));
        let (all, none) = (ended.len(), without.len());
        let have = with_commas(format!(
            "{} of {all} ended sessions have metrics ({none} on standard channels).",
            all - none
        ));
        let begun = self.begun(stretch);
        let open = begun.iter().filter(|one| one.open).count();
        let all = begun.len();
        let over = match open {
            0 => format!("All {all} sessions are over."),
            _ => format!(
                "{} of {all} sessions are over ({open} still open, their metrics to come).",
                all - open
            ),
        };
        vec![have, with_commas(over)]
    }

    fn recording_failures(&self) -> Vec<String> {
        let ended: Vec<_> = self.of_week().into_iter().filter(|one| one.ended).collect();
        let standard = ended.iter().filter(|one| self.channel(one).standard).count();
        vec![with_commas(format!(
            "{standard} of {} ended sessions are on channels that record delivery failures ({} on \
             enhanced channels, where failures are not recorded).",
            ended.len(),
            ended.len() - standard
        ))]
    }

    fn messages_to_resolve(&self) -> Expected {
        let sessions: Vec<_> =
            self.begun(None).into_iter().filter(|one| one.ended).filter(served).collect();
        let sent = some(sessions.iter().map(|one| one.sent));
        let row = typical(&sent, sessions.len());
        let columns = ["Typical", "Mean", "90 % under", "Measured", "Sessions"];
        let mut coverage = self.measured(None);
        coverage.push(format!("Records reach back to {}.", self.loaded));
        Expected { coverage, ..figures(&columns, row, sessions.len()) }
    }

    fn end_user_messages(&self) -> Expected {
        let sessions: Vec<_> = self.of_week().into_iter().filter(|one| one.ended).collect();
        let received = some(sessions.iter().map(|one| one.received));
        let row = typical(&received, sessions.len());
        let columns = ["Typical", "Mean", "90 % under", "Measured", "Sessions"];
        Expected {
            coverage: self.measured(Some(self.week)),
            ..figures(&columns, row, sessions.len())
        }
    }

    fn agent_response_time(&self) -> Expected {
        let sessions: Vec<_> = self.of_week().into_iter().filter(served).collect();
        let means = some(sessions.iter().map(|one| one.mean));
        let (mut seconds, mut messages) = (0.0, 0.0);
        for session in &sessions {
            if let (Some(mean), Some(sent)) = (session.mean, session.sent) {
                seconds += mean * sent;
                messages += sent;
            }
        }
        let row = vec![
            mean(&means),
            ratio(seconds, messages),
            median(&means),
            count(means.len()),
            count(sessions.len()),
        ];
        let columns = [
            "Mean of session means",
            "Weighted by messages, approx.",
            "Median",
            "Measured",
            "Sessions",
        ];
        Expected {
            coverage: self.measured(Some(self.week)),
            ..figures(&columns, row, sessions.len())
        }
    }

    fn longest_wait(&self) -> Expected {
        let table = Grouping {
            items: self.of_week().into_iter().filter(served).collect(),
            keys: &|one: &&Session| vec![Self::channel_key(self.channel(one))],
            figures: &|own, _| {
                let waits = some(own.iter().map(|one| one.longest));
                vec![max(&waits), tail(&waits, 0.95), count(waits.len()), count(own.len())]
            },
            largest: 0,
            top: usize::MAX,
            total: true,
        };
        let table = table.table(&["Channel", "Longest", "95 % under", "Measured", "Sessions"]);
        Expected { coverage: self.measured(Some(self.week)), ..table }
    }

    fn longest_waits(&self) -> Expected {
        let mut waits: Vec<_> =
            self.of_week().into_iter().filter(|one| one.longest.is_some()).collect();
        waits.sort_by(|a, b| {
            let longest = b.longest.unwrap().total_cmp(&a.longest.unwrap());
            longest.then_with(|| a.name.cmp(&b.name))
        });
        let rows = waits.iter().take(10).map(|one| {
            vec![
                Value::Text(one.name.clone()),
                Value::Text(self.channel(one).label.clone()),
                Value::Text(self.account_key(one.account.as_deref()).name.unwrap()),
                Value::Timestamp(one.start),
                Value::Real(one.longest.unwrap()),
            ]
        });
        Expected {
            columns: vec!["Session", "Channel", "Account", "Started", "Waited"],
            rows: rows.collect(),
            others: Some((waits.len() as u64 - 10, None)),
            total: None,
            coverage: self.measured(Some(self.week)),
            records: waits.len(),
        }
    }

    fn ended_by(&self) -> Expected {
        self.ended_shares(
            &|one| Key::value(one.ended_by.as_deref(), actor_label),
            &|one| one.ended_by.is_some(),
            &["Ended by", "Sessions", "Recorded", "Of recorded"],
        )
    }

    fn resolved_by_bot(&self) -> Expected {
        let who = |one: &Session| match one.agent_type.as_deref() {
            Some("Bot") => "Bot alone",
            Some("BotToAgent") => "Bot, then agent",
            Some("Agent") => "Agent",
            Some("System") => "System (outbound)",
            _ => "Nobody",
        };
        self.ended_shares(
            &|one| Key::value(Some(who(one)), as_is),
            &|one| one.agent_type.as_deref() != Some("System"),
            &["Handled by", "Sessions", "Counted", "Share"],
        )
    }

    /// Ended sessions by a key, and what part of those that count each key has.
    fn ended_shares(
        &self,
        key: &dyn Fn(&Session) -> Key,
        counts: &dyn Fn(&Session) -> bool,
        headings: &[&'static str; 4],
    ) -> Expected {
        let table = Grouping {
            items: self.of_week().into_iter().filter(|one| one.ended).collect(),
            keys: &|one: &&Session| vec![key(one)],
            figures: &|own, all| {
                let counted = |some: &[&&Session]| some.iter().filter(|one| counts(one)).count();
                let (part, whole) = (counted(own), counted(all));
                let share = if part == 0 { Value::Null } else { ratio(part as f64, whole as f64) };
                vec![count(own.len()), count(part), share]
            },
            largest: 0,
            top: usize::MAX,
            total: true,
        };
        table.table(headings)
    }

    fn session_length(&self) -> Expected {
        let mut parts: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for work in self.facts.works.iter().filter(|work| !work.is_bot) {
            let ended = self.facts.sessions[work.session].end;
            if let (Some(handled), true) = (work.handled, within(ended, self.week)) {
                parts.entry(work.session).or_default().push(handled);
            }
        }
        let table = Grouping {
            items: parts.into_iter().collect(),
            keys: &|(session, _): &(usize, Vec<f64>)| {
                vec![Self::channel_key(self.channel(&self.facts.sessions[*session]))]
            },
            figures: &|own, _| {
                let handled: Vec<f64> = own.iter().map(|(_, parts)| parts.iter().sum()).collect();
                let lasted: Vec<f64> = own
                    .iter()
                    .map(|(session, _)| {
                        let session = &self.facts.sessions[*session];
                        (session.end.unwrap() - session.start).num_seconds() as f64
                    })
                    .collect();
                let assignments: usize = own.iter().map(|(_, parts)| parts.len()).sum();
                vec![
                    median(&handled),
                    mean(&handled),
                    ratio(handled.iter().sum(), assignments as f64),
                    median(&lasted),
                    count(assignments),
                    count(own.len()),
                ]
            },
            largest: 5,
            top: usize::MAX,
            total: true,
        };
        let records = table.items.iter().map(|(_, parts)| parts.len()).sum();
        let columns = [
            "Channel",
            "Typical",
            "Mean",
            "Mean per assignment",
            "Start to end",
            "Assigned",
            "Sessions",
        ];
        Expected { records, ..table.table(&columns) }
    }

    fn time_to_accept(&self) -> Expected {
        let mut offers: BTreeMap<usize, Vec<&Work>> = BTreeMap::new();
        for work in self.facts.works.iter().filter(|work| !work.is_bot) {
            if within(Some(self.facts.sessions[work.session].start), self.week) {
                offers.entry(work.session).or_default().push(work);
            }
        }
        let records = offers.values().map(Vec::len).sum();
        let served = |(session, works): (usize, Vec<&Work>)| {
            let accepted = works.iter().filter(|work| work.accepted.is_some());
            let first = accepted.min_by_key(|work| (work.requested, work.id.clone()));
            let requested = works.iter().filter_map(|work| work.requested).min();
            let accepted = works.iter().filter_map(|work| work.accepted).min();
            let missed = |work: &&&Work| {
                matches!(work.status.as_str(), "Declined" | "DeclinedOnPushTimeout")
            };
            Served {
                channel: self.channel(&self.facts.sessions[session]),
                answer: first.and_then(|work| work.answer),
                waited: requested.zip(accepted).map(|(from, to)| (to - from).num_seconds() as f64),
                missed: works.iter().filter(missed).count(),
            }
        };
        let table = Grouping {
            items: offers.into_iter().map(served).collect(),
            keys: &|one: &Served<'_>| vec![Self::channel_key(one.channel)],
            figures: &|own, _| {
                let answers = some(own.iter().map(|one| one.answer));
                let waits = some(own.iter().map(|one| one.waited));
                vec![
                    median(&answers),
                    mean(&answers),
                    tail(&waits, 0.95),
                    count(answers.len()),
                    count(own.len() - answers.len()),
                    // A sum over nobody is no sum.
                    match own.len() {
                        0 => Value::Null,
                        _ => count(own.iter().map(|one| one.missed).sum()),
                    },
                ]
            },
            largest: 3,
            top: usize::MAX,
            total: true,
        };
        let columns = [
            "Channel",
            "Typical",
            "Mean",
            "Waited in all, 95 % under",
            "Accepted",
            "Never accepted",
            "Missed offers",
        ];
        Expected { records, ..table.table(&columns) }
    }

    /// Every channel with its number of sessions.
    fn traffic(&self) -> Vec<(&'a Channel, usize)> {
        let sessions = self.of_week();
        let of = |at: usize| sessions.iter().filter(|one| one.channel == at).count();
        self.facts.channels.iter().enumerate().map(|(at, one)| (one, of(at))).collect()
    }

    fn traffic_by_type(&self) -> Expected {
        let table = Grouping {
            items: self.traffic(),
            keys: &|(channel, _): &(&Channel, usize)| {
                vec![Key::value(Some(&channel.kind), type_label)]
            },
            figures: &|own, all| {
                let [part, whole] = [own, all].map(|some| some.iter().map(|one| one.1).sum());
                let share = ratio(part as f64, whole as f64);
                vec![count(part), share, count(own.len())]
            },
            largest: 0,
            top: usize::MAX,
            total: true,
        };
        let records = self.of_week().len();
        Expected { records, ..table.table(&["Type", "Sessions", "Share", "Channels"]) }
    }

    fn traffic_by_channel(&self) -> Expected {
        let table = Grouping {
            items: self.traffic(),
            keys: &|(channel, _): &(&Channel, usize)| {
                vec![Self::channel_key(channel), Key::value(Some(&channel.kind), type_label)]
            },
            figures: &|own, all| {
                let [part, whole] = [own, all].map(|some| some.iter().map(|one| one.1).sum());
                vec![count(part), ratio(part as f64, whole as f64)]
            },
            largest: 0,
            top: usize::MAX,
            total: true,
        };
        let records = self.of_week().len();
        Expected { records, ..table.table(&["Channel", "Type", "Sessions", "Share"]) }
    }

    fn sessions_by_account(&self) -> Expected {
        let table = Grouping {
            items: self.begun(Some(self.month)),
            keys: &|one: &&Session| vec![self.account_key(one.account.as_deref())],
            figures: &|own, all| vec![count(own.len()), ratio(own.len() as f64, all.len() as f64)],
            largest: 0,
            top: 25,
            total: true,
        };
        table.table(&["Account", "Sessions", "Share"])
    }

    fn users_by_account(&self) -> Expected {
        let table = Grouping {
            items: self.facts.people.iter().collect(),
            keys: &|one| vec![self.account_key(one.account.as_deref())],
            figures: &|own, _| {
                let channels: BTreeSet<_> = own.iter().map(|one| one.channel).collect();
                let out = own.iter().filter(|one| one.consent.as_deref() == Some("OptedOut"));
                vec![count(own.len()), count(channels.len()), count(out.count())]
            },
            largest: 0,
            top: 25,
            total: true,
        };
        table.table(&["Account", "Users", "Channels", "Opted out"])
    }

    fn users(&self) -> Expected {
        let mut people: Vec<_> = self.facts.people.iter().collect();
        let label = |at: usize| self.facts.channels[at].label.as_str();
        people.sort_by_cached_key(|one| {
            let account = one.account.as_ref().map(|id| self.facts.accounts[id].clone());
            let consent = (one.consent.is_none(), one.consent.clone());
            (account.is_none(), account, one.name.clone(), label(one.channel), consent)
        });
        let consent = |value: &str| {
            Value::Text(
                match value {
                    "DoublyOptedIn" => "Double opted in",
                    "ExplicitlyOptedIn" => "Explicitly opted in",
                    "ImplicitlyOptedIn" => "Implicitly opted in",
                    "OptedOut" => "Opted out",
                    other => panic!("{other}"),
                }
                .to_owned(),
            )
        };
        let rows = people.iter().take(25).map(|one| {
            vec![
                Value::Text(self.account_key(one.account.as_deref()).name.unwrap()),
                Value::Text(format!("{}…", one.name.chars().next().unwrap())),
                Value::Text(label(one.channel).to_owned()),
                one.consent.as_deref().map_or(Value::Null, consent),
            ]
        });
        Expected {
            columns: vec!["Account", "User", "Channel", "Consent"],
            rows: rows.collect(),
            others: Some((people.len() as u64 - 25, None)),
            records: people.len(),
            ..Expected::default()
        }
    }

    /// Every channel with the messages of its sessions; of a channel that records no failures they
    /// say nothing and stand together.
    fn undelivered_messages(&self) -> Expected {
        let entries = |at: usize| -> Vec<&Entry> {
            let of = |entry: &&Entry| {
                let session = &self.facts.sessions[entry.session];
                session.channel == at && within(Some(session.start), self.week)
            };
            self.facts.entries.iter().filter(of).collect()
        };
        let channels = self.facts.channels.iter().enumerate();
        let mut items: Vec<(&Channel, Option<&Entry>)> = Vec::new();
        for (at, channel) in channels {
            let own = entries(at);
            if own.is_empty() {
                items.push((channel, None));
            }
            items.extend(own.into_iter().map(|entry| (channel, Some(entry))));
        }
        let table = Grouping {
            items,
            keys: &|(channel, entry): &(&Channel, Option<&Entry>)| {
                let sender = entry.map_or("no messages", |entry| actor_label(&entry.sender));
                let sender = if channel.standard { sender } else { "not measured" };
                vec![Self::channel_key(channel), Key::value(Some(sender), as_is)]
            },
            figures: &|own, _| {
                let standard = own.iter().all(|one| one.0.standard);
                let messages = own.iter().filter(|one| one.1.is_some()).count();
                let lost = own.iter().filter(|one| one.1.is_some_and(|it| it.code.is_some()));
                let lost = lost.count();
                match standard {
                    true => vec![count(lost), count(messages), ratio(lost as f64, messages as f64)],
                    false => vec![Value::Null; 3],
                }
            },
            largest: 0,
            top: usize::MAX,
            total: false,
        };
        let table = table.table(&["Channel", "Sender", "Undelivered", "Messages", "Share"]);
        // A session without messages is a record of the period, a channel without sessions is not.
        let written: BTreeSet<usize> = self.facts.entries.iter().map(|it| it.session).collect();
        let silent = |at: &usize| {
            !written.contains(at) && within(Some(self.facts.sessions[*at].start), self.week)
        };
        let silent = (0..self.facts.sessions.len()).filter(silent).count();
        let in_week = |it: &&Entry| within(Some(self.facts.sessions[it.session].start), self.week);
        let messages = self.facts.entries.iter().filter(in_week).count();
        Expected { coverage: self.recording_failures(), records: messages + silent, ..table }
    }

    fn undelivered_codes(&self) -> Expected {
        let lost = |entry: &&Entry| {
            let session = &self.facts.sessions[entry.session];
            self.channel(session).standard
                && within(Some(session.start), self.week)
                && entry.code.is_some()
        };
        let table = Grouping {
            items: self.facts.entries.iter().filter(lost).collect(),
            keys: &|entry: &&Entry| {
                let session = &self.facts.sessions[entry.session];
                vec![
                    Self::channel_key(self.channel(session)),
                    Key::value(Some(&entry.sender), actor_label),
                    Key::value(entry.code.as_deref(), as_is),
                ]
            },
            figures: &|own, _| vec![count(own.len())],
            largest: 0,
            top: 25,
            total: false,
        };
        let table = table.table(&["Channel", "Sender", "Code", "Messages"]);
        Expected { coverage: self.recording_failures(), ..table }
    }
}

/// Median, mean, 90 %, how many were measured of how many.
fn typical(values: &[f64], sessions: usize) -> Vec<Value> {
    vec![median(values), mean(values), tail(values, 0.9), count(values.len()), count(sessions)]
}

/// Thousands apart by a comma, as the shipped locale has them.
fn with_commas(sentence: String) -> String {
    let words = sentence.split(' ').map(|word| {
        let number = word.strip_prefix('(').unwrap_or(word);
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return word.to_owned();
        }
        let cut = word.len() - 3;
        format!("{},{}", &word[..cut], &word[cut..])
    });
    words.collect::<Vec<_>>().join(" ")
}
