//! `postrider pull`: reads datasets now, with progress.

use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::context::{Context, runtime};
use super::{Done, print};
use crate::engine::pull::Progress;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider pull                             everything the reports and rules read
  postrider pull MessagingSession
  postrider pull MessagingSession --since 2026-11-01T00:00:00Z   again from there")]
pub(super) struct Pull {
    /// Only this dataset
    dataset: Option<String>,
    /// Read again what changed since then (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "dataset")]
    since: Option<DateTime<Utc>>,
}

impl Pull {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.acting_app()?;
        let engine = app.engine();
        let plant = engine.plant();
        let datasets = match &self.dataset {
            Some(name) => {
                let known = plant.datasets.iter().find(|dataset| dataset.name == *name);
                vec![known.cloned().ok_or_else(|| {
                    let names: Vec<&str> =
                        plant.datasets.iter().map(|dataset| dataset.name.as_str()).collect();
                    anyhow!("no dataset is called `{name}`; there are {}", names.join(", "))
                })?]
            }
            None => plant.datasets_in_use(),
        };
        runtime()?.block_on(async {
            for dataset in datasets {
                let bar = bar(&dataset.name);
                let progress = Progress::default();
                let pulling = engine.pull(&plant, &dataset, self.since, &progress);
                tokio::pin!(pulling);
                let pulled = loop {
                    tokio::select! {
                        done = &mut pulling => break done?,
                        () = tokio::time::sleep(Duration::from_millis(100)) => {
                            bar.set_position(progress.records());
                        }
                    }
                };
                bar.finish_and_clear();
                print::line(format!(
                    "{}: {} records in {} requests, complete to {}",
                    dataset.name,
                    pulled.records,
                    pulled.requests,
                    print::stamp(pulled.watermark)
                ));
                for sample in &pulled.misfit_samples {
                    print::remark(format!("  value left out: {sample}"));
                }
            }
            anyhow::Ok(())
        })?;
        Ok(())
    }
}

/// A count of records on a terminal; nothing where standard error is a file.
pub(super) fn bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {msg}  {human_pos} records  {per_sec}")
    {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
