//! The integration tests: the real app on loopback, and the shape of the code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

mod alerts;
mod config_problems;
mod crash;
mod deliveries;
mod harness;
mod oracle;
mod restarts;
mod slice;
mod thirteen;
mod tidy;
