//! The integration tests: the real app on loopback, and the shape of the code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]
#![allow(clippy::duplicate_mod, reason = "two campaigns of the benches share their parts")]

mod alerts;
mod blind;
mod commands;
mod compare;
mod config_problems;
mod corrections;
mod crash;
mod deliveries;
mod digests;
mod explain;
mod fault_matrix;
mod faults_mail;
mod files;
mod fuzz;
mod golden;
mod harness;
mod health;
mod heartbeat;
mod hostile;
mod hygiene;
mod incidents;
mod infer;
mod life;
mod mail_servers;
mod occurrences;
mod oracle;
mod outbox;
mod peer_failures;
mod receivers;
mod recipes;
mod rehearse;
mod reload;
mod report_tests;
mod rest;
mod restarts;
mod retention;
mod routing;
mod rule_tests;
mod runs;
mod salesforce_cases;
mod secrets;
mod sim;
mod slice;
mod slots;
mod sources_config;
mod sources_down;
mod state_file;
mod sweep;
mod thirteen;
mod tidy;
mod verify;
mod watch;
