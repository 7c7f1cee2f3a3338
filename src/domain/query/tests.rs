//! What the checker accepts, and where it points when it does not.

use super::samples::{datasets, questions, report_type, rules};
use super::{Part, Query, QueryText, SortBy};
use crate::domain::expr::{AggregateKind, Expr, Mistake, ReportType};
use crate::domain::value::Type;

#[test]
fn the_thirteen_questions_and_the_five_rules_are_understood() {
    for (name, of, text) in questions() {
        Query::check(&report_type(of), &text).unwrap_or_else(|err| panic!("{name}: {err:?}"));
    }
    for (name, of, text) in rules() {
        let query = Query::check_rule(&report_type(of), &text)
            .unwrap_or_else(|err| panic!("{name}: {err:?}"));
        assert_eq!(query.columns.len(), 2, "{name}");
        assert_eq!(query.columns[1].name, "records");
        assert!(!query.list);
    }
}

fn ask<'a>(group_by: &[&'a str], columns: &[&'a str]) -> QueryText<'a> {
    QueryText { group_by: group_by.to_vec(), columns: columns.to_vec(), ..QueryText::default() }
}

fn text_of<'a>(text: &QueryText<'a>, part: Part) -> &'a str {
    match part {
        Part::Date => text.date.unwrap(),
        Part::Filter => text.filter.unwrap(),
        Part::Per(index) => text.per[index],
        Part::Values(index) => text.values[index],
        Part::GroupBy(index) => text.group_by[index],
        Part::Column(index) => text.columns[index],
        Part::Sort => text.sort.unwrap(),
        Part::Pivot => text.pivot_by.unwrap(),
        Part::Only | Part::Split(_) => panic!("nothing was added"),
    }
}

/// The one mistake of a query: what is underlined, the message, the help.
#[track_caller]
fn wrong_in(of: &str, text: &QueryText<'_>, expected: (&str, &str, &str)) {
    let mistakes = Query::check(&report_type(of), text).expect_err("there is a mistake");
    let [(part, mistake)] = mistakes.as_slice() else { panic!("more than one: {mistakes:#?}") };
    let underlined = &text_of(text, *part)[mistake.at.clone()];
    let help = mistake.help.as_deref().unwrap_or("");
    assert_eq!((underlined, mistake.message.as_str(), help), expected);
}

#[track_caller]
fn wrong_where(filter: &str, underlined: &str, message: &str, help: &str) {
    let text = QueryText { filter: Some(filter), ..ask(&[], &["count()"]) };
    wrong_in("sessions", &text, (underlined, message, help));
}

#[track_caller]
fn wrong_column(column: &str, underlined: &str, message: &str, help: &str) {
    wrong_in("sessions", &ask(&["channel"], &[column]), (underlined, message, help));
}

#[test]
fn unknown_names_come_with_what_was_meant() {
    let n = "unknown dataset alias `sesion`";
    wrong_where("sesion.Status = 'Ended'", "sesion", n, "did you mean `session`?");
    let n = "dataset `MessagingSession` has no field `Start`";
    wrong_where("session.Start is null", "Start", n, "did you mean `StartTime`?");
    let n = "dataset `MessagingSession` has no field `status`";
    wrong_where("session.status = 'Ended'", "status", n, "did you mean `Status`?");
    wrong_where("Status = 'Ended'", "Status", "`Status` is not a field", "write `session.Status`");
    let help = "`account` is a dataset: write one of its fields, e.g. `account.Name`";
    wrong_where("account = 'x'", "account", "`account` is not a field", help);
    let help = "there are session, channel, account, sent, received, mean, longest";
    let help = help.replace("are ", "are `").replace(", ", "`, `") + "`";
    wrong_where("zzzz.Id is null", "zzzz", "unknown dataset alias `zzzz`", &help);
    let help = "fields of other records come by joining them in the report type";
    wrong_where(
        "session.Account.Name = 'x'",
        "session.Account.Name",
        "a field is `alias.Field`",
        help,
    );
}

