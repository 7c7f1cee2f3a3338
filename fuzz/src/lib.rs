//! What is done with a fuzzer's bytes. Everything here is reached from outside the library; what is
//! not has a door inside it (`fuzz` modules beside the code, built for fuzzing and tests alone).
//!
//! A target panics where a promise is broken: nothing from outside may panic, run without bound, or
//! give an error that says nothing.

mod language;
mod templates;
mod texts;

pub use language::query;
pub use templates::template;
pub use texts::{config, schedule, words};

/// A fuzzer's bytes as text; what is none is none of ours.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
