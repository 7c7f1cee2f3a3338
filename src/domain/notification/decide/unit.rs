//! Units: what one receiver should hear in one thread, and whether it is time to say it.

use chrono::{DateTime, Utc};

use super::super::super::incident::{Incident, Reason, State, words};
use super::super::super::route::Route;
use super::super::{Change, Kind, LATE_AFTER, Thread, Told, late_words};
use super::draft::Line;
use super::{Member, Want, Work};

pub(super) fn decide(work: &mut Work<'_>) {
    for ((thread, receiver), members) in std::mem::take(&mut work.units) {
        Unit::new(work, thread, receiver, members).decide();
    }
}

struct Unit<'w, 'a> {
    work: &'w mut Work<'a>,
    thread: String,
    receiver: &'a str,
    members: Vec<Member<'a>>,
    /// Whether it is one incident by itself.
    single: bool,
    /// What the receiver got in this thread: how often, when last, reminders since there was news.
    seq: u32,
    last: Option<DateTime<Utc>>,
    reminders: u32,
    /// The route that says when.
    route: Option<&'a Route>,
}

impl<'w, 'a> Unit<'w, 'a> {
    fn new(
        work: &'w mut Work<'a>,
        thread: String,
        receiver: &'a str,
        members: Vec<Member<'a>>,
    ) -> Unit<'w, 'a> {
        let single = members.iter().all(|member| member.incident.id == thread);
        let told = members.first().and_then(|member| member.told).filter(|_| single);
        let row = work.world.threads.get(&thread).and_then(|by| by.get(receiver));
        let (seq, last, reminders) = match (told, row) {
            (Some(told), _) => (told.times, Some(told.last_told_at), told.reminders),
            (None, Some(row)) => (row.seq, Some(row.at), row.reminders),
            (None, None) => (0, None, 0),
        };
        let route = members.iter().filter_map(|member| member.route).min();
        let route = route.map(|index| &work.world.routes[index]);
        Unit { work, thread, receiver, members, single, seq, last, reminders, route }
    }

    fn decide(self) {
        let news = self.members.iter().any(|member| member.want != Want::Still);
        if !news {
            return self.remind();
        }
        let due = self.due();
        if due <= self.work.now {
            return self.tell();
        }
        let why = match self.is_known() {
            true => "told when the interval of its group is over",
            false => "its group waits for others to join",
        };
        for member in &self.members {
            match member.want {
                Want::Still => {
                    let told = member.told.map_or("", |told| told.level.name.as_str());
                    let reason = format!("told at level {told}; {why}");
                    self.work.quiet(member.incident, Some(self.receiver), reason, Some(due));
                }
                want => {
                    if matches!(want, Want::Fired | Want::Passed) {
                        self.work.waiting.push((member.incident, self.receiver));
                    }
                    self.work.quiet(member.incident, Some(self.receiver), why, Some(due));
                }
            }
            if let (Want::Still, Some(told)) = (member.want, member.told) {
                self.work.follow_down(member.incident, told);
            }
        }
    }

    /// Whether the receiver knows of something in this thread that has not been closed.
    fn is_known(&self) -> bool {
        self.members.iter().any(|member| member.told.is_some())
    }

    /// When the news may be told.
    fn due(&self) -> DateTime<Utc> {
        let now = self.work.now;
        let Some(route) = self.route else { return now };
        let news = self.members.iter().filter(|member| member.want != Want::Still);
        // An end that no route delays any more is told at once.
        if self.members.iter().any(|member| member.want == Want::Ended && member.route.is_none()) {
            return now;
        }
        let first = news.map(|member| moved(member.incident)).min();
        let waited = first.filter(|_| !self.is_known()).map(|at| at + route.wait);
        let apart = self.last.map(|last| last + route.interval);
        waited.max(apart).unwrap_or(now)
    }

