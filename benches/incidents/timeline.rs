//! The timeline: what every line of every rule shows, minute by minute, drawn from a seed.
//!
//! Whatever somebody is told of lasts for [`LINGER`] minutes at least, and reminders fall due that
//! far from everything else. So a daemon that was blind for less than that owes the same notices as
//! one that never was; what happens in a shorter stretch may be told in one.

use super::chance::Chance;

/// At least so many minutes lie between two things that are told.
pub(crate) const LINGER: u32 = 6;
/// Minutes between reminders. Twice the linger: half of it on either side of a reminder.
pub(crate) const REPEAT: u32 = 2 * LINGER;
/// Quiet minutes at the end, for everything to end in.
const TAIL: u32 = 16;

/// What a line shows.
const OK: f64 = 1.0;
const WARNING: f64 = 50.0;
const CRITICAL: f64 = 500.0;
/// No breach and no recovery of a warning, where it has a threshold of its own.
const NOT_YET: f64 = 7.0;

/// What lines there are: rule and lines.
const LINES: [(&str, &[&str]); 7] = [
    ("plain", &["A", "B", "C", "D", "E"]),
    ("held", &["A", "B", "C", "D", "E"]),
    ("kept", &["A", "B", "C", "D", "E"]),
    ("both", &["A", "B", "C", "D", "E"]),
    ("vanishing", &["A", "B", "C", "D", "E"]),
    ("stairs", &["A", "B", "C", "D", "E"]),
    ("whole", &["all"]),
];

/// Lengths of time in the config, in minutes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holds {
    /// `for`
    pub(crate) hold: u32,
    /// `keep_firing_for`
    pub(crate) keep: u32,
    /// `resolve after`
    pub(crate) gone: u32,
}

/// One line's minutes.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The rule that looks at it.
    pub(crate) rule: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// A value a minute; `None`: nothing is shown.
    pub(crate) values: Vec<Option<f64>>,
}

/// Everything that is shown.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    pub(crate) holds: Holds,
    pub(crate) lines: Vec<Line>,
    pub(crate) minutes: u32,
}

impl Timeline {
    /// One of so many minutes (32 at least).
    pub(crate) fn of(seed: u64, minutes: u32) -> Timeline {
        let mut chance = Chance::new(seed, 11);
        let mut some = || chance.between(2, 4) as u32;
        let holds = Holds { hold: some(), keep: some(), gone: some() };
        let mut lines = Vec::new();
        for (rule, names) in LINES {
            for name in names {
                let chance = Chance::new(seed, 100 + lines.len() as u64);
                let values = Drawing::of(rule, holds, chance).minutes(minutes);
                lines.push(Line { rule, name, values });
            }
        }
        Timeline { holds, lines, minutes }
    }
}

/// One line while it is drawn.
struct Drawing {
    rule: &'static str,
    hold: u32,
    keep: u32,
    gone: u32,
    chance: Chance,
}

type Values = Vec<Option<f64>>;

impl Drawing {
    fn of(rule: &'static str, holds: Holds, chance: Chance) -> Drawing {
        let if_any = |rules: &[&str], minutes| if rules.contains(&rule) { minutes } else { 0 };
        Drawing {
            rule,
            hold: if_any(&["held", "both"], holds.hold),
            keep: if_any(&["kept", "both"], holds.keep),
            gone: if_any(&["vanishing"], holds.gone),
            chance,
        }
    }

    /// Quiet, and one incident after the other as long as there is room.
    fn minutes(mut self, minutes: u32) -> Values {
        let mut values = Vec::new();
        self.shows(&mut values, OK, LINGER);
        loop {
            let mut next = Vec::new();
            self.quiet(&mut next);
            if self.rule == "stairs" {
                self.stairs(&mut next)
            } else {
                self.incident(&mut next)
            }
            if values.len() + next.len() + TAIL as usize > minutes as usize {
                values.resize(minutes as usize, Some(OK));
                return values;
            }
            values.append(&mut next);
        }
    }

    fn some(&mut self, least: u32, most: u32) -> u32 {
        self.chance.between(u64::from(least), u64::from(most)) as u32
    }

    fn shows(&mut self, values: &mut Values, value: f64, minutes: u32) {
        values.extend((0..minutes).map(|_| Some(value)));
    }

    /// Long enough for what was before to have ended; perhaps with a breach that does not hold.
    fn quiet(&mut self, values: &mut Values) {
        let minutes = self.keep + self.some(LINGER, LINGER + 4);
        self.shows(values, OK, minutes);
        if self.hold > 0 && self.chance.percent(50) {
            let minutes = self.some(1, self.hold);
            let value = *self.chance.one_of(&[WARNING, CRITICAL]);
            self.shows(values, value, minutes);
            self.shows(values, OK, LINGER);
        }
    }

    /// Levels that rise and fall, each for long enough to be told; the end is the next quiet.
    fn incident(&mut self, values: &mut Values) {
        let mut level = *self.chance.one_of(&[WARNING, CRITICAL]);
        for phase in 0..self.some(1, 3) {
            let hold = if phase == 0 { self.hold } else { 0 };
            let minutes = hold + self.some(LINGER, LINGER + 6);
            self.shows(values, level, minutes);
            if self.keep > 0 && self.chance.percent(40) {
                // Well for a while that is not long enough.
                let minutes = self.some(1, self.keep);
                self.shows(values, OK, minutes);
                self.shows(values, level, LINGER);
            }
            level = if level == WARNING { CRITICAL } else { WARNING };
        }
        if self.keep > 0 && values.last() == Some(&Some(WARNING)) && self.chance.percent(50) {
            self.shows(values, NOT_YET, 3);
        }
        if self.gone > 0 && self.chance.percent(50) {
            let minutes = self.gone + 1 + self.some(LINGER, LINGER + 4);
            values.extend((0..minutes).map(|_| None));
        }
    }

    /// What is told begins so long before what is told next, or the end, that reminders between
    /// them fall due in the middle of nothing.
    fn stairs(&mut self, values: &mut Values) {
        let (first, second) = (self.some(0, 1), self.some(0, 2));
        self.shows(values, WARNING, LINGER + first * REPEAT);
        // Far from the reminders too, which say the level.
        let fall = if second > 0 && self.chance.percent(50) { LINGER + REPEAT / 4 } else { 0 };
        self.shows(values, CRITICAL, LINGER + second * REPEAT - fall);
        // A fall is not told, and the reminders go on.
        self.shows(values, WARNING, fall);
    }
}
