//! Comparing: the figures of a period with those of earlier ones like it.
//!
//! A baseline is one or several stretches of time of the same shape as the report's own: the period
//! before, several before, or the same weekdays of earlier weeks. A change is flagged only when it
//! lies outside what those stretches have shown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::period::Window;

/// What a report's figures are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// So many periods before it, the mean of them; of a period that is under way, the same part
    /// of each.
    Periods(u32),
    /// The same stretch so many weeks back, each week once: the same weekdays.
    Weeks(u32),
}

/// A column's values over earlier periods, drawn small in each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trend {
    /// The column's name.
    pub column: String,
    /// How many periods, the report's own included; at least 2.
    pub periods: u32,
}

/// What a table was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// In words: `the previous 7 days`, `the same weekday of the last 4 weeks`.
    pub words: String,
    /// The stretches, newest first.
    pub windows: Vec<Window>,
    /// Stretches that were left out, each with the reason.
    pub left_out: Vec<(Window, String)>,
}

/// A figure beside its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// The mean of the baseline.
    pub before: f64,
    /// The figure less the baseline.
    pub change: f64,
    /// `change / before`; `None` where the baseline is zero.
    pub relative: Option<f64>,
    /// The usual spread, where the baseline has stretches enough to know one.
    pub usual: Option<(f64, f64)>,
    /// Whether the figure lies outside its usual spread.
    pub unusual: bool,
    /// Whether the change is for the better, where the column's goal says which way that is.
    pub better: Option<bool>,
}

/// What stands beside the values of one row (or total).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// For each column its change; empty where nothing is compared.
    pub deltas: Vec<Option<Delta>>,
    /// The trend's values, oldest first, this period last; empty where there is no trend.
    pub trend: Vec<Option<f64>>,
    /// For each column the address of the record that its cell names; empty where none has one.
    pub links: Vec<Option<String>>,
}

/// A figure of an earlier mail that is another one now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restated {
    /// The slot of the mail that told it.
    pub slot: DateTime<Utc>,
    /// The stretch of time it was about.
    pub window: Window,
    /// Index of the column.
    pub column: usize,
    /// As it was told.
    pub before: f64,
    /// As it is now.
    pub now: f64,
}
