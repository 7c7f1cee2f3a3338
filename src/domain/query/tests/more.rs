//! Columns over columns, percentiles, what goes across, and questions asked again with more.

use super::super::samples::{questions, report_type};
use super::super::{Part, Query, QueryText, SortBy};
use super::{ask, wrong_in};
use crate::domain::expr::{AggregateKind, Expr};
use crate::domain::value::Type;

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
