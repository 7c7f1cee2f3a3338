//! The hard cases of Salesforce, over real sockets: what an org does now and then, and what
//! postrider must make of it. Each case is a test named after it; `docs/sources-tested.md` lists
//! them with their outcomes.

use chrono::{DateTime, Utc};
use postrider::demo::org::{Call, Org, Seen, Value as Raw};
use postrider::domain::table::{Section, Table};
use postrider::domain::value::Value;
use postrider::store::records::DatasetState;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};

use crate::harness::records::Channel;
use crate::harness::{HEAD, TestPostrider, utc};

mod answers;
mod bulk;
mod changes;
mod logins;
mod orgs;
mod pages;
mod quota;
mod statements;

/// One dataset in use: sessions by status, mailed at eight.
pub(crate) const SESSIONS: &str = r#"
[report_types.sessions]
from = "MessagingSession session"

[reports.sessions]
title = "Sessions"
type = "sessions"
period = "all time"
group_by = ["session.Status as Status"]
columns = ["count() as Sessions"]
total = true

[digests.daily]
reports = ["sessions"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

/// Postrider over an org, and ways to look at what is stored.
pub(crate) struct World {
    pub(crate) t: TestPostrider,
    config: String,
}

impl World {
    /// Starts at an instant (RFC 3339), with what `fill` puts into the org; nothing is pulled yet.
    pub(crate) async fn start(config: &str, at: &str, fill: impl FnOnce(&Org)) -> World {
        let config = format!("{HEAD}{config}");
        let t = TestPostrider::start(&config, at, fill).await;
        World { t, config }
    }

    /// The same state, a new process.
    pub(crate) async fn restart(&mut self) {
        let config = self.config.clone();
        self.t.restart(&config).await;
    }

    /// Pulls what is due.
    pub(crate) async fn pull(&self) {
        self.t.patiently(self.t.app.engine().pull_due("salesforce")).await.unwrap();
    }

    /// Lets a pull become due, and pulls.
    pub(crate) async fn pull_again(&self) {
        self.t.clock.advance(chrono::TimeDelta::minutes(6));
        self.pull().await;
    }

    /// Where a dataset stands.
    #[track_caller]
    pub(crate) fn state(&self, dataset: &str) -> DatasetState {
        let states = self.t.app.engine().store().dataset_states().unwrap();
        states.into_iter().find(|state| state.dataset == dataset).expect("a dataset")
    }

    /// Why the last pull of a dataset failed.
    #[track_caller]
    pub(crate) fn failure(&self, dataset: &str) -> String {
        self.state(dataset).failure.expect("a failure").1
    }

    /// One column of what is stored.
    #[track_caller]
    pub(crate) fn stored<T: FromSql>(&self, sql: &str) -> Vec<T> {
        let file = self.t.app.config().state.join("records.db");
        let records = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut select = records.prepare(sql).unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// How many rows of a dataset are stored as existing, and how many keys they have.
    #[track_caller]
    pub(crate) fn count(&self, dataset: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM \"{dataset}\" WHERE _deleted = 0");
        let keys = format!("SELECT count(DISTINCT Id) FROM \"{dataset}\" WHERE _deleted = 0");
        let rows = self.stored::<i64>(&sql)[0];
        assert_eq!(rows, self.stored::<i64>(&keys)[0], "each once");
        rows
    }

    /// A report's table for a slot (RFC 3339).
    pub(crate) async fn table(&self, report: &str, slot: &str) -> Table {
        let reports = [self.t.app.config().reports[report].clone()];
        match self.t.app.engine().sections(&reports, utc(slot)).await.remove(0) {
            Section::Table(table) => table,
            Section::Failed { reason, .. } => panic!("`{report}`: {reason}"),
        }
    }

    /// The queries that were asked, oldest first.
    pub(crate) fn queries(&self) -> Vec<Seen> {
        let of_all = self.t.org.seen().into_iter();
        of_all.filter(|seen| matches!(seen.call, Call::Query | Call::QueryAll)).collect()
    }

    /// The `queryAll` statements that were asked for rows of an object, oldest first.
    pub(crate) fn statements(&self, object: &str) -> Vec<String> {
        let from = format!("FROM {object} ");
        let all = self.queries().into_iter().filter(|seen| seen.call == Call::QueryAll);
        let rows = |soql: &String| soql.contains(&from) && !soql.contains("COUNT()");
        all.filter_map(|seen| seen.soql).filter(rows).collect()
    }

    /// Requests of a kind since the org last forgot them.
    pub(crate) fn asked(&self, call: Call) -> u64 {
        self.t.org.requests_of(call)
    }

    /// All requests since the org last forgot them.
    pub(crate) fn asked_in_all(&self) -> u64 {
        self.t.org.requests().values().sum()
    }
}

/// The fields of a session that ended at an instant and was written down then.
pub(crate) fn ended_row(channel: &Channel, at: DateTime<Utc>) -> Vec<(&'static str, Raw)> {
    vec![
        ("MessagingChannelId", channel.id.into()),
        ("MessagingEndUserId", channel.person.into()),
        ("Status", Raw::Pick("Ended")),
        ("StartTime", at.into()),
        ("CreatedDate", at.into()),
        ("LastModifiedDate", at.into()),
        ("SystemModstamp", at.into()),
    ]
}

/// The rows of a table as text: numbers to three digits, `-` for null.
pub(crate) fn cells(table: &Table) -> Vec<String> {
    table.rows.iter().map(|row| line(row)).collect()
}

/// One row as text, cells apart by ` | `.
pub(crate) fn line(row: &[Value]) -> String {
    let cell = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Timestamp(at) => at.to_rfc3339(),
        Value::Integer(n) => n.to_string(),
        Value::Real(x) => {
            let text = format!("{x:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    row.iter().map(cell).collect::<Vec<_>>().join(" | ")
}