#[test]
fn values_that_a_picklist_never_has_are_mistakes() {
    let never = "no such value: `session.Status` is never 'Closed'";
    let help = "a finished session is 'Ended'";
    wrong_where("session.Status = 'Closed'", "'Closed'", never, help);
    wrong_where("'Closed' <> session.Status", "'Closed'", never, help);
    wrong_where("session.Status in ('New', 'Closed')", "'Closed'", never, help);
    let never = "no such value: `session.Status` is never 'ended'";
    wrong_where("session.Status = 'ended'", "'ended'", never, "did you mean 'Ended'?");
    let never = "no such value: `session.EndedByType` is never 'End user'";
    let help = "'End user' is its label: write 'EndUser'";
    wrong_where("session.EndedByType = 'End user'", "'End user'", never, help);
    let never = "no such value: `channel.PlatformType` is never 'Xylophone'";
    let help = "it can be 'Enhanced', 'Standard'";
    wrong_where("channel.PlatformType = 'Xylophone'", "'Xylophone'", never, help);
    // An open list may have gained a value; only a slip is caught.
    let never = "no such value: `channel.MessageType` is never 'Whatsapp'";
    wrong_where(
        "channel.MessageType = 'Whatsapp'",
        "'Whatsapp'",
        never,
        "did you mean 'WhatsApp'?",
    );
    let text =
        QueryText { filter: Some("channel.MessageType = 'Telepathy'"), ..ask(&[], &["count()"]) };
    Query::check(&report_type("sessions"), &text).unwrap();
}

#[test]
fn types_have_to_agree() {
    let text = "session.Status = 1";
    wrong_where(text, text, "text is compared with integer", "");
    let text = "session.StartTime > 5";
    wrong_where(text, text, "timestamp is compared with integer", "");
    let help = "write e.g. '2026-01-31T00:00:00Z'";
    wrong_where("session.StartTime > 'May'", "'May'", "this is not an instant", help);
    wrong_where(
        "coalesce(session.StartTime, 'May') is null",
        "'May'",
        "this is not an instant",
        help,
    );
    wrong_where("hour('noon') = 1", "'noon'", "this is not an instant", help);
    let needed = "a condition is needed here, this is text";
    wrong_where("session.Status and true", "session.Status", needed, "compare it with something");
    let never = "a comparison with null never holds";
    wrong_where("session.AgentType = null", "null", never, "write `is null` or `is not null`");
    let n = "arithmetic takes a number, this is text";
    wrong_where("session.Name + 1 > 2", "session.Name", n, "");
    let n = "arithmetic takes a number, this is timestamp";
    let help = "the time between two instants is `seconds(from, to)`";
    wrong_column("max(as_of() - 1)", "as_of", n, help);
    wrong_column("sum(session.Status)", "session.Status", "`sum` takes a number, this is text", "");
    let n = "`lower` takes text, this is integer";
    wrong_where("lower(session.Transfers) = 'x'", "session.Transfers", n, "");
    let n = "one result is integer, this one is text";
    wrong_column("case when count() > 1 then 1 else 'x' end", "'x'", n, "");
    wrong_where(
        "channel.IsActive < true",
        "channel.IsActive < true",
        "conditions have no order",
        "",
    );
}

#[test]
fn aggregates_stand_where_they_may() {
    let n = "the aggregate `count` may not stand in `where`";
    let help = "a condition on rows goes here; to count some rows only, write \
                `count() filter (where ..)`";
    wrong_where("count() > 1", "count", n, help);
    let n = "the aggregate `max` may not stand in an aggregate";
    let help = "fold first: name the inner one in `values`";
    wrong_column("sum(max(session.Transfers))", "max", n, help);
    let n = "neither grouped nor inside an aggregate";
    let help = "group by it, or write e.g. `max(..)` or `count(..)` around it";
    wrong_column("session.Status", "session.Status", n, help);
    let text = ask(&["day(session.StartTime)"], &["session.StartTime"]);
    wrong_in("sessions", &text, ("session.StartTime", n, help));
    let n = "the aggregate `count` may not stand in `group_by`";
    let help = "aggregates go into `columns`, `values` and a rule's `value`";
    wrong_in("sessions", &ask(&["count()"], &["count()"]), ("count", n, help));
    let n = "`share` takes aggregates alone";
    let help = "write e.g. `share(count())`";
    wrong_column("share(channel.IsActive)", "channel.IsActive", n, help);
    wrong_column("share(1)", "1", "`share` takes an aggregate", help);
    wrong_column("share(share(count()))", "share", "`share` stands inside `share`", "");
}

