use chrono::{DateTime, Utc};

use super::*;
use crate::domain::value::Type;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// Expected texts are written with ordinary spaces and minus.
#[track_caller]
fn check(locale: &str, write: impl Fn(Locale) -> String, expected: &str) {
    assert_eq!(plain(&write(Locale::named(locale))), expected, "{locale}");
}

/// What CLDR says of locales with something of their own each: groups of two, none below five
/// digits, digits that are not ASCII, signs before and behind, times by twelve.
#[test]
fn figures_follow_the_locale() {
    #[rustfmt::skip]
    let facts = [
        //        1234567        1234.5      12.5 %     2026-03-05      its day in a week    20:05
        ("en-GB", "-1,234,567", "1,234.5", "12.5%", "5 Mar 2026", "Thu 5 Mar", "20:05"),
        ("en-US", "-1,234,567", "1,234.5", "12.5%", "Mar 5, 2026", "Thu, Mar 5", "8:05 PM"),
        ("en-IN", "-12,34,567", "1,234.5", "12.5%", "05 Mar 2026", "Thu 5 Mar", "8:05 PM"),
        ("en-DE", "-1.234.567", "1.234,5", "12,5 %", "5 Mar 2026", "Thu 5 Mar", "20:05"),
        ("de-DE", "-1.234.567", "1.234,5", "12,5 %", "05.03.2026", "Thu 05.03.", "20:05"),
        ("de-AT", "-1 234 567", "1 234,5", "12,5 %", "05.03.2026", "Thu 05.03.", "20:05"),
        ("de-CH", "-1'234'567", "1'234.5", "12.5%", "05.03.2026", "Thu 05.03.", "20:05"),
        ("fr-FR", "-1 234 567", "1 234,5", "12,5 %", "05/03/2026", "Thu 05/03", "20:05"),
        ("fr-CA", "-1 234 567", "1 234,5", "12,5 %", "2026-03-05", "Thu 03-05", "20 h 05"),
        ("es-ES", "-1.234.567", "1234,5", "12,5 %", "5/3/2026", "Thu 5/3", "20:05"),
        ("es-MX", "-1,234,567", "1,234.5", "12.5%", "05/03/2026", "Thu 05/03", "08:05 PM"),
        ("pt-BR", "-1.234.567", "1.234,5", "12,5%", "05/03/2026", "Thu 05/03", "20:05"),
        ("pl-PL", "-1 234 567", "1234,5", "12,5%", "05.03.2026", "Thu 05.03", "20:05"),
        ("sv-SE", "-1 234 567", "1 234,5", "12,5 %", "2026-03-05", "Thu 2026-03-05", "20:05"),
        ("fi-FI", "-1 234 567", "1 234,5", "12,5 %", "5.3.2026", "Thu 5.3.", "20.05"),
        ("tr-TR", "-1.234.567", "1.234,5", "%12,5", "5.03.2026", "Thu 5/03", "20:05"),
        ("eu-ES", "-1.234.567", "1.234,5", "% 12,5", "2026/3/5", "Thu 3/5", "20:05"),
        ("hi-IN", "-12,34,567", "1,234.5", "12.5%", "5/3/2026", "Thu 5/3", "8:05 PM"),
        ("mr-IN", "-१२,३४,५६७", "१,२३४.५", "१२.५%", "५/३/२०२६", "Thu ५/३", "८:०५ PM"),
        ("he-IL", "-1,234,567", "1,234.5", "12.5%", "5.3.2026", "Thu 5.3", "20:05"),
        ("fa-IR", "-۱٬۲۳۴٬۵۶۷", "۱٬۲۳۴٫۵", "۱۲٫۵٪", "۲۰۲۶/۳/۵", "Thu ۳/۵", "۲۰:۰۵"),
        ("ar-AE", "-1,234,567", "1,234.5", "12.5%", "5/3/2026", "Thu 5/3", "8:05 PM"),
        ("ja-JP", "-1,234,567", "1,234.5", "12.5%", "2026/03/05", "Thu 03/05", "20:05"),
        ("zh-Hant-TW", "-1,234,567", "1,234.5", "12.5%", "2026/3/5", "Thu 3/5", "PM 8:05"),
    ];
    let date = NaiveDate::from_ymd_opt(2026, 3, 5).unwrap();
    let time = NaiveTime::from_hms_opt(20, 5, 0).unwrap();
    for (locale, integer, real, percent, written, short, evening) in facts {
        assert!(Locale::known(locale).is_ok(), "{locale}");
        check(locale, |l| l.integer(-1_234_567), integer);
        check(locale, |l| l.real(1_234.5), real);
        check(locale, |l| l.percent(0.125), percent);
        check(locale, |l| l.date(date), written);
        check(locale, |l| l.day_of_year(date), short);
        check(locale, |l| l.time(time), evening);
    }
    check("en-GB", |l| l.integer(i64::MIN), "-9,223,372,036,854,775,808");
    check("en-GB", |l| l.integer(999), "999");
    check("pl-PL", |l| l.integer(12_345), "12 345");
    check("hi-IN", |l| l.integer(-9_876_543_210), "-9,87,65,43,210");
    check("en-US", |l| l.time(NaiveTime::MIN), "12:00 AM");
    assert!(Locale::named("fr-FR").integer(1_000).contains('\u{202f}'), "cannot break");
}

