//! `postrider source test`: the first records of a dataset as a table.

use std::sync::Arc;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta};
use clap::Args;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{open, requests};
use crate::cli::context::{Context, clock, runtime};
use crate::cli::{Done, Failure, print};
use crate::config::{Config, SourceSettings};
use crate::domain::dataset::{Batch, Cell, Dataset, PullRequest, Pulled, Purpose};
use crate::source::{Source, SourceError};

/// Wider than this, a table is shown record by record.
const WIDTH_MAX: usize = 120;
/// Cells are cut at this width.
const CELL_MAX: usize = 32;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider source test tickets            the first ten records of [datasets.tickets]
  postrider source test Case --rows 3
  postrider source test tickets --json | jq '.rows[0]'

It reads as a first load does, oldest records first, and stops when it has enough: neither the
daemon's records nor its watermark are touched. A field that is empty in every record is named: its
path may be wrong, or the source does not show it to us.")]
pub(in crate::cli) struct Test {
    /// The dataset: a name in `[datasets]`, or a built-in one
    dataset: String,
    /// So many records
    #[arg(long, default_value_t = 10, value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    rows: u16,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What was seen of a dataset.
struct Sample {
    dataset: Arc<Dataset>,
    rows: Vec<Vec<Value>>,
    /// The whole pull, where it ended by itself.
    pulled: Option<Pulled>,
    requests: u64,
}

impl Test {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.run()?;
        let dataset = dataset(&config, &self.dataset)?;
        let sample = runtime()?.block_on(self.read(&config, dataset))?;
        if self.json {
            print::json(&sample.facts());
        } else {
            sample.show();
        }
        Ok(())
    }

    async fn read(&self, config: &Config, dataset: Arc<Dataset>) -> anyhow::Result<Sample> {
        let mut settings = config
            .sources
            .get(&dataset.source)
            .cloned()
            .ok_or_else(|| anyhow!("no source is called `{}`", dataset.source))?;
        if let SourceSettings::Salesforce(settings) = &mut settings {
            // A few records are not worth a bulk job, however many there are behind them.
            settings.bulk_above = None;
        }
        let source = open(&settings)?;
        let wanted = usize::from(self.rows);
        let (rows, pulled) = first_rows(&*source, &dataset, settings.history(), wanted).await?;
        let requests = requests(&*source);
        source.close().await;
        Ok(Sample { dataset, rows, pulled, requests })
    }
}

/// The dataset of this name, or what names there are.
fn dataset(config: &Config, name: &str) -> Result<Arc<Dataset>, Failure> {
    if let Some(dataset) = config.datasets.iter().find(|dataset| dataset.name == name) {
        return Ok(Arc::clone(dataset));
    }
    let of_source = |source: &str| -> Vec<&str> {
        let datasets = config.datasets.iter().filter(|dataset| dataset.source == source);
        datasets.map(|dataset| dataset.name.as_str()).collect()
    };
    let message = match config.sources.contains_key(name) {
        true => {
            format!("`{name}` is a source; its datasets are {}", of_source(name).join(", "))
        }
        false => {
            let names: Vec<&str> =
                config.datasets.iter().map(|dataset| dataset.name.as_str()).collect();
            format!("no dataset is called `{name}`; there are {}", names.join(", "))
        }
    };
    Err(Failure::Config(Some(anyhow!(message))))
}

