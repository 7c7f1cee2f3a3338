use super::*;
use Purpose::{Digest, History, Rule, Verify};

const HOUR: TimeDelta = TimeDelta::hours(1);

#[track_caller]
fn header(header: &str, expected: Option<(u64, u64)>) {
    assert_eq!(parse(header), expected.map(|(used, allowed)| Quota { used, allowed }));
}

#[test]
fn the_header_is_read_in_every_shape() {
    header("api-usage=10018/100000", Some((10018, 100_000)));
    header("api-usage=96000/100000; api-bursts=1/750", Some((96000, 100_000)));
    header("api-bursts=1/750;api-usage=3/5", Some((3, 5)));
    header("api-usage=25/5000; per-app-api-usage=17/250(appName=a; b=c)", Some((25, 5000)));
    header("per-app-api-usage=17/250(appName=a; b=c); api-usage=25/5000", Some((25, 5000)));
    header("api-usage=25/5000, per-app-api-usage=17/250(appName=x)", Some((25, 5000)));
    header("API-Usage = 7 / 10 ", Some((7, 10)));
    header("api-usage=100001/100000", Some((100_001, 100_000)));
    header("per-app-api-usage=17/250(appName=x)", None);
    header("api-usage=1/0", None);
    header("api-usage=1/-5", None);
    header("api-usage=18446744073709551616/1", None);
    header("api-usage=", None);
    header("api-usage=a/b", None);
    header("", None);
}

