//! Small datasets and the shipped questions, for tests of the report language.

use std::sync::Arc;

use super::QueryText;
use crate::domain::dataset::{Dataset, Field, PickValue, Picklist};
use crate::domain::expr::ReportType;
use crate::domain::value::Type;

/// A dataset from words such as `Name:text` or `Name:text?` for a field that can be null.
pub(crate) fn dataset(name: &str, label: &str, fields: &str) -> Dataset {
    let fields: Vec<Field> = fields.split_whitespace().map(field).collect();
    let at = |name: &str| fields.iter().position(|field| field.name == name).expect("a field");
    let (key, updated, label) = (at("Id"), Some(at("SystemModstamp")), at(label));
    Dataset { updated, label, ..Dataset::new("org", name, fields, key) }
}

fn field(word: &str) -> Field {
    let (name, ty) = word.split_once(':').expect("name:type");
    let ty = match ty.trim_end_matches('?') {
        "text" => Type::Text,
        "int" => Type::Integer,
        "real" => Type::Real,
        "bool" => Type::Boolean,
        "time" => Type::Timestamp,
        other => panic!("unknown type {other}"),
    };
    let nullable = word.ends_with('?');
    Field { nullable, ..Field::new(name, ty) }
}

/// A picklist from words such as `BotToAgent=Bot_and_agent` or plain values.
fn pick(dataset: &mut Dataset, name: &str, values: &str, open: bool) {
    let value = |word: &str| {
        let (value, label) = word.split_once('=').unwrap_or((word, word));
        PickValue { value: value.to_owned(), label: label.replace('_', " ") }
    };
    let values = values.split_whitespace().map(value).collect();
    let at = dataset.field(name).expect("a field");
    dataset.fields[at].picklist = Some(Picklist { values, open, mistaken: vec![] });
}

pub(crate) fn datasets() -> Vec<Arc<Dataset>> {
    let mut session = dataset(
        "MessagingSession",
        "Name",
        "Id:text Name:text Status:text MessagingChannelId:text EndUserAccountId:text? \
         StartTime:time? AcceptTime:time? EndTime:time? EndedByType:text? AgentType:text? \
         Transfers:int? SystemModstamp:time",
    );
    pick(&mut session, "Status", "New Active Waiting Inactive Ended Error", false);
    let status = session.field("Status").expect("a field");
    session.fields[status].picklist.as_mut().expect("a picklist").mistaken =
        vec![("Closed".to_owned(), "a finished session is 'Ended'".to_owned())];
    pick(&mut session, "AgentType", "Agent Bot BotToAgent=Bot_and_agent System", false);
    pick(&mut session, "EndedByType", "Agent Bot EndUser=End_user System", false);
    let mut metric = dataset(
        "MessagingSessionMetrics",
        "Name",
        "Id:text Name:text MessagingSessionId:text MessagingSessionMetricType:text \
         MessagingSessionMetricValue:real? CreatedDate:time SystemModstamp:time",
    );
    metric.unique = vec![vec![2, 3]];
    let types =
        "AgentMessageCount EndUserMessageCount AverageAgentResponseTime MaxAgentResponseTime";
    pick(&mut metric, "MessagingSessionMetricType", types, true);
    let mut channel = dataset(
        "MessagingChannel",
        "MasterLabel",
        "Id:text MasterLabel:text MessageType:text PlatformType:text? IsActive:bool \
         SystemModstamp:time",
    );
    pick(&mut channel, "MessageType", "EmbeddedMessaging=Enhanced_Chat Text=SMS WhatsApp", true);
    pick(&mut channel, "PlatformType", "Enhanced Standard", false);
    channel.whole = true;
    let account = dataset("Account", "Name", "Id:text Name:text SystemModstamp:time");
    let mut work = dataset(
        "AgentWork",
        "Name",
        "Id:text Name:text WorkItemId:text? BotId:text? Status:text HandleTime:int? \
         SpeedToAnswer:int? RequestDateTime:time? AcceptDateTime:time? SystemModstamp:time",
    );
    pick(&mut work, "Status", "Assigned Opened Closed Declined DeclinedOnPushTimeout", false);
    let person = dataset(
        "MessagingEndUser",
        "Name",
        "Id:text Name:text AccountId:text? MessagingChannelId:text MessagingConsentStatus:text? \
         SystemModstamp:time",
    );
    let entry = dataset(
        "ConversationEntry",
        "Id",
        "Id:text ConversationId:text ActorType:text MessageStatusCode:text? CreatedDate:time \
         SystemModstamp:time",
    );
    [session, metric, channel, account, work, person, entry].map(Arc::new).to_vec()
}

