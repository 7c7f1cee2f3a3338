//! One pass answers several rules as each of them would be answered alone.

use std::sync::Arc;

use super::{at, week, with_sessions};
use crate::domain::query::samples::report_type;
use crate::domain::query::shared::Scan;
use crate::domain::query::{Query, QueryText};
use crate::store::sql::answer;

fn rule(group_by: &[&str], filter: Option<&'static str>, value: &'static str) -> Arc<Query> {
    let text = QueryText {
        date: Some("session.StartTime"),
        filter,
        group_by: group_by.to_vec(),
        columns: vec![value],
        ..QueryText::default()
    };
    let sessions = report_type("sessions");
    Arc::new(Query::check_rule(&sessions, &text).expect("a rule"))
}

const VALUES: [&str; 7] = [
    "count()",
    "count() filter (where session.Status = 'Ended') / count()",
    "case when count() > 1 then count(session.AcceptTime) else 0.5 end",
    "count(distinct session.Status)",
    "max(seconds(session.StartTime, as_of()))",
    "coalesce(avg(session.Transfers), -1) + count()",
    "count()",
];

#[test]
fn what_is_computed_of_the_same_groups_takes_one_pass_and_says_the_same() {
    let db = with_sessions(&[
        ("1", "0Mj0001", Some("0010001"), "Ended", false),
        ("2", "0Mj0001", None, "Active", false),
        ("3", "0Mj0002", None, "Ended", false),
        ("4", "0Mj0002", None, "Ended", true),
    ]);
    for group_by in [&["channel as Channel"][..], &["session.Status", "account as Account"], &[]] {
        let rules: Vec<_> = VALUES.iter().map(|value| rule(group_by, None, value)).collect();
        let (scans, places) = Scan::of(&rules);
        assert_eq!(scans.len(), 1, "{group_by:?}");
        let all = Arc::new(answer(&db, &scans[0].query, &week()).unwrap());
        for ((value, rule), (scan, member)) in VALUES.iter().zip(&rules).zip(places) {
            let alone = answer(&db, rule, &week()).unwrap();
            let shared = scans[scan].answer(&all, member);
            assert_eq!((&shared.rows, shared.records), (&alone.rows, alone.records), "{value}");
            assert!(!alone.rows.is_empty());
        }
    }
    // Over nothing too.
    let mut nothing = week();
    nothing.bounds = Some((at("2020-01-01T00:00:00Z"), at("2020-01-02T00:00:00Z")));
    let rules: Vec<_> = VALUES.iter().map(|value| rule(&[], None, value)).collect();
    let (scans, places) = Scan::of(&rules);
    let all = Arc::new(answer(&db, &scans[0].query, &nothing).unwrap());
    for (rule, (scan, member)) in rules.iter().zip(places) {
        let alone = answer(&db, rule, &nothing).unwrap();
        assert_eq!(scans[scan].answer(&all, member).rows, alone.rows);
    }
}

#[test]
fn what_counts_other_records_or_other_groups_takes_a_pass_of_its_own() {
    let channel = &["channel as Channel"][..];
    let rules = [
        rule(channel, None, "count()"),
        rule(channel, Some("session.Status = 'Ended'"), "count()"),
        rule(&[], None, "count()"),
        rule(channel, None, "count(session.AcceptTime)"),
        rule(channel, Some("session.Status = 'Ended'"), "count()"),
    ];
    let (scans, places) = Scan::of(&rules);
    assert_eq!(places, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 0)]);
    assert_eq!(scans.len(), 3);
}