#[test]
fn unknown_functions_come_with_what_was_meant() {
    wrong_column(
        "medain(session.Transfers)",
        "medain",
        "unknown function `medain`",
        "did you mean `median`?",
    );
    let help = "there are count, sum, avg, min, max, median, p50, p90, p95, p99, first, \
                percentile, coalesce, lower, seconds, day, week, month, hour, weekday, bucket, \
                as_of, share";
    let n = "unknown function `load_extension`";
    wrong_column("max(load_extension('x'))", "load_extension", n, help);
    let n = "`seconds` does not take these arguments";
    wrong_column("max(seconds(as_of()))", "seconds", n, "write `seconds(from, to)`");
    wrong_column(
        "max(bucket(1, 5, 5))",
        "5",
        "bounds are rising numbers",
        "write e.g. `bucket(x, 60, 300)`",
    );
    wrong_column(
        "first(session.Name)",
        "first",
        "the first by what",
        "write `first(x order by y)`",
    );
    let n = "this kind of call is not known";
    let help = "write e.g. `count(x)` or `sum(x) filter (where y > 1)`";
    let text = "count() over (order by channel.Id)";
    wrong_column(text, "count", n, help);
    let n = "queries inside expressions are not known";
    let help = "join the dataset in the report type";
    wrong_where(
        "session.Id in (select Id from Account)",
        "session.Id in (select Id from Account",
        n,
        help,
    );
}

#[test]
fn a_join_that_repeats_records_is_not_summed_over() {
    let text = ask(&[], &["count(session.Id)"]);
    let n = "`count` would count each `session` once for every `entry` joined to it";
    wrong_in("delivery", &text, ("session.Id", n, "write `count(distinct session.Id)`"));
    let text = ask(&["session"], &["sum(session.Transfers)"]);
    let n = "`sum` would count each `session` once for every `work` joined to it";
    let help = "fold first: `per = [\"session\"]` with it among `values`";
    wrong_in("assignments", &text, ("session.Transfers", n, help));
    let text = ask(&[], &["avg(session.Transfers)"]);
    let n = "`avg` would count each `session` once for every `metric` joined to it";
    wrong_in("metrics", &text, ("session.Transfers", n, help));
    // One metric of a session remains when its type is fixed.
    let filter = Some("metric.MessagingSessionMetricType = 'MaxAgentResponseTime'");
    Query::check(&report_type("metrics"), &QueryText { filter, ..text }).unwrap();
    let fine =
        ["count()", "count(entry.Id)", "count(distinct session.Id)", "max(session.Transfers)"];
    Query::check(&report_type("delivery"), &ask(&[], &fine)).unwrap();
    // In a fold too: a session's length comes once for each of its assignments.
    let text = QueryText {
        per: vec!["session", "work"],
        values: vec!["session.Transfers as moved"],
        ..ask(&[], &["sum(moved)"])
    };
    let n = "each `moved` comes several times in the fold";
    wrong_in("assignments", &text, ("moved", n, "fold `per` it alone"));
}