#[test]
fn figures_in_arabic_digits_keep_their_order() {
    // In isolates: two of them beside each other would change places.
    let locale = Locale::known("ar-EG").unwrap();
    assert_eq!(locale.integer(-1_234_567), "\u{2068}\u{2212}١٬٢٣٤٬٥٦٧\u{2069}");
    assert_eq!(locale.percent(0.125), "\u{2068}١٢٫٥٪\u{2069}");
    assert_eq!(locale.percent(0.000_1), "\u{2068}<٠٫١٪\u{2069}");
    assert_eq!(locale.real(0.001_24), "\u{2068}٠٫٠٠١٢\u{2069}");
    assert_eq!(locale.duration(200.0), "\u{2068}٣\u{2069}\u{a0}min \u{2068}٢٠\u{2069}\u{a0}s");
    assert_eq!(locale.duration(-0.0), "\u{2068}٠\u{2069}\u{a0}s");
    let at = Zone::named("Africa/Cairo").unwrap().civil(at("2026-11-16T06:05:00Z"));
    assert_eq!(
        locale.stamp(at),
        "\u{2068}١٦/١١/٢٠٢٦\u{2069} \u{2068}٨:٠٥\u{a0}AM\u{2069}".replace('\u{a0}', " ")
    );
    assert_eq!(locale.day(at.date()), "Mon \u{2068}١٦/١١/٢٠٢٦\u{2069}");
    // Cutting what is clean leaves them; cleaning takes them, as from a record.
    assert_eq!(shortened(locale.integer(7), 9), "\u{2068}٧\u{2069}");
    assert_eq!(clipped(&locale.integer(7), 9), "٧");
}

#[test]
fn every_known_locale_writes_figures() {
    let time = NaiveTime::from_hms_opt(23, 59, 0).unwrap();
    let date = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
    for (language, country) in known::LANGUAGES {
        let tag = format!("{language}-{country}");
        let locale = Locale::known(&tag).unwrap();
        // As people read it whatever the digits: back to ASCII.
        let ascii = |text: String| -> String {
            let digit = |c| locale.0.digits.iter().position(|digit| *digit == c);
            text.chars().filter_map(|c| digit(c).map(|d| char::from(b'0' + d as u8))).collect()
        };
        assert_eq!(ascii(locale.integer(-9_876_543_210)), "9876543210", "{tag}");
        assert_eq!(ascii(locale.decimals(1_234.5, 2)), "123450", "{tag}");
        assert_eq!(ascii(locale.real(0.001_24)), "00012", "{tag}");
        assert_eq!(ascii(locale.percent(0.125)), "125", "{tag}");
        let mut parts: Vec<char> = ascii(locale.date(date)).chars().collect();
        parts.sort_unstable();
        // 31, 12 (or its name) and 2026, in any order.
        let wanted = if *language == "en" { "012236" } else { "01122236" };
        assert_eq!(String::from_iter(parts), wanted, "{tag}: {}", locale.date(date));
        let evening = ascii(locale.time(time));
        assert!(evening == "2359" || evening == "1159", "{tag}: {evening}");
        assert_eq!(Locale::named(&tag.replace('-', "_").to_lowercase()), locale, "{tag}");
    }
    // What is unknown is written as in Britain.
    for tag in ["", "tlh", "tlh-QO", "x-y-z", "english", "\u{1f600}"] {
        assert_eq!(Locale::named(tag), Locale::named("en-GB"), "{tag}");
    }
    assert_eq!(Locale::named("de-QO"), Locale::named("de"));
}

