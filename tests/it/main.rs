//! The integration tests: the real app on loopback, and the shape of the code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

mod alerts;
mod commands;
mod compare;
mod config_problems;
mod crash;
mod deliveries;
mod digests;
mod fault_matrix;
mod files;
mod golden;
mod harness;
mod health;
mod infer;
mod oracle;
mod receivers;
mod recipes;
mod reload;
mod report_tests;
mod rest;
mod restarts;
mod retention;
mod runs;
mod salesforce_cases;
mod secrets;
mod slice;
mod slots;
mod sources_config;
mod sources_down;
mod thirteen;
mod tidy;
mod verify;
