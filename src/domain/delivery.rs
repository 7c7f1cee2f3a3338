//! Deliveries: what an attempt's outcome means and when the next attempt is due.
//!
//! A receiver makes one attempt and says what its failure means; everything else about retrying is
//! decided here, purely, from the stored row and the outcome.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

mod balance;
pub mod health;

pub use balance::Balance;

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The far side took the message; its words.
    Delivered(String),
    /// This recipient or endpoint cannot take it now.
    Retry {
        /// How long the far side asked us to wait.
        after: Option<Duration>,
        /// What it said.
        reason: String,
    },
    /// The server as a whole cannot be reached or is busy: costs the message no attempt.
    ServerDown(String),
    /// The far side will never take this message for this recipient.
    Rejected(String),
    /// Credentials, certificate or address of the receiver are wrong: nothing will go through until
    /// somebody mends it. Costs the message no attempt; the owner is told once.
    ReceiverBroken(String),
    /// The message was handed over and the answer was lost: it may have arrived.
    Uncertain(String),
    /// The endpoint wants no message any more, and says so.
    Gone(String),
}

impl Outcome {
    /// The same outcome in other words.
    pub fn map_words(self, change: impl FnOnce(String) -> String) -> Outcome {
        match self {
            Outcome::Delivered(said) => Outcome::Delivered(change(said)),
            Outcome::Retry { after, reason } => Outcome::Retry { after, reason: change(reason) },
            Outcome::ServerDown(said) => Outcome::ServerDown(change(said)),
            Outcome::Rejected(said) => Outcome::Rejected(change(said)),
            Outcome::ReceiverBroken(said) => Outcome::ReceiverBroken(change(said)),
            Outcome::Uncertain(said) => Outcome::Uncertain(change(said)),
            Outcome::Gone(said) => Outcome::Gone(change(said)),
        }
    }
}

/// What becomes of a message that may have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ambiguous {
    /// It goes again, with the same bytes and id: at least once.
    #[default]
    Resend,
    /// It waits until somebody has looked: at most once.
    Hold,
}

/// A message as the outbox holds it: identity and bytes were made once and never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Message-ID without angle brackets, or webhook-id. The same on every attempt.
    pub id: String,
    /// The address of one recipient, or the name of the receiver for a webhook.
    pub recipient: String,
    /// The whole mail with headers, or the webhook's body.
    pub bytes: Vec<u8>,
}

/// How long a message is worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Waits after the first, second, ... failed attempt, in seconds; the last one repeats.
    pub waits: &'static [u32],
    /// After this long without success the message expires.
    pub give_up: TimeDelta,
}

/// Mails of digests: a server that is down for days still gets them.
pub const DIGEST: RetryPolicy =
    RetryPolicy { waits: &[60, 120, 300, 600, 900, 1800, 3600, 7200], give_up: TimeDelta::days(5) };

/// Notifications: after a day the news is stale.
pub const NOTIFICATION: RetryPolicy =
    RetryPolicy { waits: &[5, 30, 60, 120, 300, 600, 1800, 3600], give_up: TimeDelta::hours(24) };

/// Proofs of delivery: the next one comes soon, and the owner wants to know.
pub const PROOF: RetryPolicy =
    RetryPolicy { waits: &[5, 30, 60, 120, 300], give_up: TimeDelta::hours(1) };

/// The longest Retry-After that is honoured.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// The longest wait while a server as a whole is down: once it is back, mail flows again within
/// this.
pub const SERVER_WAIT_MAX: TimeDelta = TimeDelta::minutes(5);

/// How long a receiver rests whose credentials, certificate or address are wrong.
pub const BROKEN_WAIT: TimeDelta = TimeDelta::minutes(5);