const SESSIONS: &str = "MessagingSession session \
    join MessagingChannel channel on channel.Id = session.MessagingChannelId \
    left join Account account on account.Id = session.EndUserAccountId \
    left join MessagingSessionMetrics sent on sent.MessagingSessionId = session.Id \
      and sent.MessagingSessionMetricType = 'AgentMessageCount' \
    left join MessagingSessionMetrics received on received.MessagingSessionId = session.Id \
      and received.MessagingSessionMetricType = 'EndUserMessageCount' \
    left join MessagingSessionMetrics mean on mean.MessagingSessionId = session.Id \
      and mean.MessagingSessionMetricType = 'AverageAgentResponseTime' \
    left join MessagingSessionMetrics longest on longest.MessagingSessionId = session.Id \
      and longest.MessagingSessionMetricType = 'MaxAgentResponseTime'";

/// FROM clauses of the shipped report types, by name.
pub(crate) const REPORT_TYPES: &[(&str, &str)] = &[
    ("sessions", SESSIONS),
    (
        "traffic",
        "MessagingChannel channel \
         left join MessagingSession session on session.MessagingChannelId = channel.Id",
    ),
    (
        "assignments",
        "AgentWork work join MessagingSession session on session.Id = work.WorkItemId \
         join MessagingChannel channel on channel.Id = session.MessagingChannelId",
    ),
    (
        "people",
        "MessagingEndUser person \
         join MessagingChannel channel on channel.Id = person.MessagingChannelId \
         left join Account account on account.Id = person.AccountId",
    ),
    (
        "delivery",
        "MessagingChannel channel \
         left join MessagingSession session on session.MessagingChannelId = channel.Id \
         left join ConversationEntry entry on entry.ConversationId = session.Id",
    ),
    (
        "entries",
        "ConversationEntry entry join MessagingSession session on session.Id = entry.ConversationId \
         join MessagingChannel channel on channel.Id = session.MessagingChannelId",
    ),
    (
        "metrics",
        "MessagingSessionMetrics metric \
         join MessagingSession session on session.Id = metric.MessagingSessionId \
         join MessagingChannel channel on channel.Id = session.MessagingChannelId",
    ),
];

pub(crate) fn report_type(name: &str) -> Arc<ReportType> {
    let (_, from) = REPORT_TYPES.iter().find(|(known, _)| *known == name).expect("a report type");
    Arc::new(ReportType::parse(name, from, &datasets()).expect("the sample is right"))
}

