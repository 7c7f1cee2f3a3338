//! An answer before it goes out.

use serde_json::{Value, json};

/// Status and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    html: bool,
    /// `Sforce-Limit-Info`.
    pub(crate) limit_info: Option<String>,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer::raw(status, body.to_string().into_bytes())
    }
    /// JSON already written.
    pub(crate) fn raw(status: u16, body: Vec<u8>) -> Answer {
        Answer { status, body, html: false, limit_info: None }
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
            413 => "Request Entity Too Large",
            414 => "URI Too Long",
            420 => "Enhance Your Calm",
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
        Answer { status, body: body.into_bytes(), html: true, limit_info: None }
    }
    /// Whether the body is a page.
    pub(crate) fn is_html(&self) -> bool {
        self.html
    }
}
