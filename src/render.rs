//! Rendering: tables and notifications to mails and payloads. Pure: no clock, no network.
