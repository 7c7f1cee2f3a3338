//! The source: a small JSON API that shows a timeline, each record from its own instant on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::IntoResponse;
use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::Clock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::timeline::Timeline;

/// The API; dropping it stops it.
pub(crate) struct Source {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

struct Shown {
    clock: Arc<dyn Clock>,
    begin: DateTime<Utc>,
    timeline: Timeline,
}

impl Source {
    /// Shows a timeline that begins at an instant, on a free port of this machine.
    pub(crate) async fn start(
        timeline: Timeline,
        begin: DateTime<Utc>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Source> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shown = Arc::new(Shown { clock, begin, timeline });
        let router = Router::new().fallback(answer).with_state(shown);
        let serving = tokio::spawn(async move {
            // Serving ends only with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Source { address, serving })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What has happened by now, since the instant that is asked for.
async fn answer(State(shown): State<Arc<Shown>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let query = query.unwrap_or_default();
    let since = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "since");
    let since = since.and_then(|(_, text)| text.parse::<DateTime<Utc>>().ok());
    let now = shown.clock.now();
    let since = since.unwrap_or(shown.begin).max(shown.begin);
    let first = (since - shown.begin).num_minutes().max(0) as usize;
    let mut records = Vec::new();
    for line in &shown.timeline.lines {
        for (minute, value) in line.values.iter().enumerate().skip(first) {
            // In the middle of its minute: no window's end cuts it.
            let at = shown.begin + TimeDelta::seconds(60 * minute as i64 + 30);
            if now < at {
                break;
            }
            if let (Some(value), true) = (value, since <= at) {
                let id = format!("{}-{}-{minute}", line.rule, line.name);
                records.push(json!({
                    "id": id, "at": at.to_rfc3339(),
                    "rule": line.rule, "line": line.name, "value": value,
                }));
            }
        }
    }
    let date = httpdate::fmt_http_date(SystemTime::from(now));
    let headers = [(header::DATE, date), (header::CONTENT_TYPE, "application/json".to_owned())];
    (headers, json!(records).to_string())
}
