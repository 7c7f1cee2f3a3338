//! `postrider preview`: a digest or a report as it would be sent. Opens no connection to anybody.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::context::{Context, runtime};
use super::{Done, print};
use crate::app::App;
use crate::domain::digest::Digest;
use crate::engine::digest::Made;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider preview morning -o morning.html
  postrider preview agent-response-time --format text
  postrider preview morning --at 2026-11-02T08:00:00Z --format eml")]
pub(super) struct Preview {
    /// A digest or a report
    name: String,
    /// For this slot (RFC 3339). Default: now
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Into this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The mail's HTML
    Html,
    /// The mail's text
    Text,
    /// The tables, as a webhook gets them
    Json,
    /// The whole mail as it goes out
    Eml,
}

impl Preview {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let digest = digest(&app, &self.name)?;
        let made = runtime()?.block_on(async {
            let plant = app.engine().plant();
            let planned_at = self.at.unwrap_or_else(|| app.engine().clock().now());
            app.engine().preview(&plant, &digest, planned_at).await
        });
        let bytes = self.written(&digest, &made)?;
        match &self.output {
            Some(path) => std::fs::write(path, bytes)
                .with_context(|| format!("cannot write `{}`", path.display()))?,
            None => print::bytes(&bytes),
        }
        Ok(())
    }

    fn written(&self, digest: &Digest, made: &Made) -> anyhow::Result<Vec<u8>> {
        Ok(match self.format {
            Format::Html => made.mail.html.clone().into_bytes(),
            Format::Text => {
                format!("Subject: {}\n\n{}", made.mail.subject, made.mail.text).into_bytes()
            }
            Format::Json => made.payload.clone(),
            Format::Eml => {
                let mail = made.owed.iter().find(|owed| owed.message.recipient.contains('@'));
                let mail = mail.ok_or_else(|| {
                    anyhow!("`{}` goes to no mail address: try --format html", digest.name)
                })?;
                mail.message.bytes.clone()
            }
        })
    }
}

/// A digest by its name; a report becomes a digest of its own.
fn digest(app: &App, name: &str) -> anyhow::Result<Arc<Digest>> {
    let config = app.config();
    if let Some(digest) = config.digests.get(name) {
        return Ok(Arc::clone(digest));
    }
    let report = config.reports.get(name).ok_or_else(|| {
        let names: Vec<&str> =
            config.digests.keys().chain(config.reports.keys()).map(String::as_str).collect();
        anyhow!("no digest or report is called `{name}`; there are {}", names.join(", "))
    })?;
    Ok(Arc::new(Digest::of_report(report)))
}
