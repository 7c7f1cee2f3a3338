//! The same questions in plain SQL.

/// Sessions with the channel they are on, as the report type has them.
const SESSIONS: &str = "MessagingSession s \
    JOIN MessagingChannel c ON c.Id = s.MessagingChannelId AND c._deleted = 0";
const WORK: &str = "AgentWork w \
    JOIN MessagingSession s ON s.Id = w.WorkItemId AND s._deleted = 0 \
    JOIN MessagingChannel c ON c.Id = s.MessagingChannelId AND c._deleted = 0";
const PEOPLE: &str = "MessagingEndUser p \
    JOIN MessagingChannel c ON c.Id = p.MessagingChannelId AND c._deleted = 0 \
    LEFT JOIN Account a ON a.Id = p.AccountId AND a._deleted = 0";
const ACCOUNT: &str = "LEFT JOIN Account a ON a.Id = s.EndUserAccountId AND a._deleted = 0";

/// A person took part.
const PERSON: &str = "AND s.AgentType IN ('Agent', 'BotToAgent')";
/// Not begun by the system.
const COUNTED: &str = "count(*) FILTER (WHERE s.AgentType IS NULL OR s.AgentType <> 'System')";
const MESSAGES: &str = "MessagingChannel c \
    LEFT JOIN MessagingSession s ON s.MessagingChannelId = c.Id AND s._deleted = 0";
const ENTRY: &str = "LEFT JOIN ConversationEntry e ON e.ConversationId = s.Id AND e._deleted = 0";

