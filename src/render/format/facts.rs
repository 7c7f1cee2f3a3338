//! What a locale writes figures with, asked of the CLDR data once a locale and kept: signs, sizes of
//! groups, the order and the signs of dates and times. Writing then needs no formatter.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use icu_calendar::Gregorian;
use icu_datetime::fieldsets::{self, T};
use icu_datetime::input::{Date, Time};
use icu_datetime::options::YearStyle;
use icu_datetime::{FixedCalendarDateTimeFormatter, NoCalendarFormatter, parts};
use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use writeable::{Part, PartsWrite, Writeable};

use super::known::Tag;
use super::{NBSP, safe};

/// Locales written so far. The number of those that can be is bounded: languages times countries,
/// of which a config names a few.
static KNOWN: Mutex<Option<HashMap<String, &'static Facts>>> = Mutex::new(None);

/// Languages that set a gap between a figure and its percent sign. The crates for numbers carry no
/// patterns of percentages: these are from CLDR 48.
const PERCENT_GAP: &str = "bas be br bua ca ce ckb cs cv da de dsb dua dz es fi fo fr gl hr hsb \
                           ksh lb lt mk nb nds nn no oc qu rn ro ru se sk sl smn sv tk tt zgh";
/// Locales of these languages that do not, or do where the language does not.
const PERCENT_ELSE: &str = "de-CH de-LI fr-CH es-AR es-BO es-BR es-BZ es-CL es-CO es-CR es-CU es-DO \
                            es-EC es-GT es-HN es-MX es-NI es-PA es-PE es-PR es-PY es-SV es-US \
                            es-UY es-VE en-AT en-DE en-DK en-FI en-NO en-SE";

/// A piece of a date or time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Whether with a leading zero.
    Day(bool),
    /// Whether with a leading zero.
    Month(bool),
    /// In English.
    MonthName,
    Year,
    /// Whether with a leading zero.
    Hour(bool),
    Minute,
    /// `AM` or `PM`, as the first or the second.
    Half(String, String),
    /// What stands between.
    Between(String),
}

/// How a language and country write figures.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Language of the words.
    pub(super) language: String,
    /// Zero to nine.
    pub(super) digits: [char; 10],
    /// Between groups.
    pub(super) group: String,
    /// Before decimals.
    pub(super) decimal: String,
    /// Digits of the last group, and of those before it.
    pub(super) sizes: (usize, usize),
    /// Shorter whole numbers have no groups, in digits.
    pub(super) grouped_from: usize,
    /// Before and after a percentage.
    pub(super) percent: (String, String),
    /// A date with its year.
    pub(super) date: Vec<Piece>,
    /// A date without.
    pub(super) day_of_year: Vec<Piece>,
    /// Between the weekday, which is a word of the mail and stands first, and the date.
    pub(super) after_weekday: &'static str,
    /// Whether dates begin with the year.
    pub(super) year_first: bool,
    /// A time of day.
    pub(super) time: Vec<Piece>,
    /// Whether hours are counted to twelve.
    pub(super) twelve: bool,
}

impl Facts {
    /// The facts of a tag; read at the first call.
    pub(super) fn of(tag: &Tag) -> &'static Facts {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        let written = tag.written();
        if let Some(facts) = known.get(&written) {
            return facts;
        }
        let facts: &'static Facts = Box::leak(Box::new(Facts::read(tag, &written)));
        known.insert(written, facts);
        facts
    }

    fn read(tag: &Tag, written: &str) -> Facts {
        let locale: icu_locale_core::Locale =
            written.parse().unwrap_or(icu_locale_core::Locale::UNKNOWN);
        let english = tag.language == "en";
        let (date, day_of_year) = dates(&locale, english);
        let (time, twelve) = time(&locale, english);
        let numbers = Numbers::read(&locale);
        Facts {
            // Mails are in English whatever the figures look like, and say so.
            language: if english { written.to_owned() } else { "en".to_owned() },
            percent: percent(tag, written, numbers.digits),
            after_weekday: match date.first() {
                Some(Piece::MonthName) => ", ",
                _ => " ",
            },
            year_first: date.first() == Some(&Piece::Year),
            digits: numbers.digits,
            group: numbers.group,
            decimal: numbers.decimal,
            sizes: numbers.sizes,
            grouped_from: numbers.grouped_from,
            date,
            day_of_year,
            time,
            twelve,
        }
    }

    /// Whether its digits are Arabic-Indic ones, which turn what stands between two figures.
    pub(super) fn turns(&self) -> bool {
        self.digits[0] == '\u{660}'
    }
}

