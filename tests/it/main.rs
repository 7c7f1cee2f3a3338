//! The integration tests: the real app on loopback, and the shape of the code.

mod config_problems;
mod crash;
mod oracle;
mod tidy;
