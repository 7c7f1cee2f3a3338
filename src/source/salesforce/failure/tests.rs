use super::*;

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Transient { tries_max: 3, .. } => "transient, short",
        Failure::Transient { .. } => "transient",
        Failure::Garbled(_) => "garbled",
        Failure::TooLarge(_) => "too large",
        Failure::Session(_) => "session",
        Failure::LocatorLost(_) => "locator",
        Failure::QueryTimeout => "timeout",
        Failure::UnknownField(_) => "field",
        Failure::NotFound(_) => "not found",
        Failure::Query(_) => "query",
        Failure::QuotaSpent => "quota",
        Failure::Refused(_) => "refused",
        Failure::Final(_) => "final",
    }
}

#[track_caller]
fn rest(status: u16, body: &str, expected: &str, says: &str) {
    let failure = of_rest(status, body.as_bytes());
    assert_eq!(kind(&failure), expected, "{failure:?}");
    assert!(format!("{failure:?}").contains(says), "{failure:?}");
}

#[track_caller]
fn login(status: u16, body: &str, expected: &str, says: &str) {
    login_by(Flow::ClientCredentials, status, body, expected, says);
}

#[track_caller]
fn login_by(flow: Flow, status: u16, body: &str, expected: &str, says: &str) {
    let failure = of_login(flow, status, body.as_bytes());
    assert_eq!(kind(&failure), expected, "{failure:?}");
    assert!(format!("{failure:?}").contains(says), "{failure:?}");
}

fn error(code: &str, message: &str) -> String {
    format!(r#"[{{"message":"{message}","errorCode":"{code}"}}]"#)
}

#[test]
fn every_answer_of_the_query_interface_has_a_meaning() {
    let expired = error("INVALID_SESSION_ID", "Session expired or invalid");
    rest(401, &expired, "session", "");
    let hopeless =
        error("INVALID_SESSION_ID", "This session is not valid for use with the REST API");
    rest(401, &hopeless, "refused", "IP ranges");
    rest(400, &error("INVALID_QUERY_LOCATOR", "invalid query locator"), "locator", "");
    let slow = error("QUERY_TIMEOUT", "Your query request was running for too long.");
    rest(400, &slow, "timeout", "");
    rest(403, &error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), "quota", "");
    rest(
        403,
        &error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit"),
        "transient",
        "",
    );
    rest(400, &error("INVALID_FIELD", "No such column 'X'"), "field", "No such column 'X'");
    rest(400, &error("MALFORMED_QUERY", "unexpected token: FRM"), "query", "unexpected token: FRM");
    rest(
        400,
        &error("INVALID_TYPE", "sObject type 'ConversationEntry' is not supported."),
        "refused",
        "Access Conversation Entries",
    );
    rest(400, &error("A_CODE_OF_NEXT_YEAR", "so it is"), "refused", "A_CODE_OF_NEXT_YEAR");
    rest(403, &error("API_DISABLED_FOR_ORG", "not enabled"), "refused", "API_DISABLED");
    rest(
        404,
        &error("NOT_FOUND", "The requested resource does not exist"),
        "not found",
        "NOT_FOUND",
    );
    rest(406, "", "transient", "406 without a word");
    rest(420, "<html>Host not found</html>", "transient, short", "Host not found");
    rest(429, "", "transient", "");
    rest(431, "<html>\n<b>Request Header\nToo Large</b></html>", "refused", "Header Too Large");
    rest(500, &error("UNKNOWN_EXCEPTION", "An unexpected error occurred"), "transient", "");
    rest(503, &error("SERVER_UNAVAILABLE", "Server too busy"), "transient", "Server too busy");
    rest(502, "<html>bad gateway</html>", "transient", "bad gateway");
    rest(302, "", "transient", "302");
    rest(400, r#"{"error":"x"}"#, "refused", "x");
    rest(400, r#"[]"#, "refused", "[]");
}

#[test]
fn every_answer_of_the_token_endpoint_has_a_meaning() {
    login(
        400,
        r#"{"error":"invalid_grant","error_description":"request not supported on this domain"}"#,
        "refused",
        "My Domain",
    );
    login(400, r#"{"error":"invalid_client"}"#, "refused", "client_secret");
    login(
        400,
        r#"{"error":"invalid_grant","error_description":"no client credentials user enabled"}"#,
        "refused",
        "runs as",
    );
    login(503, "<html>maintenance</html>", "transient", "maintenance");
    login(400, r#"{"error":"rate_limit_exceeded"}"#, "transient", "");
    login(401, "", "refused", "401");
    login(
        400,
        r#"{"error":"invalid_grant","error_description":"login rate exceeded"}"#,
        "refused",
        "too many logins",
    );
    login(400, r#"{"error":"inactive_user","error_description":"x"}"#, "refused", "inactive");
    login(400, r#"{"error":"unsupported_grant_type"}"#, "refused", "client credentials flow");
    login(400, r#"{"error":"a_code_of_next_year"}"#, "refused", "a_code_of_next_year");
    login(400, r#"{"error":7}"#, "refused", "7");
    login(302, "", "transient", "302");
    login(404, "<html>nobody here</html>", "refused", "nobody here");
}

#[test]
fn what_keeps_an_assertion_out_is_told_apart() {
    let jwt = |code: &str, description: &str, says: &str| {
        let body = format!(r#"{{"error":"{code}","error_description":"{description}"}}"#);
        login_by(Flow::JwtBearer, 400, &body, "refused", says);
    };
    jwt("invalid_grant", "user hasn't approved this consumer", "pre-authorized");
    jwt("invalid_app_access", "user is not admin approved to access this app", "pre-authorized");
    jwt("invalid_grant", "audience is invalid", "https://test.salesforce.com");
    jwt("invalid_grant", "invalid assertion", "does not fit the certificate");
    jwt("invalid_client", "Invalid signature", "`client_id`");
    jwt("invalid_grant", "expired authorization code", "clock");
    jwt("invalid_client_id", "client identifier invalid", "`client_id`");
    jwt("unsupported_grant_type", "grant type not supported", "JWT bearer flow");
    jwt("something_new", "whatever", "something_new: whatever");
    login_by(Flow::JwtBearer, 400, r#"{"error":"invalid_grant"}"#, "refused", "`username`");
    login_by(Flow::JwtBearer, 503, "<html>", "transient", "503");
}

#[test]
fn a_long_body_shows_its_beginning_on_one_line() {
    let said = Said::read(format!("<html>\n\n{}</html>", "ü ".repeat(500)).as_bytes());
    assert_eq!(said.message.chars().count(), BODY_CHARS_SHOWN + 3);
    assert!(!said.message.contains('\n'));
}