#[test]
fn a_tag_that_is_no_locale_is_told_with_what_was_meant() {
    #[track_caller]
    fn refused(tag: &str, meant: Option<&str>) {
        let unknown = Locale::known(tag).unwrap_err();
        assert_eq!(unknown.to_string(), format!("`{tag}` is not a locale"));
        assert_eq!(unknown.meant.as_deref(), meant, "{tag}");
        let known = unknown.meant.is_none_or(|meant| Locale::known(&meant).is_ok());
        assert!(known, "{tag}: what was meant is none either");
    }
    refused("de", Some("de-DE"));
    refused("de_DE", Some("de-DE"));
    refused("DE-de", Some("de-DE"));
    refused("zh-hant-tw", Some("zh-Hant-TW"));
    refused("en-UK", Some("en-GB"));
    refused("uk-UK", Some("uk-UA"));
    refused("jp-JP", Some("ja-JP"));
    refused("gr-GR", Some("el-GR"));
    refused("us", Some("en-US"));
    refused("dk", Some("da-DK"));
    refused("cz", Some("cs-CZ"));
    refused("de-QO", Some("de-DE"));
    refused("sv--SE", Some("sv-SE"));
    refused("english", None);
    refused("", None);
    refused("de-DE-1996", None);
    assert_eq!(
        Locale::known("english").unwrap_err().advice(),
        "write a language and a country, e.g. `en-GB`"
    );
    assert_eq!(Locale::known("de").unwrap_err().advice(), "did you mean `de-DE`?");
}

#[test]
fn reals_have_two_decimals_at_most_unless_they_would_vanish() {
    for (x, expected) in [
        (0.0, "0"),
        (-0.0, "0"),
        (12.0, "12"),
        (12.5, "12.5"),
        (12.345, "12.35"),
        (-0.004, "-0.004"),
        (0.001_24, "0.0012"),
        (0.01, "0.01"),
        (99.999, "100"),
        (1e-9, "0.000000001"),
        (1e15, "1.000e15"),
        (-2.5e300, "-2.500e300"),
    ] {
        check("en-GB", |l| l.real(x), expected);
    }
    check("en-GB", |l| l.decimals(2.0, 2), "2.00");
    check("en-GB", |l| l.decimals(-0.001, 2), "0.00");
    check("de-DE", |l| l.decimals(1_234.0, 1), "1.234,0");
    check("en-GB", |l| l.decimals(0.5, 255), "0.500000000000");
}

#[test]
fn a_share_that_is_not_nothing_and_not_all_never_reads_so() {
    for (share, expected) in [
        (0.0, "0.0%"),
        (0.000_4, "<0.1%"),
        (0.000_5, "0.1%"),
        (0.512, "51.2%"),
        (0.999_6, ">99.9%"),
        (1.0, "100.0%"),
        (1.5, "150.0%"),
        (-0.25, "-25.0%"),
    ] {
        check("en-GB", |l| l.percent(share), expected);
    }
}

#[test]
fn lengths_of_time_have_their_two_largest_units() {
    for (seconds, expected) in [
        (0.0, "0 s"),
        (0.004, "0.004 s"),
        (0.45, "0.45 s"),
        (7.0, "7 s"),
        (7.44, "7.4 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min"),
        (200.0, "3 min 20 s"),
        (300.0, "5 min"),
        (3_599.7, "1 h"),
        (7_500.0, "2 h 5 min"),
        (86_399.0, "1 d"),
        (86_400.0 * 3.0 + 3_600.0 * 4.2, "3 d 4 h"),
        (86_400.0 * 1_500.0, "1,500 d"),
        (-200.0, "-3 min 20 s"),
    ] {
        check("en-GB", |l| l.duration(seconds), expected);
    }
    check("de-DE", |l| l.duration(7.44), "7,4 s");
    assert!(Locale::named("en-GB").duration(200.0).contains("3\u{a0}min 20\u{a0}s"));
}

#[test]
fn dates_follow_the_locale() {
    let morning = at("2026-11-16T07:05:00Z");
    for (locale, date, day, stamp) in [
        ("en-GB", "16 Nov 2026", "Mon 16 Nov 2026", "16 Nov 2026 08:05"),
        ("en-US", "Nov 16, 2026", "Mon, Nov 16, 2026", "Nov 16, 2026 8:05 AM"),
        ("de-DE", "16.11.2026", "Mon 16.11.2026", "16.11.2026 08:05"),
        ("fr-FR", "16/11/2026", "Mon 16/11/2026", "16/11/2026 08:05"),
        ("sv-SE", "2026-11-16", "Mon 2026-11-16", "2026-11-16 08:05"),
    ] {
        let civil = Zone::named("Europe/Berlin").unwrap().civil(morning);
        check(locale, |l| l.date(civil.date()), date);
        check(locale, |l| l.day(civil.date()), day);
        check(locale, |l| l.stamp(civil), stamp);
    }
}