#[test]
fn a_fold_is_spoken_of_by_its_names() {
    let fold = |columns: &[&'static str]| QueryText {
        per: vec!["session", "channel as Channel"],
        values: vec!["count() as parts"],
        ..ask(&["Channel"], columns)
    };
    let n = "`session.Name` is folded away";
    let help = "name it in `per` or `values`, e.g. `session.Name as name`";
    wrong_in("assignments", &fold(&["max(session.Name)"]), ("session.Name", n, help));
    let n = "the fold has nothing called `part`";
    wrong_in("assignments", &fold(&["sum(part)"]), ("part", n, "did you mean `parts`?"));
    let text = QueryText { values: vec!["count()"], ..fold(&["count()"]) };
    let n = "a value of the fold needs a name";
    wrong_in("assignments", &text, ("count()", n, "write e.g. `sum(x) as total`"));
    let text = QueryText { per: vec![], ..fold(&["count()"]) };
    let n = "`values` without `per`";
    let help = "say what one row of the fold is, e.g. `per = [\"session\"]`";
    wrong_in("assignments", &text, ("count() as parts", n, help));
    let query = Query::check(&report_type("assignments"), &fold(&["sum(parts) as Parts"])).unwrap();
    assert_eq!(query.groups[0].alias, Some(2), "the key of the fold still shows its label");
    assert_eq!(query.groups[0].expr, Expr::Folded(1));
}

#[test]
fn dates_and_orders_name_what_exists() {
    let text = QueryText { date: Some("session.Name"), ..ask(&[], &["count()"]) };
    let n = "the date of a report is a timestamp, this is text";
    let help = "e.g. `session.StartTime`, `session.AcceptTime`, `session.EndTime`, \
                `session.SystemModstamp`";
    wrong_in("sessions", &text, ("session.Name", n, help));
    let base = ask(&["channel as Channel"], &["count() as Sessions"]);
    let text = QueryText { sort: Some("Session desc"), ..base.clone() };
    let n = "no column is called `Session`";
    wrong_in("sessions", &text, ("Session", n, "did you mean `Sessions`?"));
    let text = QueryText { sort: Some("max(session.Transfers)"), ..base.clone() };
    let n = "this is not one of the columns";
    let help = "sort by the heading of a column, e.g. `Sessions desc`";
    wrong_in("sessions", &text, ("max(session.Transfers", n, help));
    for (sort, by) in [
        ("Sessions desc", SortBy::Column(0)),
        ("'Channel'", SortBy::Group(0)),
        ("count()", SortBy::Column(0)),
        ("channel.Id desc", SortBy::Group(0)),
    ] {
        let text = QueryText { sort: Some(sort), ..base.clone() };
        let query = Query::check(&report_type("sessions"), &text).unwrap();
        assert_eq!(query.sort[0].by, by, "{sort}");
        assert_eq!(query.sort[0].descending, sort.ends_with("desc"));
    }
    let n = "two columns are called `Channel`";
    let help = "write `as 'another heading'` behind one";
    let text = ask(&["channel as Channel"], &["count() as Channel"]);
    wrong_in("sessions", &text, ("Channel", n, help));
}

#[test]
fn every_mistake_comes_in_one_go() {
    let text = QueryText {
        date: Some("session.Begin"),
        filter: Some("session.Status = 'Closed' and sesion.Id is null"),
        sort: Some("Nothing"),
        ..ask(&["channel.Nme"], &["sum(session.Status)", "count() as"])
    };
    let mistakes = Query::check(&report_type("sessions"), &text).unwrap_err();
    let parts: Vec<Part> = mistakes.iter().map(|(part, _)| *part).collect();
    let expected = [
        Part::Date,
        Part::Filter,
        Part::Filter,
        Part::Column(1),
        Part::GroupBy(0),
        Part::Column(0),
    ];
    assert_eq!(parts, expected, "{mistakes:#?}");
}

#[test]
fn a_rule_is_a_number() {
    let text = ask(&["channel"], &["max(session.Status)"]);
    let mistakes = Query::check_rule(&report_type("sessions"), &text).unwrap_err();
    assert_eq!(mistakes[0].1.message, "a rule's value is a number, this is text");
}

