//! What stands beside a table's figures: the same question over earlier stretches, each read once,
//! from the same view of the records as the figures themselves.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};

use crate::domain::compare::{Beside, Earlier, Standpoint, beside};
use crate::domain::goal::Goal;
use crate::domain::period::Window;
use crate::domain::query::{Answer, Frame, Query};
use crate::domain::report::Report;
use crate::domain::table::Table;
use crate::domain::value::Value;
use crate::domain::zone::Zone;
use crate::store::{StoreError, View};

/// Fills in what a report is compared with, and its trend. Stretches before the records begin are
/// left out. Of a period that is not complete yet nothing is called unusual.
pub(super) fn fill(
    records: &View<'_>,
    report: &Report,
    answer: &Answer,
    frame: &Frame,
    window: Option<Window>,
    table: &mut Table,
) -> Result<(), StoreError> {
    let query = &*report.query;
    let (Some(window), false) = (window, query.list) else { return Ok(()) };
    let at = Standpoint {
        period: &report.period,
        slot: frame.as_of,
        zone: &frame.zone,
        week_starts: frame.week_starts,
        calendar: report.calendar.as_deref(),
        begins: begins(records, query, &frame.zone)?,
    };
    let mut compared = report.compare.map(|compare| compare.baseline(&at));
    let trend = report.trend.as_ref().and_then(|trend| {
        let column = query.columns.iter().position(|column| column.name == trend.column)?;
        Some((column, trend.windows(&at)))
    });
    if compared.is_none() && trend.is_none() {
        return Ok(());
    }
    let goals = query.columns.iter().map(|column| report.goals.get(&column.name).copied());
    let mut past = Past {
        query,
        own: window,
        compared: compared.iter().flat_map(|compared| &compared.windows).copied().collect(),
        trend,
        known: HashMap::new(),
        goals: goals.collect(),
        width: table.columns.len(),
        flag: table.provisional.is_none(),
    };
    past.read(records, answer, frame)?;
    let rows = answer.rows.iter().enumerate();
    let rows = rows.map(|(index, row)| {
        past.beside(&row.values, |earlier| earlier.rows.get(index).map(Vec::as_slice))
    });
    let rows = rows.collect();
    let total = answer.total.as_deref();
    let total = total.map(|total| past.beside(total, |earlier| earlier.total.as_deref()));
    table.put_beside(rows, total);
    table.trend = past.trend.map(|(column, _)| past.width - query.columns.len() + column);
    if let (Some(compared), false) = (&mut compared, past.flag) {
        compared.words += "; this period is not complete yet";
    }
    table.compared = compared;
    Ok(())
}

/// What is held against a table's figures.
struct Past<'a> {
    query: &'a Query,
    /// The table's own stretch.
    own: Window,
    /// The stretches it is compared with.
    compared: Vec<Window>,
    /// The trend's column of the query and its stretches, oldest first.
    trend: Option<(usize, Vec<Option<Window>>)>,
    /// What each of those stretches has; comparison and trend share them.
    known: HashMap<Window, Earlier>,
    /// One a column of the query.
    goals: Vec<Option<Goal>>,
    /// How many columns the table has.
    width: usize,
    /// Whether what is unusual is called so.
    flag: bool,
}

impl Past<'_> {
    /// Reads every stretch once.
    fn read(
        &mut self,
        records: &View<'_>,
        answer: &Answer,
        frame: &Frame,
    ) -> Result<(), StoreError> {
        // Which groups are shown is this period's business; of earlier ones all are there.
        let whole = Query { top: None, sort: Vec::new(), ..self.query.clone() };
        let of_trend = self.trend.iter().flat_map(|(_, windows)| windows).flatten();
        let wanted = self.compared.iter().chain(of_trend).filter(|window| **window != self.own);
        for window in wanted {
            if let Entry::Vacant(free) = self.known.entry(*window) {
                let earlier = records.answer(&whole, &moved(frame, self.own, *window))?;
                let (now, before) = ((answer, self.own), (&earlier, *window));
                let (zone, week_starts) = (&frame.zone, frame.week_starts);
                free.insert(Earlier::of(self.query, zone, week_starts, now, before));
            }
        }
        Ok(())
    }

    /// What stands beside these values; `of` finds what an earlier stretch has for them.
    fn beside<'e>(
        &'e self,
        values: &[Value],
        of: impl Fn(&'e Earlier) -> Option<&'e [Option<f64>]>,
    ) -> Beside {
        let earlier = |window: &Window| self.known.get(window).and_then(&of);
        let baseline: Vec<&[Option<f64>]> = self.compared.iter().filter_map(earlier).collect();
        let mut points = Vec::new();
        if let Some((column, windows)) = &self.trend {
            let own = values.len().saturating_sub(self.query.columns.len()) + column;
            points.extend(windows.iter().map(|window| match window.as_ref()? {
                window if *window == self.own => values.get(own)?.number(),
                window => *earlier(window)?.get(*column)?,
            }));
        }
        beside(self.query, values, &self.goals, &baseline, points, self.width, self.flag)
    }
}

/// The frame of an earlier stretch: `as_of()` lies as long after it as the slot after its own.
fn moved(frame: &Frame, own: Window, earlier: Window) -> Frame {
    Frame {
        bounds: Some((earlier.from, earlier.to)),
        as_of: earlier.to + (frame.as_of - own.to),
        rest_max: 0,
        ..frame.clone()
    }
}

/// Where the records of a query begin: the latest beginning of its datasets, and the day of the
/// first record of the one its period is about. What lies before is not known to have been nothing.
fn begins(
    records: &View<'_>,
    query: &Query,
    zone: &Zone,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let loaded = query.reads().keys().filter_map(|dataset| records.history_from(dataset)).max();
    let Some(date) = query.date else { return Ok(loaded) };
    let dataset = &query.report_type.tables[date.table].dataset;
    let first = records.earliest(&dataset.name, &query.report_type.field(date).name)?;
    let first = first.map(|first| zone.start_of(zone.date(first)));
    Ok(loaded.max(first))
}