/// What happens to an outbox row after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Done, with the far side's words.
    Delivered(String),
    /// Try again then.
    Retry {
        /// When.
        at: DateTime<Utc>,
        /// Whether this attempt counts against the message.
        counts: bool,
        /// Why.
        reason: String,
        /// Whether the whole receiver waits until then, not only this message.
        hold_receiver: bool,
    },
    /// Nobody tries it again by itself: somebody must look first.
    Held {
        /// Why.
        reason: String,
    },
    /// The receiver gets nothing any more until somebody enables it; the message waits and expires.
    Disabled {
        /// Why.
        reason: String,
    },
    /// Over, without success.
    Ended {
        /// `rejected` or `expired`.
        rejected: bool,
        /// Why.
        reason: String,
    },
}

/// Decides what becomes of a message. `attempts` counts those that failed before this one and
/// counted; `jitter` is in `-1.0..=1.0` and moves the wait by up to a fifth.
///
/// A message expires by its age alone; the last attempt is made when that is reached, also where
/// the far side asked for a longer wait. A far side that asks for less than our own wait gets ours;
/// one that asks for more asks it of us, not of this message: the receiver waits as a whole and the
/// message has lost no attempt.
pub fn after_attempt(
    policy: RetryPolicy,
    created: DateTime<Utc>,
    attempts: u32,
    outcome: Outcome,
    ambiguous: Ambiguous,
    now: DateTime<Utc>,
    jitter: f64,
) -> Next {
    let spread = |wait: TimeDelta| {
        let factor = 1.0 + 0.2 * jitter.clamp(-1.0, 1.0);
        TimeDelta::milliseconds((wait.num_milliseconds() as f64 * factor) as i64)
    };
    let nth_wait = |index: u32| {
        let last = policy.waits.len() - 1;
        TimeDelta::seconds(i64::from(policy.waits[(index as usize).min(last)]))
    };
    let retry = |after: TimeDelta, counts: bool, reason: String, hold_receiver: bool| {
        if now - created >= policy.give_up {
            return Next::Ended { rejected: false, reason };
        }
        // The last try is at the deadline itself, never beyond it.
        let at = (now + after).min(created + policy.give_up).max(now + TimeDelta::seconds(1));
        Next::Retry { at, counts, reason, hold_receiver }
    };
    match outcome {
        Outcome::Delivered(words) => Next::Delivered(words),
        Outcome::Rejected(reason) => Next::Ended { rejected: true, reason },
        Outcome::Retry { after, reason } => {
            let asked = after.unwrap_or_default().min(RETRY_AFTER_MAX);
            let asked = TimeDelta::from_std(asked).unwrap_or_default();
            let own = spread(nth_wait(attempts));
            retry(own.max(asked), asked <= own, reason, asked > own)
        }
        Outcome::Uncertain(reason) if ambiguous == Ambiguous::Hold => Next::Held { reason },
        Outcome::Gone(reason) => Next::Disabled { reason },
        Outcome::Uncertain(reason) => retry(spread(nth_wait(attempts)), true, reason, false),
        Outcome::ServerDown(reason) => {
            // No attempt is counted, so the wait grows with the message's age instead.
            let wait =
                ((now - created) / 2).clamp(nth_wait(0).min(SERVER_WAIT_MAX), SERVER_WAIT_MAX);
            retry(spread(wait), false, reason, true)
        }
        Outcome::ReceiverBroken(reason) => retry(BROKEN_WAIT, false, reason, true),
    }
}

/// What a person does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes again, with the same bytes and id.
    Retry {
        /// Also where it was delivered: it arrives twice then.
        delivered: bool,
    },
    /// It ends.
    Cancel,
    /// Nobody tries it until it is released.
    Hold,
    /// What was held goes.
    Release,
}

/// Whether something may be done with a message in this state; else why not. What is under way has
/// its outcome to come, and what was delivered goes again only where that is said.
pub fn may(action: Action, state: &str) -> Result<(), &'static str> {
    match (action, state) {
        (_, "sending") => Err("under way"),
        (Action::Retry { delivered: true }, "delivered") => Ok(()),
        (_, "delivered") => Err("delivered already"),
        (Action::Retry { .. }, "pending" | "rejected" | "expired" | "held" | "cancelled")
        | (Action::Cancel, "pending" | "held")
        | (Action::Hold, "pending")
        | (Action::Release, "held") => Ok(()),
        (Action::Hold, "held") => Err("held already"),
        (Action::Release, "pending") => Err("not held"),
        (_, "rejected" | "expired" | "cancelled") => Err("ended already"),
        _ => Err("in a state this postrider does not know"),
    }
}

