//! One mistake in the shipped config is one problem, at the very piece that is wrong.

use super::{SHIPPED, read};

#[test]
fn mistakes_in_general_settings_and_sources_are_told_once_at_the_piece() {
    check(
        "locale      = \"en-GB\"",
        "locale = \"english\"",
        "`english` is not a locale",
        "\"english\"",
    );
    check("\"monday\"", "\"mondays\"", "unknown value `mondays`", "\"mondays\"");
    check(
        "\"sqlite:state\"",
        "\"postgres:x\"",
        "`postgres:x` is not a place for the state",
        "\"postgres:x\"",
    );
    check(
        "\"postrider-owner@example.com\"",
        "\"owner\"",
        "`owner` is not a mail address",
        "\"owner\"",
    );
    check(
        "\"smtp.example.com\"",
        "\"smtp.example.com:587\"",
        "`smtp.example.com:587` is not the name of a host",
        "\"smtp.example.com:587\"",
    );
    check(
        "\"Postrider <reports@example.com>\"",
        "\"Postrider\"",
        "`Postrider` is not a sender",
        "\"Postrider\"",
    );
    check("username = \"postrider\"", "", "`password` without `username`", "\"env:SMTP_PASSWORD\"");
    check(
        "host     =",
        "tls = \"none\"\nhost =",
        "the password would go to `smtp.example.com` in clear text",
        "\"none\"",
    );
    check("host     =", "ca = \"pem\"\nhost =", "`pem` is not a certificate", "\"pem\"");
    check(
        "env:SMTP_PASSWORD",
        "env:SMTP_PASSWORT",
        "the variable `SMTP_PASSWORT` is not set",
        "\"env:SMTP_PASSWORT\"",
    );
    check("env:SMTP_PASSWORD", "hunter2", "a secret written into the config", "\"*******\"");
    check(
        "\"https://acme.my.salesforce.com\"",
        "\"https://acme.my.salesforce.com/path\"",
        "`login_url` must be scheme and host alone",
        "\"https://acme.my.salesforce.com/path\"",
    );
    check(
        "\"https://acme.my.salesforce.com\"",
        "\"http://acme.my.salesforce.com\"",
        "`login_url` must begin with `https://`",
        "\"http://acme.my.salesforce.com\"",
    );
    check(
        "kind        = \"salesforce\"",
        "kind = \"salesfarce\"",
        "unknown value `salesfarce`",
        "\"salesfarce\"",
    );
    check("\"62.0\"", "\"62\"", "`62` is not a version of the API", "\"62\"");
    check("\"62.0\"", "\"61.0\"", "API version `61.0` has no MessagingSessionMetrics", "\"61.0\"");
    check(
        "\"sqlite:state\"",
        "\"sqlite:state\"\nmetrics = \"metrics.prom\"",
        "`metrics.prom` is not a place for metrics",
        "\"metrics.prom\"",
    );
    check("0.25", "25", "`25` is not a share", "25");
    check(
        "\"13 months\"",
        "\"a year\"",
        "`a year` is not a length of time: write e.g. `5 min`",
        "\"a year\"",
    );
    check("\"client_credentials\"", "\"password\"", "unknown value `password`", "\"password\"");
    check(
        "client_id = \"env:SF_CLIENT_ID\", ",
        "",
        "`auth` of [sources.salesforce] has no `client_id`",
        "auth",
    );
}

#[test]
fn mistakes_in_shapes_are_told_once_at_the_piece() {
    check(
        "pull_every  = \"5 min\"",
        "pull_every = 5",
        "`pull_every` must be text in quotes, not a whole number",
        "5",
    );
    check(
        "pull_every  =",
        "pul_every =",
        "unknown key `pul_every` in [sources.salesforce]",
        "pul_every",
    );
    check("flow = ", "flaw = ", "unknown key `flaw` in `auth` of [sources.salesforce]", "flaw");
    check(
        "[report_types.traffic]",
        "[report_type.traffic]",
        "unknown section `report_type`",
        "report_type",
    );
    check(
        "to   = [\"ops@example.com\"]",
        "to = \"ops@example.com\"",
        "`to` must be a list in brackets, not text",
        "\"ops@example.com\"",
    );
    check(
        "levels      = [[\"warning\", \"> 0.10\"]]",
        "levels = [\"warning\"]",
        "`levels` must be a pair in brackets, not text",
        "\"warning\"",
    );
    check(
        "top      = 25\ntotal    = true\ncompare",
        "top = -1\ntotal = true\ncompare",
        "`top` must be a whole number, 0 or more, not a whole number",
        "-1",
    );
    check(
        "[digests.morning]",
        "[digests.'in the morning']",
        "`in the morning` cannot be a name",
        "'in the morning'",
    );
}