/// A shipped question: its name, its report type, its texts. `V` is the metric's value.
pub(crate) type Question = (&'static str, &'static str, QueryText<'static>);

macro_rules! question {
    ($name:literal, $of:literal, $($key:ident = $value:expr),* $(,)?) => {
        ($name, $of, QueryText { $($key: $value,)* ..QueryText::default() })
    };
}

pub(crate) fn questions() -> Vec<Question> {
    let start = Some("session.StartTime");
    let ended = Some("session.Status = 'Ended'");
    vec![
        question!(
            "q1",
            "sessions",
            date = start,
            filter =
                Some("session.Status = 'Ended' and session.AgentType in ('Agent','BotToAgent')"),
            columns = vec![
                "median(sent.MessagingSessionMetricValue) as Typical",
                "avg(sent.MessagingSessionMetricValue) as Mean",
                "p90(sent.MessagingSessionMetricValue) as '90 % under'",
                "count(sent.MessagingSessionMetricValue) as Sessions"
            ]
        ),
        question!(
            "q2",
            "sessions",
            date = start,
            columns = vec![
                "avg(mean.MessagingSessionMetricValue) as 'Mean of session means'",
                "sum(mean.MessagingSessionMetricValue * sent.MessagingSessionMetricValue) / \
                 sum(sent.MessagingSessionMetricValue) filter (where \
                 mean.MessagingSessionMetricValue is not null) as 'Weighted by messages, approx.'",
                "median(mean.MessagingSessionMetricValue) as Median",
                "count(mean.MessagingSessionMetricValue) as Measured",
                "count() as Sessions"
            ]
        ),
        question!(
            "q3",
            "sessions",
            date = start,
            group_by = vec!["channel as Channel"],
            columns = vec![
                "max(longest.MessagingSessionMetricValue) as Longest",
                "p95(longest.MessagingSessionMetricValue) as '95 % under'",
                "count(longest.MessagingSessionMetricValue) as Sessions"
            ],
            sort = Some("Longest desc"),
            total = true
        ),
        question!(
            "q4",
            "sessions",
            date = start,
            filter = ended,
            columns = vec![
                "median(received.MessagingSessionMetricValue) as Typical",
                "avg(received.MessagingSessionMetricValue) as Mean"
            ]
        ),
        question!(
            "q5",
            "sessions",
            date = start,
            filter = ended,
            group_by = vec!["session.EndedByType as 'Ended by'"],
            columns = vec![
                "count() as Sessions",
                "case when session.EndedByType is not null then \
                share(count(session.EndedByType)) end as 'Of recorded'"
            ]
        ),
        question!(
            "q6",
            "assignments",
            date = Some("session.EndTime"),
            filter = Some("work.BotId is null and work.HandleTime is not null"),
            per = vec!["session", "channel as Channel"],
            values = vec![
                "sum(work.HandleTime) as handled",
                "count() as parts",
                "seconds(session.StartTime, session.EndTime) as lasted"
            ],
            group_by = vec!["Channel"],
            columns = vec![
                "median(handled) as Typical",
                "avg(handled) as Mean",
                "sum(handled) / sum(parts) as 'Mean per assignment'",
                "median(lasted) as 'Start to end'",
                "count() as Sessions"
            ]
        ),
        question!(
            "q7",
            "sessions",
            date = start,
            filter = ended,
            group_by = vec!["session.AgentType as 'Handled by'"],
            columns = vec![
                "count() as Sessions",
                "case when session.AgentType <> 'System' then \
                share(count() filter (where session.AgentType <> 'System')) end as Share"
            ]
        ),
        question!(
            "q8",
            "assignments",
            date = start,
            filter = Some("work.BotId is null"),
            per = vec!["session", "channel as Channel"],
            values = vec![
                "first(work.SpeedToAnswer order by work.RequestDateTime, work.Id) \
                filter (where work.AcceptDateTime is not null) as answer",
                "seconds(min(work.RequestDateTime), min(work.AcceptDateTime)) as waited",
                "count() filter (where work.Status in ('Declined','DeclinedOnPushTimeout')) \
                as missed"
            ],
            group_by = vec!["Channel"],
            columns = vec![
                "median(answer) as Typical",
                "avg(answer) as Mean",
                "p95(waited) as 'Waited in all, 95 % under'",
                "count(answer) as Accepted",
                "count() filter (where answer is null) as 'Never accepted'",
                "sum(missed) as 'Missed offers'"
            ]
        ),
        question!(
            "q9",
            "traffic",
            date = start,
            group_by = vec!["channel.MessageType as Type"],
            columns = vec![
                "count(session.Id) as Sessions",
                "share(count(session.Id)) as Share",
                "count(distinct channel.Id) as Channels"
            ],
            sort = Some("Sessions desc"),
            total = true
        ),
        question!(
            "q10",
            "traffic",
            date = start,
            group_by = vec!["channel as Channel", "channel.MessageType as Type"],
            columns = vec!["count(session.Id) as Sessions", "share(count(session.Id)) as Share"],
            sort = Some("Sessions desc"),
            total = true
        ),
        question!(
            "q11",
            "sessions",
            date = start,
            group_by = vec!["account as Account"],
            columns = vec!["count() as Sessions", "share(count()) as Share"],
            sort = Some("Sessions desc"),
            top = Some(25),
            total = true
        ),
        question!(
            "q12",
            "people",
            columns = vec![
                "account as Account",
                "person.Name as User",
                "channel as Channel",
                "person.MessagingConsentStatus as Consent"
            ],
            sort = Some("Account, User"),
            top = Some(50)
        ),
        question!(
            "q13",
            "delivery",
            date = start,
            group_by = vec![
                "channel as Channel",
                "entry.ActorType as Sender",
                "entry.MessageStatusCode as Code"
            ],
            columns = vec![
                "case when channel.PlatformType = 'Standard' then \
                count(entry.MessageStatusCode) end as Undelivered",
                "case when channel.PlatformType = 'Standard' then count(entry.Id) end as Messages"
            ]
        ),
    ]
}

/// The shipped rules; `columns` is the value alone.
pub(crate) fn rules() -> Vec<Question> {
    vec![
        question!(
            "longest-response",
            "metrics",
            date = Some("metric.CreatedDate"),
            filter = Some("metric.MessagingSessionMetricType = 'MaxAgentResponseTime'"),
            group_by = vec!["channel as Channel"],
            columns = vec!["max(metric.MessagingSessionMetricValue)"]
        ),
        question!(
            "waiting-now",
            "sessions",
            filter = Some("session.Status = 'Waiting'"),
            group_by = vec!["channel as Channel"],
            columns = vec!["max(seconds(session.StartTime, as_of()))"]
        ),
        question!(
            "undelivered",
            "entries",
            date = Some("entry.CreatedDate"),
            filter = Some("channel.PlatformType = 'Standard'"),
            group_by = vec!["channel as Channel"],
            columns = vec!["count(entry.MessageStatusCode) / count()"]
        ),
        question!(
            "unaccepted",
            "sessions",
            date = Some("session.EndTime"),
            filter = Some(
                "session.Status = 'Ended' and (session.AgentType is null or \
                session.AgentType not in ('Bot','System'))"
            ),
            columns = vec!["count() filter (where session.AcceptTime is null) / count()"]
        ),
        question!(
            "silence-in-hours",
            "sessions",
            date = Some("session.StartTime"),
            columns = vec!["count()"]
        ),
    ]
}
