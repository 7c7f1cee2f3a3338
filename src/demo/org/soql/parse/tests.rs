//! What is a statement and what is none.

use super::*;

#[test]
fn statements_are_read() {
    for statement in [
        "SELECT COUNT() FROM MessagingSession",
        "select id, Name n from Account a where a.Name like 'A%' limit 5 offset 10",
        "SELECT Id FROM X WHERE (A = 1 AND B != null) OR NOT C IN ('x', 'y') ORDER BY A DESC \
         NULLS LAST, Id",
        "SELECT Status, COUNT(Id) n, MAX(StartTime) FROM X GROUP BY Status ORDER BY COUNT(Id)",
        "SELECT Id FROM X WHERE CreatedDate = LAST_N_DAYS:30 AND B < TODAY",
        "SELECT DAY_ONLY(convertTimezone(A)) d, COUNT(Id) FROM X GROUP BY \
         DAY_ONLY(convertTimezone(A)), B HAVING COUNT(Id) > 1 AND (B = 'x' OR MAX(C) != null)",
        "SELECT Id, TYPEOF What WHEN A THEN X, Y.Z WHEN B THEN X ELSE Name END FROM T",
        "SELECT Id FROM X WHERE CALENDAR_YEAR(A) IN (2025, 2026)",
        "SELECT Id FROM X WHERE Id NOT IN (SELECT WorkItemId FROM AgentWork WHERE A = true)",
    ] {
        assert!(parse(statement).is_ok(), "{statement}: {:?}", parse(statement));
    }
}

#[test]
fn what_is_no_statement_says_where() {
    check("SELECT Id", 9, "unexpected token: '<EOF>'");
    check("SELECT Id FORM Account", 15, "unexpected token: 'Account'");
    check("SELECT Id FROM X WHERE A = 1 AND B = 2 OR C = 3", 39, "unexpected token: 'OR'");
    check("SELECT Id FROM X WHERE A == 1", 26, "unexpected token: '='");
    check("SELECT Id FROM X WHERE A = ended", 27, "unexpected token: 'ended'");
    check("SELECT Id FROM X LIMIT 1 2", 25, "unexpected token: '2'");
    check("SELECT LEAST(Id) FROM X", 12, "unexpected token: '('");
    check("SELECT Id FROM X GROUP BY ROLLUP(A)", 32, "unexpected token: '('");
    check("SELECT TYPEOF What END FROM X", 19, "unexpected token: 'END'");
    check("SELECT HOUR_IN_DAY(convertTimezone(A) FROM X", 38, "unexpected token: 'FROM'");
}

#[track_caller]
fn check(statement: &str, at: usize, message: &str) {
    let error = parse(statement).unwrap_err();
    assert_eq!((error.at, error.message.as_str()), (Some(at), message));
}

#[test]
fn nesting_and_length_have_bounds() {
    let deep = format!("SELECT Id FROM X WHERE {}A = 1", "(".repeat(60));
    assert_eq!(parse(&deep).unwrap_err().code, "QUERY_TOO_COMPLICATED");
    let long = format!("SELECT Id FROM X WHERE A = '{}'", "a".repeat(100_001));
    assert_eq!(parse(&long).unwrap_err().code, "MALFORMED_QUERY");
}
