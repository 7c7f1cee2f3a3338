//! `postrider backfill`: the mails of past slots, made later. Each says so, is a run of its own, and
//! is made once.

use std::collections::BTreeMap;

use anyhow::anyhow;
use chrono::{DateTime, NaiveDate, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::context::{Context, runtime};
use super::suppress::is_address;
use super::{Done, print};
use crate::app::App;
use crate::domain::digest::Digest;
use crate::domain::zone::Zone;
use crate::engine::archive::later::{Later, SLOTS_MAX};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider backfill morning --from 2026-11-01 --to 2026-11-20 --dry-run
  postrider backfill morning --from 2026-11-01 --to 2026-11-20 --only me@example.com")]
pub(super) struct Backfill {
    /// The digest
    digest: String,
    /// From this day or instant on (2026-11-01, or RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Up to the end of this day, or this instant
    #[arg(long, value_name = "TIME")]
    to: String,
    /// To this address alone
    #[arg(long, value_name = "ADDRESS")]
    only: Option<String>,
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
}

impl Backfill {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = if self.dry_run { context.app()? } else { context.acting_app()? };
        let config = app.config();
        let digest = config.digests.get(&self.digest).ok_or_else(|| {
            let names: Vec<&str> = config.digests.keys().map(String::as_str).collect();
            anyhow!("no digest is called `{}`; there are {}", self.digest, names.join(", "))
        })?;
        if let Some(only) = self.only.as_deref().filter(|only| !is_address(only)) {
            return Err(anyhow!("`{only}` is not a mail address").into());
        }
        let zone = &digest.schedule.zone;
        let (from, to) = (instant(&self.from, zone, false)?, instant(&self.to, zone, true)?);
        if to < from {
            return Err(anyhow!("`--to` is before `--from`").into());
        }
        let slots = app.engine().past_slots(digest, from, to);
        if slots.is_empty() {
            return Err(anyhow!("`{}` has no past slots in that time", digest.name).into());
        }
        let done = runtime()?.block_on(self.make(&app, digest, &slots))?;
        let counts = done.iter().map(|(what, count)| format!("{count} {what}"));
        print::line(counts.collect::<Vec<_>>().join(", "));
        if let Some(failed) = done.get("failed") {
            let mails = print::count(*failed, "mail");
            return Err(anyhow!("{mails} could not be made; try again later").into());
        }
        if slots.len() == SLOTS_MAX {
            print::remark(format!("the first {SLOTS_MAX} slots; go on from the last one"));
        }
        Ok(())
    }

    async fn make(
        &self,
        app: &App,
        digest: &Digest,
        slots: &[DateTime<Utc>],
    ) -> anyhow::Result<BTreeMap<&'static str, usize>> {
        let (engine, only) = (app.engine(), self.only.as_deref());
        let bar = progress(slots.len());
        let mut done = BTreeMap::new();
        for slot in slots {
            let later = match self.dry_run {
                true => engine.was_made(digest, *slot, only).await?,
                false => Some(engine.make_later(digest, *slot, only).await?),
            };
            let (what, text) = match &later {
                None => ("to make", "would be made".to_owned()),
                Some(Later::Made { run, messages }) => {
                    ("made", format!("{run}: {}", print::count(*messages, "message")))
                }
                Some(Later::Sent(run)) => ("sent by schedule", format!("{run}: sent by schedule")),
                Some(Later::Before(run)) => ("made before", format!("{run}: made before")),
                Some(Later::Failed(reason)) => ("failed", format!("cannot be made: {reason}")),
            };
            *done.entry(what).or_default() += 1;
            let line = format!("{}  {text}", print::civil(*slot, &digest.schedule.zone));
            bar.suspend(|| print::line(line));
            bar.inc(1);
        }
        bar.finish_and_clear();
        if done.contains_key("made") {
            print::remark("the running daemon sends them");
        }
        Ok(done)
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(slots: usize) -> ProgressBar {
    let bar = ProgressBar::new(slots as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} mails, {eta} to go") {
        bar.set_style(style);
    }
    bar
}

/// A day in a zone (its beginning, or its last moment), or an instant.
fn instant(text: &str, zone: &Zone, end: bool) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        let next = day.succ_opt().filter(|_| end);
        let midnight = zone.start_of(next.unwrap_or(day));
        let before = chrono::TimeDelta::milliseconds(i64::from(end));
        return Ok(midnight - before);
    }
    let at = DateTime::parse_from_rfc3339(text);
    Ok(at
        .map_err(|_| anyhow!("`{text}` is neither a day nor an instant: write 2026-11-01"))?
        .to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_digests_zone_and_whole() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let check = |text, end, expected: &str| {
            let at = instant(text, &berlin, end).unwrap();
            assert_eq!(print::stamp(at), expected);
        };
        check("2026-11-01", false, "2026-10-31T23:00:00.000Z");
        check("2026-11-01", true, "2026-11-01T22:59:59.999Z");
        // The day of a clock change has 25 hours.
        check("2026-10-25", false, "2026-10-24T22:00:00.000Z");
        check("2026-10-25", true, "2026-10-25T22:59:59.999Z");
        check("2026-11-01T08:00:00+01:00", true, "2026-11-01T07:00:00.000Z");
        assert!(instant("yesterday", &berlin, false).is_err());
    }
}