#[test]
fn the_limits_are_read_with_whatever_is_nested_in_them() {
    let read = |body: &str| parse_limits(body.as_bytes()).map(|quota| (quota.used, quota.allowed));
    let body = r#"{"ConcurrentSyncReportRuns":{"Max":20,"Remaining":20},"DailyApiRequests":{"Max":100000,"Remaining":99000,"An App":{"Max":0,"Remaining":0}}}"#;
    assert_eq!(read(body), Some((1000, 100_000)));
    assert_eq!(read(r#"{"DailyApiRequests":{"Max":10,"Remaining":-2}}"#), Some((12, 10)));
    assert_eq!(read(r#"{"DailyApiRequests":{"Max":0,"Remaining":0}}"#), None);
    assert_eq!(read(r#"{"DailyApiRequests":{"Max":1,"Remaining":-9223372036854775808}}"#), None);
    assert_eq!(read("{}"), None);
    assert_eq!(read("<html>"), None);
}

/// Requests of ours, everybody's of 1000, at a share of a quarter (250).
#[track_caller]
fn check(purpose: Purpose, ours: u64, used: u64, expected: Verdict) {
    let quota = Some(Quota { used, allowed: 1000 });
    assert_eq!(verdict(purpose, ours, quota, 0.25), expected);
}

#[test]
fn each_purpose_has_its_part_of_our_share() {
    use Verdict::{Go, Share};
    for (purpose, may) in [(Verify, 175), (History, 200), (Digest, 225), (Rule, 250)] {
        check(purpose, may - 1, 500, Go);
        check(purpose, may, 500, Share(may));
        check(purpose, 10_000, 500, Share(may));
    }
    check(Rule, 0, 0, Go);
    // What others use is not ours.
    check(Digest, 0, 899, Go);
    // Shares that no computer writes exactly are not one request short.
    assert_eq!(verdict(Rule, 28, Some(Quota { used: 0, allowed: 100 }), 0.29), Go);
    assert_eq!(verdict(Rule, 29, Some(Quota { used: 0, allowed: 100 }), 0.29), Share(29));
    assert_eq!(verdict(Rule, 0, Some(Quota { used: 0, allowed: 3 }), 0.25), Share(0));
    // An org that does not tell is not guessed at.
    assert_eq!(verdict(Verify, 1_000_000, None, 0.01), Go);
}

/// Where pulls as often as wanted would cost too much they are stretched, for good. What is left must
/// be enough for a first load and for checks.
#[test]
fn stretched_pulls_leave_requests_to_those_who_can_wait() {
    let allowance = 3_750;
    let planned = allowance as f64 * 4.0;
    let a_day = planned / crate::domain::quota::stretch(planned, allowance);
    // An hour counts until the last of its requests is a day old.
    let ours = (a_day * 25.0 / 24.0) as u64;
    let quota = Some(Quota { used: 0, allowed: allowance * 4 });
    for purpose in [Verify, History, Digest, Rule] {
        assert_eq!(verdict(purpose, ours, quota, 0.25), Verdict::Go, "{purpose:?}");
    }
}

#[test]
fn each_purpose_stops_at_its_distance_from_the_wall() {
    use Verdict::{Go, Slow, Wall};
    check(Rule, 0, 979, Go);
    check(Rule, 0, 980, Wall(0.98));
    check(Digest, 0, 899, Go);
    check(Digest, 0, 900, Wall(0.9));
    for purpose in [Verify, History] {
        check(purpose, 0, 800, Wall(0.8));
        check(purpose, 0, 2000, Wall(0.8));
        check(purpose, 0, 700, Go);
        check(purpose, 0, 750, Slow(TimeDelta::seconds(15)));
    }
    // Those whom somebody waits for do not slow down.
    check(Digest, 0, 750, Go);
    check(Rule, 0, 950, Go);
}

#[test]
fn a_first_load_slows_down_more_and_more_and_never_beyond_the_bound() {
    let pause = |used| match verdict(History, 0, Some(Quota { used, allowed: 10_000 }), 1.0) {
        Verdict::Slow(pause) => pause,
        Verdict::Go => TimeDelta::zero(),
        stopped => panic!("{stopped:?} at {used}"),
    };
    let pauses: Vec<_> = (6_990..8_000).map(pause).collect();
    assert!(pauses.is_sorted());
    assert_eq!(pauses[0], TimeDelta::zero());
    assert!(pauses.last().is_some_and(|last| *last > TimeDelta::seconds(29) && *last <= PAUSE_MAX));
}

#[test]
fn our_share_is_free_again_when_requests_are_a_day_old() {
    let start: DateTime<Utc> = "2026-03-01T10:59:00Z".parse().unwrap();
    let mut spent = Spent::default();
    spent.add(start, 15);
    spent.add(start + HOUR * 2, 10);
    let mut guard = Guard::default();
    let now = start + HOUR * 3;
    guard.see("api-usage=30/100", now);
    let leave = |purpose, now| guard.leave(purpose, &spent, 0.25, now);
    let eleven: DateTime<Utc> = "2026-03-02T11:00:00Z".parse().unwrap();
    let stop = Stop::Share { ours: 25, may: 25, until: Some(eleven) };
    assert_eq!(leave(Rule, now), Leave::Stop(stop.clone()));
    assert_eq!(leave(Rule, eleven - TimeDelta::seconds(1)), Leave::Stop(stop.clone()));
    assert_eq!(leave(Rule, eleven), Leave::Go);
    assert_eq!(
        stop.reason(Rule),
        "25 of them ours, and of our share an alert rule may use 25; it goes on at 2026-03-02 \
         11:00 UTC"
    );
    let none = Guard { last: Some(Quota { used: 0, allowed: 3 }), ..Guard::default() };
    let Leave::Stop(stop) = none.leave(Rule, &Spent::default(), 0.25, now) else { panic!() };
    assert!(stop.reason(Rule).contains("raise `quota_share`"), "{}", stop.reason(Rule));
}

#[test]
fn near_the_wall_one_look_now_and_then_tells_whether_usage_has_fallen() {
    let start = DateTime::<Utc>::UNIX_EPOCH;
    let (later, latest) = (start + STALE, start + STALE * 2);
    let mut guard = Guard::default();
    let leave = |guard: &Guard, now| guard.leave(History, &Spent::default(), 0.25, now);
    assert_eq!(leave(&guard, start), Leave::Go);
    guard.see("api-usage=80/100", start);
    let stop = Stop::Wall { at: 0.8, until: later };
    assert_eq!(leave(&guard, start), Leave::Stop(stop.clone()));
    assert!(stop.reason(History).contains("last 20 % alone"), "{}", stop.reason(History));
    assert_eq!(guard.leave(Rule, &Spent::default(), 0.25, start), Leave::Go);
    guard.see("nonsense", start + TimeDelta::minutes(10));
    assert_eq!(leave(&guard, later), Leave::Look);
    // One looks, the others do not, whatever comes of it.
    guard.look(later);
    assert_eq!(leave(&guard, later), Leave::Stop(Stop::Wall { at: 0.8, until: latest }));
    assert_eq!(leave(&guard, latest), Leave::Look);
    guard.see_limits(br#"{"DailyApiRequests":{"Max":100,"Remaining":98}}"#, latest);
    assert_eq!(leave(&guard, latest), Leave::Go);
}

#[test]
fn an_org_that_refuses_stops_everybody_until_a_look_succeeds() {
    let start = DateTime::<Utc>::UNIX_EPOCH;
    let (later, latest) = (start + STALE, start + STALE * 2);
    let mut guard = Guard::default();
    guard.see("api-usage=50/100", start);
    guard.exhaust(start);
    let leave = |guard: &Guard, now| guard.leave(Rule, &Spent::default(), 1.0, now);
    assert_eq!(leave(&guard, start), Leave::Stop(Stop::Exhausted { until: later }));
    assert_eq!(leave(&guard, later), Leave::Look);
    guard.look(later);
    assert_eq!(leave(&guard, later), Leave::Stop(Stop::Exhausted { until: latest }));
    guard.answered();
    assert_eq!(leave(&guard, later), Leave::Go);
}
