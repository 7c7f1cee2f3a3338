//! The integration tests: the real app on loopback, and the shape of the code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

mod config_problems;
mod oracle;
mod tidy;
