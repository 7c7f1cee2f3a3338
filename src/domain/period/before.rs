//! What a period is held against: the periods before it, or the same days of earlier weeks.

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::{Period, Span, Unit, Window, days_about};
use crate::domain::zone::Zone;

impl Period {
    /// The stretch of the same shape `count` periods before the one for a slot; 0 is the slot's own.
    /// `None` for all time, which has nothing before it.
    ///
    /// Whole periods follow each other without a gap. A period that is under way (`this month`) is
    /// held against the same part of earlier ones: as many days and hours of the clock on the wall
    /// from their beginning on, at most all of them. Elapsed time (`last 24 h`) is shifted by itself.
    pub fn before(
        &self,
        count: u32,
        slot: DateTime<Utc>,
        zone: &Zone,
        week_starts: u8,
    ) -> Option<Window> {
        let date = zone.date(slot);
        match self.span {
            _ if count == 0 => self.window(slot, zone, week_starts),
            Span::AllTime => None,
            Span::This(unit) => {
                let first = unit.first_date(date, week_starts);
                let back = unit.back(first, count, zone);
                let end = zone.start_of(unit.back(first, count - 1, zone));
                let into = zone.civil(slot) - zone.civil(zone.start_of(first));
                let from = zone.start_of(back);
                let to = zone.civil(from).checked_add_signed(into);
                let to = to.map_or(end, |to| zone.first_instant(to).min(end));
                Some(Window { from, to })
            }
            Span::Last(length, unit) => {
                let first = unit.first_date(date, week_starts);
                let to = unit.back(first, length.saturating_mul(count), zone);
                let from = unit.back(to, length, zone);
                Some(Window { from: zone.start_of(from), to: zone.start_of(to) })
            }
            Span::Elapsed(length) => {
                let back = |times: u32| {
                    let times = i32::try_from(times).unwrap_or(i32::MAX);
                    let whole = length.checked_mul(times).unwrap_or(TimeDelta::MAX);
                    slot.checked_sub_signed(whole).unwrap_or(DateTime::<Utc>::MIN_UTC)
                };
                Some(Window { from: back(count.saturating_add(1)), to: back(count) })
            }
        }
    }

    /// The stretch of the slot's own, `count` weeks earlier by the clock on the wall: the same
    /// weekdays. Elapsed time keeps its length. `None` for all time.
    pub fn weeks_before(
        &self,
        count: u32,
        slot: DateTime<Utc>,
        zone: &Zone,
        week_starts: u8,
    ) -> Option<Window> {
        let own = self.window(slot, zone, week_starts)?;
        let shifted = |at: DateTime<Utc>| {
            let civil = zone.civil(at).checked_sub_days(Days::new(7 * u64::from(count)));
            civil.map_or(at, |civil| zone.first_instant(civil))
        };
        let to = shifted(own.to);
        let from = match self.span {
            Span::Elapsed(length) => to.checked_sub_signed(length).unwrap_or(to),
            _ => shifted(own.from),
        };
        Some(Window { from, to })
    }

    /// Whether it is never longer than a week: only then do earlier weeks not overlap it.
    pub fn at_most_a_week(&self) -> bool {
        match self.span {
            Span::AllTime => false,
            Span::This(unit) => matches!(unit, Unit::Day | Unit::Week),
            Span::Last(count, unit) => match unit {
                Unit::Day => count <= 7,
                Unit::Week => count == 1,
                Unit::Month | Unit::Quarter | Unit::Year => false,
            },
            Span::Elapsed(length) => length <= TimeDelta::weeks(1),
        }
    }

    /// How many days it is long, about; `None` for all time. For bounds on how far back one looks.
    pub fn days_about(&self) -> Option<u32> {
        match self.span {
            Span::AllTime => None,
            Span::This(unit) => Some(days_about(unit)),
            Span::Last(count, unit) => Some(count.saturating_mul(days_about(unit))),
            Span::Elapsed(length) => u32::try_from(length.num_days() + 1).ok(),
        }
    }

    /// What it is held against in words: the `count` periods before it.
    pub fn words_before(&self, count: u32) -> String {
        let unit = |span: &Span| match span {
            Span::AllTime => String::new(),
            Span::This(unit) | Span::Last(1, unit) => unit.name().to_owned(),
            Span::Last(count, unit) => format!("{count} {}s", unit.name()),
            Span::Elapsed(length) if length.num_minutes() % 60 == 0 => {
                format!("{} h", length.num_hours())
            }
            Span::Elapsed(length) => format!("{} min", length.num_minutes()),
        };
        let name = unit(&self.span);
        match (self.span, count) {
            (Span::AllTime, _) => "nothing".to_owned(),
            (Span::This(Unit::Day), 1) => "yesterday up to the same time".to_owned(),
            (Span::This(Unit::Day), count) => {
                format!("the mean of the {count} days before, up to the same time")
            }
            (Span::This(_), 1) => format!("the same part of last {name}"),
            (Span::This(_), count) => {
                format!("the mean of the same part of the {count} {name}s before")
            }
            (Span::Last(1, _), 1) => format!("the {name} before"),
            (Span::Last(1, _), count) => format!("the mean of the {count} {name}s before"),
            (Span::Last(..), 1) => format!("the previous {name}"),
            (Span::Elapsed(_), 1) => format!("the {name} before"),
            (Span::Last(..) | Span::Elapsed(_), count) => {
                format!("the mean of the {count} periods of {name} before")
            }
        }
    }

    /// The same stretch of earlier weeks in words: `the same weekday of the last 4 weeks`.
    pub fn words_weeks(&self, count: u32) -> String {
        let weeks = match count {
            1 => "the week before".to_owned(),
            count => format!("the last {count} weeks"),
        };
        match self.span {
            Span::AllTime => "nothing".to_owned(),
            Span::This(Unit::Day) => format!("the same weekday of {weeks}, up to the same time"),
            Span::This(_) => format!("the same part of {weeks}"),
            Span::Last(1, Unit::Day) => format!("the same weekday of {weeks}"),
            Span::Last(length, Unit::Day) => format!("the same {length} days of {weeks}"),
            Span::Last(..) if count == 1 => weeks,
            Span::Last(..) => format!("the mean of the {count} weeks before"),
            Span::Elapsed(length) if length.num_minutes() % 60 == 0 => {
                format!("the same {} h of {weeks}", length.num_hours())
            }
            Span::Elapsed(length) => format!("the same {} min of {weeks}", length.num_minutes()),
        }
    }
}
