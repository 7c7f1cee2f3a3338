//! The store: records and state in SQLite. The engine's questions, answered.

pub mod records;
pub mod sql;
pub mod state;
