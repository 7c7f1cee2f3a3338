//! Charts: which columns of a table are drawn, and how. The definition, not the drawing.

use serde::{Deserialize, Serialize};

/// A report's chart. Its numbers stand in the table beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// How it is drawn.
    pub kind: ChartKind,
    /// The columns drawn (indexes into the table's columns): one for a histogram, one or more else.
    /// Of a pivoted report: the indexes before the pivot; all its pivoted columns are drawn.
    pub values: Vec<usize>,
    /// The column that names the marks, or that the line runs along: a grouping column.
    pub by: usize,
}

/// Kinds of charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChartKind {
    /// A bar a row, lying, largest on top as the table is sorted.
    Bars,
    /// A bar a row, its values one after the other.
    Stacked,
    /// Values along time or another order, one line a column.
    Line,
    /// How often values of ranges came: bars that stand, in the order of the ranges.
    Histogram,
}
