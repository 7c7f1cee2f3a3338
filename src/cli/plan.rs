//! `postrider plan`: who gets what, when.

use clap::Args;
use serde_json::json;

use super::{Context, Done, print};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  postrider plan --days 14      the slots of two weeks, with those skipped and why")]
pub(super) struct Plan {
    /// How many days ahead
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Plan {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let planned = app.engine().planned(self.days);
        let plant = app.engine().plant();
        if self.json {
            let slots = planned.iter().map(|planned| {
                let digest = &plant.digests[&planned.digest];
                json!({
                    "digest": planned.digest,
                    "planned_at": print::stamp(planned.slot.planned_at),
                    "skipped": planned.slot.skipped,
                    "to": digest.to,
                    "cc": digest.cc,
                    "bcc": digest.bcc,
                    "receivers": digest.webhooks,
                    "recipients": planned.recipients,
                    "split_by": digest.split.as_ref().map(|split| &split.heading),
                    "send_when": digest.send_when.to_string(),
                })
            });
            print::json(&slots.collect());
            return Ok(());
        }
        let rows: Vec<Vec<String>> = planned
            .iter()
            .map(|planned| {
                let digest = &plant.digests[&planned.digest];
                let zone = &digest.schedule.zone;
                vec![
                    zone.civil(planned.slot.planned_at).format("%a %Y-%m-%d %H:%M").to_string(),
                    zone.name().to_owned(),
                    planned.digest.clone(),
                    match &planned.slot.skipped {
                        Some(reason) => format!("skipped: {reason}"),
                        None => digest.readers_words(),
                    },
                ]
            })
            .collect();
        if rows.is_empty() {
            print::line(format!("no digest is planned in the next {} days", self.days));
        } else {
            print::table(&["when", "zone", "digest", "to"], &rows);
        }
        Ok(())
    }
}
