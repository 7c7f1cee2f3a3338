//! The pure core: values and `now` in, values out. No I/O, no clock, no randomness.

pub mod calendar;
pub mod chart;
pub mod compare;
pub mod coverage;
pub mod dataset;
pub mod delivery;
pub mod digest;
pub mod drift;
pub mod expr;
pub mod goal;
pub mod holidays;
pub mod incident;
pub mod notification;
pub mod period;
pub mod query;
pub mod quota;
pub mod report;
pub mod route;
pub mod rule;
pub mod schedule;
pub mod silence;
pub mod table;
pub mod token;
pub mod value;
pub mod zone;
