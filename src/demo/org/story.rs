//! The whole course of one session, decided when it begins: what happens at which second. Telling
//! it ([`super::life`]) is only a matter of time.

use super::plan::Channel;
use super::rng::Rng;

/// Seconds a day has.
const DAY: i64 = 86_400;
/// Nobody waits longer than this when all is well.
const WAIT_MAX: i64 = 150;

/// One session's course. Instants are seconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) rng: Rng,
    pub(crate) start: i64,
    pub(crate) origin: &'static str,
    /// Status and `AgentType` at the start.
    pub(crate) opening: (&'static str, Option<&'static str>),
    /// When the customer's consent turns `Consent` into `Active`.
    pub(crate) consent: Option<i64>,
    /// When the bot hands over and the customer waits for a person.
    pub(crate) handover: Option<i64>,
    pub(crate) works: Vec<Work>,
    pub(crate) paused: Option<(i64, i64)>,
    /// When the session goes `Inactive`.
    pub(crate) idle: Option<i64>,
    /// When a message of the customer makes it wait again.
    pub(crate) reopened: Option<i64>,
    pub(crate) end: i64,
    /// `Ended` or `Error`.
    pub(crate) outcome: &'static str,
    pub(crate) ended_by: Option<&'static str>,
    /// `AgentType` at the end.
    pub(crate) agent_type: Option<&'static str>,
    /// When the last tab on it closes.
    pub(crate) tab_closed: i64,
    pub(crate) erased: Option<i64>,
    pub(crate) figures: Figures,
}

/// What its metrics will say: counts and seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) agent_messages: i64,
    pub(crate) user_messages: i64,
    /// Mean and longest, where an agent answered.
    pub(crate) agent_response: Option<(i64, i64)>,
    pub(crate) user_response: Option<(i64, i64)>,
    pub(crate) first_response: Option<i64>,
}

/// One assignment.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// Which representative; `None`: the bot.
    pub(crate) rep: Option<usize>,
    pub(crate) requested: i64,
    pub(crate) assigned: i64,
    pub(crate) fate: Fate,
}

/// What became of an assignment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Declined(i64),
    TimedOut(i64),
    /// The customer left first.
    Canceled(i64),
    Done {
        accepted: i64,
        closed: i64,
        after_work: i64,
        transferred: bool,
    },
}

/// What may bend a story.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Circumstances {
    /// Nobody accepts before this instant.
    pub(crate) held_until: Option<i64>,
    pub(crate) reopened_share: f64,
    pub(crate) reps: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Course {
    Outbound,
    Bot,
    BotThenAgent,
    Agent,
}

/// Decides a session's course.
pub(crate) fn story(channel: &Channel, start: i64, mut rng: Rng, around: Circumstances) -> Story {
    let course = match (around.held_until, channel.enhanced) {
        (Some(_), _) => Course::Agent,
        (None, true) => rng.weighted(&[
            (Course::Outbound, if channel.kind == "WhatsApp" { 0.04 } else { 0.0 }),
            (Course::Bot, 0.27),
            (Course::BotThenAgent, 0.27),
            (Course::Agent, 0.42),
        ]),
        (None, false) => rng.weighted(&[
            (Course::Bot, 0.08),
            (Course::BotThenAgent, 0.07),
            (Course::Agent, 0.85),
        ]),
    };
    let mut story = Story {
        start,
        origin: "InboundInitiated",
        opening: ("Waiting", None),
        consent: None,
        handover: None,
        works: Vec::new(),
        paused: None,
        idle: None,
        reopened: None,
        end: start,
        outcome: "Ended",
        ended_by: Some("EndUser"),
        agent_type: None,
        tab_closed: start,
        erased: None,
        figures: Figures::default(),
        rng: rng.clone(),
    };
    match course {
        Course::Outbound => outbound(&mut story, &mut rng),
        Course::Bot => bot(&mut story, &mut rng, channel),
        Course::BotThenAgent | Course::Agent => {
            served(&mut story, &mut rng, channel, course == Course::BotThenAgent, around);
        }
    }
    if !channel.enhanced {
        story.ended_by = None;
    }
    // No answer takes longer than its session.
    let span = (story.end - story.start).max(1);
    let within = |(mean, longest): (i64, i64)| (mean.min(longest).min(span), longest.min(span));
    story.figures.agent_response = story.figures.agent_response.map(within);
    story.figures.user_response = story.figures.user_response.map(within);
    story.tab_closed = story.tab_closed.max(story.end);
    if rng.chance(0.005) {
        story.erased = Some(story.tab_closed + rng.between(6 * 3_600, 40 * 3_600));
    }
    story.rng = rng;
    story
}