#[test]
fn mistakes_in_report_types_and_reports_are_told_once_at_the_piece() {
    check("MessagingEndUser person", "MessagingEndUsr person", "", "MessagingEndUsr");
    check(
        "where   = \"session.Status = 'Ended' and session.AgentType in",
        "where = \"session.Status = 'Closed' and session.AgentType in",
        "",
        "'Closed'",
    );
    check(
        "\"median(sent.MessagingSessionMetricValue) as Typical\"",
        "\"median(sent.MessagingSessionMetricValu) as Typical\"",
        "",
        "MessagingSessionMetricValu",
    );
    check(
        "\"last 7 days\"\ndate    = \"session.StartTime\"\nwhere   = \"session.AgentType in",
        "\"last 7 suns\"\ndate = \"session.StartTime\"\nwhere = \"session.AgentType in",
        "",
        "\"last 7 suns\"",
    );
    check(
        "format   = { Longest = \"duration\"",
        "format = { Longst = \"duration\"",
        "the report has no column `Longst`",
        "Longst",
    );
    check(
        "format  = { Waited = \"duration\" }",
        "format = { Waited = \"seconds\" }",
        "unknown format `seconds`",
        "\"seconds\"",
    );
    check("mask    = [\"User\"]", "mask = [\"Usr\"]", "the report has no column `Usr`", "\"Usr\"");
    check(
        "type    = \"people\"\nperiod  = \"all time\"",
        "type = \"people\"\nperiod = \"last week\"",
        "the period `last week` of which field?",
        "\"last week\"",
    );
}

#[test]
fn mistakes_in_digests_are_told_once_at_the_piece() {
    check("\"30 7 * * mon-fri\"", "\"30 7 * * mon-fry\"", "", "\"30 7 * * mon-fry\"");
    check(
        "\"agent-response-time.'Mean of session means'\"",
        "\"agent-response-time.Mean\"",
        "the report `agent-response-time` has no column `Mean`",
        "Mean",
    );
    check(
        "\"traffic-by-channel.Sessions\"",
        "\"traffic-by-channel.Type\"",
        "`Type` names the rows of `traffic-by-channel`, it is not a figure",
        "Type",
    );
    check(
        "\"traffic-by-channel.Sessions\"",
        "\"users.Consent\"",
        "the report `users` has no total to take `Consent` from",
        "Consent",
    );
    check(
        "\"traffic-by-channel.Sessions\"",
        "\"traffic.Sessions\"",
        "`traffic` is not one of the digest's reports",
        "traffic",
    );
    check(
        "{{ period }}: {{ headline }}",
        "{{ period }}: {{ headine }}",
        "a subject knows no `headine`",
        "headine",
    );
    check(
        "{{ period }}: {{ headline }}",
        "{{ period }}: {{ headline",
        "syntax error",
        "Messaging, {{ period }}: {{ headline",
    );
    check(
        "headline = \"traffic-by-channel.Sessions\"",
        "",
        "`headline` needs a `headline` of the digest",
        "headline",
    );
    check(
        "\"service-management@example.com\", \"ops-hook\"",
        "\"service-management@example.com\", \"ops-hok\"",
        "`ops-hok` is neither a mail address nor a receiver",
        "\"ops-hok\"",
    );
    check(
        "[\"team-leads@example.com\"]",
        "[\"ops-mail\", \"OPS@example.com\"]",
        "recipient `OPS@example.com` would get it twice",
        "\"OPS@example.com\"",
    );
    check(
        "[\"team-leads@example.com\"]",
        "[\"a@example.com\", \"A@example.com\"]",
        "recipient `A@example.com` is written twice",
        "\"A@example.com\"",
    );
    check("[\"team-leads@example.com\"]", "[]", "nobody to send to", "[]");
    check("missed   = \"latest\"", "missed = \"newest\"", "unknown value `newest`", "\"newest\"");
}

