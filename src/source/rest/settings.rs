//! What the config says of a JSON API, ready to be used.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use secrecy::SecretString;

/// One JSON API.
#[derive(Clone, Debug)]
pub struct RestSettings {
    /// The source's name in `[sources]`.
    pub name: String,
    /// What paths of datasets are relative to, without a slash at the end.
    pub base_url: String,
    /// How it knows us.
    pub auth: RestAuth,
    /// Headers on every request: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// How often records are pulled.
    pub pull_every: TimeDelta,
    /// How far back the first load reaches.
    pub history: Option<TimeDelta>,
    /// At most so many requests in so much time.
    pub rate: Option<(u32, TimeDelta)>,
    /// Its datasets, by name.
    pub datasets: BTreeMap<String, RestDataset>,
}

/// How an API knows us.
#[derive(Clone, Debug)]
pub enum RestAuth {
    /// It does not.
    None,
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// `Authorization: Basic`.
    Basic {
        /// User.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// A header of its own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretString,
    },
    /// A query parameter.
    Query {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretString,
    },
    /// OAuth 2 client credentials: a token, fetched again before it expires or when it is refused.
    OAuth2 {
        /// Where tokens come from.
        token_url: String,
        /// Client id.
        client_id: SecretString,
        /// Client secret.
        client_secret: SecretString,
        /// Scope to ask for.
        scope: Option<String>,
    },
}

/// How one dataset is read.
#[derive(Clone, Debug, PartialEq)]
pub struct RestDataset {
    /// Path below the base, e.g. `/v2/tickets`; may hold placeholders.
    pub path: String,
    /// Query parameters in order: name and value; values may hold placeholders.
    pub query: Vec<(String, String)>,
    /// JSON Pointer to the array of records (or to an object whose values they are); empty: the body.
    pub records: String,
    /// How pages follow each other.
    pub paging: Paging,
    /// JSON Pointer, within a record, to an array of which each element becomes a record: pointers
    /// of fields that begin with it then mean the element.
    pub explode: Option<String>,
    /// For each field of the dataset, in order, how its value is read.
    pub readings: Vec<Reading>,
    /// Fields whose values, joined by `/`, are the key (a text field that no reading fills); a `/` in
    /// a value is written `~1` there, as in a JSON Pointer.
    pub key_of: Vec<usize>,
    /// How far before the watermark a pull begins.
    pub overlap: TimeDelta,
    /// A pull asks for at most so much time at once, by the placeholders `{from}` and `{to}`.
    pub window: Option<TimeDelta>,
    /// At most so many pages a query.
    pub pages_max: u32,
    /// Above this share of records that cannot be read the pull fails (0 to 1).
    pub bad_share_max: f64,
}

/// How a field's value is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// JSON Pointer within the record; `#`: the name its record has in the object of records; empty:
    /// not read (a key made of others).
    pub pointer: String,
    /// How it is written there.
    pub format: Format,
}

/// How a value is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// As JSON of the field's type (a timestamp: RFC 3339).
    Plain,
    /// A timestamp in seconds since 1970 UTC.
    EpochSeconds,
    /// A timestamp in milliseconds since 1970 UTC.
    EpochMillis,
    /// A timestamp in this chrono pattern, in UTC where it has no offset.
    Pattern(String),
    /// An array, its elements joined by this text.
    Joined(String),
    /// How many elements an array has.
    Count,
}

/// How pages follow each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// One page.
    None,
    /// The body names the next page: an address on the same host, relative or absolute.
    NextUrl {
        /// JSON Pointer to it.
        pointer: String,
        /// What says whether there is more, where the address alone does not.
        more: Option<More>,
    },
    /// The header `Link` with `rel="next"`.
    LinkHeader,
    /// The body holds a cursor that the next request repeats.
    Cursor {
        /// JSON Pointer to it; the token `-` means the last record: `/data/-/id`.
        pointer: String,
        /// Query parameter that carries it.
        parameter: String,
        /// What says whether there is more, where the cursor alone does not.
        more: Option<More>,
    },
    /// Pages by number, until one is empty or shorter than those before.
    Page {
        /// Query parameter.
        parameter: String,
        /// Number of the first page.
        first: u64,
        /// Records asked for a page; `None`: until an empty page.
        size: Option<u64>,
    },
    /// Pages by offset, until one is empty or shorter than those before.
    Offset {
        /// Query parameter.
        parameter: String,
        /// Records asked for a page.
        size: u64,
    },
}

/// A truth value in the body that says whether there is another page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct More {
    /// JSON Pointer to it.
    pub pointer: String,
    /// What it is while there is more: `true` for a `has_more`, `false` for an `end_of_stream`.
    pub when: bool,
}
