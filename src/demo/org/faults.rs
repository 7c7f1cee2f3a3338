//! Trouble on demand: what a test switches on, an org really does now and then.
//!
//! A [`Fault`] is armed for some requests ([`On`]) by [`Faults::next`], [`Faults::after`] or
//! [`Faults::always`], and a request meets at most one:
//!
//! | Fault | What the client sees |
//! |---|---|
//! | `TokenExpired` | 401 `INVALID_SESSION_ID`, the token is dead |
//! | `SessionRefused` | 401 with the same code at every token |
//! | `Html(406 \| 420 \| 500 \| 502 \| 503 ..)`, `HtmlOk` | a page instead of JSON; at logins too |
//! | `Busy` | a page with `Retry-After`, for 429 and 503; at logins too |
//! | `Unavailable` | 503 `SERVER_UNAVAILABLE` |
//! | `Error`, `login_host()`, `invalid_client()` | any error, in the shape of a login's at logins |
//! | `RequestLimit` | 403 `REQUEST_LIMIT_EXCEEDED` |
//! | `QueryTimeout` | 400 `QUERY_TIMEOUT` |
//! | `Slow`, `Drip` | the answer late, or byte by byte |
//! | `TruncatedJson`, `TruncatedGzip` | a body cut short in a complete message |
//! | `Disconnect` | the connection closed in the middle of the body |
//! | `WrongCharset` | Latin-1, and saying so |
//! | `GzipBomb`, `DeepJson` | small on the wire, huge or deep when unpacked |
//! | `Page` | a page of any size, also empty and not the last |
//! | `EndlessPages`, `PagesInCircle` | a next page for ever: new addresses, or the same one |
//! | `NoDone`, `NoRecords` | a page without that key |
//! | `LocatorExpired` | `INVALID_QUERY_LOCATOR`; for Bulk results an invalid locator |
//! | `Value`, `NulBytes`, `DecimalInts` | values of a wrong type, unknown, with NUL, `3.0` |
//! | `WrongCount` | `Sforce-NumberOfRecords` that does not fit the lines |
//! | `JobPolls`, `JobFails`, `JobAborted` | a Bulk job that is slow, fails, or is aborted |
//!
//! Lasting switches: [`Faults::hide_object`], [`Faults::hide_field`] (rights), [`Faults::refuse_bulk`]
//! (`INVALIDENTITY`), [`Faults::timeout_over`] (records), [`Faults::timeout_wider`] (dates),
//! [`Faults::token_calls`], [`Faults::limit_info`], [`Faults::random_pages`], [`Faults::bulk_polls`],
//! [`Faults::early_results`] (412, 409 or 204), [`Faults::no_header_when_empty`],
//! [`Faults::clock_skew`] and [`Faults::chaos`].
//!
//! Trouble with records needs no switch: a row inserted with a `SystemModstamp` in the past was
//! committed late, and [`purge`](super::Org::purge) removes one without a trace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;

use super::chaos::Chaos;
use super::rng::Rng;
use super::traffic::Call;

mod kinds;

pub(crate) use kinds::Oddities;
use kinds::concerns;
pub use kinds::{Fault, On};

/// How many records a page has, within what the client asks for.
#[derive(Clone, Debug, Default)]
pub(crate) enum PageSizes {
    #[default]
    Asked,
    /// Any size from 0 to what was asked for.
    Random(Rng),
}

/// Objects and fields the API user may not see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hidden {
    objects: BTreeSet<String>,
    fields: BTreeSet<(String, String)>,
}

impl Hidden {
    pub(crate) fn object(&self, object: &str) -> bool {
        self.objects.contains(object)
    }
    pub(crate) fn field(&self, object: &str, field: &str) -> bool {
        !self.fields.is_empty()
            && self.fields.iter().any(|(known, hidden)| known == object && hidden == field)
    }
}

/// A fault waiting for its requests.
#[derive(Clone, Debug)]
struct Armed {
    fault: Fault,
    on: On,
    /// Matching requests still let through.
    skip: u32,
    /// Matching requests still met; `None`: all.
    times: Option<u32>,
}

