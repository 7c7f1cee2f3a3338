//! Postrider mails the right numbers at the right time and raises the alarm when they go wrong.
//!
//! Modules in reading order; a module uses only those below it (`tests/it/tidy.rs` keeps it so).

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod receiver;
pub mod render;
pub mod source;
pub mod store;
pub mod telemetry;
