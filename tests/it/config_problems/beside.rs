//! What stands beside a report's figures: each mistake is one problem, at the very piece that is
//! wrong, with what to write instead.

use super::{SHIPPED, read, valid};
use postrider::domain::chart::{Chart, ChartKind};
use postrider::domain::compare::{Compare, Trend};

/// A grouped report, an ungrouped one and a list, with `more` keys in each.
fn config(grouped: &str, figures: &str, list: &str) -> String {
    format!(
        r#"
[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = {{ client_id = "env:SF_CLIENT_ID", client_secret = "env:SF_CLIENT_SECRET" }}

[sources.desk]
kind = "rest"
base_url = "https://desk.example.com/api"

[calendars.office]
holidays = ["2026-12-25"]

[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[reports.grouped]
type = "sessions"
date = "session.StartTime"
period = "last 7 days"
group_by = ["channel as Channel", "hour(session.StartTime) as Hour"]
columns = ["count() as Sessions", "count(session.EndTime) as Ended", "max(session.EndTime) as Last"]
{grouped}

[reports.figures]
type = "sessions"
columns = ["count() as Sessions"]
{figures}

[reports.list]
type = "sessions"
date = "session.StartTime"
period = "yesterday"
columns = ["session as Session", "session.StartTime as Started"]
{list}
"#
    )
}

#[test]
fn what_stands_beside_the_figures_is_read_from_the_config() {
    let config = valid(&config(
        r#"
compare = "last 4 weeks"
calendar = "office"
trend = "Ended over 8 periods"
goals = { Sessions = ">= 10", Ended = "> 0" }
chart = { kind = "line", of = ["Ended", "Sessions"], by = "Hour" }
drill = "https://acme.my.salesforce.com/lightning/o/MessagingSession/list?filterName=All"
restate_above = 0.05
min_values = 5
"#,
        "",
        "drill = \"https://acme.my.salesforce.com/x\"",
    ));
    let report = &config.reports["grouped"];
    assert_eq!(report.compare, Some(Compare::Weeks(4)));
    assert_eq!(report.calendar.as_ref().map(|calendar| calendar.name.as_str()), Some("office"));
    assert_eq!(report.trend, Some(Trend { column: "Ended".into(), periods: 8 }));
    assert_eq!(report.goals["Sessions"].0.to_string(), ">= 10");
    assert_eq!(report.goals.len(), 2);
    let chart = Chart { kind: ChartKind::Line, values: vec![3, 2], by: 1 };
    assert_eq!(report.chart, Some(chart));
    assert!(report.drill.as_ref().unwrap().ends_with("filterName=All"));
    assert!((report.restate_above - 0.05).abs() < f64::EPSILON);
    assert_eq!(report.query.percentile_min, 5);
    let plain = &config.reports["figures"];
    assert_eq!((plain.compare, &plain.trend, &plain.chart), (None, &None, &None));
    assert_eq!(plain.query.percentile_min, 20);
    // Every object of an org has pages by itself.
    let session = config.datasets.iter().find(|it| it.name == "MessagingSession").unwrap();
    let page = "https://acme.my.salesforce.com/lightning/r/MessagingSession/{key}/view";
    assert_eq!(session.link.as_deref(), Some(page));
}

#[test]
fn a_chart_draws_the_first_figure_along_the_first_group_if_nothing_else_is_said() {
    let check = |chart: &str, expected: Chart| {
        let config = valid(&config(&format!("chart = {{ {chart} }}"), "", ""));
        assert_eq!(config.reports["grouped"].chart, Some(expected));
    };
    check("kind = \"bars\"", Chart { kind: ChartKind::Bars, values: vec![2], by: 0 });
    let stacked = Chart { kind: ChartKind::Stacked, values: vec![2, 3], by: 0 };
    check("kind = \"stacked\", of = [\"Sessions\", \"Ended\"]", stacked);
    let hours = Chart { kind: ChartKind::Histogram, values: vec![2], by: 1 };
    check("kind = \"histogram\", by = \"Hour\"", hours);
}

#[test]
fn mistakes_in_comparisons_and_trends_are_told_once_at_the_piece() {
    let check = |line: &str, message: &str, piece: &str| check((line, "", ""), message, piece);
    check("compare = \"last year\"", "`last year` is nothing to compare with", "\"last year\"");
    check(
        "compare = \"last 40 weeks\"",
        "`last 40 weeks` is not from 1 to 12 stretches",
        "\"last 40 weeks\"",
    );
    check(
        "compare = \"last 4 weeks\"\ncalendar = \"ofice\"",
        "unknown calendar `ofice`",
        "\"ofice\"",
    );
    check(
        "calendar = \"office\"",
        "`calendar` does nothing here: its holidays are left out of a comparison, and there is none",
        "\"office\"",
    );
    check(
        "compare = \"previous period\"\ncalendar = \"office\"",
        "`calendar` does nothing here: holidays are left out where weeks are compared",
        "\"office\"",
    );
    check("trend = \"Sessions\"", "`Sessions` is no trend", "\"Sessions\"");
    check("trend = \"Sesions over 8 periods\"", "the report has no column `Sesions`", "Sesions");
    check(
        "trend = \"Channel over 8 periods\"",
        "`Channel` names the rows, it is no figure",
        "Channel",
    );
    check("trend = \"'Last' over 8 periods\"", "`Last` is no figure", "Last");
    check(
        "trend = \"Sessions over 99 periods\"",
        "a trend is over 2 to 31 periods",
        "\"Sessions over 99 periods\"",
    );
}

#[test]
fn what_has_nothing_before_it_is_not_compared() {
    check(
        ("", "compare = \"previous period\"", ""),
        "all time has nothing before it to compare with",
        "\"previous period\"",
    );
    check(
        ("", "trend = \"Sessions over 3 periods\"", ""),
        "all time has nothing before it to make a trend of",
        "\"Sessions over 3 periods\"",
    );
    check(
        ("", "", "compare = \"previous period\""),
        "`compare` in a list: its rows are records",
        "\"previous period\"",
    );
    check(
        ("", "", "trend = \"Started over 3 periods\""),
        "`trend` in a list: its rows are records",
        "\"Started over 3 periods\"",
    );
    let month = config("compare = \"last 4 weeks\"", "", "").replace("last 7 days", "last month");
    let problems = read(&month).unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert_eq!(
        problems.0[0].message,
        "earlier weeks overlap `last month`, which is longer than a week"
    );
    let years = config("compare = \"last 12 periods\"", "", "").replace("last 7 days", "last year");
    assert_eq!(
        read(&years).unwrap_err().0[0].message,
        "`last 12 periods` of `last year` is more than ten years"
    );
}

#[test]
fn mistakes_in_goals_and_addresses_are_told_once_at_the_piece() {
    let check = |line: &str, message: &str, piece: &str| check((line, "", ""), message, piece);
    check("goals = { Sessions = \"120\" }", "`120` is not a comparison", "\"120\"");
    check("goals = { Sessions = \"<= many\" }", "`many` is not a number", "\"<= many\"");
    check("goals = { Sesions = \"> 1\" }", "the report has no column `Sesions`", "Sesions");
    check(
        "goals = { Channel = \"> 1\" }",
        "`Channel` is no figure that could reach a goal",
        "Channel",
    );
    check("goals = { Last = \"> 1\" }", "`Last` is no figure that could reach a goal", "Last");
    for address in ["javascript:alert(1)", "acme.example.com/x", "https://", "https://a.b/c d"] {
        let line = format!("drill = \"{address}\"");
        let piece = format!("\"{address}\"");
        check(&line, "`drill` is not an address on the web", &piece);
    }
    check("restate_above = 2.0", "`2` is not a part of a figure", "2.0");
    check("min_values = -1", "`min_values` must be", "-1");
}

#[test]
fn mistakes_in_charts_are_told_once_at_the_piece() {
    let check = |chart: &str, message: &str, piece: &str| {
        check((&format!("chart = {{ {chart} }}"), "", ""), message, piece);
    };
    check("kind = \"pie\"", "unknown value `pie`", "\"pie\"");
    check("of = [\"Sessions\"]", "`chart` of [reports.grouped] has no `kind`", "chart");
    check("kind = \"bars\", on = 1", "unknown key `on` in `chart` of [reports.grouped]", "on");
    let (bars, line) = ("kind = \"bars\"", "kind = \"line\"");
    check(&format!("{bars}, of = [\"Sesions\"]"), "the report has no column", "\"Sesions\"");
    check(&format!("{bars}, of = [\"Channel\"]"), "`Channel` is no figure", "\"Channel\"");
    check(&format!("{bars}, of = [\"Last\"]"), "`Last` is no figure", "\"Last\"");
    check(&format!("{bars}, of = [\"Ended\", \"Ended\"]"), "`Ended` is drawn twice", "\"Ended\"");
    check(&format!("{bars}, of = []"), "a chart draws 1 to 6 columns", "[]");
    check(&format!("{bars}, by = \"Ended\""), "`Ended` does not name the rows", "\"Ended\"");
    check(
        &format!("{line}, by = \"Channel\""),
        "a line along `Channel`, which has no order of its own",
        "\"Channel\"",
    );
    check(
        "kind = \"histogram\", by = \"Channel\"",
        "a histogram of `Channel`, which has no order of its own",
        "\"Channel\"",
    );
    check(
        "kind = \"histogram\", by = \"Hour\", of = [\"Ended\", \"Sessions\"]",
        "a histogram of several columns",
        "[\"Ended\", \"Sessions\"]",
    );
    check("kind = \"stacked\"", "nothing to stack: one column is drawn", "\"stacked\"");
}

#[test]
fn a_chart_needs_groups() {
    check(
        ("", "chart = { kind = \"bars\" }", ""),
        "a chart of a report without groups: there is one row",
        "chart",
    );
    check(
        ("", "", "chart = { kind = \"bars\" }"),
        "a chart of a list: its rows are records",
        "chart",
    );
}

#[test]
fn rates_without_a_count_beside_them_are_noted() {
    let note = |columns: &str| {
        let text = config("", "", "").replace("[\"count() as Sessions\"]", columns);
        let (_, notes) = read(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let notes = notes.into_iter().map(|note| note.0.message);
        notes.filter(|note| note.contains("beside")).collect::<Vec<_>>()
    };
    let length = "seconds(session.StartTime, session.EndTime)";
    assert_eq!(
        note(&format!("[\"avg({length}) as Mean\", \"p90({length}) as P\"]")),
        ["`Mean`, `P` without a count beside them: nobody sees how many they speak for"]
    );
    assert_eq!(
        note("[\"count(session.EndTime) / count() as Part\"]"),
        ["`Part` without a count beside it: nobody sees how many it speaks for"]
    );
    assert!(note(&format!("[\"avg({length}) as Mean\", \"count() as Sessions\"]")).is_empty());
    assert!(note(&format!("[\"max({length}) as Longest\"]")).is_empty());
}

#[test]
fn the_address_of_a_record_holds_its_key_and_leads_where_it_is_written() {
    let dataset = |link: &str| {
        config("", "", "")
            + &format!(
                r#"
[datasets.tickets]
source = "desk"
path = "/tickets"
records = "/data"
key = "id"
whole = true
fields = {{ id = "text" }}
link = "{link}"
"#
            )
    };
    let good = "https://desk.example.com/tickets/{key}?tab=all";
    let config = valid(&dataset(good));
    let tickets = config.datasets.iter().find(|it| it.name == "tickets").unwrap();
    assert_eq!(tickets.link.as_deref(), Some(good));
    let check = |link: &str, message: &str| {
        let problems = read(&dataset(link)).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert_eq!(problems.0[0].message, message);
        let piece = problems.0[0].place.as_ref().map(|place| place.piece.clone());
        assert_eq!(piece, Some(format!("\"{link}\"")));
    };
    check("https://desk.example.com/tickets", "`link` has no `{key}`: all records would be one");
    check("https://{key}.example.com/", "`link` has `{key}` in the place of the host");
    check("javascript:open('{key}')", "`link` is not an address on the web");
    check("tickets/{key}", "`link` is not an address on the web");
}

#[test]
fn the_shipped_reports_have_their_numbers_beside_them() {
    let (_, notes) = read(SHIPPED).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(notes.is_empty(), "{notes:?}");
}

/// With these lines in the grouped report, the ungrouped one and the list there is exactly one
/// problem, which begins with `message`, underlines `piece` and says what to do.
#[track_caller]
fn check((grouped, figures, list): (&str, &str, &str), message: &str, piece: &str) {
    let problems = match read(&config(grouped, figures, list)) {
        Ok(_) => panic!("no problem with {grouped}{figures}{list}"),
        Err(problems) => problems,
    };
    assert_eq!(problems.0.len(), 1, "{problems}");
    let problem = &problems.0[0];
    assert!(problem.message.starts_with(message), "{problems}");
    let underlined = problem.place.as_ref().map(|place| place.piece.as_str());
    assert_eq!(underlined, Some(piece), "{problems}");
}
