//! An answer before it goes out.

use serde_json::{Value, json};

use crate::demo::org::csv::Csv;

/// What a body consists of.
pub(crate) enum Content {
    /// Ready.
    Whole(Vec<u8>),
    /// Written while it is sent: results of a Bulk job.
    Csv(Box<Csv>),
    /// Made while it is sent.
    Lazy(Box<dyn Iterator<Item = Vec<u8>> + Send>),
}

/// What a body is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Html,
    Csv,
}

impl Kind {
    /// The media type.
    pub(crate) fn media(self) -> &'static str {
        match self {
            Kind::Json => "application/json;charset=UTF-8",
            Kind::Html => "text/html;charset=UTF-8",
            Kind::Csv => "text/csv;charset=UTF-8",
        }
    }
}

/// Status, headers and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content: Content,
    pub(crate) kind: Kind,
    /// Headers beside those of every answer.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer::raw(status, body.to_string().into_bytes())
    }
    /// JSON already written.
    pub(crate) fn raw(status: u16, body: Vec<u8>) -> Answer {
        Answer::of(status, Kind::Json, Content::Whole(body))
    }
    /// Any body.
    pub(crate) fn of(status: u16, kind: Kind, content: Content) -> Answer {
        Answer { status, content, kind, headers: Vec::new() }
    }
    /// The answer with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
    /// A REST error: always an array.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Answer {
        Answer::json(status, &json!([{ "message": message, "errorCode": code }]))
    }
    /// 404.
    pub(crate) fn not_found() -> Answer {
        Answer::error(404, "NOT_FOUND", "The requested resource does not exist")
    }
    /// A page, as the edge before an org sends it.
    pub(crate) fn html(status: u16) -> Answer {
        let title = match status {
            200 => "Loading...",
            406 => "Not Acceptable",
            413 => "Request Entity Too Large",
            414 => "URI Too Long",
            420 => "Enhance Your Calm",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            502 => "Bad Gateway",
            503 => "We are down for maintenance.",
            504 => "Gateway Timeout",
            _ => "Error",
        };
        let body = format!(
            "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n</body>\n</html>\n"
        );
        Answer::of(status, Kind::Html, Content::Whole(body.into_bytes()))
    }
    /// Whether the body is a page.
    pub(crate) fn is_html(&self) -> bool {
        self.kind == Kind::Html
    }
}
