//! Scenarios of alerts that begin, end, are silenced and outlive restarts: the same for Alertmanager
//! and for postrider's notifier.
//!
//! What both send is written down as a sequence of notices, each with the alerts it says fire and,
//! behind a minus, those it says are over: `A B -C`. Times are in seconds; Alertmanager lives
//! through them in real time, postrider on a virtual clock.

use std::fmt;
use std::path::Path;

use crate::{alertmanager, notifier};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// An alert begins. A name that begins with `C` is critical, all others are warnings.
    Fire(&'static str),
    /// It is over.
    Resolve(&'static str),
    /// Somebody silences it.
    Silence(&'static str),
    /// The silence is lifted.
    Lift(&'static str),
    /// The notifier is killed and started again; what fires is reported to it anew.
    Kill,
    /// The same, but it may end in peace.
    Restart,
    /// Its config is read again with the route's condition in other words.
    Reword,
    /// Its config is read again, unchanged.
    Reload,
}

use Step::{Fire, Kill, Lift, Reload, Resolve, Restart, Reword, Silence};

/// One story.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Labels of the groups.
    pub(crate) group_by: &'static [&'static str],
    pub(crate) wait: u32,
    pub(crate) interval: u32,
    pub(crate) repeat: u32,
    /// After so long without a word an alert counts as over at Alertmanager.
    pub(crate) timeout: u32,
    /// Tenths of seconds, and what happens then.
    pub(crate) steps: &'static [(u32, Step)],
    /// Seconds after which it ends.
    pub(crate) until: u32,
    /// Where the two differ on purpose.
    pub(crate) declared: Option<Declared>,
}

/// A difference on purpose.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    /// What Alertmanager sends.
    pub(crate) theirs: &'static [&'static str],
    /// What postrider sends.
    pub(crate) ours: &'static [&'static str],
    /// Why that is better.
    pub(crate) because: &'static str,
}

/// By team, at once after a second, every two seconds.
const PLAIN: Scenario = Scenario {
    name: "",
    group_by: &["team"],
    wait: 1,
    interval: 2,
    repeat: 3600,
    timeout: 3600,
    steps: &[],
    until: 10,
    declared: None,
};

/// All scenarios.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = agreeing();
    all.extend(declared());
    all
}

/// Those in which both send the same.
fn agreeing() -> Vec<Scenario> {
    let of = |name, until, steps| Scenario { name, until, steps, ..PLAIN };
    vec![
        of("fires and ends", 8, &[(0, Fire("A")), (40, Resolve("A"))]),
        of("two in the wait are one notice", 6, &[(0, Fire("A")), (5, Fire("B"))]),
        of("one joins", 8, &[(0, Fire("A")), (25, Fire("B"))]),
        of(
            "one of two ends",
            12,
            &[(0, Fire("A")), (0, Fire("B")), (40, Resolve("A")), (80, Resolve("B"))],
        ),
        of(
            "all end at once",
            8,
            &[(0, Fire("A")), (0, Fire("B")), (40, Resolve("A")), (40, Resolve("B"))],
        ),
        of(
            "ends and fires again",
            16,
            &[(0, Fire("A")), (35, Resolve("A")), (75, Fire("A")), (115, Resolve("A"))],
        ),
        Scenario {
            repeat: 6,
            ..of("repeats while it lasts", 18, &[(0, Fire("A")), (155, Resolve("A"))])
        },
        Scenario { repeat: 6, ..of("a repeat names all", 12, &[(0, Fire("A")), (25, Fire("B"))]) },
        Scenario {
            group_by: &["alertname"],
            ..of(
                "each alert by itself",
                10,
                &[(0, Fire("A")), (15, Fire("B")), (45, Resolve("A")), (65, Resolve("B"))],
            )
        },
        of("silenced from the start", 8, &[(0, Silence("A")), (10, Fire("A"))]),
        of(
            "silenced, over before the silence is",
            12,
            &[(0, Silence("A")), (10, Fire("A")), (50, Resolve("A")), (80, Lift("A"))],
        ),
        of(
            "the silence is lifted while it fires",
            12,
            &[(0, Silence("A")), (10, Fire("A")), (55, Lift("A"))],
        ),
        of(
            "one of two is silenced",
            12,
            &[(0, Silence("B")), (10, Fire("A")), (10, Fire("B")), (70, Resolve("A"))],
        ),
        of("a warning below a critical one", 8, &[(0, Fire("C")), (0, Fire("A"))]),
        of(
            "the critical one ends first",
            12,
            &[(0, Fire("C")), (0, Fire("A")), (45, Resolve("C"))],
        ),
        of("the config is read again", 10, &[(0, Fire("A")), (35, Reload), (65, Resolve("A"))]),
        of("it may end in peace", 12, &[(0, Fire("A")), (35, Restart), (85, Resolve("A"))]),
        of(
            "many at once are one notice",
            10,
            &[
                (0, Fire("A")),
                (1, Fire("B")),
                (2, Fire("D")),
                (3, Fire("E")),
                (4, Fire("F")),
                (5, Fire("G")),
                (55, Resolve("D")),
            ],
        ),
        of(
            "news within the interval are one notice",
            10,
            &[(0, Fire("A")), (15, Fire("B")), (20, Fire("D"))],
        ),
        Scenario { wait: 0, ..of("without a wait", 8, &[(5, Fire("A")), (35, Resolve("A"))]) },
    ]
}

