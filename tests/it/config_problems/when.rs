//! Mistakes in when a digest goes out.

use super::pieces::check;

#[test]
fn mistakes_in_when_a_digest_goes_out_are_told_once_at_the_piece() {
    let with = |line: &str| format!("{line}\nschedule = \"30 7 * * mon-fri\"");
    let at = "schedule = \"30 7 * * mon-fri\"";
    check(at, &with("on_closed = \"move\""), "unknown value `move`", "\"move\"");
    check(at, &with("start = \"tomorrow\""), "`tomorrow` is not a date", "\"tomorrow\"");
    check(at, &with("paused = \"soon\""), "`soon` is not a date", "\"soon\"");
    check(at, &with("paused = 3"), "`paused` must be `true`, `false` or a date in quotes", "3");
    check(
        at,
        &with("start = \"2027-01-01\"\nend = \"2026-12-31\""),
        "it ends on 2026-12-31, before it begins on 2027-01-01",
        "\"2026-12-31\"",
    );
    check(
        "schedule = \"0 8 * * mon\"",
        "schedule = \"0 8 * * mon\"\non_closed = \"next\"",
        "nothing says which days are closed",
        "\"next\"",
    );
    check(
        at,
        "schedule = \"0 * * * *\"\non_closed = \"next\"",
        "a schedule of every hour has no slot that could move",
        "\"next\"",
    );
    check("\"DE-BE\"", "\"DE-XY\"", "Germany has no part `XY` here", "\"DE-XY\"");
}