#[test]
fn a_window_is_told_as_days_or_as_instants() {
    #[track_caller]
    fn told(locale: &str, zone: &str, from: &str, to: &str, expected: &str) {
        let window = Window { from: at(from), to: at(to) };
        check(locale, |l| l.window(window, &Zone::named(zone).unwrap()), expected);
    }
    let week = ("2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z");
    told("en-GB", "Europe/Berlin", week.0, week.1, "Mon 16 Nov to Sun 22 Nov 2026");
    told("en-US", "Europe/Berlin", week.0, week.1, "Mon, Nov 16 to Sun, Nov 22, 2026");
    told("de-DE", "Europe/Berlin", week.0, week.1, "Mon 16.11. to Sun 22.11.2026");
    told("ja-JP", "Europe/Berlin", week.0, week.1, "Mon 2026/11/16 to Sun 2026/11/22");
    let day = ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    told("en-GB", "Europe/Berlin", day.0, day.1, "Sun 29 Mar 2026");
    let year = ("2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z");
    told("en-GB", "UTC", year.0, year.1, "Wed 31 Dec 2025 to Thu 1 Jan 2026");
    let hour = ("2026-11-23T13:00:00Z", "2026-11-23T13:30:00Z");
    told("en-GB", "Europe/Berlin", hour.0, hour.1, "Mon 23 Nov 2026, 14:00 to 14:30");
    let long = ("2026-11-22T07:00:00Z", "2026-11-23T07:00:00Z");
    told("en-GB", "Europe/Berlin", long.0, long.1, "Sun 22 Nov, 08:00 to Mon 23 Nov 2026, 08:00");
    // The night of the clock change: the same civil times mean two different hours.
    let night = ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    told(
        "en-GB",
        "Europe/Berlin",
        night.0,
        night.1,
        "Sun 25 Oct 2026, 02:30 (UTC+02:00) to 02:30 (UTC+01:00)",
    );
    // A day that begins at one o'clock is a whole day.
    let cairo = ("2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z");
    told("en-GB", "Africa/Cairo", cairo.0, cairo.1, "Fri 24 Apr 2026");
}

#[test]
fn values_follow_their_column() {
    #[track_caller]
    fn written(value: Value, format: Format, unit: Option<Unit>, expected: Option<&str>) {
        let column = Column {
            goal: None,
            pivot: None,
            name: "x".to_owned(),
            format,
            grouping: false,
            numeric: false,
            share: false,
            ty: Some(Type::Integer),
            unit,
        };
        let zone = Zone::named("Europe/Berlin").unwrap();
        let text = Locale::named("en-GB").value(&value, &column, &zone);
        assert_eq!(text.as_deref().map(plain).as_deref(), expected);
    }
    let stamp = Value::Timestamp(at("2026-11-15T23:00:00Z"));
    written(Value::Null, Format::Auto, None, None);
    written(Value::Null, Format::Auto, Some(Unit::Day), None);
    written(Value::Boolean(true), Format::Auto, None, Some("yes"));
    written(Value::Integer(1204), Format::Auto, None, Some("1,204"));
    written(Value::Integer(200), Format::Duration, None, Some("3 min 20 s"));
    written(Value::Real(0.5), Format::Percent, None, Some("50.0%"));
    written(Value::Real(2.0), Format::Decimals(1), None, Some("2.0"));
    written(Value::Text(" a\r\nb ".into()), Format::Auto, None, Some("a  b"));
    written(stamp.clone(), Format::Auto, None, Some("16 Nov 2026 00:00"));
    written(stamp.clone(), Format::Auto, Some(Unit::Day), Some("Mon 16 Nov 2026"));
    written(stamp.clone(), Format::Auto, Some(Unit::Week), Some("week of 16 Nov 2026"));
    written(stamp, Format::Auto, Some(Unit::Month), Some("Nov 2026"));
    written(Value::Integer(8), Format::Auto, Some(Unit::Hour), Some("08:00"));
    written(Value::Integer(7), Format::Auto, Some(Unit::Weekday), Some("Sunday"));
    written(Value::Integer(8), Format::Auto, Some(Unit::Weekday), Some("8"));
}

#[test]
fn texts_cannot_turn_or_break_what_stands_around_them() {
    assert_eq!(clean("a\u{202e}b\u{2066}c\r\nd\0e\u{2028}f\u{feff}"), "abc  d e f");
    assert_eq!(clipped("Žluťoučký", 9), "Žluťoučký");
    assert_eq!(clipped("Žluťoučký", 5), "Žluť\u{2026}");
    assert_eq!(isolated("שלום".to_owned()), "\u{2068}שלום\u{2069}");
    assert_eq!(isolated("hello".to_owned()), "hello");
}