/// All switches; the table is at the head of this file. A request meets at most one fault: the first armed one that matches.
#[derive(Debug)]
pub struct Faults {
    armed: VecDeque<Armed>,
    pub(crate) hidden: Hidden,
    pub(crate) pages: PageSizes,
    pub(crate) token_calls: Option<u32>,
    pub(crate) limit_info: Option<Option<String>>,
    pub(crate) timeout_over: Option<usize>,
    pub(crate) repeated_empty_pages: u32,
    /// Looks that find a Bulk job in progress.
    pub(crate) bulk_polls: u32,
    /// Status of results asked for too early.
    pub(crate) early_results: u16,
    bulk_refuses: BTreeSet<String>,
    /// Whether results without records lack the header too.
    pub(crate) no_header_when_empty: bool,
    /// Widest window of a query by any date, by object in lower case.
    widest: BTreeMap<String, TimeDelta>,
    chaos: Option<Chaos>,
    /// How far the `Date` header is ahead of the org's clock.
    pub(crate) clock_skew: TimeDelta,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            armed: VecDeque::new(),
            hidden: Hidden::default(),
            pages: PageSizes::default(),
            token_calls: None,
            limit_info: None,
            timeout_over: None,
            repeated_empty_pages: 0,
            bulk_polls: 1,
            early_results: 412,
            bulk_refuses: BTreeSet::new(),
            no_header_when_empty: false,
            widest: BTreeMap::new(),
            chaos: None,
            clock_skew: TimeDelta::zero(),
        }
    }
}

impl Faults {
    /// Meets the next `times` matching requests.
    pub fn next(&mut self, fault: Fault, on: On, times: u32) {
        self.after(0, fault, on, times);
    }
    /// Lets `skip` matching requests through, then meets the next `times`.
    pub fn after(&mut self, skip: u32, fault: Fault, on: On, times: u32) {
        self.armed.push_back(Armed { fault, on, skip, times: Some(times) });
    }
    /// Meets every matching request until [`Faults::clear`].
    pub fn always(&mut self, fault: Fault, on: On) {
        self.armed.push_back(Armed { fault, on, skip: 0, times: None });
    }
    /// The next pages have these sizes, whatever is asked for.
    pub fn page_sizes(&mut self, sizes: &[usize]) {
        for &size in sizes {
            self.armed.push_back(Armed {
                fault: Fault::Page(size),
                on: On::default(),
                skip: 0,
                times: Some(1),
            });
        }
    }
    /// Pages have any size from 0 to what is asked for, from this seed on.
    pub fn random_pages(&mut self, seed: u64) {
        self.pages = PageSizes::Random(Rng::new(&[seed]));
    }
    /// Every token given out from now on dies after so many requests.
    pub fn token_calls(&mut self, calls: Option<u32>) {
        self.token_calls = calls;
    }
    /// `Sforce-Limit-Info` says this; `None` leaves the header out.
    pub fn limit_info(&mut self, header: Option<&str>) {
        self.limit_info = Some(header.map(str::to_owned));
    }
    /// Queries that find more records than this answer `QUERY_TIMEOUT`.
    pub fn timeout_over(&mut self, records: Option<usize>) {
        self.timeout_over = records;
    }
    /// Queries of this object that no condition on a date keeps within this width answer
    /// `QUERY_TIMEOUT`.
    pub fn timeout_wider(&mut self, object: &str, width: TimeDelta) {
        self.widest.insert(object.to_ascii_lowercase(), width);
    }
    /// An endless mix of troubles that a good client survives: one request in twenty, never two of
    /// a kind in a row. The same seed and the same requests meet the same troubles. Armed faults
    /// come first.
    pub fn chaos(&mut self, seed: Option<u64>) {
        self.chaos = seed.map(Chaos::new);
    }
    /// Bulk jobs are in progress for so many looks (1 unless it is said here).
    pub fn bulk_polls(&mut self, looks: u32) {
        self.bulk_polls = looks;
    }
    /// Results asked for before the job is complete answer this status: 412 unless it is said here,
    /// 409 or 204 elsewhere.
    pub fn early_results(&mut self, status: u16) {
        self.early_results = status;
    }
    /// Bulk results without records are an empty body, not a header alone.
    pub fn no_header_when_empty(&mut self, on: bool) {
        self.no_header_when_empty = on;
    }
    /// The Bulk API knows nothing of this object (`INVALIDENTITY`); REST does.
    pub fn refuse_bulk(&mut self, object: &str) {
        self.bulk_refuses.insert(object.to_ascii_lowercase());
    }
    /// The `Date` header is ahead of the org's clock by this.
    pub fn clock_skew(&mut self, ahead: TimeDelta) {
        self.clock_skew = ahead;
    }
    /// Hides a field: field-level security, an older edition.
    pub fn hide_field(&mut self, object: &str, field: &str) {
        self.hidden.fields.insert((object.to_owned(), field.to_owned()));
    }
    /// Hides an object: a missing permission or licence.
    pub fn hide_object(&mut self, object: &str) {
        self.hidden.objects.insert(object.to_owned());
    }
    /// Switches everything off.
    pub fn clear(&mut self) {
        *self = Faults::default();
    }
    /// Faults still waiting for a request, those for every request not counted.
    pub fn waiting(&self) -> u32 {
        self.armed.iter().filter_map(|armed| armed.times).sum()
    }

