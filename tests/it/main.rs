//! The integration tests: the real app on loopback, and the shape of the code.

mod config_problems;
mod harness;
mod thirteen;
mod tidy;
