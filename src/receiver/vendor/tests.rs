//! What each vendor's answers mean, as tables.

use std::time::Duration;

use super::super::post::Answer;
use super::Vendor;
use crate::domain::delivery::{Outcome, RETRY_AFTER_MAX};

/// Answers of a vendor and what they mean: `D` delivered, `R` retry, `X` rejected, `B` broken, `G` gone.
#[track_caller]
fn check(vendor: Vendor, table: &[(u16, &str, char)]) {
    for (status, said, meaning) in table {
        let answer = Answer { status: *status, after: None, said: (*said).to_owned() };
        let outcome = vendor.sort(&answer);
        let found = match &outcome {
            Outcome::Delivered(_) => 'D',
            Outcome::Retry { .. } => 'R',
            Outcome::Rejected(_) => 'X',
            Outcome::ReceiverBroken(_) => 'B',
            Outcome::ServerDown(_) => 'S',
            Outcome::Uncertain(_) => 'U',
            Outcome::Gone(_) => 'G',
        };
        assert_eq!(found, *meaning, "{vendor:?} {status} {said}: {outcome:?}");
    }
}

/// What holds for every vendor.
const EVERYWHERE: [(u16, &str, char); 12] = [
    (200, "{\"ok\":true}", 'D'),
    (202, "{\"ok\":true}", 'D'),
    (301, "", 'R'),
    (401, "", 'B'),
    (403, "", 'B'),
    (408, "", 'R'),
    (410, "", 'G'),
    (413, "", 'X'),
    (429, "", 'R'),
    (500, "", 'R'),
    (503, "<html>", 'R'),
    (404, "", 'B'),
];

#[test]
fn every_vendor_keeps_to_what_statuses_mean() {
    for vendor in [
        Vendor::Slack,
        Vendor::Teams,
        Vendor::Discord,
        Vendor::Telegram,
        Vendor::PagerDuty,
        Vendor::Alertmanager,
    ] {
        check(vendor, &EVERYWHERE);
    }
}

// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (handling errors)
#[test]
fn slack_says_one_word() {
    check(
        Vendor::Slack,
        &[
            (200, "ok", 'D'),
            (400, "invalid_payload", 'X'),
            (400, "invalid_blocks", 'X'),
            (400, "too_many_attachments", 'X'),
            (400, "user_not_found", 'B'),
            (403, "action_prohibited", 'B'),
            (403, "posting_to_general_channel_denied", 'B'),
            (404, "channel_not_found", 'B'),
            (404, "no_service", 'B'),
            (410, "channel_is_archived", 'B'),
            (429, "rate_limited", 'R'),
            (500, "rollup_error", 'R'),
        ],
    );
}