/// The SQL of a report, with `:from` and `:to` where it is bounded.
pub(crate) fn sql(report: &str, bounded: bool) -> Option<String> {
    let within = |field: &str| match bounded {
        true => format!("AND s.{field} >= :from AND s.{field} < :to"),
        false => String::new(),
    };
    let started = within("StartTime");
    let (sent, received) =
        (metric("sent", "AgentMessageCount"), metric("got", "EndUserMessageCount"));
    let mean = metric("mean", "AverageAgentResponseTime");
    let longest = metric("longest", "MaxAgentResponseTime");
    let one_median = |of: &str, join: &str, filter: &str| {
        format!(
            "SELECT {}, avg(x), {}, count(x), count(*) FROM (SELECT {of}.MessagingSessionMetricValue x, \
             {} n, count({of}.MessagingSessionMetricValue) OVER () k FROM {SESSIONS} {join} \
             WHERE s._deleted = 0 {filter} {started})",
            percentile(0.5, "x", "n", "k"),
            percentile(0.9, "x", "n", "k"),
            rank(&format!("{of}.MessagingSessionMetricValue"), ""),
        )
    };
    Some(match report {
        "messages-to-resolve" => {
            one_median("sent", &sent, &format!("AND s.Status = 'Ended' {PERSON}"))
        }
        "end-user-messages" => one_median("got", &received, "AND s.Status = 'Ended'"),
        "agent-response-time" => format!(
            "SELECT avg(x), sum(x * y) * 1.0 / sum(y) FILTER (WHERE x IS NOT NULL), {}, count(x), \
             count(*) FROM (SELECT mean.MessagingSessionMetricValue x, \
             sent.MessagingSessionMetricValue y, {} n, \
             count(mean.MessagingSessionMetricValue) OVER () k FROM {SESSIONS} {mean} {sent} \
             WHERE s._deleted = 0 {PERSON} {started})",
            percentile(0.5, "x", "n", "k"),
            rank("mean.MessagingSessionMetricValue", ""),
        ),
        "longest-wait" => format!(
            "SELECT Channel, max(x) Longest, {}, count(x), count(*) FROM (SELECT c.Id Channel, \
             longest.MessagingSessionMetricValue x, {} n, \
             count(longest.MessagingSessionMetricValue) OVER (PARTITION BY c.Id) k \
             FROM {SESSIONS} {longest} WHERE s._deleted = 0 {PERSON} {started}) GROUP BY Channel \
             ORDER BY Longest DESC NULLS LAST",
            percentile(0.95, "x", "n", "k"),
            rank("longest.MessagingSessionMetricValue", "PARTITION BY c.Id"),
        ),
        "longest-waits" => format!(
            "SELECT s.Name, c.MasterLabel, a.Name, s.StartTime, longest.MessagingSessionMetricValue v \
             FROM {SESSIONS} {ACCOUNT} {longest} WHERE s._deleted = 0 AND v IS NOT NULL {started} \
             ORDER BY v DESC LIMIT 10"
        ),
        "ended-by" => format!(
            "SELECT s.EndedByType, count(*) Sessions, count(s.EndedByType), \
             count(s.EndedByType) * 1.0 / sum(count(s.EndedByType)) OVER () FROM {SESSIONS} \
             WHERE s._deleted = 0 AND s.Status = 'Ended' {started} GROUP BY s.EndedByType \
             ORDER BY Sessions DESC"
        ),
        "resolved-by-bot" => format!(
            "SELECT CASE s.AgentType WHEN 'Bot' THEN 'Bot alone' \
             WHEN 'BotToAgent' THEN 'Bot, then agent' WHEN 'Agent' THEN 'Agent' \
             WHEN 'System' THEN 'System (outbound)' ELSE 'Nobody' END Handled, count(*) Sessions, \
             {COUNTED}, {COUNTED} * 1.0 / sum({COUNTED}) OVER () FROM {SESSIONS} \
             WHERE s._deleted = 0 AND s.Status = 'Ended' {started} GROUP BY Handled \
             ORDER BY Sessions DESC"
        ),
        "session-length" => format!(
            "SELECT Channel, {}, avg(handled), sum(handled) * 1.0 / sum(parts), {}, sum(parts), \
             count(*) Sessions FROM (SELECT *, {} n, count(handled) OVER w k, {} m, \
             count(lasted) OVER w l FROM (SELECT c.Id Channel, sum(w.HandleTime) handled, \
             count(*) parts, (s.EndTime - s.StartTime) / 1000.0 lasted FROM {WORK} \
             WHERE w._deleted = 0 AND w.BotId IS NULL AND w.HandleTime IS NOT NULL {} \
             GROUP BY s.Id, c.Id) WINDOW w AS (PARTITION BY Channel)) GROUP BY Channel \
             ORDER BY Sessions DESC",
            percentile(0.5, "handled", "n", "k"),
            percentile(0.5, "lasted", "m", "l"),
            rank("handled", "PARTITION BY Channel"),
            rank("lasted", "PARTITION BY Channel"),
            within("EndTime"),
        ),
        "time-to-accept" => format!(
            "SELECT Channel, {}, avg(answer), {}, count(answer) Accepted, \
             count(*) FILTER (WHERE answer IS NULL), sum(missed) FROM (SELECT *, {} n, \
             count(answer) OVER w k, {} m, count(waited) OVER w l FROM (SELECT Channel, \
             min(answer) FILTER (WHERE turn = 1) answer, \
             (min(accepted) - min(requested)) / 1000.0 waited, sum(missed) missed FROM (SELECT \
             s.Id Session, c.Id Channel, w.RequestDateTime requested, w.AcceptDateTime accepted, \
             w.SpeedToAnswer answer, w.Status IN ('Declined', 'DeclinedOnPushTimeout') missed, \
             CASE WHEN w.AcceptDateTime IS NOT NULL THEN row_number() OVER (PARTITION BY s.Id, \
             w.AcceptDateTime IS NOT NULL ORDER BY w.RequestDateTime, w.Id) END turn FROM {WORK} \
             WHERE w._deleted = 0 AND w.BotId IS NULL {started}) GROUP BY Session, Channel) \
             WINDOW w AS (PARTITION BY Channel)) GROUP BY Channel ORDER BY Accepted DESC",
            percentile(0.5, "answer", "n", "k"),
            percentile(0.95, "waited", "m", "l"),
            rank("answer", "PARTITION BY Channel"),
            rank("waited", "PARTITION BY Channel"),
        ),
        "traffic-by-type" => format!(
            "SELECT c.MessageType, count(s.Id) Sessions, \
             count(s.Id) * 1.0 / sum(count(s.Id)) OVER (), count(DISTINCT c.Id) {} \
             GROUP BY c.MessageType ORDER BY Sessions DESC",
            traffic(&started),
        ),
        "traffic-by-channel" => format!(
            "SELECT c.Id, c.MessageType, count(s.Id) Sessions, \
             count(s.Id) * 1.0 / sum(count(s.Id)) OVER () {} GROUP BY c.Id, c.MessageType \
             ORDER BY Sessions DESC",
            traffic(&started),
        ),
        "sessions-by-account" => format!(
            "SELECT s.EndUserAccountId, a.Name, count(*) Sessions, \
             count(*) * 1.0 / sum(count(*)) OVER () FROM {SESSIONS} {ACCOUNT} \
             WHERE s._deleted = 0 {started} GROUP BY s.EndUserAccountId ORDER BY Sessions DESC \
             LIMIT 25"
        ),
        "users-by-account" => format!(
            "SELECT p.AccountId, a.Name, count(*) Users, count(DISTINCT c.Id), \
             count(*) FILTER (WHERE p.MessagingConsentStatus = 'OptedOut') FROM {PEOPLE} \
             WHERE p._deleted = 0 GROUP BY p.AccountId ORDER BY Users DESC LIMIT 25"
        ),
        "users" => format!(
            "SELECT a.Name, p.Name, c.MasterLabel, p.MessagingConsentStatus FROM {PEOPLE} \
             WHERE p._deleted = 0 ORDER BY a.Name NULLS LAST, p.Name LIMIT 25"
        ),
        "undelivered-messages" => format!(
            "SELECT c.Id, CASE WHEN c.PlatformType IS NULL OR c.PlatformType <> 'Standard' \
             THEN 'not measured' WHEN e.ActorType = 'EndUser' THEN 'End user' \
             ELSE coalesce(e.ActorType, 'no messages') END Sender, \
             CASE WHEN c.PlatformType = 'Standard' THEN count(e.MessageStatusCode) END \
             Undelivered, CASE WHEN c.PlatformType = 'Standard' THEN count(e.Id) END, \
             CASE WHEN c.PlatformType = 'Standard' \
             THEN count(e.MessageStatusCode) * 1.0 / count(e.Id) END \
             FROM {MESSAGES} {started} {ENTRY} WHERE c._deleted = 0 \
             GROUP BY c.Id, Sender ORDER BY Undelivered DESC NULLS LAST, \
             c.MasterLabel, Sender"
        ),
        "undelivered-codes" => format!(
            "SELECT c.Id, e.ActorType, e.MessageStatusCode, count(*) Messages \
             FROM {MESSAGES} {started} {ENTRY} WHERE c._deleted = 0 AND c.PlatformType = 'Standard' \
             AND e.MessageStatusCode IS NOT NULL GROUP BY c.Id, e.ActorType, e.MessageStatusCode \
             ORDER BY Messages DESC LIMIT 25"
        ),
        _ => return None,
    })
}

fn traffic(started: &str) -> String {
    format!(
        "FROM MessagingChannel c LEFT JOIN MessagingSession s ON s.MessagingChannelId = c.Id \
         AND s._deleted = 0 {started} WHERE c._deleted = 0"
    )
}

fn metric(alias: &str, kind: &str) -> String {
    format!(
        "LEFT JOIN MessagingSessionMetrics {alias} ON {alias}.MessagingSessionId = s.Id \
         AND {alias}.MessagingSessionMetricType = '{kind}' AND {alias}._deleted = 0"
    )
}

fn rank(of: &str, partition: &str) -> String {
    format!("row_number() OVER ({partition} ORDER BY {of} NULLS LAST)")
}

/// Linear interpolation between the two values around the place, type 7: `n` is the rank of `x` from
/// 1, `k` how many values there are.
fn percentile(share: f64, x: &str, n: &str, k: &str) -> String {
    format!("sum({x} * max(0.0, 1.0 - abs({share} * ({k} - 1) - ({n} - 1))))")
}
