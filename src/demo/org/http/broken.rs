//! Answers that a fault puts in the place of the right one.

use crate::demo::org::faults::Fault;
use crate::demo::org::http::answer::{Answer, Content, Kind};
use crate::demo::org::traffic::Call;

/// Bytes of one piece of a bomb.
const PIECE_BYTES: u64 = 64 * 1_024;

/// The answer of a request that meets this fault, if the fault is the whole answer.
pub(super) fn instead(fault: &Fault, call: Call) -> Option<Answer> {
    let answer = match fault {
        Fault::Html(status) => Answer::html(*status),
        Fault::Busy { status, retry_after } => {
            Answer::html(*status).with("Retry-After", *retry_after)
        }
        Fault::HtmlOk => Answer::html(200),
        Fault::SessionRefused => {
            let text = "This session is not valid for use with the REST API";
            Answer::error(401, "INVALID_SESSION_ID", text)
        }
        Fault::Unavailable => Answer::error(503, "SERVER_UNAVAILABLE", "Server too busy"),
        Fault::RequestLimit => {
            Answer::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        }
        Fault::QueryTimeout => timeout(),
        Fault::Error { status, code, message } => Answer::error(*status, code, message),
        Fault::DeepJson(depth) => Answer::raw(200, deep(*depth)),
        Fault::GzipBomb(bytes) => bomb(*bytes, call),
        _ => return None,
    };
    Some(answer)
}

/// What a query that takes too long is told.
pub(super) fn timeout() -> Answer {
    Answer::error(400, "QUERY_TIMEOUT", "Your query request was running for too long.")
}

/// One record whose `Id` is so many lists, each within the one before.
fn deep(depth: usize) -> Vec<u8> {
    let mut body = b"{\"totalSize\":1,\"done\":true,\"records\":[{\"Id\":".to_vec();
    body.extend(std::iter::repeat_n(b'[', depth));
    body.extend(std::iter::repeat_n(b']', depth));
    body.extend_from_slice(b"}]}");
    body
}

/// A body that is right but for very many blanks, which compress to almost nothing.
fn bomb(bytes: u64, call: Call) -> Answer {
    let (head, tail, kind) = match call {
        Call::BulkResults => ("\"Id\"\n", "\n", Kind::Csv),
        _ => ("{\"totalSize\":0,\"done\":true,", "\"records\":[]}", Kind::Json),
    };
    let blanks = (0..bytes.div_ceil(PIECE_BYTES)).map(|_| vec![b' '; PIECE_BYTES as usize]);
    let pieces = std::iter::once(head.as_bytes().to_vec())
        .chain(blanks)
        .chain(std::iter::once(tail.as_bytes().to_vec()));
    let answer = Answer::of(200, kind, Content::Lazy(Box::new(pieces)));
    match call {
        Call::BulkResults => {
            answer.with("Sforce-NumberOfRecords", "0").with("Sforce-Locator", "null")
        }
        _ => answer,
    }
}
