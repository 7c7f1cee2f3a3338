//! Postrider mails the right numbers at the right time and raises the alarm when they go wrong.
//!
//! Modules in reading order; a module uses only those below it (`tests/it/tidy.rs` keeps it so).

pub mod cli;
pub mod app;
pub mod config;
pub mod engine;
pub mod demo;
pub mod render;
pub mod source;
pub mod receiver;
pub mod store;
pub mod telemetry;
pub mod clock;
pub mod domain;