#[test]
fn mistakes_in_rules_are_told_once_at_the_piece() {
    check(
        "levels   = [[\"warning\", \"> 300\"], [\"critical\", \"> 900\"]]",
        "levels = [[\"warning\", \"> 1000\"], [\"critical\", \"> 900\"]]",
        "",
        "\"> 900\"",
    );
    check("warning = \"< 240\"", "warning = \"< 400\"", "", "\"< 400\"");
    check("warning = \"< 240\"", "wrning = \"< 240\"", "unknown level `wrning`", "wrning");
    check(
        "levels  = [[\"critical\", \"= 0\"]]",
        "levels = [[\"critical\", \"0\"]]",
        "`0` is not a comparison: write e.g. `> 300`",
        "\"0\"",
    );
    check(
        "levels  = [[\"critical\", \"= 0\"]]",
        "levels = []",
        "a rule without levels never fires",
        "[]",
    );
    check(
        "date     = \"metric.CreatedDate\"",
        "",
        "the window `30 min` of which field?",
        "\"30 min\"",
    );
    check(
        "every    = \"1 min\"",
        "date = \"session.StartTime\"",
        "`date` without `window` bounds nothing",
        "\"session.StartTime\"",
    );
    check(
        "every    = \"1 min\"",
        "every = \"1 s\"",
        "`every` is from 10 s to 1 day, not 1 s",
        "\"1 s\"",
    );
    check(
        "during  = \"office-hours\"",
        "during = \"office-hour\"",
        "unknown calendar `office-hour`",
        "\"office-hour\"",
    );
    check("min_records = 50", "when_empty = \"critcal\"", "unknown value `critcal`", "\"critcal\"");
    check(
        "min_records = 50",
        "when_gone = \"resolve after 5 moons\"",
        "`moons` is not a unit of time: write `s`, `min`, `h` or `days`",
        "\"resolve after 5 moons\"",
    );
    check("value   = \"count()\"", "value = \"session.Status\"", "", "session.Status");
    check(
        "labels      = { team = \"messaging\" }\n\n[rules.undelivered]",
        "labels = { level = \"high\" }\n[rules.undelivered]",
        "the label `level` is set by postrider itself",
        "level",
    );
}

#[test]
fn mistakes_in_calendars_routes_and_receivers_are_told_once_at_the_piece() {
    check("\"08:00-18:00\"", "\"08:00-18:60\"", "", "\"08:00-18:60\"");
    check("\"2027-01-01\"]", "\"2027-02-30\"]", "`2027-02-30` is not a date", "\"2027-02-30\"");
    check("level = 'critical'\"", "level = critical\"", "", "critical");
    check(
        "[[routes]]\nto     = [\"ops-mail\"]",
        "[[routes]]\nwhen = \"rule = 'x'\"\nto = [\"ops-mail\"]",
        "the last route has a `when`: some incidents would go nowhere",
        "\"rule = 'x'\"",
    );
    check(
        "when   = \"level = 'critical'\"\n",
        "",
        "a route without `when` takes everything: those after it are never reached",
        "[[routes]]",
    );
    check(
        "[\"ops-hook\", \"ops-mail\"]",
        "[\"ops-hook\", \"ops-male\"]",
        "unknown receiver `ops-male`",
        "\"ops-male\"",
    );
    check("kind = \"email\"", "kind = \"mail\"", "unknown value `mail`", "\"mail\"");
    check(
        "env:OPS_HOOK_URL",
        "https://hooks.example.com/T0K3N",
        "a secret written into the config",
        "\"*******************************\"",
    );
    check(
        "url     = \"env:OPS_HOOK_URL\"",
        "url = \"env:SF_CLIENT_ID\"",
        "the address in `env:SF_CLIENT_ID` is not an address on the web",
        "\"env:SF_CLIENT_ID\"",
    );
    check(
        "env:OPS_HOOK_SECRET",
        "env:SF_CLIENT_ID",
        "what `env:SF_CLIENT_ID` holds is not a signing secret",
        "\"env:SF_CLIENT_ID\"",
    );
}

/// With `old` replaced by `new`, the shipped config has exactly one problem: one that begins with
/// `message` (empty: any) and underlines `piece`.
#[track_caller]
pub(super) fn check(old: &str, new: &str, message: &str, piece: &str) {
    assert!(SHIPPED.contains(old), "the shipped config has no {old:?}");
    let problems = match read(&SHIPPED.replacen(old, new, 1)) {
        Ok(_) => panic!("no problem with {new:?}"),
        Err(problems) => problems,
    };
    assert_eq!(problems.0.len(), 1, "{new:?}\n{problems}");
    let problem = &problems.0[0];
    assert!(problem.message.starts_with(message), "{problems}");
    let underlined = problem.place.as_ref().map(|place| place.piece.as_str());
    assert_eq!(underlined, Some(piece), "{problems}");
    assert!(!format!("{problems}{problems:?}").contains("swordfish"));
}
