//! `postrider pull`: reads datasets now, with progress; or holds them against their source.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::context::{Context, runtime};
use super::run::stopped;
use super::{Done, print};
use crate::app::App;
use crate::domain::dataset::Dataset;
use crate::engine::Plant;
use crate::engine::pull::Progress;
use crate::engine::verify::{Day, Verified};
use crate::store::records::Mended;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider pull                             everything the reports and rules read
  postrider pull MessagingSession
  postrider pull MessagingSession --since 2026-11-01T00:00:00Z   again from there
  postrider pull --verify                    are the records still those of the source? mends
  postrider pull --verify --dry-run          the same, and changes nothing")]
pub(super) struct Pull {
    /// Only this dataset
    dataset: Option<String>,
    /// Read again what changed since then (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "dataset")]
    since: Option<DateTime<Utc>>,
    /// Count the records of each day at the source, and read again the days that differ
    #[arg(long, conflicts_with = "since")]
    verify: bool,
    /// Only count
    #[arg(long, requires = "verify")]
    dry_run: bool,
}

impl Pull {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.acting_app()?;
        let plant = app.engine().plant();
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
            let engine = Arc::clone(app.engine());
            let stopping = tokio::spawn(async move {
                stopped().await;
                engine.stop();
            });
            let done = match self.verify {
                true => self.verify(&app, &plant, &datasets).await,
                false => self.pull(&app, &plant, &datasets).await,
            };
            stopping.abort();
            app.close().await;
            done
        })?;
        Ok(())
    }

    async fn pull(
        &self,
        app: &App,
        plant: &Plant,
        datasets: &[Arc<Dataset>],
    ) -> anyhow::Result<()> {
        for dataset in datasets {
            let bar = bar(&dataset.name);
            let progress = Progress::default();
            let pulling = app.engine().pull(plant, dataset, self.since, &progress);
            tokio::pin!(pulling);
            let pulled = loop {
                tokio::select! {
                    done = &mut pulling => break done?,
                    () = tokio::time::sleep(Duration::from_millis(100)) => shown(&bar, &progress),
                }
            };
            bar.finish_and_clear();
            print::line(format!(
                "{}: {} in {}, complete to {}",
                dataset.name,
                print::count(pulled.records as usize, "record"),
                print::count(pulled.requests as usize, "request"),
                print::stamp(pulled.watermark)
            ));
            for sample in &pulled.misfit_samples {
                print::remark(format!("  value left out: {sample}"));
            }
            if pulled.left_out > 0 {
                print::remark(format!("  records left out: {}", pulled.left_out));
            }
            if !pulled.hidden.is_empty() {
                let hidden = pulled.hidden.join(", ");
                print::remark(format!("  not shown to postrider: {hidden}"));
            }
        }
        Ok(())
    }

    async fn verify(
        &self,
        app: &App,
        plant: &Plant,
        datasets: &[Arc<Dataset>],
    ) -> anyhow::Result<()> {
        for dataset in datasets {
            let verified = app.engine().verify(plant, dataset, self.dry_run).await?;
            print::line(told(&verified, self.dry_run));
            let rows: Vec<Vec<String>> = verified.days.iter().map(day).collect();
            if !rows.is_empty() {
                print::table(&["day", "ours", "theirs", "mended"], &rows);
            }
        }
        Ok(())
    }
}

/// How a dataset compares, in a line.
fn told(verified: &Verified, dry: bool) -> String {
    let found = match (&verified.remark, verified.days.len() + verified.left) {
        (None, 1..) if dry => {
            let days = verified.days.len() + verified.left;
            format!("{} differed; nothing was changed", print::count(days, "day"))
        }
        _ => verified.words(),
    };
    let days = verified.span.as_ref().map_or_else(String::new, |span| {
        let last = span.end - TimeDelta::days(1);
        format!(" ({} to {})", span.start.date_naive(), last.date_naive())
    });
    format!("{}{days}: {found}", verified.dataset)
}

fn day(day: &Day) -> Vec<String> {
    let mended = day.mended.map_or_else(
        || "no".to_owned(),
        |mended| {
            let Mended { added, removed, changed, .. } = mended;
            format!("{added} added, {removed} removed, {changed} changed")
        },
    );
    vec![day.day.to_string(), day.ours.to_string(), day.theirs.to_string(), mended]
}

/// Moves the bar; once it is known how many records there will be, it has an end.
fn shown(bar: &ProgressBar, progress: &Progress) {
    if let Some(expected) = progress.expected() {
        if bar.length().is_none()
            && let Ok(style) = ProgressStyle::with_template(
                "{spinner} {msg}  {bar:30} {percent} %  {human_pos} of {human_len} records  {eta} left",
            )
        {
            bar.set_style(style);
        }
        bar.set_length(expected);
    }
    bar.set_position(progress.records());
}

/// A count of records on a terminal; nothing where standard error is a file.
fn bar(name: &str) -> ProgressBar {
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