    fn tell(self) {
        let Unit { work, thread, receiver, members, single, seq, route, .. } = self;
        let mut tally = Tally::default();
        let mut lines = Vec::new();
        let mut told = Vec::new();
        let mut beginnings = Vec::new();
        let mut late = None;
        let mut reasons = Vec::new();
        for member in &members {
            let incident = member.incident;
            let mut line = Line::new(incident, change(member.want));
            tally.count(member);
            let reason = match member.want {
                Want::Still => {
                    // Of those that go on nothing is stored: the receiver knows them already.
                    if let Some(told) = member.told {
                        work.follow_down(incident, told);
                    }
                    let reason = format!("told again with its group in `{receiver}`'s notice");
                    work.quiet(incident, Some(receiver), reason, None);
                    line.remarks.extend(member.stop.iter().map(|(why, _)| why.clone()));
                    lines.push(line);
                    continue;
                }
                Want::Fired => {
                    beginnings.push(incident);
                    let (reason, by) = fired(work, member, receiver, route);
                    late = late.max(by);
                    reason
                }
                Want::LevelUp => {
                    let by = work.late(incident, Some(incident.level_since), route);
                    late = late.max(by);
                    line.from = member.told.map(|told| told.level.clone());
                    let from = member.told.map_or("", |told| told.level.name.as_str());
                    format!(
                        "it rose from level {from} to {}{}",
                        incident.level.name,
                        late_words(by)
                    )
                }
                Want::Worse => {
                    let reason = "it is much worse than when it was silenced".to_owned();
                    line.remarks.push("Much worse than when it was silenced.".to_owned());
                    reason
                }
                Want::Ended => {
                    let by = work.late(incident, incident.resolved.map(|end| end.at), route);
                    late = late.max(by);
                    format!("{}{}", ended(incident), late_words(by))
                }
                Want::Passed => {
                    beginnings.push(incident);
                    line.remarks.push("It fired and ended before anybody was told.".to_owned());
                    let by = work.late(incident, incident.fired_at, route);
                    late = late.max(by);
                    let (end, late) = (ended(incident), late_words(by));
                    format!("it fired and ended before anybody was told: {end}{late}")
                }
            };
            reasons.push(reason);
            let closed = matches!(member.want, Want::Ended | Want::Passed);
            told.push(work.knows(incident, receiver, &thread, member.told, closed));
            lines.push(line);
        }
        let kind = tally.kind();
        let reason = match reasons.as_slice() {
            [only] if single => only.clone(),
            _ => tally.reason(route, &reasons),
        };
        let mut draft = work.draft(kind, (&thread, seq + 1, receiver), lines, reason);
        draft.notice.late = late;
        draft.notice.grouped_by =
            if single { Default::default() } else { grouped(route, &members) };
        draft.beginnings = beginnings;
        draft.told = told;
        if !single {
            draft.threads.push(row(&thread, receiver, seq + 1, work.now, 0));
        }
        work.drafts.push(draft);
    }

    fn remind(mut self) {
        let due = self.reminder();
        let ready = due.as_ref().is_some_and(|(at, _)| *at <= self.work.now);
        if let (true, Some((_, reason))) = (ready, due.clone()) {
            return self.tell_again(reason);
        }
        let until = due.map(|(at, _)| at);
        for member in std::mem::take(&mut self.members) {
            let Some(told) = member.told else { continue };
            self.work.follow_down(member.incident, told);
            let at = &told.level.name;
            let ack = self.ack(member.incident);
            let (reason, until) = match (&member.stop, member.incident.state, ack, until) {
                (Some((why, until)), ..) => (format!("told at level {at}; {why}"), *until),
                (None, State::Recovering, ..) => {
                    ("told; it is clear, not yet long enough to be over".to_owned(), None)
                }
                (None, _, Some((by, until)), _) => {
                    (format!("told at level {at}; acknowledged by {by}"), Some(until))
                }
                (None, _, None, Some(until)) => match self.blind(member.incident) {
                    Some(why) => (format!("told at level {at}; {why}"), None),
                    None => {
                        let left = words(until - self.work.now);
                        (format!("told at level {at}; reminded in {left}"), Some(until))
                    }
                },
                (None, _, None, None) => match self.blind(member.incident) {
                    Some(why) => (format!("told at level {at}; {why}"), None),
                    None => (format!("told at level {at}; no reminders"), None),
                },
            };
            self.work.quiet(member.incident, Some(self.receiver), reason, until);
        }
    }

