//! Telling: each step of a story as changes to records.

use super::{Life, Person, Step, Told, change};
use crate::demo::org::id::Id;
use crate::demo::org::names;
use crate::demo::org::plan::{CHANNELS, METRICS_SINCE};
use crate::demo::org::rng::Rng;
use crate::demo::org::story::{Fate, Work};
use crate::demo::org::value::Value;
use crate::demo::org::world::{World, object};

/// The one bot of the org.
const BOT: [u8; 3] = *b"0Xx";
/// Codes of messages that did not arrive.
const FAILURES: &[&str] = &["551", "10", "30003", "30005", "30006", "2018278"];

impl Life {
    /// Tells one step.
    pub(super) fn tell(&mut self, told: &mut Told, step: Step, at: i64, world: &mut World) {
        if step == Step::Arrive {
            return self.arrive(told, at, world);
        }
        let Some(session) = told.session else { return };
        let status = |status: &'static str| [("Status", Value::Pick(status))];
        match step {
            Step::Arrive => {}
            Step::Consent | Step::Resume => change(world, session, at, &status("Active")),
            Step::Handover | Step::Reopen => change(world, session, at, &status("Waiting")),
            Step::Pause => change(world, session, at, &status("Paused")),
            Step::Idle => change(world, session, at, &status("Inactive")),
            Step::Assign(place) => self.assign(told, session, usize::from(place), at, world),
            Step::Accept(place) => self.accept(told, session, usize::from(place), at, world),
            Step::Settle(place) => settle(told, usize::from(place), at, world),
            Step::End => self.end(told, session, at, world),
            Step::TabClosed => self.close_tab(told, session, at, world),
            // Gone already if a test deleted it.
            Step::Erase => drop(world.delete(session, at)),
        }
    }

