//! Logs: to standard error, filtered by `POSTRIDER_LOG`, never with secrets, bodies or whole addresses.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The crate that beats the heart.
const HEARTBEAT: &str = "tokio_cron_scheduler";

/// Starts logging with a filter such as `info` or `postrider=debug`. A second call does nothing.
pub fn start(filter: &str, style: Style) {
    // The heartbeat's own words say nothing to anybody, unless asked for by name.
    let filter = match filter.contains(HEARTBEAT) {
        true => filter.to_owned(),
        false => format!("{filter},{HEARTBEAT}=warn"),
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that logging runs already, as in tests.
    let _ = match style {
        Style::Text => builder.try_init(),
        Style::Json => builder.json().try_init(),
    };
}