struct Numbers {
    digits: [char; 10],
    group: String,
    decimal: String,
    sizes: (usize, usize),
    grouped_from: usize,
}

impl Numbers {
    fn read(locale: &icu_locale_core::Locale) -> Numbers {
        let formatter = DecimalFormatter::try_new(locale.into(), Default::default())
            .expect("the data come with the crate and fall back to the root's");
        let written = |text: &str| {
            let number: Decimal = text.parse().expect("digits");
            Written::of(&formatter.format(&number))
        };
        let digit = |n: usize| written(&n.to_string()).text.chars().next().expect("a digit");
        let long = written("1234567890123.4");
        let part = |name: &str| long.first(name).map(safe::unturned).unwrap_or_default();
        let lengths: Vec<usize> = long.between("integer", "group");
        let last = lengths.last().copied().unwrap_or(3);
        let before = lengths.iter().rev().nth(1).copied().unwrap_or(last);
        let grouped_from =
            (4..=6).find(|digits| written(&"1".repeat(*digits)).first("group").is_some());
        Numbers {
            digits: std::array::from_fn(digit),
            group: part("group"),
            decimal: part("decimal"),
            sizes: (last.max(1), before.max(1)),
            grouped_from: grouped_from.unwrap_or(4),
        }
    }
}

/// Before and after the figure.
fn percent(tag: &Tag, written: &str, digits: [char; 10]) -> (String, String) {
    let named = |list: &str, name: &str| list.split_ascii_whitespace().any(|known| known == name);
    let arabic = matches!(digits[0], '\u{660}' | '\u{6f0}') && tag.language != "ur";
    let sign = if arabic { "\u{66a}" } else { "%" };
    match tag.language.as_str() {
        "tr" | "ku" => (sign.to_owned(), String::new()),
        "eu" => (format!("{sign}{NBSP}"), String::new()),
        language => {
            let gap = named(PERCENT_GAP, language) != named(PERCENT_ELSE, written);
            (String::new(), if gap { format!("{NBSP}{sign}") } else { sign.to_owned() })
        }
    }
}

/// The pieces of a date with and without its year. English dates have the months' names; those of
/// other languages are figures, since their words would be no words of the mail. Weeks and months of
/// reports are Gregorian, and so are all dates.
fn dates(locale: &icu_locale_core::Locale, english: bool) -> (Vec<Piece>, Vec<Piece>) {
    let day = Date::try_new_gregorian(2026, 3, 5).expect("a date");
    let data = "the data come with the crate and fall back to the root's";
    let fields = if english { fieldsets::YMD::medium() } else { fieldsets::YMD::short() };
    let fields = fields.with_year_style(YearStyle::Full);
    let date = FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(locale.into(), fields);
    let date = Written::of(&date.expect(data).format(&day));
    let fields = if english { fieldsets::MD::medium() } else { fieldsets::MD::short() };
    let short = FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(locale.into(), fields);
    let short = Written::of(&short.expect(data).format(&day)).pieces(("", ""));
    let date = date.pieces(("", ""));
    // Day and month the other way round than in whole dates would be read wrongly beside them.
    let day_first = |pieces: &[Piece]| {
        pieces.iter().find_map(|piece| match piece {
            Piece::Day(_) => Some(true),
            Piece::Month(_) | Piece::MonthName => Some(false),
            _ => None,
        })
    };
    let short = if day_first(&short) == day_first(&date) { short } else { date.clone() };
    (date, short)
}

