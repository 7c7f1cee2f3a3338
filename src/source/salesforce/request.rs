//! One request to the REST interface, with all the patience it deserves: retries, a new login, the
//! quota guard.

use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;

use super::Salesforce;
use super::failure::{self, Failure, TRIES_MAX, beginning};
use super::http::{self, Answer};
use super::login::Session;
use super::patience::Patience;
use super::quota::Leave;
use crate::domain::dataset::Purpose;
use crate::source::SourceError;

/// The org's limit on an address and its headers together.
const REQUEST_BYTES_MAX: usize = 16_384;

/// What our headers but the token take of it, generously.
const HEADER_BYTES: usize = 1_024;

/// Statements are lists of names: what names and lists are made of stays as it is, or an object
/// with many fields would not fit into an address.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b',');

/// An org that asks for a longer time alone is asked again after this one.
const AWAY_MAX: TimeDelta = TimeDelta::minutes(15);

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A query, from its beginning.
    Query(String),
    /// A query of existing records alone, from its beginning.
    Existing(String),
    /// A further page, as the last one named it.
    Next(String),
    /// The fields of an object.
    Describe(String),
    /// The org's limits.
    Limits,
}

/// Fields of a dataset that the org does not have or does not show us.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hidden {
    /// Indices of fields.
    pub(super) fields: Vec<usize>,
    /// Whether the flag of deleted records is among them.
    pub(super) deleted_flag: bool,
}

/// What the requests of one reading are for, what they have cost, and when the org answered first.
#[derive(Debug)]
pub(super) struct Tally {
    /// Decides what they may spend.
    pub(super) purpose: Purpose,
    /// Requests to the REST interface, failed ones too.
    pub(super) requests: u64,
    /// The org's clock at its first good answer.
    pub(super) first_date: Option<DateTime<Utc>>,
}

impl Tally {
    /// Nothing asked yet.
    pub(super) fn new(purpose: Purpose) -> Tally {
        Tally { purpose, requests: 0, first_date: None }
    }
}

impl Salesforce {
    /// The org's clock. Asks the org to log us in where it has never answered before.
    pub(super) async fn org_now(&self) -> Result<DateTime<Utc>, Failure> {
        let known = self.seen().ahead;
        if known.is_none() {
            self.session(None).await?;
        }
        // An org that never says its time is taken to share ours.
        let ahead = self.seen().ahead.unwrap_or_default();
        Ok(self.clock.now() + ahead)
    }

    /// Asks until there is an answer that `parse` can read, or no hope.
    pub(super) async fn ask<T>(
        &self,
        target: &Target,
        tally: &mut Tally,
        mut parse: impl FnMut(&[u8]) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let mut patience = Patience::new(self.clock.as_ref());
        let mut session = self.session(None).await?;
        let mut logged_in_again = false;
        loop {
            self.leave(&session, tally.purpose).await?;
            tally.requests += 1;
            let failure = match self.attempt(&session, target).await {
                Ok(answer) => match foreign(&answer).map_or_else(|| parse(&answer.body), Err) {
                    Ok(parsed) => {
                        tally.first_date = tally.first_date.or(answer.date);
                        return Ok(parsed);
                    }
                    Err(why) => Failure::Garbled(garbled(&why, &answer.body)),
                },
                Err(failure) => failure,
            };
            match failure {
                Failure::Session(reason) if logged_in_again => {
                    return Err(Failure::Refused(format!(
                        "{reason}, and again after a new login: check the session policy and IP \
                         ranges of the integration user"
                    )));
                }
                Failure::Session(reason) => {
                    logged_in_again = true;
                    session = self.session(Some(session.number)).await?;
                    if matches!(target, Target::Next(_)) {
                        // Locators die with the session that opened them.
                        return Err(Failure::LocatorLost(reason));
                    }
                }
                Failure::Transient { tries_max, after, .. }
                    if patience.wait(tries_max, after).await => {}
                Failure::Garbled(_) if patience.wait(TRIES_MAX, None).await => {}
                Failure::TooLarge(_) if patience.wait(2, None).await => {}
                Failure::NotFound(said) if !matches!(target, Target::Next(_)) => {
                    return Err(self.nothing_there(&session, said).await);
                }
                Failure::QuotaSpent => {
                    return Err(Failure::Final(self.refused_more(tally.purpose)));
                }
                failure => return Err(self.keep_away(failure)),
            }
        }
    }

    /// The login to use, other than number `dead`.
    pub(super) async fn session(&self, dead: Option<u64>) -> Result<Session, Failure> {
        self.may_ask()?;
        let session = self.login.session(self, dead).await;
        session.map_err(|failure| self.keep_away(failure))
    }