    /// The widest window of a query of this object.
    pub(crate) fn widest(&self, object: &str) -> Option<TimeDelta> {
        self.widest.get(&object.to_ascii_lowercase()).copied()
    }

    /// Whether the Bulk API does not know the object.
    pub(crate) fn is_refused_by_bulk(&self, object: &str) -> bool {
        self.bulk_refuses.contains(&object.to_ascii_lowercase())
    }

    /// The fault this request meets.
    pub(crate) fn meet(&mut self, call: Call, soql: Option<&str>) -> Option<Fault> {
        let mut place = 0;
        while place < self.armed.len() {
            let armed = &mut self.armed[place];
            let fits = armed.on.matches(call, soql) && concerns(&armed.fault, call);
            if !fits {
                place += 1;
                continue;
            }
            if armed.skip > 0 {
                armed.skip -= 1;
                place += 1;
                continue;
            }
            let fault = armed.fault.clone();
            if let Some(times) = &mut armed.times {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    self.armed.remove(place);
                }
            }
            return Some(fault);
        }
        self.chaos.as_mut().and_then(|chaos| chaos.meet(call))
    }

    /// How many records the next page has at most.
    pub(crate) fn page_size(&mut self, asked: usize) -> usize {
        match &mut self.pages {
            PageSizes::Asked => asked,
            PageSizes::Random(rng) => {
                let size = rng.below(asked + 1);
                // Now and then empty, but never so often in a row that nothing moves on.
                self.repeated_empty_pages =
                    if size == 0 { self.repeated_empty_pages + 1 } else { 0 };
                if self.repeated_empty_pages > 2 { 1 } else { size }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_its_requests_and_no_more() {
        let mut faults = Faults::default();
        faults.after(1, Fault::Html(503), On::call(Call::Query), 2);
        faults.next(Fault::QueryTimeout, On::soql("AgentWork"), 1);
        let mut meet = |call, soql| faults.meet(call, soql);
        assert_eq!(meet(Call::Token, None), None);
        assert_eq!(meet(Call::Query, Some("SELECT Id FROM AgentWork")), Some(Fault::QueryTimeout));
        assert_eq!(meet(Call::QueryMore, None), None);
        assert_eq!(meet(Call::Query, Some("x")), Some(Fault::Html(503)));
        assert_eq!(meet(Call::Query, Some("x")), Some(Fault::Html(503)));
        assert_eq!(meet(Call::Query, Some("x")), None);
        assert_eq!(faults.waiting(), 0);
    }
}
