//! Cases about answers: the shipped reports over records made by hand, each figure by hand too.

use std::path::Path;

use postrider::config::{self, Given, Mode};
use postrider::demo::org::{Call, Id, Org, Value};

use super::{SESSIONS, World, cells, line};
use crate::harness::records::{Channel, account, channel, ended, metric_at, session};
use crate::harness::{HEAD, TestPostrider, utc};

const SHIPPED: &str = include_str!("../../../config.toml");

/// Monday, eight in Berlin: the last seven days end with Sunday the 22nd.
const SLOT: &str = "2026-11-23T07:00:00Z";

impl World {
    /// The shipped config over an org, pulled once.
    async fn shipped(fill: impl FnOnce(&Org)) -> World {
        // A case is one session or two: percentiles of those few are wanted here.
        let head = "[reports.time-to-accept]\n";
        let config = SHIPPED.replace(head, &format!("{head}min_values = 0\n"));
        let t = TestPostrider::start(&config, SLOT, fill).await;
        let w = World { t, config };
        w.pull().await;
        w
    }

    /// A shipped report's rows.
    async fn rows(&self, report: &str) -> Vec<String> {
        cells(&self.table(report, SLOT).await)
    }
}

/// What is wrong with a config whose report filters sessions so; nothing, if nothing is.
fn problems(filter: &str) -> String {
    let text = SESSIONS.replace("group_by", &format!("where = \"{filter}\"\ngroup_by"));
    let mut env = Given::default();
    for name in ["SF_ID", "SF_SECRET", "HOOK_URL", "HOOK_SECRET"] {
        env.variables.insert(name.into(), crate::harness::HOOK_SECRET.into());
    }
    env.variables.insert("HOOK_URL".into(), "https://hooks.example.com/1".into());
    let text = format!("{HEAD}{text}");
    let loaded = config::load_text("config.toml", &text, Path::new("."), &env, Mode::Run);
    loaded.err().map(|problems| problems.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn closed_vs_ended() {
    // At config time, with what to write instead: never a mail that says 0 %.
    let wrong = problems("session.Status = 'Closed'");
    assert!(wrong.contains("`session.Status` is never 'Closed'"), "{wrong}");
    assert!(wrong.contains("a finished session is 'Ended'"), "{wrong}");
    // A value in the wrong case would match in an org; here it is corrected before it can miss.
    let wrong = problems("session.Status = 'ended'");
    assert!(wrong.contains("did you mean 'Ended'?"), "{wrong}");
    assert_eq!(problems("session.Status = 'Ended'"), "");
    // The shipped question seven counts what it asks for.
    let w = World::shipped(|org| {
        let web = channel(org, "Web");
        for (hour, by) in [("09", "Bot"), ("10", "Bot"), ("11", "Agent"), ("12", "System")] {
            let by = [("AgentType", Value::Pick(by))];
            ended(org, &web, &format!("2026-11-18T{hour}:00:00Z"), &by);
        }
        session(org, &web, "2026-11-18T13:00:00Z", &[("AgentType", Value::Pick("Bot"))]);
    })
    .await;
    let rows = w.rows("resolved-by-bot").await;
    let outbound = "System (outbound) | 1 | 0 | -";
    assert_eq!(rows, ["Bot alone | 2 | 2 | 0.667", "Agent | 1 | 1 | 0.333", outbound]);
}

/// A session of last week with the mean of its answers, in seconds, and how many there were.
fn answered(org: &Org, channel: &Channel, at: &str, mean: i64, answers: i64) {
    let id = ended(org, channel, at, &[]);
    metric_at(org, id, "AverageAgentResponseTime", mean, "2026-11-20T12:00:00Z");
    metric_at(org, id, "AgentMessageCount", answers, "2026-11-20T12:00:00Z");
}

#[tokio::test]
async fn mean_of_means() {
    let w = World::shipped(|org| {
        let web = channel(org, "Web");
        answered(org, &web, "2026-11-18T10:00:00Z", 600, 1);
        answered(org, &web, "2026-11-18T11:00:00Z", 10, 200);
    })
    .await;
    let table = w.table("agent-response-time", SLOT).await;
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let expected = [
        "Mean of session means",
        "Weighted by messages, approx.",
        "Median",
        "Measured",
        "Sessions",
    ];
    assert_eq!(names, expected);
    // (600 + 10) / 2; (600 + 10 · 200) / 201.
    assert_eq!(cells(&table), ["305 | 12.935 | 305 | 2 | 2"]);
}

#[tokio::test]
async fn mean_of_rounded_means() {
    let w = World::shipped(|org| {
        let web = channel(org, "Web");
        for (hour, mean) in [("09", 1), ("10", 1), ("11", 2)] {
            answered(org, &web, &format!("2026-11-18T{hour}:00:00Z"), mean, 1);
        }
    })
    .await;
    assert_eq!(w.rows("agent-response-time").await, ["1.333 | 1.333 | 1 | 3 | 3"]);
}

/// An assignment of a session (or a case) on Wednesday, by the minutes and seconds of ten o'clock.
fn work(org: &Org, item: Id, status: &'static str, asked: &str, more: &[(&str, Value)]) -> Id {
    let user = org.records("User")[0].id();
    let routed = service_channel(org);
    let at = utc(&format!("2026-11-18T10:{asked}Z"));
    let mut fields = vec![
        ("WorkItemId", Value::from(item)),
        ("UserId", user.into()),
        ("ServiceChannelId", routed.into()),
        ("Status", Value::Pick(status)),
        ("RequestDateTime", at.into()),
        ("CreatedDate", at.into()),
        ("SystemModstamp", at.into()),
    ];
    fields.extend(more.iter().cloned());
    org.insert("AgentWork", &fields).unwrap()
}

/// The channel that messaging is routed by.
fn service_channel(org: &Org) -> Id {
    if let Some(known) = org.records("ServiceChannel").first() {
        return known.id();
    }
    let fields =
        [("MasterLabel", "Messaging".into()), ("DeveloperName", "sfdc_livemessage".into())];
    org.insert("ServiceChannel", &fields).unwrap()
}

fn accepted(at: &str, answer: i64, handled: i64) -> [(&'static str, Value); 3] {
    [
        ("AcceptDateTime", utc(&format!("2026-11-18T10:{at}Z")).into()),
        ("SpeedToAnswer", answer.into()),
        ("HandleTime", handled.into()),
    ]
}

#[tokio::test]
async fn transfers_and_declines() {
    let w = World::shipped(|org| {
        let web = channel(org, "Web");
        let one = ended(org, &web, "2026-11-18T10:00:00Z", &[]);
        work(org, one, "DeclinedOnPushTimeout", "00:00", &[]);
        work(org, one, "Transferred", "00:30", &accepted("00:50", 20, 120));
        let mut last = accepted("05:10", 10, 300).to_vec();
        last.push(("AfterConversationActualTime", 60.into()));
        work(org, one, "Closed", "05:00", &last);
        // The same person's work on a case is no messaging session.
        let case = org.insert("Case", &[("Subject", "Refund".into())]).unwrap();
        work(org, case, "Closed", "20:00", &accepted("20:01", 1, 9_000));
    })
    .await;
    // Handled 120 + 300, in two assignments; the declined one and the case are not in it.
    let rows = w.rows("session-length").await;
    assert_eq!(rows, ["Web | 420 | 420 | 210 | 900 | 2 | 1"]);
    // One session, by its first accepted assignment; 50 s from the first offer; one offer missed.
    let rows = w.rows("time-to-accept").await;
    assert_eq!(rows, ["Web | 20 | 20 | 50 | 1 | 0 | 1"]);
    // Fields that Salesforce shows in its own reports alone are never asked for.
    let asked = w.statements("AgentWork");
    assert!(!asked.is_empty());
    for soql in asked {
        assert!(!soql.contains("IsTransfer") && !soql.contains("IsConference"), "{soql}");
    }
    assert!(w.t.org.seen().iter().all(|seen| seen.status == 200), "nothing is refused");
}

#[tokio::test]
async fn zero_traffic_channels_and_missing_lookups() {
    let mut ids = Vec::new();
    let w = World::shipped(|org| {
        let names = ["Text", "Old Facebook", "Web", "WhatsApp", "WhatsApp"];
        let [unused, inactive, renamed, standard, enhanced] = names.map(|name| channel(org, name));
        let set = |channel: &Channel, kind: &'static str, platform: &'static str, active: bool| {
            let fields = [
                ("MessageType", Value::Pick(kind)),
                ("PlatformType", Value::Pick(platform)),
                ("IsActive", active.into()),
            ];
            org.update(channel.id, &fields).unwrap();
        };
        set(&unused, "Text", "Enhanced", true);
        set(&inactive, "Facebook", "Enhanced", false);
        set(&renamed, "EmbeddedMessaging", "Enhanced", true);
        set(&standard, "WhatsApp", "Standard", false);
        set(&enhanced, "WhatsApp", "Enhanced", true);
        let (acme, other) = (account(org, "Acme"), account(org, "Acme"));
        let of = |channel: &Channel, day: u32, account: Option<Id>| {
            let fields = account.map(|id| ("EndUserAccountId", Value::from(id)));
            let fields: Vec<_> = fields.into_iter().collect();
            ended(org, channel, &format!("2026-11-{day:02}T10:00:00Z"), &fields);
        };
        of(&renamed, 16, Some(acme));
        of(&renamed, 17, Some(acme));
        of(&renamed, 18, Some(other));
        of(&standard, 16, None);
        of(&enhanced, 20, None);
        of(&enhanced, 21, None);
        of(&inactive, 16, None);
        // In the middle of the month it got another name.
        org.update(renamed.id, &[("MasterLabel", "Web chat".into())]).unwrap();
        ids = vec![acme, other, standard.id, enhanced.id];
    })
    .await;
    let rows = w.rows("traffic-by-type").await;
    // Types in use and types without any traffic, by the words people know.
    for row in ["Enhanced Chat | 3 | 0.429 | 1", "WhatsApp | 3 | 0.429 | 2"] {
        assert!(rows[..2].contains(&row.to_owned()), "{rows:#?}");
    }
    assert_eq!(rows[2], "Facebook Messenger | 1 | 0.143 | 1");
    assert_eq!(rows[3], "SMS | 0 | 0 | 1");
    assert_eq!(rows.len(), 4, "{rows:#?}");

    let rows = w.rows("traffic-by-channel").await;
    // One row a channel, by its present name, the one without traffic last and with 0.
    assert_eq!(rows.len(), 5, "{rows:#?}");
    assert_eq!(rows[0], "Web chat | Enhanced Chat | 3 | 0.429");
    assert_eq!(rows[4], "Text | SMS | 0 | 0");
    // The WhatsApp that was replaced and the one that came are two, and can be told apart.
    let whatsapp: Vec<_> = rows.iter().filter(|row| row.starts_with("WhatsApp")).collect();
    assert!(whatsapp[0].ends_with("| WhatsApp | 2 | 0.286"), "{rows:#?}");
    assert!(whatsapp[1].ends_with("| WhatsApp | 1 | 0.143"), "{rows:#?}");
    told_apart(&whatsapp, &[ids[3], ids[2]]);

    let table = w.table("sessions-by-account", SLOT).await;
    let rows = cells(&table);
    assert_eq!(rows.len(), 3, "{rows:#?}");
    assert_eq!(rows[0], "(no account) | 4 | 0.571", "nobody is dropped");
    let acme: Vec<_> = rows[1..].iter().collect();
    assert!(acme[0].ends_with("| 2 | 0.286") && acme[1].ends_with("| 1 | 0.143"), "{rows:#?}");
    told_apart(&acme, &[ids[0], ids[1]]);
    assert_eq!(line(table.total.as_deref().unwrap()), "- | 7 | 1");
    assert_eq!(w.asked(Call::Token), 1);
}

/// Rows of one name say which record each is of.
#[track_caller]
fn told_apart(rows: &[&String], ids: &[Id]) {
    let names: Vec<&str> = rows.iter().map(|row| row.split(" | ").next().unwrap()).collect();
    assert_ne!(names[0], names[1]);
    for (name, id) in names.iter().zip(ids) {
        let (_, mark) = name.rsplit_once(" (").expect("a mark behind the name");
        let mark = mark.trim_end_matches(')');
        assert!(mark.len() >= 4 && id.as_str().ends_with(mark), "`{name}` is not {}", id.as_str());
    }
}