    /// One try.
    async fn attempt(&self, session: &Session, target: &Target) -> Result<Answer, Failure> {
        let url = self.address(session, target).await?;
        let token = session.token.expose_secret();
        if url.len() + token.len() + HEADER_BYTES > REQUEST_BYTES_MAX {
            return Err(Failure::Refused(format!(
                "a request of {} bytes would exceed its limit of {REQUEST_BYTES_MAX}: name fewer \
                 fields in the dataset",
                url.len() + token.len() + HEADER_BYTES
            )));
        }
        let request = self
            .http
            .get(url)
            .bearer_auth(token)
            .header("accept", "application/json")
            .header("sforce-query-options", "batchSize=2000")
            .header("sforce-call-options", "client=postrider");
        self.spend();
        let answer = http::send(request).await?;
        self.heard(answer.date, answer.limits.as_deref());
        if answer.status == 200 {
            self.seen().quota.answered();
            return Ok(answer);
        }
        let failure =
            failure::of_rest(answer.status, &failure::scrubbed(&answer.body, token)).without(token);
        Err(match (target, failure) {
            (Target::Next(_), Failure::NotFound(said)) => Failure::LocatorLost(said),
            (_, failure) => failure.not_before(answer.retry_after),
        })
    }

    /// Counts one request of ours. Whoever sends one without [`Salesforce::ask`] says so here, also
    /// where it fails.
    pub(super) fn spend(&self) {
        let now = self.clock.now();
        self.seen().spent.add(now, 1);
    }

    /// Takes note of what an answer says beside its body: the org's clock, `Sforce-Limit-Info`.
    pub(super) fn heard(&self, date: Option<DateTime<Utc>>, limits: Option<&str>) {
        date.into_iter().for_each(|date| self.saw_date(date));
        if let Some(limits) = limits {
            self.seen().quota.see(limits, self.clock.now());
        }
    }

    /// What the addresses of the REST interface begin with: instance and version, as in
    /// `https://acme.my.salesforce.com/services/data/v68.0`.
    pub(super) async fn data_url(&self, session: &Session) -> Result<String, Failure> {
        let version = self.version(session).await?;
        Ok(format!("{}/services/data/v{version}", session.instance))
    }

    async fn address(&self, session: &Session, target: &Target) -> Result<String, Failure> {
        let instance = &session.instance;
        let encoded = |soql| utf8_percent_encode(soql, ENCODED);
        Ok(match target {
            Target::Query(soql) => {
                format!("{}/queryAll?q={}", self.data_url(session).await?, encoded(soql))
            }
            Target::Existing(soql) => {
                format!("{}/query?q={}", self.data_url(session).await?, encoded(soql))
            }
            Target::Next(next) if next.starts_with('/') && !next.starts_with("//") => {
                format!("{instance}{next}")
            }
            Target::Next(next) => match url::Url::parse(next) {
                Ok(url) if url.origin().ascii_serialization() == *instance => next.clone(),
                _ => {
                    let shown = beginning(next);
                    return Err(Failure::Final(self.unreadable(format!(
                        "the next page is said to be on another host: `{shown}`"
                    ))));
                }
            },
            Target::Describe(object) => {
                format!("{}/sobjects/{object}/describe", self.data_url(session).await?)
            }
            Target::Limits => format!("{}/limits", self.data_url(session).await?),
        })
    }

    /// Whether a request may be made for a purpose. Where the org had too few left a while ago, one
    /// request looks; near its limit those who can wait are held up.
    /// Whoever sends requests without [`Salesforce::ask`] asks here before each of them.
    pub(super) async fn leave(&self, session: &Session, purpose: Purpose) -> Result<(), Failure> {
        self.may_ask()?;
        let leave = || {
            let (seen, now) = (self.seen(), self.clock.now());
            seen.quota.leave(purpose, &seen.spent, self.settings.quota_share, now)
        };
        let mut left = leave();
        if left == Leave::Look {
            if !self.look(session).await {
                return Ok(());
            }
            left = leave();
        }
        match left {
            Leave::Go | Leave::Look => Ok(()),
            Leave::Slow(pause) => {
                self.clock.sleep_until(self.clock.now() + pause).await;
                Ok(())
            }
            Leave::Stop(stop) => Err(Failure::Final(self.quota_spent(stop.reason(purpose)))),
        }
    }

    /// Finds out how much the org has left, and says whether it could: not with a token that is
    /// dead, which the request itself will find out again and mend.
    async fn look(&self, session: &Session) -> bool {
        let before = {
            let mut seen = self.seen();
            let before = seen.quota.clone();
            seen.quota.look(self.clock.now());
            before
        };
        // The header of any answer tells, even of a refusal.
        match self.attempt(session, &Target::Limits).await {
            Ok(answer) => {
                // Most orgs say it twice; what the header says is newer.
                if answer.limits.is_none() {
                    self.seen().quota.see_limits(&answer.body, self.clock.now());
                }
                true
            }
            Err(Failure::Session(_)) => {
                self.seen().quota = before;
                false
            }
            Err(_) => true,
        }
    }