/// Whether a message in this state goes back to waiting when somebody asks for it; else why not.
pub fn goes_again(state: &str) -> Result<(), &'static str> {
    may(Action::Retry { delivered: false }, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    /// What happens after an attempt at this age, as text: `counted` or `free`, whether the
    /// receiver is held, and after how many seconds.
    #[track_caller]
    fn check(
        policy: RetryPolicy,
        age: TimeDelta,
        attempts: u32,
        outcome: Outcome,
        jitter: f64,
        expected: &str,
    ) {
        let now = created() + age;
        let next = match after_attempt(
            policy,
            created(),
            attempts,
            outcome,
            Ambiguous::Resend,
            now,
            jitter,
        ) {
            Next::Delivered(words) => format!("delivered: {words}"),
            Next::Retry { at, counts, reason, hold_receiver } => format!(
                "{} {} s{}: {reason}",
                if counts { "counted" } else { "free" },
                (at - now).num_milliseconds() as f64 / 1000.0,
                if hold_receiver { ", receiver held" } else { "" },
            ),
            Next::Held { reason } => format!("held: {reason}"),
            Next::Disabled { reason } => format!("disabled: {reason}"),
            Next::Ended { rejected: true, reason } => format!("rejected: {reason}"),
            Next::Ended { rejected: false, reason } => format!("expired: {reason}"),
        };
        assert_eq!(next, expected);
    }

    fn greylisted(after: Option<u64>) -> Outcome {
        Outcome::Retry { after: after.map(Duration::from_secs), reason: "451".into() }
    }

    const NEW: TimeDelta = TimeDelta::zero();

    #[test]
    fn what_is_final_is_final_at_any_age() {
        let late = TimeDelta::days(9);
        check(DIGEST, late, 9, Outcome::Delivered("250 ok".into()), 0.0, "delivered: 250 ok");
        check(DIGEST, NEW, 0, Outcome::Rejected("550".into()), 0.0, "rejected: 550");
    }

    #[test]
    fn what_was_delivered_never_goes_again() {
        for (state, again) in [
            ("pending", Ok(())),
            ("rejected", Ok(())),
            ("expired", Ok(())),
            ("held", Ok(())),
            ("cancelled", Ok(())),
            ("delivered", Err("delivered already")),
            ("sending", Err("under way")),
            ("gone", Err("in a state this postrider does not know")),
        ] {
            assert_eq!(goes_again(state), again, "{state}");
        }
    }

    #[test]
    fn what_a_person_may_do_depends_on_the_state() {
        const STATES: [&str; 8] =
            ["pending", "sending", "held", "delivered", "rejected", "expired", "cancelled", "?"];
        for (action, allowed) in [
            (Action::Retry { delivered: false }, "pending held rejected expired cancelled"),
            (
                Action::Retry { delivered: true },
                "pending held delivered rejected expired cancelled",
            ),
            (Action::Cancel, "pending held"),
            (Action::Hold, "pending"),
            (Action::Release, "held"),
        ] {
            let may: Vec<&str> =
                STATES.into_iter().filter(|state| may(action, state).is_ok()).collect();
            assert_eq!(may.join(" "), allowed, "{action:?}");
        }
    }

    #[test]
    fn waits_grow_with_the_attempts_that_count_and_the_last_one_repeats() {
        for (attempts, seconds) in [(0, 60), (1, 120), (4, 900), (7, 7200), (8, 7200), (99, 7200)] {
            let expected = format!("counted {seconds} s: 451");
            check(DIGEST, NEW, attempts, greylisted(None), 0.0, &expected);
        }
        check(NOTIFICATION, NEW, 0, greylisted(None), 0.0, "counted 5 s: 451");
        let lost = || Outcome::Uncertain("lost after the dot".into());
        check(NOTIFICATION, NEW, 3, lost(), 0.0, "counted 120 s: lost after the dot");
    }

    #[test]
    fn jitter_moves_a_wait_by_a_fifth_at_most() {
        check(DIGEST, NEW, 0, greylisted(None), 1.0, "counted 72 s: 451");
        check(DIGEST, NEW, 0, greylisted(None), -1.0, "counted 48 s: 451");
        check(DIGEST, NEW, 0, greylisted(None), 7.0, "counted 72 s: 451");
        check(DIGEST, NEW, 0, greylisted(None), f64::NAN, "counted 1 s: 451");
    }

    #[test]
    fn what_the_far_side_asks_for_is_honoured_within_bounds() {
        check(DIGEST, NEW, 0, greylisted(Some(3)), 0.0, "counted 60 s: 451");
        check(DIGEST, NEW, 0, greylisted(Some(1000)), -1.0, "free 1000 s, receiver held: 451");
        let held = "free 86400 s, receiver held: 451";
        check(DIGEST, NEW, 0, greylisted(Some(u64::MAX)), 0.0, held);
        // The last attempt is at the deadline.
        let age = TimeDelta::hours(23);
        check(NOTIFICATION, age, 0, greylisted(Some(7200)), 0.0, "free 3600 s, receiver held: 451");
    }

    #[test]
    fn a_server_that_is_down_costs_no_attempt_and_is_asked_less_and_less() {
        let down = || Outcome::ServerDown("refused".into());
        for (age, seconds) in [(0, "5"), (10, "5"), (60, "30"), (300, "150"), (601, "300")] {
            let expected = format!("free {seconds} s, receiver held: refused");
            check(NOTIFICATION, TimeDelta::seconds(age), 0, down(), 0.0, &expected);
        }
        check(DIGEST, NEW, 0, down(), 0.0, "free 60 s, receiver held: refused");
        let age = TimeDelta::days(4);
        check(DIGEST, age, 0, down(), 0.0, "free 300 s, receiver held: refused");
        // A clock that was set back.
        check(DIGEST, -age, 0, down(), 0.0, "free 60 s, receiver held: refused");
    }

    #[test]
    fn what_may_have_arrived_is_held_where_that_is_wanted() {
        let lost = Outcome::Uncertain("lost".into());
        let held = after_attempt(DIGEST, created(), 0, lost, Ambiguous::Hold, created(), 0.0);
        assert_eq!(held, Next::Held { reason: "lost".into() });
        check(DIGEST, NEW, 0, Outcome::Gone("410".into()), 0.0, "disabled: 410");
    }

    #[test]
    fn a_broken_receiver_rests_as_a_whole() {
        let broken = Outcome::ReceiverBroken("535".into());
        check(NOTIFICATION, NEW, 3, broken, 1.0, "free 300 s, receiver held: 535");
    }

    #[test]
    fn a_message_expires_by_age_whatever_the_failure() {
        let day = TimeDelta::hours(24);
        check(NOTIFICATION, day, 0, greylisted(None), 0.0, "expired: 451");
        check(NOTIFICATION, day, 0, Outcome::ServerDown("refused".into()), 0.0, "expired: refused");
        check(NOTIFICATION, day, 0, Outcome::ReceiverBroken("535".into()), 0.0, "expired: 535");
        check(DIGEST, day, 0, greylisted(None), 0.0, "counted 60 s: 451");
        check(DIGEST, day * 5, 0, greylisted(None), 0.0, "expired: 451");
        // Just before it: one attempt more, never a busy loop.
        let nearly = day - TimeDelta::milliseconds(1);
        check(NOTIFICATION, nearly, 0, greylisted(None), 0.0, "counted 1 s: 451");
    }
}