/// Those in which postrider does better.
fn declared() -> Vec<Scenario> {
    let of = |name, until, steps, theirs, ours, because| Scenario {
        name,
        until,
        steps,
        declared: Some(Declared { theirs, ours, because }),
        ..PLAIN
    };
    vec![
        of(
            "E1: killed after it told",
            12,
            &[(0, Fire("A")), (35, Kill), (95, Resolve("A"))],
            &["A", "A", "-A"],
            &["A", "-A"],
            "what was told is committed before it is sent, so nothing is told twice",
        ),
        of(
            "E2: over while silenced, then the silence is lifted",
            12,
            &[(0, Fire("A")), (25, Silence("A")), (45, Resolve("A")), (80, Lift("A"))],
            &["A"],
            &["A", "-A"],
            "whoever was told that it fires is told its end",
        ),
        of(
            "E2b: and it fires again",
            14,
            &[
                (0, Fire("A")),
                (25, Silence("A")),
                (45, Resolve("A")),
                (80, Lift("A")),
                (90, Fire("A")),
            ],
            &["A"],
            &["A", "-A", "A"],
            "a new incident is news, whatever was told of the one before",
        ),
        of(
            "E4: the route is reworded",
            10,
            &[(0, Fire("A")), (35, Reword), (75, Resolve("A"))],
            &["A", "A", "-A"],
            &["A", "-A"],
            "what was told is kept by incident and receiver, not by the route's words",
        ),
        Scenario {
            wait: 3,
            ..of(
                "E11: over before anybody could be told",
                8,
                &[(0, Fire("A")), (10, Resolve("A"))],
                &[],
                &["-A"],
                "it fired: that is told once, as over",
            )
        },
        Scenario {
            timeout: 3,
            ..of(
                "E8: no word of it for a while",
                8,
                &[(0, Fire("A"))],
                &["A", "-A"],
                &["A"],
                "not hearing of it is no recovery: only a reading ends an incident",
            )
        },
        of(
            "restarted below an inhibition",
            14,
            &[(0, Fire("C")), (0, Fire("A")), (35, Kill)],
            &["C", "A", "C"],
            &["C"],
            "inhibition and what was told are known from the first moment on",
        ),
    ]
}

/// What both sent in a scenario.
struct Row {
    scenario: Scenario,
    theirs: Vec<String>,
    ours: Vec<String>,
}

impl Row {
    fn is_as_declared(&self) -> bool {
        match &self.scenario.declared {
            None => self.theirs == self.ours,
            Some(declared) => self.theirs == declared.theirs && self.ours == declared.ours,
        }
    }
}

/// All scenarios and what both sent.
pub(crate) struct Found(Vec<Row>);

impl Found {
    /// Whether there is no other difference than those declared, and each of these is seen.
    pub(crate) fn is_as_declared(&self) -> bool {
        self.0.iter().all(Row::is_as_declared)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Notices beside Alertmanager, scenario by scenario")?;
        for row in &self.0 {
            let said = match (&row.scenario.declared, row.is_as_declared()) {
                (None, true) => "equal",
                (Some(_), true) => "better",
                (_, false) => "DIFFERENT",
            };
            writeln!(f, "{said:>9}  {}", row.scenario.name)?;
            let list = |notices: &[String]| match notices.is_empty() {
                true => "(nothing)".to_owned(),
                false => notices.join(" | "),
            };
            writeln!(f, "           Alertmanager  {}", list(&row.theirs))?;
            writeln!(f, "           postrider     {}", list(&row.ours))?;
            if let Some(declared) = &row.scenario.declared {
                writeln!(f, "           because       {}", declared.because)?;
            }
        }
        let equal = self.0.iter().filter(|row| row.scenario.declared.is_none()).count();
        let better = self.0.len() - equal;
        let apart = self.0.iter().filter(|row| !row.is_as_declared()).count();
        writeln!(f, "{equal} meant to be equal, {better} meant to be better, {apart} otherwise")
    }
}

/// Plays all scenarios, Alertmanager's beside each other.
pub(crate) async fn against(program: &Path, folder: &Path) -> anyhow::Result<Found> {
    let scenarios = all();
    let plays = scenarios.iter().enumerate().map(|(index, scenario)| {
        alertmanager::play(program, folder.join(format!("scenario-{index}")), scenario)
    });
    let theirs = futures_util::future::try_join_all(plays).await?;
    let rows = scenarios.into_iter().zip(theirs).map(|(scenario, theirs)| {
        let ours = notifier::play(&scenario)?;
        Ok(Row { scenario, theirs, ours })
    });
    Ok(Found(rows.collect::<anyhow::Result<_>>()?))
}