/// Reads a dataset as a first load does until there are enough rows or there are no more; the whole
/// pull comes with them where it ended by itself.
pub(in crate::cli) async fn first_rows(
    source: &dyn Source,
    dataset: &Arc<Dataset>,
    history: Option<TimeDelta>,
    wanted: usize,
) -> Result<(Vec<Vec<Value>>, Option<Pulled>), SourceError> {
    let history = dataset.reach(history);
    let request = PullRequest {
        dataset: Arc::clone(dataset),
        since: None,
        resume: None,
        from: history.map(|length| clock().now() - length),
        purpose: Purpose::Digest,
    };
    let width = dataset.fields.len();
    let (sender, mut batches) = mpsc::channel::<Batch>(1);
    let pulling = source.pull(request, sender);
    tokio::pin!(pulling);
    let mut rows = Vec::new();
    let mut pulled = None;
    loop {
        tokio::select! {
            biased;
            batch = batches.recv() => match batch {
                Some(batch) => {
                    take_rows(&batch, width, wanted, &mut rows);
                    if rows.len() >= wanted {
                        // Dropping the pull ends it: nothing of it is kept anywhere.
                        return Ok((rows, pulled));
                    }
                }
                None if pulled.is_some() => return Ok((rows, pulled)),
                None => pulled = Some((&mut pulling).await?),
            },
            done = &mut pulling, if pulled.is_none() => pulled = Some(done?),
        }
    }
}

/// Fields without a value in any of the rows; of no rows nothing is known.
pub(in crate::cli) fn empty_fields<'d>(dataset: &'d Dataset, rows: &[Vec<Value>]) -> Vec<&'d str> {
    let fields = dataset.fields.iter().enumerate().filter(|_| !rows.is_empty());
    fields
        .filter(|(index, _)| rows.iter().all(|row| row[*index].is_null()))
        .map(|(_, field)| field.name.as_str())
        .collect()
}

/// Adds the rows of a batch that exist.
fn take_rows(batch: &Batch, width: usize, wanted: usize, rows: &mut Vec<Vec<Value>>) {
    for (row, deleted) in batch.deleted.iter().enumerate() {
        if rows.len() >= wanted {
            return;
        }
        if *deleted {
            continue;
        }
        let cells = batch.cells.iter().skip(row * width).take(width);
        rows.push(cells.map(|cell| value_of(batch, cell)).collect());
    }
}

fn value_of(batch: &Batch, cell: &Cell) -> Value {
    match *cell {
        Cell::Null => Value::Null,
        Cell::Boolean(yes) => Value::Bool(yes),
        Cell::Integer(number) => json!(number),
        Cell::Real(number) => json!(number),
        Cell::Timestamp(millis) => match DateTime::from_timestamp_millis(millis) {
            Some(at) => Value::String(print::stamp(at)),
            None => json!(millis),
        },
        Cell::Text(at, len) => Value::String(batch.text_of(at, len).to_owned()),
    }
}

impl Sample {
    fn empty_fields(&self) -> Vec<&str> {
        empty_fields(&self.dataset, &self.rows)
    }

    fn facts(&self) -> Value {
        let names = self.dataset.fields.iter().map(|field| field.name.clone());
        let names: Vec<String> = names.collect();
        let rows: Vec<Value> = (self.rows.iter())
            .map(|row| Value::Object(names.iter().cloned().zip(row.iter().cloned()).collect()))
            .collect();
        let types: Map<String, Value> = (self.dataset.fields.iter())
            .map(|field| (field.name.clone(), json!(field.ty.word())))
            .collect();
        let pulled = self.pulled.as_ref();
        json!({
            "dataset": self.dataset.name,
            "source": self.dataset.source,
            "types": types,
            "rows": rows,
            "empty": self.empty_fields(),
            "requests": self.requests,
            "all": pulled.is_some(),
            "misfits": pulled.map(|pulled| pulled.misfits),
            "misfit_samples": pulled.map(|pulled| &pulled.misfit_samples),
            "left_out": pulled.map(|pulled| pulled.left_out),
            "hidden": pulled.map(|pulled| &pulled.hidden),
        })
    }

