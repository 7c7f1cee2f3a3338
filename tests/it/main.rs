//! The integration tests: the real app on loopback, and the shape of the code.

mod alerts;
mod config_problems;
mod deliveries;
mod harness;
mod oracle;
mod restarts;
mod slice;
mod slots;
mod sources_down;
mod tidy;
