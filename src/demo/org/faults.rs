//! Trouble on demand: what a test switches on, an org really does now and then.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use chrono::TimeDelta;

use super::rng::Rng;
use super::traffic::Call;

/// One kind of trouble, for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 401 `INVALID_SESSION_ID`; the token is gone for good.
    TokenExpired,
    /// 401 with the same code, but no new login helps (a session policy of the org).
    SessionRefused,
    /// An HTML page with this status (500, 502, 503, 420, ...).
    Html(u16),
    /// 503 with the JSON error `SERVER_UNAVAILABLE`.
    Unavailable,
    /// An HTML page with status 200.
    HtmlOk,
    /// The JSON body breaks off; the HTTP message is complete.
    TruncatedJson,
    /// The connection closes in the middle of the body.
    Disconnect,
    /// The compressed body ends in the middle; the HTTP message is complete. Without compression
    /// the plain body does.
    TruncatedGzip,
    /// The body comes byte by byte, with this pause before each.
    Drip(Duration),
    /// Characters are single bytes of Latin-1, and the header says so.
    WrongCharset,
    /// The answer comes this much later (real time).
    Slow(Duration),
    /// 400 `QUERY_TIMEOUT`.
    QueryTimeout,
    /// 403 `REQUEST_LIMIT_EXCEEDED`.
    RequestLimit,
    /// 400 `INVALID_QUERY_LOCATOR`; the locator is gone for good.
    LocatorExpired,
    /// This page has at most so many records; 0 gives an empty page that is not the last.
    Page(usize),
    /// The field holds this JSON in every record of the answer: a value of a wrong type, or a
    /// picklist value nobody knows (`"\"Telepathy\""`).
    Value {
        /// Field of the primary object.
        field: &'static str,
        /// What stands there.
        json: &'static str,
    },
    /// Texts end in a NUL byte.
    NulBytes,
    /// Whole numbers are written `3.0`.
    DecimalInts,
    /// `Sforce-NumberOfRecords` is off by this.
    WrongCount(isize),
    /// The job made by this request is in progress for so many looks before it is complete.
    JobPolls(u32),
    /// The job made by this request fails in the end, with this `errorMessage`.
    JobFails(&'static str),
    /// The job made by this request is aborted by an admin after so many looks.
    JobAborted(u32),
    /// An error with any status and code.
    Error {
        /// HTTP status.
        status: u16,
        /// `errorCode`.
        code: &'static str,
        /// `message`.
        message: &'static str,
    },
}

/// Which requests a fault meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct On {
    /// Only this kind; `None`: every kind but [`Call::Versions`] and [`Call::Token`].
    pub call: Option<Call>,
    /// Only where the statement contains this.
    pub soql: Option<String>,
}

impl On {
    /// Every request behind a login.
    pub fn any() -> On {
        On::default()
    }
    /// Requests of one kind.
    pub fn call(call: Call) -> On {
        On { call: Some(call), soql: None }
    }
    /// Queries (first pages) whose statement contains this.
    pub fn soql(part: &str) -> On {
        On { call: None, soql: Some(part.to_owned()) }
    }

    fn matches(&self, call: Call, soql: Option<&str>) -> bool {
        let kind = match self.call {
            Some(wanted) => wanted == call,
            None => !matches!(call, Call::Versions | Call::Token),
        };
        let text = self
            .soql
            .as_ref()
            .is_none_or(|part| soql.is_some_and(|soql| soql.contains(part.as_str())));
        kind && text
    }
}

/// What a fault does to the values of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// Texts end in a NUL byte.
    pub(crate) nul: bool,
    /// Whole numbers are written `3.0`.
    pub(crate) decimals: bool,
    instead: Option<(&'static str, &'static str)>,
}

impl Oddities {
    /// What this fault does.
    pub(crate) fn of(fault: Option<&Fault>) -> Oddities {
        Oddities {
            nul: fault == Some(&Fault::NulBytes),
            decimals: fault == Some(&Fault::DecimalInts),
            instead: match fault {
                Some(Fault::Value { field, json }) => Some((field, json)),
                _ => None,
            },
        }
    }
    /// The JSON that stands in this field of the primary object.
    pub(crate) fn instead(&self, field: &str) -> Option<&'static str> {
        self.instead.filter(|(own, _)| *own == field).map(|(_, json)| json)
    }
}

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

/// All switches. A request meets at most one fault: the first armed one that matches.
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
    /// Bulk jobs are in progress for so many looks (1 unless it is said here).
    pub fn bulk_polls(&mut self, looks: u32) {
        self.bulk_polls = looks;
    }
    /// Results asked for before the job is complete answer this status: 412 unless it is said here,
    /// 409 or 204 elsewhere.
    pub fn early_results(&mut self, status: u16) {
        self.early_results = status;
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
        None
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

/// Whether a fault means anything to this kind of request; if not, it waits for one.
fn concerns(fault: &Fault, call: Call) -> bool {
    let is_query = matches!(call, Call::Query | Call::QueryAll | Call::QueryMore);
    match fault {
        Fault::QueryTimeout => is_query,
        Fault::Page(_) | Fault::Value { .. } | Fault::NulBytes | Fault::DecimalInts => {
            is_query || call == Call::BulkResults
        }
        Fault::LocatorExpired => matches!(call, Call::QueryMore | Call::BulkResults),
        Fault::WrongCount(_) => call == Call::BulkResults,
        Fault::JobPolls(_) | Fault::JobFails(_) | Fault::JobAborted(_) => call == Call::BulkCreate,
        _ => true,
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