#[track_caller]
fn wrong_from(from: &str, underlined: &str, message: &str, help: &str) {
    let mistakes = ReportType::parse("t", from, &datasets()).expect_err("there is a mistake");
    let [Mistake { at, message: said, help: helped }] = mistakes.as_slice() else {
        panic!("more than one: {mistakes:#?}")
    };
    let helped = helped.as_deref().unwrap_or("");
    assert_eq!((&from[at.clone()], said.as_str(), helped), (underlined, message, help));
}

#[test]
fn report_types_are_joins_of_datasets() {
    let n = "unknown dataset `Acount`";
    wrong_from("Acount a", "Acount", n, "did you mean `Account`?");
    let n = "two datasets are called `a`";
    let from = "Account a join MessagingEndUser a on a.Id = a.AccountId";
    wrong_from(from, "a", n, "write `MessagingEndUser another_name`");
    let n = "only `join` and `left join` are known";
    let help = "write `join DATASET alias on ..` or `left join DATASET alias on ..`";
    let from = "Account a cross join MessagingEndUser p";
    wrong_from(from, "MessagingEndUser p", n, help);
    let n = "the join has no `on`";
    let help = "write what makes records belong together, e.g. `on a.Id = b.AId`";
    wrong_from("Account a join MessagingEndUser p", "MessagingEndUser p", n, help);
    let n = "`p` is joined later";
    let from =
        "Account a join AgentWork w on w.BotId = p.Id join MessagingEndUser p on p.Id = a.Id";
    wrong_from(from, "p", n, "there are `a`, `w`");
    let n = "only datasets can be joined";
    let help = "write `DATASET alias`, e.g. `MessagingSession session`";
    wrong_from("(select 1) x", "select 1) x", n, help);
    wrong_from("Account a, Account b", ",", "`,` is not expected here", "");
    let plain = ReportType::parse("t", "Account", &datasets()).unwrap();
    assert_eq!(plain.tables[0].alias, "Account");
}

#[test]
fn what_nothing_reads_is_not_read() {
    let query =
        |columns: &[&str]| Query::check(&report_type("sessions"), &ask(&[], columns)).unwrap();
    assert_eq!(query(&["count()"]).tables_used(), [true, true, false, false, false, false, false]);
    let query = query(&["max(mean.MessagingSessionMetricValue)"]);
    assert_eq!(query.tables_used(), [true, true, false, false, false, true, false]);
    let reads = query.reads();
    let fields = |dataset: &str| reads[dataset].iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(fields("MessagingSession"), "Id MessagingChannelId");
    assert_eq!(
        fields("MessagingSessionMetrics"),
        "MessagingSessionId MessagingSessionMetricType MessagingSessionMetricValue"
    );
    assert!(!reads.contains_key("Account"));
    // A join to many changes counts, so it stays.
    let query = Query::check(&report_type("delivery"), &ask(&[], &["count()"])).unwrap();
    assert_eq!(query.tables_used(), [true, true, true]);
}

