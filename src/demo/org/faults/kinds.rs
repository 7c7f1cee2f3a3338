//! Kinds of trouble, which requests they meet and what they do to values.

use std::time::Duration;

use crate::demo::org::traffic::Call;

/// One kind of trouble, for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 401 `INVALID_SESSION_ID`; the token is gone for good.
    TokenExpired,
    /// 401 with the same code, but no new login helps (a session policy of the org).
    SessionRefused,
    /// An HTML page with this status (500, 502, 503, 406, 420, ...).
    Html(u16),
    /// An HTML page with this status (429, 503) that says when to come again.
    Busy {
        /// HTTP status.
        status: u16,
        /// `Retry-After`: seconds or an HTTP date.
        retry_after: &'static str,
    },
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
    /// A right answer with nothing in it, but so many bytes of blanks, which compress to almost
    /// nothing; made while it is sent.
    GzipBomb(u64),
    /// One record whose `Id` is so many lists, each within the one before.
    DeepJson(usize),
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
    /// There is a next page, at a new address; records come again and again. Meant for every
    /// request of a query.
    EndlessPages,
    /// The next page is this page. Meant for every request of a query.
    PagesInCircle,
    /// `done` is left out.
    NoDone,
    /// `records` is left out.
    NoRecords,
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
    /// An error with any status and code; a login has no description where the message is empty.
    Error {
        /// HTTP status.
        status: u16,
        /// `errorCode`.
        code: &'static str,
        /// `message`.
        message: &'static str,
    },
}

impl Fault {
    /// What login.salesforce.com answers to client credentials: 400 `invalid_grant`.
    pub fn login_host() -> Fault {
        let message = "request not supported on this domain";
        Fault::Error { status: 400, code: "invalid_grant", message }
    }
    /// 400 `invalid_client` without a description.
    pub fn invalid_client() -> Fault {
        Fault::Error { status: 400, code: "invalid_client", message: "" }
    }
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
    /// First pages of queries, and all about Bulk jobs, whose statement contains this.
    pub fn soql(part: &str) -> On {
        On { call: None, soql: Some(part.to_owned()) }
    }

    pub(super) fn matches(&self, call: Call, soql: Option<&str>) -> bool {
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

/// Whether a fault means anything to this kind of request; if not, it waits for one.
pub(super) fn concerns(fault: &Fault, call: Call) -> bool {
    let is_query = matches!(call, Call::Query | Call::QueryAll | Call::QueryMore);
    match fault {
        Fault::QueryTimeout
        | Fault::EndlessPages
        | Fault::PagesInCircle
        | Fault::NoDone
        | Fault::NoRecords => is_query,
        Fault::Page(_) | Fault::Value { .. } | Fault::NulBytes | Fault::DecimalInts => {
            is_query || call == Call::BulkResults
        }
        Fault::LocatorExpired => matches!(call, Call::QueryMore | Call::BulkResults),
        Fault::WrongCount(_) => call == Call::BulkResults,
        Fault::JobPolls(_) | Fault::JobFails(_) | Fault::JobAborted(_) => call == Call::BulkCreate,
        _ => true,
    }
}