/// The pieces of a time, and whether its hours are counted to twelve.
fn time(locale: &icu_locale_core::Locale, english: bool) -> (Vec<Piece>, bool) {
    let formatter = NoCalendarFormatter::try_new(locale.into(), T::hm())
        .expect("the data come with the crate and fall back to the root's");
    let written = |hour| {
        let time = Time::try_new(hour, 5, 0, 0).expect("a time");
        Written::of(&formatter.format(&time))
    };
    let (morning, evening) = (written(8), written(20));
    let half = |of: &Written| match english {
        true => of.first("dayPeriod").map(str::to_owned),
        false => None,
    };
    let halves = (
        half(&morning).unwrap_or_else(|| "AM".to_owned()),
        half(&evening).unwrap_or_else(|| "PM".to_owned()),
    );
    let twelve = morning.first("dayPeriod").is_some();
    (morning.pieces((&halves.0, &halves.1)), twelve)
}

/// A text with the places of its parts.
#[derive(Default)]
struct Written {
    text: String,
    /// Name, from, to; inner parts before outer ones.
    parts: Vec<(&'static str, usize, usize)>,
}

impl Written {
    fn of(value: &impl Writeable) -> Written {
        let mut written = Written::default();
        value.write_to_parts(&mut written).expect("a text takes all that is written");
        written
    }

    fn first(&self, name: &str) -> Option<&str> {
        let (_, from, to) = self.parts.iter().find(|(part, ..)| *part == name)?;
        Some(&self.text[*from..*to])
    }

    /// Lengths in characters of what lies between the parts of one name, within another.
    fn between(&self, within: &str, name: &str) -> Vec<usize> {
        let Some((_, mut at, end)) = self.parts.iter().copied().find(|(part, ..)| *part == within)
        else {
            return Vec::new();
        };
        let mut lengths = Vec::new();
        for (_, from, to) in self.parts.iter().filter(|(part, ..)| *part == name) {
            lengths.push(self.text[at..*from].chars().count());
            at = *to;
        }
        lengths.push(self.text[at..end].chars().count());
        lengths
    }

    /// The pieces of a date or time, in order.
    fn pieces(&self, halves: (&str, &str)) -> Vec<Piece> {
        let mut fields: Vec<_> = self.parts.iter().copied().filter_map(field).collect();
        fields.sort_by_key(|(_, from, _)| *from);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = 0;
        for (name, from, to) in fields {
            let text = &self.text[from..to];
            let between = safe::unturned(&self.text[at..from]);
            let half = name == parts::DAY_PERIOD.value;
            let after_half = matches!(pieces.last(), Some(Piece::Half(..)));
            match between.is_empty() {
                // English words do not touch figures, whatever the language's own do.
                true if !pieces.is_empty() && (half || after_half) => {
                    pieces.push(Piece::Between(NBSP.to_owned()));
                }
                true => {}
                false => pieces.push(Piece::Between(between)),
            }
            let padded = text.chars().count() == 2;
            pieces.push(match name {
                _ if half => Piece::Half(halves.0.to_owned(), halves.1.to_owned()),
                "day" => Piece::Day(padded),
                "month" if text.chars().any(char::is_alphabetic) => Piece::MonthName,
                "month" => Piece::Month(padded),
                "hour" => Piece::Hour(padded),
                "minute" => Piece::Minute,
                _ => Piece::Year,
            });
            at = to;
        }
        let rest = safe::unturned(&self.text[at..]);
        if !rest.is_empty() {
            pieces.push(Piece::Between(rest));
        }
        pieces
    }
}

/// A part that is a field of a date or time.
fn field(part: (&'static str, usize, usize)) -> Option<(&'static str, usize, usize)> {
    let fields =
        [parts::DAY, parts::MONTH, parts::YEAR, parts::HOUR, parts::MINUTE, parts::DAY_PERIOD];
    fields.iter().any(|field| field.value == part.0).then_some(part)
}

impl fmt::Write for Written {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        Ok(())
    }
}

impl PartsWrite for Written {
    type SubPartsWrite = Self;

    fn with_part(
        &mut self,
        part: Part,
        mut write: impl FnMut(&mut Self) -> fmt::Result,
    ) -> fmt::Result {
        let from = self.text.len();
        write(self)?;
        self.parts.push((part.value, from, self.text.len()));
        Ok(())
    }
}