#[test]
fn headings_say_what_their_cells_hold() {
    let text = ask(
        &[
            "channel",
            "session.AgentType",
            "day(session.StartTime) as Day",
            "hour(session.StartTime)",
        ],
        &["count() as Sessions", "share(count()) as Share", "max(session.StartTime) as Last"],
    );
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let shown: Vec<(String, Option<Type>, bool, bool)> = query
        .columns_shown()
        .into_iter()
        .map(|column| (column.name, column.ty, column.numeric, column.share))
        .collect();
    let row = |name: &str, ty, numeric, share| (name.to_owned(), Some(ty), numeric, share);
    let expected = [
        row("channel", Type::Text, false, false),
        row("AgentType", Type::Text, false, false),
        row("Day", Type::Text, false, false),
        row("hour(session.StartTime)", Type::Integer, false, false),
        row("Sessions", Type::Integer, true, false),
        row("Share", Type::Real, true, true),
        row("Last", Type::Timestamp, false, false),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn keys_fix_what_belongs_to_them() {
    let fine = |of: &str, groups: &[&str], columns: &[&str]| {
        let checked = Query::check(&report_type(of), &ask(groups, columns));
        checked.unwrap_or_else(|err| panic!("{groups:?} {columns:?}: {err:?}"))
    };
    fine("sessions", &["channel"], &["channel.MessageType", "count()"]);
    fine("sessions", &["session"], &["channel.MasterLabel", "account.Name", "mean.Id"]);
    fine("sessions", &["session.MessagingChannelId"], &["channel.MasterLabel"]);
    fine("sessions", &["hour(session.StartTime)"], &["hour(session.StartTime) + 1", "count()"]);
    let n = "neither grouped nor inside an aggregate";
    let help = "group by it, or write e.g. `max(..)` or `count(..)` around it";
    // The account's sessions are many, and so are a name's accounts.
    wrong_in("sessions", &ask(&["account"], &["session.Id"]), ("session.Id", n, help));
    wrong_in("sessions", &ask(&["account.Name"], &["account.Id"]), ("account.Id", n, help));
    // Without a session its channel is known all the same, but not the other way round.
    wrong_in("traffic", &ask(&["session"], &["channel.Id"]), ("channel.Id", n, help));
    let traffic = report_type("traffic");
    assert!(!traffic.joins_at_most_one(1), "a channel has many sessions");
}

#[test]
fn columns_name_columns_before_them() {
    let both = |last: &'static str| {
        let columns = [
            "sum(session.Transfers) as Moves",
            "count() as Sessions",
            "share(count()) as 'Of all'",
        ];
        let columns: Vec<&str> = columns.into_iter().chain([last]).collect();
        ask(&["channel"], &columns)
    };
    let checked = |text: &QueryText<'_>| Query::check(&report_type("sessions"), text).unwrap();
    let named = checked(&both("Moves / Sessions as Each"));
    let spelt = checked(&both("sum(session.Transfers) / count() as Each"));
    assert_eq!(named.columns, spelt.columns);
    assert_eq!(named.aggregates.len(), 2, "nothing is computed twice");
    let share = checked(&both("\"Of all\" as Part"));
    assert!(share.columns[3].share);
    let fine = checked(&both("case when \"Of all\" > 0.5 then Moves end as Most"));
    assert_eq!(fine.columns[3].ty, Some(Type::Integer));
    // A heading does not hide a name of the fold.
    let text = QueryText {
        per: vec!["session"],
        values: vec!["count() as parts"],
        ..ask(&[], &["sum(parts) as parts", "max(parts) as most", "parts / most as x"])
    };
    let query = Query::check(&report_type("assignments"), &text).unwrap();
    assert_eq!(query.aggregates.len(), 2);
    // Of a list they are over the record.
    let text = ask(&[], &["session.Transfers as Moves", "Moves * 2 as Twice"]);
    assert!(checked(&text).list);

    let wrong = |last: &'static str, underlined: &str, message: &str, help: &str| {
        wrong_in("sessions", &both(last), (underlined, message, help));
    };
    let n = "`Sesions` is neither a field nor a column before";
    wrong("Moves / Sesions", "Sesions", n, "did you mean `Sessions`?");
    let n = "`Of` is neither a field nor a column before";
    wrong("Moves / Of", "Of", n, "write `alias.Field`; text goes in single quotes");
    let n = "`Ofall` is neither a field nor a column before";
    wrong("Moves / Ofall", "Ofall", n, "did you mean `\"Of all\"`?");
    let n = "`Each` is a column that comes later";
    wrong("Each + 1 as Each", "Each", n, "put it before this one");
    let n = "`Moves` is a column and cannot be aggregated again";
    let help = "aggregate the field it is made of, or fold first";
    wrong("max(Moves)", "Moves", n, help);
    wrong("share(\"Of all\")", "\"Of all\"", "`share` stands inside `share`", "");
    let n = "arithmetic takes a number, this is text";
    wrong("Sessions * 'Of all'", "'Of all'", n, "");
    let text = QueryText { filter: Some("Sessions > 1"), ..both("count() as n") };
    let help = "write `alias.Field`; text goes in single quotes";
    wrong_in("sessions", &text, ("Sessions", "`Sessions` is not a field", help));
    // A mistake is told where it is made, and once.
    let text = ask(&[], &["sum(session.Status) as a", "a + 1 as b", "b + a as c"]);
    let n = "`sum` takes a number, this is text";
    wrong_in("sessions", &text, ("session.Status", n, ""));
}