/// A message to a customer who mostly never answers.
fn outbound(story: &mut Story, rng: &mut Rng) {
    story.origin = "TriggeredOutbound";
    story.opening = ("New", Some("System"));
    story.agent_type = Some("System");
    story.end = story.start + 2 * DAY + rng.between(0, 600);
    story.ended_by = Some("System");
}

/// A bot alone.
fn bot(story: &mut Story, rng: &mut Rng, channel: &Channel) {
    story.opening = ("Active", Some("Bot"));
    story.agent_type = Some("Bot");
    if channel.enhanced && rng.chance(0.08) {
        story.opening.0 = "Consent";
        story.consent = Some(story.start + rng.between(4, 40));
    }
    let from = story.consent.unwrap_or(story.start);
    story.end = from + rng.log_normal(140.0, 0.7, 10, 3_600);
    story.ended_by = Some(rng.weighted(&[("EndUser", 0.55), ("Bot", 0.35), ("System", 0.10)]));
    if channel.kind == "EmbeddedMessaging" {
        let accepted = from + 1;
        let fate = Fate::Done { accepted, closed: story.end, after_work: 0, transferred: false };
        story.works.push(Work { rep: None, requested: from, assigned: from, fate });
    }
    if channel.enhanced && rng.chance(0.12) {
        go_idle(story, rng);
    }
    story.figures.user_messages = rng.log_normal(3.0, 0.6, 1, 40);
    story.figures.user_response = response(rng, 25.0);
}

/// A person, with or without a bot before.
fn served(
    story: &mut Story,
    rng: &mut Rng,
    channel: &Channel,
    after_bot: bool,
    around: Circumstances,
) {
    let mut request = story.start;
    if after_bot {
        story.opening = ("Active", Some("Bot"));
        request += rng.log_normal(35.0, 0.5, 8, 70);
        story.handover = Some(request);
    }
    let longest = if after_bot { WAIT_MAX / 2 } else { WAIT_MAX };
    let mut accepted = request + rng.log_normal(34.0, 0.8, 3, longest);
    if let Some(until) = around.held_until {
        accepted = until + rng.between(5, 120);
    } else if rng.chance(0.04) {
        return abandoned(story, rng, request, after_bot, around);
    }
    if rng.chance(0.09) {
        // The first offer is turned down or left ringing.
        let assigned = request + rng.between(1, 5);
        let fate = match rng.chance(0.6) {
            true => Fate::Declined(assigned + rng.between(3, 15)),
            false => Fate::TimedOut(assigned + 30),
        };
        let (Fate::Declined(settled) | Fate::TimedOut(settled)) = fate else { unreachable!() };
        let rep = Some(rng.below(around.reps));
        story.works.push(Work { rep, requested: request, assigned, fate });
        accepted = accepted.max(settled + 4);
        request = settled;
    }
    story.agent_type = Some(if after_bot { "BotToAgent" } else { "Agent" });
    let first_accept = accepted;
    // Now and then someone is forgotten over lunch or over night.
    let forgotten = rng.chance(0.004).then(|| rng.log_normal(4_000.0, 0.9, 950, 60_000));
    let talked = rng.log_normal(420.0, 0.8, 20, 3 * 3_600) + forgotten.unwrap_or(0);
    story.end = accepted + talked;
    story.ended_by = Some(rng.weighted(&[("Agent", 0.5), ("EndUser", 0.38), ("System", 0.12)]));
    if channel.enhanced && rng.chance(0.05) {
        let from = accepted + talked / 4;
        story.paused = Some((from, from + talked / 4));
    }
    parts(story, rng, request, accepted, around.reps);
    figures(story, rng, first_accept, after_bot, forgotten);
    if rng.chance(0.007) {
        fail(story, rng);
    } else if channel.enhanced && rng.chance(0.08) {
        let left = story.end;
        go_idle(story, rng);
        if rng.chance(around.reopened_share) {
            reopen(story, rng, left, around.reps);
        }
    }
}

/// The customer leaves before anyone accepts.
fn abandoned(
    story: &mut Story,
    rng: &mut Rng,
    request: i64,
    after_bot: bool,
    around: Circumstances,
) {
    story.end = request + rng.log_normal(70.0, 0.5, 20, WAIT_MAX);
    story.agent_type = after_bot.then_some("Bot");
    story.figures.user_messages = rng.between(1, 3);
    if rng.chance(0.5) {
        let assigned = story.end - rng.between(3, 15);
        let rep = Some(rng.below(around.reps));
        let fate = Fate::Canceled(story.end);
        story.works.push(Work { rep, requested: request, assigned: assigned.max(request), fate });
    }
}