    /// Who has an incident, and until when.
    fn ack(&self, incident: &Incident) -> Option<(&'a str, DateTime<Utc>)> {
        let ack = self.work.world.acks.get(&incident.id)?;
        (self.work.now < ack.until).then_some((ack.by.as_str(), ack.until))
    }

    fn blind(&self, incident: &Incident) -> Option<String> {
        let why = self.work.world.blind.get(&incident.rule)?;
        Some(format!("not reminded while its rule sees nothing: {why}"))
    }

    /// When the receiver is to be reminded, and why; `None`: it is not.
    fn reminder(&mut self) -> Option<(DateTime<Utc>, String)> {
        let repeat = self.route.and_then(|route| route.repeat);
        let clock = self.route.and_then(|route| route.clock.as_deref());
        let last = self.last?;
        let (mut due, mut unread) = (None, None);
        let mut expired: Option<(DateTime<Utc>, &str)> = None;
        for member in &self.members {
            let incident = member.incident;
            if let Some((_, until)) = self.ack(incident) {
                self.work.wake(Some(until));
                continue;
            }
            let firing = incident.state == State::Firing && member.told.is_some();
            if !firing || member.stop.is_some() || self.blind(incident).is_some() {
                continue;
            }
            unread = unread.max(Some(self.work.now - incident.last_read_at));
            let ack = self.work.world.acks.get(&incident.id);
            // Whoever took it has not ended it: that is told when the time is over.
            if let Some(ack) = ack.filter(|ack| ack.until > last)
                && expired.is_none_or(|(at, _)| ack.until < at)
            {
                expired = Some((ack.until, ack.by.as_str()));
            }
            due = due.or_else(|| repeat?.due(last, self.reminders, clock));
        }
        let unread = unread?;
        let stale = match unread > LATE_AFTER {
            true => format!(", last read {} ago", words(unread)),
            false => String::new(),
        };
        if let Some((at, by)) =
            expired.filter(|(at, _)| due.is_none_or(|due| *at <= due || due <= self.work.now))
        {
            return Some((at, format!("still firing; the acknowledgement of {by} ran out{stale}")));
        }
        let every = repeat.and_then(|repeat| repeat.delay(self.reminders))?;
        Some((due?, format!("still firing; told every {}{stale}", words(every))))
    }

    fn tell_again(self, reason: String) {
        let Unit { work, thread, receiver, members, single, seq, reminders, route, .. } = self;
        let mut told = Vec::new();
        let mut lines = Vec::new();
        for member in &members {
            let mut line = Line::new(member.incident, Change::Still);
            line.remarks.extend(member.stop.iter().map(|(why, _)| why.clone()));
            lines.push(line);
            let Some(before) = member.told else { continue };
            if single {
                let again = work.knows(member.incident, receiver, &thread, Some(before), false);
                told.push(Told { reminders: reminders + 1, ..again });
            } else {
                work.follow_down(member.incident, before);
            }
        }
        let mut draft = work.draft(Kind::Reminder, (&thread, seq + 1, receiver), lines, reason);
        draft.notice.grouped_by =
            if single { Default::default() } else { grouped(route, &members) };
        draft.told = told;
        if !single {
            draft.threads.push(row(&thread, receiver, seq + 1, work.now, reminders + 1));
        }
        work.drafts.push(draft);
    }
}

/// How many of which.
#[derive(Default)]
struct Tally {
    fired: usize,
    rose: usize,
    worse: usize,
    ended: usize,
    passed: usize,
    known: usize,
    firing: usize,
}

impl Tally {
    fn count(&mut self, member: &Member<'_>) {
        let place = match member.want {
            Want::Fired => &mut self.fired,
            Want::LevelUp => &mut self.rose,
            Want::Worse => &mut self.worse,
            Want::Ended => &mut self.ended,
            Want::Passed => &mut self.passed,
            Want::Still => &mut self.firing,
        };
        *place += 1;
        self.known += usize::from(member.told.is_some());
    }