#[test]
fn columns_that_double_with_each_name_are_refused() {
    let names: Vec<String> = (0..40).map(|n| format!("c{n} + c{n} as c{}", n + 1)).collect();
    let mut columns = vec!["count() as c0"];
    columns.extend(names.iter().map(String::as_str));
    let mistakes = Query::check(&report_type("sessions"), &ask(&[], &columns)).unwrap_err();
    assert_eq!(mistakes[0].1.message, "too large with the columns it names");
    let chain: Vec<String> = (0..300).map(|n| format!("c{n} + 1 as c{}", n + 1)).collect();
    let mut columns = vec!["count() as c0"];
    columns.extend(chain.iter().map(String::as_str));
    let mistakes = Query::check(&report_type("sessions"), &ask(&[], &columns)).unwrap_err();
    assert_eq!(mistakes[0].1.message, "too large with the columns it names");
}

#[test]
fn percentiles_take_a_fraction() {
    let text = ask(
        &[],
        &[
            "p95(session.Transfers) as a",
            "percentile(session.Transfers, 0.95) as b",
            "percentile(session.Transfers, 0.999) filter (where session.Transfers > 0) as c",
        ],
    );
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    assert_eq!(query.columns[0].expr, query.columns[1].expr);
    assert!(!query.list);
    assert_eq!(query.aggregates[1].kind, AggregateKind::Percentile(0.999));
    let n = "the fraction is a number between 0 and 1";
    let help = "write e.g. `percentile(x, 0.999)`";
    for fraction in ["0", "1", "0.0", "'0.5'", "session.Transfers", "1e999"] {
        let column = format!("percentile(session.Transfers, {fraction})");
        let text = ask(&[], &[column.as_str()]);
        wrong_in("sessions", &text, (fraction, n, help));
    }
    let text = ask(&[], &["percentile(session.Transfers, 99.9)"]);
    wrong_in("sessions", &text, ("99.9", n, "99.9 % is `percentile(x, 0.999)`"));
    let text = ask(&[], &["percentile(session.Transfers)"]);
    let n = "`percentile` does not take these arguments";
    wrong_in("sessions", &text, ("percentile", n, help));
}

#[test]
fn what_goes_across_is_no_column_of_the_rows() {
    let text = QueryText {
        pivot_by: Some("channel.MessageType as Type"),
        sort: Some("Sessions desc"),
        ..ask(&["account as Account"], &["count() as Sessions"])
    };
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let names: Vec<String> = query.columns_shown().into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["Account", "Sessions"]);
    assert_eq!(query.across().map(|group| group.name.as_str()), Some("Type"));
    assert_eq!(query.row_groups().len(), 1);
    let sorted = QueryText { sort: Some("Type"), ..text.clone() };
    let n = "what goes across cannot order the rows";
    wrong_in("sessions", &sorted, ("Type", n, "sort by one of the other columns"));
    let same = QueryText { pivot_by: Some("channel.MessageType as Account"), ..text.clone() };
    let n = "two columns are called `Account`";
    let help = "write `as 'another heading'` behind one";
    wrong_in("sessions", &same, ("Account", n, help));
    let list =
        QueryText { pivot_by: Some("channel.MessageType"), ..ask(&[], &["session.Id as Id"]) };
    let n = "the rows of a list have nothing to go across";
    let help = "count something, e.g. `columns = [\"count() as Records\"]`";
    wrong_in("sessions", &list, ("channel.MessageType", n, help));
    let wrong = QueryText { pivot_by: Some("channel.Type"), ..text };
    let n = "dataset `MessagingChannel` has no field `Type`";
    wrong_in("sessions", &wrong, ("Type", n, "did you mean `MessageType`?"));
}