/// The accepted assignments: mostly one, sometimes handed on up to three times.
fn parts(story: &mut Story, rng: &mut Rng, request: i64, accepted: i64, reps: usize) {
    let count = if rng.chance(0.07) { rng.between(2, 4) } else { 1 };
    let piece = (story.end - accepted) / count;
    let (mut request, mut accepted) = (request, accepted);
    for part in 0..count {
        let is_last = part + 1 == count;
        let left = if is_last { story.end } else { (accepted + piece * 3 / 4).min(story.end) };
        let after_work =
            if is_last && rng.chance(0.8) { rng.log_normal(35.0, 0.7, 1, 600) } else { 0 };
        let assigned = (accepted - rng.between(2, 8)).max(request).min(accepted);
        story.works.push(Work {
            rep: Some(rng.below(reps)),
            requested: request,
            assigned,
            fate: Fate::Done {
                accepted,
                closed: left + after_work,
                after_work,
                transferred: !is_last,
            },
        });
        story.tab_closed = left + after_work + rng.between(0, 120);
        request = left;
        accepted = (left + rng.between(3, 25)).min(story.end);
    }
}

/// What the metrics of a served session say.
fn figures(
    story: &mut Story,
    rng: &mut Rng,
    accepted: i64,
    after_bot: bool,
    forgotten: Option<i64>,
) {
    let agent_messages = rng.log_normal(6.0, 0.6, 1, 80);
    let (mut mean, mut longest) = response(rng, 48.0).unwrap_or_default();
    let first = accepted - story.start + rng.between(2, 12);
    if !after_bot {
        // The first message was answered only after the wait.
        longest = longest.max(first);
        mean = (mean * (agent_messages - 1) + first) / agent_messages;
    }
    if let Some(silence) = forgotten {
        longest = longest.max(silence);
        mean += silence / agent_messages.max(2);
    }
    story.figures = Figures {
        agent_messages,
        user_messages: rng.log_normal(5.0, 0.6, 1, 60),
        agent_response: Some((mean, longest)),
        user_response: response(rng, 60.0),
        first_response: rng.chance(0.5).then_some(first),
    };
}

/// Mean and longest response in seconds.
fn response(rng: &mut Rng, median: f64) -> Option<(i64, i64)> {
    let mean = rng.log_normal(median, 0.55, 2, 900);
    Some((mean, mean + (mean as f64 * (0.1 + 1.2 * rng.unit())) as i64))
}

/// The session stays open until the org ends it after a day.
fn go_idle(story: &mut Story, rng: &mut Rng) {
    story.idle = Some(story.end);
    story.end += DAY + rng.between(0, 300);
    story.ended_by = Some("System");
}

/// The customer writes again while the session sleeps: it waits anew, long after its start.
fn reopen(story: &mut Story, rng: &mut Rng, left: i64, reps: usize) {
    let again = left + rng.between(900, 10 * 3_600);
    let accepted = again + rng.log_normal(40.0, 0.6, 5, WAIT_MAX);
    story.reopened = Some(again);
    story.end = accepted + rng.log_normal(300.0, 0.7, 20, 3_600);
    story.ended_by = Some("Agent");
    let fate = Fate::Done { accepted, closed: story.end, after_work: 0, transferred: false };
    let rep = Some(rng.below(reps));
    story.works.push(Work { rep, requested: again, assigned: accepted - 3, fate });
    story.tab_closed = story.end;
}

/// Something breaks in the middle: the session ends in `Error`.
fn fail(story: &mut Story, rng: &mut Rng) {
    let last = story.works.iter().filter_map(|work| match work.fate {
        Fate::Done { accepted, .. } => Some(accepted),
        _ => None,
    });
    let accepted = last.max().unwrap_or(story.start);
    story.end = accepted + 1 + rng.between(0, (story.end - accepted).max(1));
    story.outcome = "Error";
    story.ended_by = None;
    story.paused = story.paused.filter(|(_, to)| *to < story.end);
    for work in &mut story.works {
        if let Fate::Done { closed, after_work, .. } = &mut work.fate
            && *closed > story.end
        {
            *closed = story.end;
            *after_work = 0;
        }
    }
}
