//! One request for a page, with all the patience it deserves: its turn, retries, a new token.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use url::Url;

use super::Rest;
use super::auth::{self, Token};
use super::door::{Next, PATIENCE_MAX, Patience};
use super::failure::{self, Failure};
use super::http::{self, Answer};
use crate::source::{Quota, web};

/// What was modified so long before an answer is not modified again at the same moment.
const SETTLED: TimeDelta = TimeDelta::seconds(60);

/// What a server gave us to ask whether something changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    etag: Option<String>,
    modified: Option<String>,
}

impl Marks {
    /// Those of an answer; `None` where it has none. A date counts in whole seconds: what was
    /// modified right before the answer may be modified again within the same one, and would be taken
    /// for unchanged.
    pub(super) fn of(answer: &Answer) -> Option<Marks> {
        let text = |name| answer.header(name).map(str::to_owned);
        let settled = web::instant(&answer.headers, "last-modified")
            .zip(answer.date())
            .is_some_and(|(modified, date)| SETTLED <= date - modified);
        let modified = text("last-modified").filter(|_| settled);
        let marks = Marks { etag: text("etag"), modified };
        (marks != Marks::default()).then_some(marks)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    /// Where.
    pub(super) url: &'a Url,
    /// Whether it is not the first page of a query.
    pub(super) further: bool,
    /// What it would be to have changed nothing since.
    pub(super) marks: Option<&'a Marks>,
}

/// What came of it.
pub(super) struct Got<T> {
    /// What `parse` made of the body; `None`: nothing changed since the marks.
    pub(super) parsed: Option<T>,
    /// The answer, without the body.
    pub(super) answer: Answer,
    /// How long the last try took.
    pub(super) took: TimeDelta,
}

impl Rest {
    /// Asks until there is an answer that `parse` can read, or no hope.
    pub(super) async fn ask<T>(
        &self,
        asking: Asking<'_>,
        requests: &mut u64,
        mut parse: impl FnMut(&Answer) -> Result<T, Failure>,
    ) -> Result<Got<T>, Failure> {
        let clock = self.clock.as_ref();
        let mut patience = Patience::new(clock);
        let mut dead = None;
        loop {
            let token = self.token(dead, requests).await?;
            self.door.pass(clock).await.map_err(|until| {
                Failure::Down(format!("it asked to be left alone until {}", moment(until)))
            })?;
            *requests += 1;
            let began = clock.now();
            let outcome = self.attempt(asking, token.as_ref()).await;
            let failure = match outcome {
                Ok(mut answer) => {
                    let took = (clock.now() - began).max(TimeDelta::zero());
                    if answer.status == 304 {
                        return Ok(Got { parsed: None, answer, took });
                    }
                    match parse(&answer) {
                        Ok(parsed) => {
                            // Its rows may wait for the store; the body need not.
                            answer.body = Vec::new();
                            return Ok(Got { parsed: Some(parsed), answer, took });
                        }
                        Err(failure) => failure,
                    }
                }
                Err(failure) => failure,
            };
            let again = match &failure {
                Failure::Token(_) if dead.is_none() && self.auth.can_renew() => {
                    dead = token.map(|token| token.number);
                    continue;
                }
                Failure::Token(reason) => {
                    let hint = match self.auth.can_renew() {
                        true => "and again with a new token; check what its client may do",
                        false => "check `auth`",
                    };
                    return Err(Failure::Refused(format!("{reason}; {hint}")));
                }
                Failure::Transient { after, .. } => {
                    let wanted = after.filter(|after| *after > TimeDelta::zero());
                    let until = wanted.map(|after| self.door.shut(clock.now(), after));
                    match (patience.wait(*after).await, until) {
                        (Next::TooLong, Some(until)) => return Err(too_long(&failure, until)),
                        (next, _) => next,
                    }
                }
                Failure::Cut(_) => patience.wait(None).await,
                _ => Next::GiveUp,
            };
            if again != Next::Try {
                return Err(failure);
            }
        }
    }

    async fn token(&self, dead: Option<u64>, requests: &mut u64) -> Result<Option<Token>, Failure> {
        let counted = AtomicU64::new(0);
        let sent = || {
            counted.fetch_add(1, Ordering::Relaxed);
            self.seen().spent.add(self.clock.now(), 1);
        };
        let token = self.auth.token(&self.http, self.bounds, self.clock.as_ref(), dead, sent).await;
        *requests += counted.into_inner();
        token
    }

    /// One try. Gives answers of 2xx, and 304 where marks were sent.
    async fn attempt(&self, asking: Asking<'_>, token: Option<&Token>) -> Result<Answer, Failure> {
        let mut request = self.auth.get(&self.http, asking.url, token)?;
        let own = |name: &str| {
            self.settings.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        if !own("accept") {
            request = request.header("accept", "application/json");
        }
        for (name, value) in &self.settings.headers {
            let value = auth::sensitive(value.expose_secret()).map_err(Failure::Refused)?;
            request = request.header(name, value);
        }
        if let Some(marks) = asking.marks {
            let etag = marks.etag.iter().map(|etag| ("if-none-match", etag));
            let modified = marks.modified.iter().map(|date| ("if-modified-since", date));
            for (name, value) in etag.chain(modified) {
                request = request.header(name, value);
            }
        }
        let now = self.clock.now();
        self.seen().spent.add(now, 1);
        let answer = http::send(request, self.bounds).await?;
        if let Some(quota) = quota_of(&answer) {
            self.seen().quota = Some(quota);
        }
        match answer.status {
            200..=299 => Ok(answer),
            304 if asking.marks.is_some() => Ok(answer),
            _ => Err(failure::of_answer(&answer, asking.url, asking.further, self.clock.now())),
        }
    }
}

fn too_long(failure: &Failure, until: DateTime<Utc>) -> Failure {
    let Failure::Transient { reason, .. } = failure else { return failure.clone() };
    let minutes = PATIENCE_MAX.num_minutes();
    Failure::Down(format!(
        "{reason}; it asks to wait until {}, longer than {minutes} minutes in all",
        moment(until)
    ))
}

/// An instant for people.
fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Requests that everybody with our credentials made, of those allowed in the source's period.
fn quota_of(answer: &Answer) -> Option<Quota> {
    let number = |names: [&str; 3]| {
        let text = names.iter().find_map(|name| answer.header(name))?;
        text.split([',', ';']).next()?.trim().parse::<u64>().ok()
    };
    let allowed = number(["x-ratelimit-limit", "x-rate-limit-limit", "x-rate-limit"])?;
    let left = number(["x-ratelimit-remaining", "x-rate-limit-remaining", "ratelimit-remaining"])?;
    Some(Quota { used: allowed.saturating_sub(left), allowed })
}