#[test]
fn a_question_is_asked_again_with_more() {
    let (_, of, text) = questions().into_iter().find(|(name, ..)| *name == "q11").unwrap();
    let mut whole = Query::check(&report_type(of), &text).unwrap();
    whole.top = Some(5);
    let only = whole.with(Some("channel.MessageType = 'WhatsApp'"), &[]).unwrap();
    assert_eq!((only.top, only.split, only.total), (Some(5), 0, true));
    assert_eq!(only.filter.as_ref().map(|filter| filter.conjuncts().len()), Some(1));
    let both = only.with(Some("session.Transfers > 1"), &["account as Account"]).unwrap();
    assert_eq!(both.filter.as_ref().map(|filter| filter.conjuncts().len()), Some(2));
    let names = |query: &Query| -> Vec<String> {
        query.groups.iter().map(|group| group.name.clone()).collect()
    };
    assert_eq!((both.split, names(&both)), (1, vec!["Account".to_owned(), "Account".to_owned()]));
    assert_eq!(both.sort, whole.sort, "splits are no sort keys");
    let mailed = both.with(None, &["account.Name as Reader"]).unwrap();
    assert_eq!(mailed.split, 2);

    let wrong = |query: &Query, only, split: &[&str], part, message: &str, help: &str| {
        let mistakes = query.with(only, split).expect_err("there is a mistake");
        let [(found, mistake)] = mistakes.as_slice() else { panic!("{mistakes:#?}") };
        let helped = mistake.help.as_deref().unwrap_or("");
        assert_eq!((*found, mistake.message.as_str(), helped), (part, message, help));
    };
    let n = "no such value: `session.Status` is never 'Closed'";
    let help = "a finished session is 'Ended'";
    wrong(&whole, Some("session.Status = 'Closed'"), &[], Part::Only, n, help);
    let n = "unknown dataset alias `acount`";
    wrong(&whole, None, &["acount.Name"], Part::Split(0), n, "did you mean `account`?");
    // The addresses of a part follow from what splits: one account has one name, and a name may be
    // that of several.
    let n = "one `Account` may have several of these";
    let help = "write a field of `account`, e.g. `account.OwnerMail`";
    let split = ["account as Account", "channel.MasterLabel"];
    wrong(&whole, None, &split, Part::Split(1), n, help);
    wrong(&both, None, &["session.Name"], Part::Split(0), n, help);
    let n = "one `Name` may have several of these";
    let split = ["account.Name as Name", "account.Id"];
    wrong(&whole, None, &split, Part::Split(1), n, "write what follows from `Name` alone");
}

#[test]
fn folds_and_lists_are_split_by_their_records() {
    let of = |name: &str| {
        let found = questions().into_iter().find(|(known, ..)| *known == name);
        let (_, of, text) = found.unwrap();
        Query::check(&report_type(of), &text).unwrap()
    };
    // `work.Status` is none of the fold's names: it becomes one of its keys.
    let folded = of("q6").with(None, &["work.Status as Status", "work.Status"]).unwrap();
    let fold = folded.fold.as_ref().unwrap();
    assert_eq!((fold.keys.len(), folded.split), (4, 2));
    assert_eq!(folded.groups[0].expr, Expr::Folded(2));
    assert_eq!(folded.groups[2].expr, Expr::Folded(1));
    let list = of("q12").with(None, &["channel as Channel"]).unwrap();
    assert!(list.list);
    assert_eq!((list.columns.len(), list.split), (5, 1));
    assert_eq!(list.sort[0].by, SortBy::Column(1), "its own columns are sorted by");
    assert_eq!(list.columns[0].alias, Some(1));
}