    fn arrive(&mut self, told: &mut Told, at: i64, world: &mut World) {
        let channel = &CHANNELS[told.channel];
        let person = self.person(told.channel, &mut told.story.rng, at, world);
        let rng = &mut told.story.rng;
        let (status, agent_type) = told.story.opening;
        let key = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            rng.next() as u32,
            rng.next() as u16,
            rng.next() as u16,
            rng.next() as u16,
            rng.next() >> 16
        );
        let language = *rng.pick(&["de", "en_US", "fr", "ja"]);
        let owner = if status == "Waiting" { self.queue } else { world.system_user };
        let fields = [
            ("Status", Value::Pick(status)),
            ("AgentType", agent_type.map_or(Value::Null, Value::Pick)),
            ("Origin", Value::Pick(told.story.origin)),
            ("StartTime", Value::At(at)),
            ("MessagingChannelId", self.channels[told.channel].into()),
            ("MessagingEndUserId", person.id.into()),
            ("EndUserAccountId", person.account.into()),
            ("ChannelName", Value::Pick(channel.label)),
            ("ChannelType", Value::Pick(channel.kind)),
            ("ChannelKey", format!("{}:org", channel.developer).into()),
            ("EndUserLanguage", Value::Pick(language)),
            ("SessionKey", key.into()),
            ("OwnerId", owner.into()),
            ("PreviewDetails", Value::Pick("Hello, I have a question about my order")),
        ];
        let session = create(world, "MessagingSession", at, &fields);
        told.session = Some(session);
        if !channel.enhanced && told.story.origin == "InboundInitiated" {
            // The first message of a standard session is there at once.
            let first = Entry { seq: 0, time: at, actor: "EndUser", code: None };
            self.entry(told, session, first, person.id, at, world);
        }
    }

    /// Someone new, or someone who was here before.
    fn person(&mut self, channel: usize, rng: &mut Rng, at: i64, world: &mut World) -> Person {
        let known = &self.people[channel];
        if !known.is_empty() && rng.chance(0.5) {
            // Those who came first come most often.
            let place = (rng.unit() * rng.unit() * known.len() as f64) as usize;
            return known[place.min(known.len() - 1)];
        }
        let phone = format!("+49 15{} {:07}", rng.below(10), rng.below(10_000_000));
        let is_phone = matches!(CHANNELS[channel].kind, "WhatsApp" | "Text");
        let name = names::person(rng, is_phone.then_some(phone.as_str()));
        let account = rng.chance(0.65).then(|| rng.weighted(&self.accounts));
        let platform_key = if is_phone { phone } else { format!("{:016x}", rng.next()) };
        let consent = rng.weighted(&[
            (Some("ImplicitlyOptedIn"), 0.8),
            (Some("ExplicitlyOptedIn"), 0.1),
            (Some("DoublyOptedIn"), 0.05),
            (Some("OptedOut"), 0.03),
            (None, 0.02),
        ]);
        let fields = [
            ("Name", name.into()),
            ("AccountId", account.into()),
            ("MessagingChannelId", self.channels[channel].into()),
            ("MessageType", Value::Pick(CHANNELS[channel].kind)),
            ("IsFullyOptedIn", (consent == Some("DoublyOptedIn")).into()),
            ("MessagingConsentStatus", consent.map_or(Value::Null, Value::Pick)),
            ("HasInitialResponseSent", true.into()),
            ("MessagingPlatformKey", platform_key.into()),
            ("IsoCountryCode", Value::Pick("DE")),
        ];
        let person = Person { id: create(world, "MessagingEndUser", at, &fields), account };
        self.people[channel].push(person);
        person
    }

    fn assign(&mut self, told: &mut Told, session: Id, place: usize, at: i64, world: &mut World) {
        let work = told.story.works[place].clone();
        let user = self.user(&work, world);
        let handed_on = place > 0
            && matches!(told.story.works[place - 1].fate, Fate::Done { transferred: true, .. });
        let requester = handed_on
            .then(|| self.user(&told.story.works[place - 1], world))
            .filter(|_| told.story.rng.chance(0.5));
        let is_bot = work.rep.is_none();
        let fields = [
            ("Status", Value::Pick("Assigned")),
            ("WorkItemId", session.into()),
            ("UserId", user.into()),
            ("OwnerId", user.into()),
            ("ServiceChannelId", self.messaging_work.into()),
            ("OriginalGroupId", self.queue.into()),
            ("TransferRequesterId", requester.into()),
            ("RequestDateTime", Value::At(work.requested)),
            ("AssignedDateTime", Value::At(at)),
            ("BotId", is_bot.then(|| Id::new(BOT, 1)).into()),
            ("BotType", if is_bot { Value::Pick("Bot") } else { Value::Null }),
            ("CapacityModel", Value::Pick("StatusBased")),
            ("CapacityWeight", 1.into()),
            ("RoutingType", Value::Pick("QueueBased")),
            ("RoutingModel", Value::Pick("LeastActive")),
            ("RoutingPriority", 1.into()),
            ("PushTimeout", 30.into()),
        ];
        told.works[place] = Some(create(world, "AgentWork", at, &fields));
    }

    fn user(&self, work: &Work, world: &World) -> Id {
        work.rep.map_or(world.system_user, |rep| self.reps[rep])
    }

    fn accept(&mut self, told: &mut Told, session: Id, place: usize, at: i64, world: &mut World) {
        let work = &told.story.works[place];
        if let Some(id) = told.works[place] {
            let fields = [
                ("Status", Value::Pick("Opened")),
                ("AcceptDateTime", Value::At(at)),
                ("SpeedToAnswer", (at - work.requested).into()),
            ];
            change(world, id, at, &fields);
        }
        if work.rep.is_none() {
            return;
        }
        let mut fields = vec![
            ("Status", Value::Pick("Active")),
            ("OwnerId", self.user(work, world).into()),
            ("AgentType", told.story.agent_type.map_or(Value::Null, Value::Pick)),
        ];
        let is_first = told.story.works[..place]
            .iter()
            .all(|before| before.rep.is_none() || !matches!(before.fate, Fate::Done { .. }));
        if is_first {
            fields.push(("AcceptTime", Value::At(at)));
        }
        change(world, session, at, &fields);
    }

    fn end(&mut self, told: &mut Told, session: Id, at: i64, world: &mut World) {
        let story = &mut told.story;
        let figures = story.figures;
        let channel = &CHANNELS[told.channel];
        let mut fields = vec![
            ("Status", Value::Pick(story.outcome)),
            ("EndTime", Value::At(at)),
            ("EndedByType", story.ended_by.map_or(Value::Null, Value::Pick)),
            ("AgentType", story.agent_type.map_or(Value::Null, Value::Pick)),
        ];
        if !channel.enhanced {
            // Not calculated for enhanced sessions.
            fields.push(("AgentMessageCount", figures.agent_messages.into()));
            fields.push(("EndUserMessageCount", figures.user_messages.into()));
        }
        change(world, session, at, &fields);
        // On the first day metrics may be missing.
        let measured = story.start >= METRICS_SINCE + 86_400
            || (story.start >= METRICS_SINCE && story.rng.chance(0.5));
        if !(channel.enhanced && story.outcome == "Ended" && measured) {
            return;
        }
        let split = |pair: Option<(i64, i64)>| (pair.map(|two| two.0), pair.map(|two| two.1));
        let (agent_mean, agent_longest) = split(figures.agent_response);
        let (user_mean, user_longest) = split(figures.user_response);
        let zero = self.plan.zero_metrics.then_some(0);
        for (kind, value) in [
            ("AgentMessageCount", Some(figures.agent_messages)),
            ("EndUserMessageCount", Some(figures.user_messages)),
            ("AverageAgentResponseTime", agent_mean.or(zero)),
            ("MaxAgentResponseTime", agent_longest.or(zero)),
            ("AverageEndUserResponseTime", user_mean.or(zero)),
            ("MaxEndUserResponseTime", user_longest.or(zero)),
            ("ServiceRepFirstResponseTime", figures.first_response),
        ] {
            let Some(value) = value else { continue };
            let fields = [
                ("MessagingSessionId", session.into()),
                ("MessagingSessionMetricType", Value::Pick(kind)),
                ("MessagingSessionMetricValue", value.into()),
            ];
            create(world, "MessagingSessionMetrics", at, &fields);
        }
    }

    /// The last tab closes: now the entries are written, and now and then a case is closed too.
    fn close_tab(&mut self, told: &mut Told, session: Id, at: i64, world: &mut World) {
        let channel = &CHANNELS[told.channel];
        if !channel.enhanced || channel.blank_entries {
            self.entries(told, session, at, world);
        }
        let rep = told.story.works.iter().rev().find_map(|work| work.rep);
        let (Some(rep), true) = (rep, told.story.rng.chance(0.03)) else { return };
        let took = told.story.rng.log_normal(600.0, 0.8, 30, 7_200);
        let (user, began) = (self.reps[rep], at - took);
        let chance = told.story.rng.next();
        let account = world.tables.row(session).and_then(|row| {
            let ix = object("MessagingSession").position("EndUserAccountId")?;
            Some(row[ix].clone())
        });
        let subject = [Value::Pick("Refund"), Value::Pick("Delivery is late"), Value::Null];
        let case = create(
            world,
            "Case",
            at,
            &[
                ("Subject", subject[(chance % 3) as usize].clone()),
                ("Status", Value::Pick("Closed")),
                ("Priority", Value::Pick(["Low", "Medium", "High"][(chance / 3 % 3) as usize])),
                ("Origin", Value::Pick("Messaging")),
                ("OwnerId", user.into()),
                ("AccountId", account.unwrap_or(Value::Null)),
                ("IsClosed", true.into()),
                ("CreatedDate", Value::At(began)),
                ("ClosedDate", Value::At(at)),
            ],
        );
        let fields = [
            ("Status", Value::Pick("Closed")),
            ("WorkItemId", case.into()),
            ("UserId", user.into()),
            ("OwnerId", user.into()),
            ("ServiceChannelId", self.case_work.into()),
            ("RequestDateTime", Value::At(began - 20)),
            ("AssignedDateTime", Value::At(began - 5)),
            ("AcceptDateTime", Value::At(began)),
            ("CloseDateTime", Value::At(at)),
            ("SpeedToAnswer", 20.into()),
            ("HandleTime", took.into()),
        ];
        create(world, "AgentWork", at, &fields);
    }

    fn entries(&mut self, told: &mut Told, session: Id, at: i64, world: &mut World) {
        let channel = &CHANNELS[told.channel];
        let (figures, start) = (told.story.figures, told.story.start);
        let is_bot = told.story.agent_type == Some("Bot");
        let (mut inbound, mut outbound) = (figures.user_messages, figures.agent_messages);
        if is_bot {
            outbound = inbound;
        }
        if told.story.origin == "TriggeredOutbound" {
            outbound = 1;
        }
        let total = inbound + outbound;
        let span = told.story.idle.unwrap_or(told.story.end) - start;
        let person = match world.tables.row(session) {
            Some(row) => row[object("MessagingSession")
                .position("MessagingEndUserId")
                .expect("a session has a user")]
            .clone(),
            None => return,
        };
        let Value::Id(person) = person else { return };
        for seq in 0..total {
            let rng = &mut told.story.rng;
            let from_user = inbound > 0
                && (seq == 0 || outbound == 0 || rng.chance(inbound as f64 / (total - seq) as f64));
            let actor = match (from_user, told.story.handover) {
                (true, _) => "EndUser",
                (false, Some(over)) if start + span * seq / total < over => "Bot",
                (false, _) if is_bot => "Bot",
                (false, _) if told.story.origin == "TriggeredOutbound" => "System",
                (false, _) => "Agent",
            };
            if from_user {
                inbound -= 1;
            } else {
                outbound -= 1;
            }
            let lost = !channel.enhanced && rng.chance(if from_user { 0.002 } else { 0.011 });
            let code = lost.then(|| *rng.pick(FAILURES));
            let is_first = seq == 0 && !channel.enhanced && actor == "EndUser";
            if is_first {
                // Written when the session began.
                continue;
            }
            let entry = Entry { seq, time: start + span * seq / total, actor, code };
            self.entry(told, session, entry, person, at, world);
        }
    }

    fn entry(
        &self,
        told: &Told,
        session: Id,
        entry: Entry,
        person: Id,
        at: i64,
        world: &mut World,
    ) {
        let enhanced = CHANNELS[told.channel].enhanced;
        let rep = told.story.works.iter().rev().find_map(|work| work.rep);
        let actor = match (entry.actor, rep) {
            ("EndUser", _) => Some(person),
            ("Agent", Some(rep)) => Some(self.reps[rep]),
            ("Bot", _) => Some(Id::new(BOT, 1)),
            _ => None,
        };
        let status = match (enhanced, entry.code, entry.actor) {
            (true, _, _) => Value::Null,
            (_, Some(_), _) => Value::Pick("Error"),
            (_, None, "EndUser") => Value::Pick("Read"),
            (_, None, _) => Value::Pick("Delivered"),
        };
        let text = if enhanced { Value::Null } else { Value::Pick("(text of the message)") };
        let fields = [
            ("ConversationId", session.into()),
            ("ActorId", actor.into()),
            ("ActorType", Value::Pick(entry.actor)),
            ("EntryType", Value::Pick("Text")),
            ("EntryTime", Value::At(entry.time)),
            ("EntryTimeMilliSecs", ((entry.seq * 37) % 1_000).into()),
            ("HasAttachments", false.into()),
            ("Message", text),
            ("MessageStatus", status),
            ("MessageStatusCode", entry.code.map_or(Value::Null, Value::Pick)),
            ("Seq", entry.seq.into()),
        ];
        create(world, "ConversationEntry", at, &fields);
    }
}