    fn kind(&self) -> Kind {
        let open = self.fired + self.rose + self.worse + self.firing;
        match () {
            () if open == 0 => Kind::Resolved,
            () if self.known == 0 => Kind::Fired,
            () if self.fired + self.ended + self.passed == 0 && self.rose > 0 => Kind::LevelUp,
            () if self.fired + self.ended + self.passed + self.rose == 0 => Kind::Reminder,
            () => Kind::Changed,
        }
    }

    fn reason(&self, route: Option<&Route>, reasons: &[String]) -> String {
        let counts = [
            (self.fired, "fired"),
            (self.rose, "rose"),
            (self.worse, "got much worse"),
            (self.ended, "ended"),
            (self.passed, "fired and ended before anybody was told"),
        ];
        let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"));
        let mut reason = counts.collect::<Vec<_>>().join(", ");
        if let [only] = reasons {
            reason = only.clone();
        }
        if let Some(route) = route.filter(|_| reasons.len() > 1) {
            reason += &format!("; told by {}", route.words());
        }
        reason
    }
}

fn change(want: Want) -> Change {
    match want {
        Want::Fired => Change::Fired,
        Want::LevelUp => Change::LevelUp,
        Want::Ended | Want::Passed => Change::Resolved,
        Want::Worse | Want::Still => Change::Still,
    }
}

/// Why a receiver is told of a beginning, and how late it is.
fn fired(
    work: &Work<'_>,
    member: &Member<'_>,
    receiver: &str,
    route: Option<&Route>,
) -> (String, Option<chrono::TimeDelta>) {
    let incident = member.incident;
    let by = route.map_or("no route".to_owned(), Route::words);
    let mut reason = format!("it fired at level {}; told by {by}", incident.level.name);
    let mut late = None;
    let hid = work.world.silences.iter().find(|silence| {
        let by_silence = work.world.hidden.get(&silence.id);
        by_silence.is_some_and(|by| by.contains_key(&incident.id))
    });
    let owed = work.told_to(&incident.id, receiver).is_some();
    let others = work.told(&incident.id).any(Told::knows);
    let held = route.and_then(|route| route.shut(moved(incident)));
    match (&member.because, hid) {
        (Some(because), _) => reason += &format!(", {because}"),
        (None, Some(silence)) if silence.is_live(work.now) => {
            let by = &silence.author;
            reason += &format!("; worse than when it was silenced by {by} ({})", silence.id);
        }
        (None, Some(silence)) => {
            reason += &format!("; silenced by {} ({}) until now", silence.author, silence.id);
        }
        (None, None) if held.is_some() => {
            let why = held.map(|shut| shut.why).unwrap_or_default();
            reason += &format!(", held back until now: {why}");
        }
        (None, None) if owed => reason += ", held back until now",
        (None, None) if others => reason += ", which picked this receiver only now",
        (None, None) => {
            late = work.late(incident, incident.fired_at, route);
            reason += &late_words(late);
        }
    }
    if let (State::Recovering, Some(clear)) = (incident.state, incident.clear) {
        let seen = words(clear.counted);
        reason += &format!("; clear for {seen}, not yet long enough to be over");
    }
    (reason, late)
}

fn grouped(route: Option<&Route>, members: &[Member<'_>]) -> super::Labels {
    let first = members.iter().find(|member| member.route.is_some());
    match (route, first) {
        (Some(route), Some(member)) => route.grouped(&member.incident.labels()),
        _ => super::Labels::new(),
    }
}

pub(super) fn row(
    thread: &str,
    receiver: &str,
    seq: u32,
    at: DateTime<Utc>,
    reminders: u32,
) -> Thread {
    Thread { thread: thread.to_owned(), receiver: receiver.to_owned(), seq, at, reminders }
}

/// When postrider learned of an incident's last move.
pub(super) fn moved(incident: &Incident) -> DateTime<Utc> {
    incident.moved_at.or(incident.fired_at).unwrap_or(incident.began)
}

pub(super) fn ended(incident: &Incident) -> &'static str {
    incident.resolved.map_or(Reason::Cleared.words(), |resolved| resolved.reason.words())
}
