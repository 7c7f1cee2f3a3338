//! The requests of the Bulk API: what is sent, and what its answers mean. "Job" is Salesforce's
//! word for one query that it works on while we wait.

use chrono::TimeDelta;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

use crate::source::SourceError;
use crate::source::salesforce::Salesforce;
use crate::source::salesforce::failure::{self, Failure, Said, TRIES_MAX, beginning};
use crate::source::salesforce::http::{self, Opened};
use crate::source::salesforce::login::Session;
use crate::source::salesforce::patience::Patience;
use crate::source::salesforce::request::Tally;

/// A page of results has at most so many records.
pub(super) const PAGE_RECORDS_MAX: u64 = 100_000;

/// A page is written to the store while it is read, so it may take its time; a server that says
/// nothing for long is given up all the same.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

const FIRST_WAIT: TimeDelta = TimeDelta::milliseconds(250);
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(30);

/// What is asked of the Bulk API.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call<'c> {
    /// Work on this statement.
    Create(&'c str),
    /// How is this job?
    Look(&'c str),
    /// A page of this job's results: the first, or the one with this locator.
    Results(&'c str, Option<&'c str>),
    /// Stop working on this job.
    Abort(&'c str),
    /// Forget this job and its results.
    Delete(&'c str),
}

/// Why the Bulk API did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The job is not ready; ask later.
    NotReady(String),
    /// There is no such job, or no longer, or its pages are gone.
    Gone(String),
    /// It gave another number of records than it had announced.
    Miscounted(String),
    /// The Bulk API does not do this.
    Unsupported(String),
    /// As for any other request.
    Other(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure {
            Failure::LocatorLost(said) => Trouble::Gone(said),
            failure => Trouble::Other(failure),
        }
    }
}

/// A job, as the org last described it.
#[derive(Debug, Deserialize)]
pub(super) struct Job {
    /// What it is called.
    pub(super) id: String,
    #[serde(default)]
    state: String,
    /// How many records its results have, where it says.
    #[serde(rename = "numberRecordsProcessed")]
    pub(super) records: Option<u64>,
    #[serde(rename = "errorMessage")]
    message: Option<String>,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Being worked on, or about to be.
    Working,
    /// Its results can be read.
    Complete,
    /// It ended without any.
    Ended(Trouble),
}

impl Job {
    /// Where it stands. A state nobody knows is one on the way: the wait for it has an end.
    pub(super) fn state(&self) -> State {
        match self.state.as_str() {
            "JobComplete" => State::Complete,
            "Aborted" => {
                let reason = "its Bulk job was aborted by somebody".to_owned();
                State::Ended(Trouble::Other(Failure::transient(reason)))
            }
            "Failed" => State::Ended(ended(self.message.as_deref().unwrap_or_default())),
            _ => State::Working,
        }
    }
}

/// What a failed job's message means.
fn ended(message: &str) -> Trouble {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let text = match beginning(message) {
        none if none.is_empty() => "its Bulk job failed without a word".to_owned(),
        message => format!("its Bulk job failed: {message}"),
    };
    // It is retried inside the org many times before: less at a time is what helps.
    let too_much =
        ["QUERY_TIMEOUT", "running for too long", "Retried more", "Failed to write query result"];
    if says(&too_much) {
        Trouble::Other(Failure::QueryTimeout)
    } else if is_unsupported("", message) {
        Trouble::Unsupported(text)
    } else if says(&["INVALID_FIELD", "No such column"]) {
        Trouble::Other(Failure::UnknownField(text))
    } else if says(&["MALFORMED_QUERY", "INVALID_TYPE"]) {
        Trouble::Other(Failure::Query(text))
    } else {
        Trouble::Other(Failure::transient(text))
    }
}

/// What an answer without success means.
fn trouble(call: &Call<'_>, status: u16, body: &[u8]) -> Trouble {
    let said = Said::read(body);
    let text = || format!("it answered {status}, {} {}", said.code, said.message);
    let code = said.code.replace('_', "").to_ascii_lowercase();
    match call {
        Call::Create(_) if matches!(status, 404 | 405) => return Trouble::Unsupported(text()),
        Call::Create(_) if is_unsupported(&code, &said.message) => {
            return Trouble::Unsupported(text());
        }
        Call::Results(..) if matches!(status, 204 | 409 | 412) || code == "jobnotcomplete" => {
            return Trouble::NotReady(text());
        }
        Call::Create(_) => {}
        // Made with another version of the interface.
        Call::Look(_) if status == 409 => return Trouble::Gone(text()),
        _ if matches!(status, 404 | 410) || code == "invalidjob" => return Trouble::Gone(text()),
        Call::Results(..) if status == 400 && speaks_of_locator(&said) => {
            return Trouble::Gone(text());
        }
        _ => {}
    }
    failure::of_rest(status, body).into()
}

/// Code and text differ between the org's pages; the word does not.
fn speaks_of_locator(said: &Said) -> bool {
    [&said.code, &said.message].iter().any(|text| text.to_ascii_lowercase().contains("locator"))
}

/// `code` in lower case without underscores: the org writes the same one in many ways.
fn is_unsupported(code: &str, message: &str) -> bool {
    let codes = ["invalidentity", "featurenotenabled", "limitexceeded", "exceededquota"];
    let names = ["INVALIDENTITY", "FeatureNotEnabled", "FEATURENOTENABLED", "ExceededQuota"];
    let words = ["not supported", "compound data", "compound field"];
    codes.contains(&code)
        || names.iter().any(|name| message.contains(name))
        || (matches!(code, "" | "apierror") && words.iter().any(|word| message.contains(word)))
}

/// How long to wait before the next look: a quarter of a second, then doubling to half a minute.
#[derive(Debug)]
pub(super) struct Waits(TimeDelta);

impl Waits {
    /// From the shortest on.
    pub(super) fn new() -> Waits {
        Waits(FIRST_WAIT)
    }

    /// The next one.
    pub(super) fn next(&mut self) -> TimeDelta {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST_WAIT);
        wait
    }
}

impl Salesforce {
    /// Asks until there is an answer that can be read as a job, or no hope.
    pub(super) async fn ask_job(&self, call: &Call<'_>, tally: &mut Tally) -> Result<Job, Trouble> {
        let mut patience = Patience::new(self.clock.as_ref());
        loop {
            let trouble = match self.job_answer(call, tally).await {
                Ok(job) => return Ok(job),
                Err(trouble) => trouble,
            };
            match &trouble {
                Trouble::Other(Failure::Transient { tries_max, after, .. })
                    if patience.wait(*tries_max, *after).await => {}
                Trouble::Other(Failure::Garbled(_)) if patience.wait(TRIES_MAX, None).await => {}
                _ => return Err(trouble),
            }
        }
    }

    async fn job_answer(&self, call: &Call<'_>, tally: &mut Tally) -> Result<Job, Trouble> {
        let opened = self.open_call(call, tally).await?;
        let answer = opened.whole().await?;
        let job: Job = serde_json::from_slice(&answer.body)
            .map_err(|err| Failure::Garbled(format!("it described no Bulk job: {err}")))?;
        // It becomes part of addresses.
        if job.id.is_empty() || !job.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let shown = beginning(&job.id);
            let told = self.unreadable(format!("`{shown}` is no name of a Bulk job"));
            return Err(Failure::Final(told).into());
        }
        tally.first_date = tally.first_date.or(answer.date);
        Ok(job)
    }

    /// Asks once, and once more after a new login where the old one is dead.
    pub(super) async fn open_call(
        &self,
        call: &Call<'_>,
        tally: &mut Tally,
    ) -> Result<Opened, Trouble> {
        let mut session = self.session(None).await?;
        let mut logged_in_again = false;
        loop {
            self.leave(&session, tally.purpose).await?;
            tally.requests += 1;
            match self.attempt_call(&session, call).await {
                Err(Trouble::Other(Failure::Session(reason))) if logged_in_again => {
                    return Err(Trouble::Other(Failure::Refused(format!(
                        "{reason}, and again after a new login"
                    ))));
                }
                Err(Trouble::Other(Failure::Session(_))) => {
                    logged_in_again = true;
                    session = self.session(Some(session.number)).await?;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt_call(&self, session: &Session, call: &Call<'_>) -> Result<Opened, Trouble> {
        let jobs = format!("{}/jobs/query", self.data_url(session).await?);
        let (method, url) = match call {
            Call::Create(_) => (Method::POST, jobs),
            Call::Look(job) => (Method::GET, format!("{jobs}/{job}")),
            Call::Abort(job) => (Method::PATCH, format!("{jobs}/{job}")),
            Call::Delete(job) => (Method::DELETE, format!("{jobs}/{job}")),
            Call::Results(job, locator) => {
                let mut url = format!("{jobs}/{job}/results?maxRecords={PAGE_RECORDS_MAX}");
                if let Some(locator) = locator {
                    let locator = utf8_percent_encode(locator, NON_ALPHANUMERIC);
                    url.push_str(&format!("&locator={locator}"));
                }
                (Method::GET, url)
            }
        };
        let token = session.token.expose_secret();
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(token)
            .header("sforce-call-options", "client=postrider");
        request = match call {
            Call::Results(..) => request.header("accept", "text/csv").timeout(PAGE_TIMEOUT),
            _ => request.header("accept", "application/json"),
        };
        let body = match call {
            Call::Create(soql) => Some(json!({
                "operation": "queryAll",
                "query": soql,
                "contentType": "CSV",
                "columnDelimiter": "COMMA",
                "lineEnding": "LF",
            })),
            Call::Abort(_) => Some(json!({ "state": "Aborted" })),
            _ => None,
        };
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.spend();
        let opened = http::open(request).await?;
        self.heard(opened.answer.date, opened.answer.limits.as_deref());
        let no_results = matches!(call, Call::Results(..)) && opened.answer.status == 204;
        if (200..300).contains(&opened.answer.status) && !no_results {
            self.seen().quota.answered();
            return Ok(opened);
        }
        let after = opened.answer.retry_after;
        let answer = opened.whole().await?;
        Err(match trouble(call, answer.status, &answer.body) {
            Trouble::Other(failure) => Trouble::Other(failure.without(token).not_before(after)),
            Trouble::NotReady(said) => Trouble::NotReady(said.replace(token, "***")),
            Trouble::Gone(said) => Trouble::Gone(said.replace(token, "***")),
            Trouble::Miscounted(said) => Trouble::Miscounted(said.replace(token, "***")),
            Trouble::Unsupported(said) => Trouble::Unsupported(said.replace(token, "***")),
        })
    }

    /// What to tell of trouble that nothing more can be done about.
    pub(super) fn final_failure(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Other(failure) => self.keep_away(failure),
            Trouble::Miscounted(said) => Failure::Final(self.unreadable(said)),
            Trouble::NotReady(reason) | Trouble::Gone(reason) | Trouble::Unsupported(reason) => {
                let name = self.settings.name.clone();
                Failure::Final(SourceError::Down { name, reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(trouble: &Trouble) -> &'static str {
        match trouble {
            Trouble::NotReady(_) => "not ready",
            Trouble::Gone(_) => "gone",
            Trouble::Miscounted(_) => "miscounted",
            Trouble::Unsupported(_) => "unsupported",
            Trouble::Other(Failure::Transient { .. }) => "transient",
            Trouble::Other(Failure::Session(_)) => "session",
            Trouble::Other(Failure::QueryTimeout) => "timeout",
            Trouble::Other(Failure::UnknownField(_)) => "field",
            Trouble::Other(Failure::QuotaSpent) => "quota",
            Trouble::Other(_) => "final",
        }
    }

    #[track_caller]
    fn check(call: Call<'_>, status: u16, code: &str, message: &str, expected: &str) {
        let body = format!(r#"[{{"errorCode":"{code}","message":"{message}"}}]"#);
        let trouble = trouble(&call, status, body.as_bytes());
        assert_eq!(kind(&trouble), expected, "{trouble:?}");
    }

    #[test]
    fn what_bulk_refuses_is_told_from_what_is_wrong() {
        let create = Call::Create("SELECT");
        let entity = "Entity 'X' is not supported by the Bulk API.";
        check(create, 400, "INVALIDENTITY", entity, "unsupported");
        let compound = "Selecting compound data not supported in Bulk Query";
        check(create, 400, "API_ERROR", compound, "unsupported");
        check(create, 400, "API_ERROR", "something else", "final");
        check(create, 400, "FeatureNotEnabled", "", "unsupported");
        check(create, 400, "FEATURE_NOT_ENABLED", "", "unsupported");
        check(create, 400, "LIMIT_EXCEEDED", "Max jobs", "unsupported");
        check(create, 400, "ExceededQuota", "", "unsupported");
        check(create, 404, "NOT_FOUND", "", "unsupported");
        check(create, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", "quota");
        check(create, 400, "INVALID_FIELD", "No such column", "field");
        check(create, 400, "MALFORMED_QUERY", "", "final");
        check(create, 401, "INVALID_SESSION_ID", "Session expired or invalid", "session");
        check(create, 503, "SERVER_UNAVAILABLE", "", "transient");
    }

    #[test]
    fn results_are_early_gone_or_broken() {
        let results = Call::Results("750", None);
        check(results, 409, "", "", "not ready");
        check(results, 412, "JOB_NOT_COMPLETE", "", "not ready");
        check(results, 204, "", "", "not ready");
        check(results, 400, "JOB_NOT_COMPLETE", "", "not ready");
        check(results, 404, "NOT_FOUND", "", "gone");
        check(results, 400, "InvalidJob", "", "gone");
        check(results, 400, "INVALID_LOCATOR", "", "gone");
        check(results, 400, "INVALID_QUERY_LOCATOR", "", "gone");
        check(results, 400, "API_ERROR", "Invalid locator", "gone");
        check(results, 400, "API_ERROR", "no", "final");
        check(results, 500, "UNKNOWN_EXCEPTION", "", "transient");
        check(Call::Look("750"), 409, "VERSION_MISMATCH", "", "gone");
        check(Call::Look("750"), 404, "NOT_FOUND", "", "gone");
        check(Call::Look("750"), 503, "", "", "transient");
    }

    #[track_caller]
    fn state(state: &str, message: Option<&str>) -> State {
        let message = message.map(str::to_owned);
        let job = Job { id: "750".to_owned(), state: state.to_owned(), records: None, message };
        job.state()
    }

    #[test]
    fn a_job_ends_for_a_reason() {
        assert_eq!(state("UploadComplete", None), State::Working);
        assert_eq!(state("InProgress", None), State::Working);
        assert_eq!(state("", None), State::Working);
        assert_eq!(state("JobComplete", None), State::Complete);
        for (ended, message, expected) in [
            ("Aborted", None, "transient"),
            ("Failed", None, "transient"),
            ("Failed", Some("InternalServerError : oops"), "transient"),
            ("Failed", Some("QUERY_TIMEOUT: too long"), "timeout"),
            ("Failed", Some("Retried more than fifteen times"), "timeout"),
            ("Failed", Some("InvalidBatch : No such column 'X'"), "field"),
            ("Failed", Some("Selecting compound data not supported in Bulk Query"), "unsupported"),
            ("Failed", Some("MALFORMED_QUERY"), "final"),
        ] {
            let State::Ended(trouble) = state(ended, message) else { panic!("{ended}") };
            assert_eq!(kind(&trouble), expected, "{trouble:?}");
        }
    }

    #[test]
    fn waits_double_to_half_a_minute() {
        let mut waits = Waits::new();
        let first: Vec<_> = (0..9).map(|_| waits.next().num_milliseconds()).collect();
        assert_eq!(first, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }
}