// https://learn.microsoft.com/en-us/azure/logic-apps/logic-apps-http-endpoint and, for the older
// connectors, https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#rate-limiting-for-connectors
#[test]
fn a_workflow_of_teams_has_codes_and_an_old_connector_has_words() {
    let failed = "Webhook message delivery failed with error: Microsoft Teams endpoint returned \
                  HTTP error";
    check(
        Vendor::Teams,
        &[
            (202, "", 'D'),
            (200, "1", 'D'),
            (200, &format!("{failed} 429 with ContextId"), 'R'),
            (200, &format!("{failed} 413 with ContextId"), 'X'),
            (400, r#"{"error":{"code":"WorkflowTriggerIsNotEnabled"}}"#, 'B'),
            (400, r#"{"error":{"code":"TriggerInputSchemaMismatch"}}"#, 'X'),
            (401, r#"{"error":{"code":"DirectApiAuthorizationRequired"}}"#, 'B'),
            (404, r#"{"error":{"code":"WorkflowNotFound"}}"#, 'B'),
            (502, r#"{"error":{"code":"NoResponse"}}"#, 'R'),
        ],
    );
}

// https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
#[test]
fn discord_has_codes_of_its_own() {
    check(
        Vendor::Discord,
        &[
            (204, "", 'D'),
            (400, r#"{"code":50035,"message":"Invalid Form Body"}"#, 'X'),
            (400, r#"{"code":50006,"message":"Cannot send an empty message"}"#, 'X'),
            (401, r#"{"code":50027,"message":"Invalid Webhook Token"}"#, 'B'),
            (404, r#"{"code":10015,"message":"Unknown Webhook"}"#, 'B'),
            (400, r#"{"code":10003,"message":"Unknown Channel"}"#, 'B'),
            (429, r#"{"message":"You are being rate limited.","retry_after":1.5}"#, 'R'),
        ],
    );
}

// https://core.telegram.org/bots/api#making-requests
#[test]
fn telegram_describes_what_is_wrong() {
    let said = |text: &str| format!(r#"{{"ok":false,"error_code":400,"description":"{text}"}}"#);
    let moved = r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001}}"#;
    check(
        Vendor::Telegram,
        &[
            (200, r#"{"ok":true,"result":{"message_id":1}}"#, 'D'),
            (200, &said("odd"), 'X'),
            (400, &said("Bad Request: can't parse entities: Unsupported start tag"), 'X'),
            (400, &said("Bad Request: message is too long"), 'X'),
            (400, &said("Bad Request: chat not found"), 'B'),
            (400, moved, 'B'),
            (401, &said("Unauthorized"), 'B'),
            (403, &said("Forbidden: bot was kicked from the group chat"), 'B'),
            (404, &said("Not Found"), 'B'),
            (409, &said("Conflict"), 'X'),
            (502, &said("Bad Gateway"), 'R'),
        ],
    );
}

// https://developer.pagerduty.com/docs/send-alert-event (response codes and retry logic)
#[test]
fn pagerduty_refuses_a_key_or_an_event() {
    let invalid = |what: &str| {
        format!(
            r#"{{"status":"invalid event","message":"Event object is invalid","errors":["{what}"]}}"#
        )
    };
    check(
        Vendor::PagerDuty,
        &[
            (202, r#"{"status":"success","message":"Event processed","dedup_key":"a"}"#, 'D'),
            (400, &invalid("Length of 'routing_key' is incorrect (should be 32 characters)"), 'B'),
            (400, &invalid("'payload.severity' is invalid"), 'X'),
            (429, r#"{"status":"throttle exceeded","message":"..."}"#, 'R'),
        ],
    );
}

// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
#[test]
fn alertmanager_refuses_a_bad_request() {
    check(
        Vendor::Alertmanager,
        &[
            (200, "", 'D'),
            (400, "\"start time must be before end time\"", 'X'),
            (405, "", 'B'),
            (500, "\"not ready\"", 'R'),
        ],
    );
}

#[test]
fn waits_that_vendors_ask_for_are_read_where_they_write_them() {
    let asked = |vendor: Vendor, after: Option<u64>, said: &str| {
        let after = after.map(Duration::from_secs);
        match vendor.sort(&Answer { status: 429, after, said: said.to_owned() }) {
            Outcome::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        }
    };
    let discord = r#"{"message":"slow","retry_after":64.57,"global":false}"#;
    assert_eq!(asked(Vendor::Discord, None, discord), Some(Duration::from_secs_f64(64.57)));
    assert_eq!(asked(Vendor::Discord, Some(90), discord), Some(Duration::from_secs(90)));
    // In front of Discord there is somebody else who writes HTML.
    assert_eq!(asked(Vendor::Discord, Some(7), "<html>"), Some(Duration::from_secs(7)));
    let telegram = r#"{"ok":false,"error_code":429,"parameters":{"retry_after":35}}"#;
    assert_eq!(asked(Vendor::Telegram, None, telegram), Some(Duration::from_secs(35)));
    for vendor in [Vendor::Slack, Vendor::Teams, Vendor::PagerDuty, Vendor::Alertmanager] {
        assert_eq!(asked(vendor, Some(30), ""), Some(Duration::from_secs(30)), "{vendor:?}");
    }
    for absurd in ["1e300", "-5", "86401"] {
        let said = format!(r#"{{"retry_after":{absurd}}}"#);
        assert!(asked(Vendor::Discord, None, &said).unwrap() <= RETRY_AFTER_MAX, "{absurd}");
    }
}

mod wire;
