//! What a rule is: each mistake is one problem, at the very piece that is wrong, with what to write
//! instead.

use super::{read, valid};
use chrono::TimeDelta;
use postrider::domain::report::Format;
use postrider::domain::rule::{Baseline, Expect, Hold, Judge, Kind, Rule, WhenGone};

/// A config with one rule of these keys, and what comes after it.
fn config(rule: &str, more: &str) -> String {
    format!(
        r#"
[smtp]
host = "mail.example.com"
from = "ops@example.com"

[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = {{ client_id = "env:SF_CLIENT_ID", client_secret = "env:SF_CLIENT_SECRET" }}

[calendars.office]
hours = {{ mon-fri = "08:00-18:00" }}
holidays = ["2026-12-25"]

[receivers.ops]
kind = "email"
to = ["ops@example.com"]

[[routes]]
to = ["ops"]

[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[rules.one]
type = "sessions"
{rule}
{more}
"#
    )
}

/// A windowed count by channel with one level.
const COUNT: &str = r#"
date = "session.StartTime"
window = "1 h"
group_by = ["channel as Channel"]
value = "count()"
levels = [["warning", "> 3"]]
"#;

#[track_caller]
fn rule(keys: &str) -> Rule {
    let config = valid(&config(keys, ""));
    (*config.rules["one"]).clone()
}

/// Each expected: what is pointed at, the message, and what to write instead.
#[track_caller]
fn check(keys: &str, expected: &[(&str, &str, &str)]) {
    check_with(keys, "", expected);
}

#[track_caller]
fn check_with(keys: &str, more: &str, expected: &[(&str, &str, &str)]) {
    let text = config(keys, more);
    let problems = match read(&text) {
        Ok(_) => panic!("no problem found in:\n{keys}"),
        Err(problems) => problems,
    };
    let mut seen: Vec<(&str, &str, &str)> = (problems.0.iter())
        .map(|problem| {
            let piece = problem.place.as_ref().map_or("", |place| place.piece.as_str());
            (piece, problem.message.as_str(), problem.help.as_deref().unwrap_or(""))
        })
        .collect();
    let mut expected = expected.to_vec();
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

#[test]
fn a_rule_says_nothing_of_what_it_does_not_ask_for() {
    let plain = rule(COUNT);
    assert_eq!(
        (plain.kind, plain.hold, plain.warm_up),
        (Kind::State, Hold::default(), TimeDelta::zero())
    );
    assert!(plain.ratio.is_none() && plain.usual.is_none() && plain.expect.is_none());
    assert_eq!(plain.every, TimeDelta::minutes(5));
    assert_eq!(plain.reach(), Some(TimeDelta::hours(1)));
}

#[test]
fn what_a_rule_can_be_is_read_from_the_config() {
    let ratio = rule(
        r#"
date = "session.StartTime"
window = "1 h"
value = "count() filter (where session.AcceptTime is null)"
out_of = "count()"
confidence = 0.99
levels = [["warning", "> 0.1"]]
for = "3 evaluations"
keep_firing_for = "20 min"
clock = "office"
owner = "Jo"
"#,
    );
    assert_eq!(ratio.ratio.map(|ratio| ratio.confidence), Some(0.99));
    let columns: Vec<&str> =
        ratio.query.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((columns[1], columns[2]), ("records", "count()"));
    assert_eq!(
        (ratio.hold, ratio.keep_firing_for),
        (Hold::Evaluations(3), TimeDelta::minutes(20).into())
    );
    assert_eq!(ratio.clock.map(|clock| clock.name.clone()).as_deref(), Some("office"));
    assert_eq!((ratio.format, ratio.owner.as_deref()), (Format::Percent, Some("Jo")));

    let usual = rule(
        r#"
date = "session.StartTime"
window = "1 h"
group_by = ["channel as Channel"]
value = "count()"
baseline = "median of 8 weeks"
judge = "chance"
min_baseline = 20
during = "office"
levels = [["warning", "< 0.01"], ["critical", "< 0.0001"]]
expect = "seen within 7 days"
when_gone = "critical"
warm_up = "10 min"
"#,
    );
    let compared = usual.usual.clone().expect("a baseline");
    assert_eq!((compared.baseline, compared.judge), (Baseline::MedianOfWeeks(8), Judge::Chance));
    assert_eq!(compared.min_baseline, 20.0);
    assert_eq!(compared.calendar.map(|calendar| calendar.name.clone()).as_deref(), Some("office"));
    assert_eq!(usual.expect, Some(Expect::SeenWithin(TimeDelta::days(7))));
    assert_eq!((usual.when_gone, usual.warm_up), (WhenGone::Level(1), TimeDelta::minutes(10)));
    assert_eq!(usual.reach(), Some(TimeDelta::days(56) + TimeDelta::hours(1)));

    let new = rule(&format!("{COUNT}new_within = \"30 days\"\n"));
    assert_eq!(new.new_within, Some(TimeDelta::days(30)));
    let change = rule(&format!("{COUNT}baseline = \"previous window\"\nformat = \"1 decimal\"\n"));
    assert_eq!((change.format, change.format_measured), (Format::Percent, Format::Decimals(1)));
}

#[test]
fn evidence_is_ordered_by_what_the_value_looks_at() {
    let shown = |keys: &str| {
        let query = rule(keys).evidence.expect("evidence");
        let order: Vec<(String, bool)> = (query.sort.iter())
            .map(|sort| match sort.by {
                postrider::domain::query::SortBy::Column(index) => {
                    (query.columns[index].name.clone(), sort.descending)
                }
                postrider::domain::query::SortBy::Group(_) => panic!("a list has no groups"),
            })
            .collect();
        assert!(query.list && query.top == Some(10));
        order
    };
    let longest = r#"
where = "session.Status = 'Waiting' or session.Status = 'New'"
value = "max(seconds(session.StartTime, as_of())) filter (where session.EndTime is null)"
levels = [["warning", "> 180"]]
"#;
    let further = format!("{longest}evidence = [\"session as Session\"]\n");
    assert_eq!(shown(&further), [("Ordered by".to_owned(), true)]);
    let own = format!(
        "{longest}evidence = [\"session as Session\", \"seconds(session.StartTime, as_of()) as Wait\"]\n"
    );
    assert_eq!(shown(&own), [("Wait".to_owned(), true)]);
    let newest =
        format!("{COUNT}evidence = [\"session as Session\", \"session.StartTime as Started\"]\n");
    assert_eq!(shown(&newest), [("Started".to_owned(), true)]);
    let few = longest.replace("> 180", "< 3") + "evidence = [\"session as Session\"]\n";
    assert_eq!(shown(&few), [("Ordered by".to_owned(), false)]);
}

#[test]
fn an_event_rule_is_a_list_of_records() {
    let event = rule(
        r#"
kind = "event"
level = "critical"
date = "session.StartTime"
window = "10 min"
group_by = ["channel as Channel"]
columns = ["session.Name as Name", "session.Status as Status"]
changes = "session.Status"
"#,
    );
    assert_eq!((event.kind, event.levels[0].name.as_str()), (Kind::Event, "critical"));
    let columns: Vec<&str> =
        event.query.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["(record)", "(at)", "Channel", "(changes)", "Name", "Status"]);
    let shape = event.event.expect("its columns");
    assert_eq!((shape.dated, shape.groups, shape.changes), (true, 1, true));
    assert!(event.query.list);
    // The records are those of the dataset that the date is of.
    let table = event.query.columns[0].alias.expect("records");
    assert_eq!(event.query.report_type.tables[table].alias, "session");
}

#[test]
fn rules_that_explain_each_other_are_told_with_the_chain() {
    let other = |name: &str, on: &str| {
        format!(
            "[rules.{name}]\ntype = \"sessions\"\nvalue = \"count()\"\n\
             levels = [[\"warning\", \"> 3\"]]\ndepends_on = [\"{on}\"]\n"
        )
    };
    let more = format!("{}{}", other("three", "one"), other("two", "three"));
    check_with(
        &format!("{COUNT}depends_on = [\"two\"]\n"),
        &more,
        &[(
            "\"one\"",
            "rules explain each other in a circle: one -> two -> three -> one",
            "remove one of them from `depends_on`",
        )],
    );
    check(
        &format!("{COUNT}depends_on = [\"one\", \"tow\"]\n"),
        &[
            ("\"one\"", "rule `one` cannot explain itself", "name the rule that explains it"),
            ("\"tow\"", "unknown rule `tow`", "there is only `one`"),
        ],
    );
    let two = "[rules.two]\ntype = \"sessions\"\nvalue = \"count()\"\nlevels = [[\"warning\", \"> 3\"]]\n";
    let config = valid(&config(&format!("{COUNT}depends_on = [\"two\"]\n"), two));
    assert_eq!(config.rules["one"].depends_on, ["two"]);
}

#[test]
fn mistakes_are_told_at_the_piece_with_what_to_write_instead() {
    let with = |more: &str| format!("{COUNT}{more}\n");
    check(
        &with("kind = \"evnt\""),
        &[("\"evnt\"", "unknown value `evnt`", "did you mean `event`?")],
    );
    check(
        &with("for = \"0 evaluations\""),
        &[(
            "\"0 evaluations\"",
            "`0 evaluations` is no number of evaluations",
            "write e.g. `3 evaluations`, from 1 to 1000",
        )],
    );
    check(
        &with("clock = \"ofice\""),
        &[("\"ofice\"", "unknown calendar `ofice`", "did you mean `office`?")],
    );
    check(
        &with("confidence = 0.9"),
        &[(
            "0.9",
            "`confidence` without `out_of`",
            "write what the value is out of, e.g. `out_of = \"count()\"`",
        )],
    );
    check(
        &with("out_of = \"count()\"\nconfidence = 95"),
        &[(
            "95",
            "`95` is no confidence",
            "write 0.5 to 0.9999, e.g. `0.95`, or 0 to judge the share alone",
        )],
    );
    check(
        &with("out_of = \"max(seconds(session.StartTime, session.EndTime))\""),
        &[(
            "\"max(seconds(session.StartTime, session.EndTime))\"",
            "a share is of counts, `max(seconds(session.StartTime, session.EndTime))` is none",
            "write e.g. `count() filter (where ...)` out of `count()`",
        )],
    );
    check(
        &with("out_of = \"count(session.Nme)\""),
        &[("Nme", "dataset `MessagingSession` has no field `Nme`", "did you mean `Name`?")],
    );
    check(
        &with("baseline = \"last week\""),
        &[(
            "\"last week\"",
            "unknown value `last week`",
            "there are `previous window`, `same time last week`, `median of 8 weeks`",
        )],
    );
    check(
        &with("baseline = \"median of 1 weeks\""),
        &[(
            "\"median of 1 weeks\"",
            "a median is of 2 to 104 weeks, not 1",
            "write e.g. `median of 8 weeks`",
        )],
    );
    check(
        &with("judge = \"chance\""),
        &[(
            "\"chance\"",
            "`judge` without `baseline`",
            "write what the value is compared with, e.g. `baseline = \"median of 8 weeks\"`",
        )],
    );
    check(
        &with("baseline = \"same time last week\"\njudge = \"deviations\""),
        &[(
            "\"deviations\"",
            "how much a value scatters is seen in several weeks only",
            "write e.g. `baseline = \"median of 8 weeks\"`",
        )],
    );
    check(
        &with("baseline = \"same time last week\"\njudge = \"chance\""),
        &[("\"> 3\"", "a chance is from 0 to 1 and rare below: `> 3`", "write e.g. `< 0.001`")],
    );
    check(
        &with("baseline = \"previous window\"\ncalendar = \"office\""),
        &[(
            "\"office\"",
            "the previous window leaves no holidays out",
            "remove `calendar`, or compare with weeks",
        )],
    );
    check(
        &with("expect = [\"Web\", \"Web\"]"),
        &[
            ("\"Web\"", "group `Web` is written twice", "remove one of them"),
            (
                "[\"Web\", \"Web\"]",
                "a group that is missing tells nobody",
                "say at which level, e.g. `when_gone = \"critical\"`",
            ),
        ],
    );
    check(
        &with("when_gone = \"warning\"\nexpect = \"within 7 days\""),
        &[(
            "\"within 7 days\"",
            "unknown value `within 7 days`",
            "write e.g. `seen within 7 days`, or a list of groups",
        )],
    );
    check(
        &with("evidence = [\"count() as All\"]"),
        &[(
            "\"count() as All\"",
            "evidence is records one by one, here they are taken together",
            "write fields or aliases, e.g. `session as Session`",
        )],
    );
    check(
        &with("evidence = [\"session.Nme\"]"),
        &[("Nme", "dataset `MessagingSession` has no field `Nme`", "did you mean `Name`?")],
    );
    check(
        &with("level = \"warning\""),
        &[(
            "\"warning\"",
            "`level` is of no use without `kind = \"event\"`",
            "write e.g. `levels = [[\"warning\", \"> 300\"]]`",
        )],
    );
}

#[test]
fn a_state_without_window_has_no_past() {
    let state = "value = \"count()\"\nlevels = [[\"warning\", \"> 3\"]]\n";
    check(
        &format!("{state}baseline = \"previous window\""),
        &[(
            "\"previous window\"",
            "only a window can be compared: of the state as it is, the past is not kept",
            "write `date` and e.g. `window = \"1 h\"`",
        )],
    );
    check(
        &format!("{state}new_within = \"30 days\""),
        &[
            (
                "\"30 days\"",
                "`new_within` is about groups",
                "write e.g. `group_by = [\"entry.MessageStatusCode as Code\"]`",
            ),
            (
                "\"30 days\"",
                "`new_within` asks what was there before, which windows alone know",
                "write `date` and e.g. `window = \"1 h\"`",
            ),
        ],
    );
}

#[test]
fn an_event_rule_that_cannot_work_is_told_why() {
    let event = "kind = \"event\"\n";
    check(
        event,
        &[
            ("one", "[rules.one] has no `level`", "write e.g. `level = \"warning\"`"),
            (
                "one",
                "[rules.one] has no `columns`",
                "write what is shown of each record, e.g. `columns = [\"session as Session\"]`",
            ),
            (
                "one",
                "[rules.one] cannot tell which records are new",
                "write `date` and `window`, or what of a record `changes`",
            ),
        ],
    );
    let whole = format!("{event}level = \"warning\"\ndate = \"session.StartTime\"\n");
    check(
        &format!("{whole}window = \"1 min\"\ncolumns = [\"session as Session\"]\nfor = \"5 min\""),
        &[(
            "\"5 min\"",
            "an event has no value, and no use for `for`",
            "remove it, or `kind = \"event\"`",
        )],
    );
    check(
        &format!(
            "{whole}window = \"1 h\"\ncolumns = [\"session.Nme\"]\nchanges = \"session.Stats\""
        ),
        &[
            ("Stats", "dataset `MessagingSession` has no field `Stats`", "did you mean `Status`?"),
            ("Nme", "dataset `MessagingSession` has no field `Nme`", "did you mean `Name`?"),
        ],
    );
}