/// One message.
struct Entry {
    seq: i64,
    time: i64,
    actor: &'static str,
    code: Option<&'static str>,
}

/// An assignment is over.
fn settle(told: &mut Told, place: usize, at: i64, world: &mut World) {
    let Some(id) = told.works[place] else { return };
    let fields = match told.story.works[place].fate {
        Fate::Declined(_) => vec![
            ("Status", Value::Pick("Declined")),
            ("DeclineDateTime", Value::At(at)),
            ("DeclineReason", Value::Pick("Busy with another customer")),
        ],
        Fate::TimedOut(_) => vec![
            ("Status", Value::Pick("DeclinedOnPushTimeout")),
            ("PushTimeoutDateTime", Value::At(at)),
        ],
        Fate::Canceled(_) => {
            vec![("Status", Value::Pick("Canceled")), ("CancelDateTime", Value::At(at))]
        }
        Fate::Done { accepted, after_work, transferred, .. } => vec![
            ("Status", Value::Pick(if transferred { "Transferred" } else { "Closed" })),
            ("CloseDateTime", Value::At(at)),
            ("HandleTime", (at - accepted).into()),
            ("AfterConversationActualTime", (after_work > 0).then_some(after_work).into()),
        ],
    };
    change(world, id, at, &fields);
}

fn create(world: &mut World, name: &str, at: i64, fields: &[(&str, Value)]) -> Id {
    world.insert(object(name), at, fields).expect("the generator fills what must be filled")
}