    /// Refuses to ask where the org asked us to stay away.
    fn may_ask(&self) -> Result<(), Failure> {
        match self.seen().away_until {
            Some(until) if self.clock.now() < until => Err(Failure::Final(SourceError::Down {
                name: self.settings.name.clone(),
                reason: format!("it asked to be left alone until {}", until.format("%H:%M:%S UTC")),
            })),
            _ => Ok(()),
        }
    }

    /// Remembers a wait that a request could not sit out.
    pub(super) fn keep_away(&self, failure: Failure) -> Failure {
        if let Failure::Transient { after: Some(after), .. } = &failure {
            let until = self.clock.now() + (*after).min(AWAY_MAX);
            self.seen().away_until = Some(until);
        }
        failure
    }

    fn saw_date(&self, date: DateTime<Utc>) {
        self.seen().ahead = Some(date - self.clock.now());
    }

    /// Takes note that the org refuses requests, for everybody of ours.
    fn refused_more(&self, purpose: Purpose) -> SourceError {
        let now = self.clock.now();
        self.seen().quota.exhaust(now);
        let leave = {
            let seen = self.seen();
            seen.quota.leave(purpose, &seen.spent, self.settings.quota_share, now)
        };
        self.quota_spent(match leave {
            Leave::Stop(stop) => stop.reason(purpose),
            _ => "and the org refuses more".to_owned(),
        })
    }

    fn quota_spent(&self, reason: String) -> SourceError {
        let quota = self.seen().quota.quota();
        SourceError::QuotaSpent {
            name: self.settings.name.clone(),
            used: quota.map_or(0, |quota| quota.used),
            allowed: quota.map_or(0, |quota| quota.allowed),
            reason,
        }
    }

    pub(super) fn unreadable(&self, reason: String) -> SourceError {
        SourceError::Unreadable { name: self.settings.name.clone(), reason }
    }

    /// A failure that nothing more can be done about, for the caller of the source.
    pub(super) fn told(&self, failure: Failure) -> SourceError {
        let name = self.settings.name.clone();
        match failure {
            Failure::Final(err) => err,
            Failure::QuotaSpent => self.refused_more(Purpose::Rule),
            Failure::Garbled(reason) | Failure::TooLarge(reason) => {
                SourceError::Unreadable { name, reason }
            }
            Failure::Refused(reason)
            | Failure::Session(reason)
            | Failure::NotFound(reason)
            | Failure::Query(reason)
            | Failure::UnknownField(reason) => SourceError::Refused { name, reason },
            Failure::Transient { reason, .. } | Failure::LocatorLost(reason) => {
                SourceError::Down { name, reason }
            }
            Failure::QueryTimeout => SourceError::Down {
                name,
                reason: "it does not answer even a minute's changes in time".to_owned(),
            },
        }
    }
}

/// Says so where a body is not written in UTF-8 and does not claim to be: read as if it were, its
/// texts would be wrong.
fn foreign(answer: &Answer) -> Option<String> {
    let (_, charset) = answer.content_type.as_deref()?.split_once("charset=")?;
    let charset = charset.split(';').next()?.trim().trim_matches('"');
    let utf8 = ["utf-8", "utf8", "us-ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    (!utf8 && std::str::from_utf8(&answer.body).is_err())
        .then(|| format!("its answer is written in `{}`, not in UTF-8", beginning(charset)))
}

/// Records never get into an error: of a body only its beginning is shown, and only of one that is
/// no JSON.
pub(super) fn garbled(why: &str, body: &[u8]) -> String {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => why.to_owned(),
        None => "an empty answer".to_owned(),
        Some(_) if why.contains("not in UTF-8") => why.to_owned(),
        Some(_) => beginning(&String::from_utf8_lossy(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: Option<&str>, body: &[u8], says: Option<&str>) {
        let answer = Answer {
            status: 200,
            date: None,
            limits: None,
            retry_after: None,
            content_type: content_type.map(str::to_owned),
            body: body.to_owned(),
        };
        let told = foreign(&answer);
        assert_eq!(told.is_some(), says.is_some(), "{told:?}");
        assert!(told.unwrap_or_default().contains(says.unwrap_or_default()));
    }

    #[test]
    fn a_body_that_says_it_is_not_in_utf8_and_is_not_is_told() {
        let (utf8, latin) = ("Müller".as_bytes(), b"M\xfcller".as_slice());
        check(Some("application/json;charset=ISO-8859-1"), latin, Some("`ISO-8859-1`"));
        check(Some("text/html; charset=\"utf-16\"; x=y"), latin, Some("`utf-16`"));
        check(Some("application/json;charset=ISO-8859-1"), utf8, None);
        // Broken UTF-8 is mended, not refused.
        check(Some("application/json;charset=UTF-8"), latin, None);
        check(Some("application/json"), latin, None);
        check(None, latin, None);
    }
}