    fn show(&self) {
        let fields = &self.dataset.fields;
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let types: Vec<String> = (0..fields.len()).map(|index| self.kind(index)).collect();
        let width: usize = (0..fields.len())
            .map(|column| {
                let widest = cells.iter().map(|row| row[column].width()).max().unwrap_or(0);
                widest.max(names[column].width()).max(types[column].width()) + 2
            })
            .sum();
        if self.rows.is_empty() {
            print::line(format!("`{}` has no records that exist", self.dataset.name));
        } else if width <= WIDTH_MAX {
            let rows: Vec<Vec<String>> = std::iter::once(types).chain(cells).collect();
            print::table(&names, &rows);
        } else {
            for (number, row) in cells.iter().enumerate() {
                print::line(format!("{}record {}", if number > 0 { "\n" } else { "" }, number + 1));
                let rows: Vec<Vec<String>> = (names.iter().zip(&types).zip(row))
                    .map(|((name, ty), cell)| vec![(*name).to_owned(), ty.clone(), cell.clone()])
                    .collect();
                print::table(&["field", "type", "value"], &rows);
            }
        }
        self.remarks();
    }

    /// A field's type, and what it is for the dataset.
    fn kind(&self, index: usize) -> String {
        let dataset = &self.dataset;
        let mut words = vec![dataset.fields[index].ty.word()];
        let roles = [
            (Some(dataset.key), "key"),
            (dataset.updated, "updated"),
            (dataset.created, "created"),
        ];
        words.extend(roles.iter().filter(|(at, _)| *at == Some(index)).map(|(_, role)| *role));
        words.join(" ")
    }

    fn remarks(&self) {
        let rows = print::count(self.rows.len(), "record");
        let all = if self.pulled.is_some() { ", all there are" } else { "" };
        let requests =
            print::count(usize::try_from(self.requests).unwrap_or(usize::MAX), "request");
        print::line(format!("\n{rows}{all}, in {requests}"));
        let empty = self.empty_fields();
        if !empty.is_empty() {
            let is = if empty.len() == 1 { "is" } else { "are" };
            print::remark(format!(
                "{} {is} empty in every record: is the path right, may we see it?",
                empty.join(", ")
            ));
        }
        let Some(pulled) = &self.pulled else { return };
        if !pulled.hidden.is_empty() {
            print::remark(format!("the source does not show us {}", pulled.hidden.join(", ")));
        }
        if pulled.left_out > 0 {
            print::remark(format!(
                "{} records could not be read and were left out",
                pulled.left_out
            ));
        }
        if pulled.misfits > 0 {
            print::remark(format!("{} values did not fit their type, such as", pulled.misfits));
            pulled.misfit_samples.iter().for_each(|sample| print::remark(format!("  {sample}")));
        }
    }
}

/// A value as people read it, on one line and not too long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut short = String::new();
    let mut width = 0;
    for letter in text.chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        width += letter.width().unwrap_or(0);
        if width > CELL_MAX {
            short.push('…');
            break;
        }
        short.push(letter);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_line_and_not_too_long() {
        for (value, expected) in [
            (json!(null), ""),
            (json!("a\nb\u{1b}[31m"), "a b [31m"),
            (json!(1.5), "1.5"),
            (json!("x".repeat(40)), &format!("{}…", "x".repeat(32))),
            (json!("日".repeat(20)), &format!("{}…", "日".repeat(16))),
        ] {
            assert_eq!(shown(&value), expected);
        }
    }

    #[test]
    fn rows_that_are_gone_are_not_shown() {
        let batch = Batch {
            text: "abc".to_owned(),
            cells: vec![
                Cell::Text(0, 1),
                Cell::Integer(1),
                Cell::Text(1, 1),
                Cell::Null,
                Cell::Text(2, 1),
                Cell::Boolean(true),
            ],
            deleted: vec![false, true, false],
            ..Batch::default()
        };
        let mut rows = Vec::new();
        take_rows(&batch, 2, 10, &mut rows);
        assert_eq!(rows, [vec![json!("a"), json!(1)], vec![json!("c"), json!(true)]]);
        take_rows(&batch, 2, 3, &mut rows);
        assert_eq!(rows.len(), 3);
    }
}
