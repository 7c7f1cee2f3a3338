//! What the sources say to the config.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::cli::source::sample::{empty_fields, first_rows};
use crate::cli::{print, source};
use crate::config::{Config, SourceSettings};
use crate::domain::dataset::Dataset;
use crate::domain::drift::{Difference, Uses, compare};
use crate::source::{Quota, Source, SourceError};

/// So many records of an API are looked at.
const SAMPLE_ROWS: usize = 50;

/// All sources, asked.
pub(super) struct Online {
    sources: Vec<Asked>,
}

/// One source, asked.
pub(super) struct Asked {
    name: String,
    address: String,
    quota: Option<Quota>,
    requests: u64,
    datasets: Vec<Held>,
    /// Why it could not be asked at all.
    error: Option<String>,
}

/// One dataset, held against its source.
struct Held {
    name: String,
    records: Option<u64>,
    differences: Vec<Difference>,
    error: Option<String>,
}

impl Online {
    /// Asks every source, one after the other; `show` is given each as soon as it is done.
    pub(super) async fn ask(config: &Config, show: impl Fn(&Asked)) -> Online {
        let uses = uses(config);
        let mut sources = Vec::new();
        for (name, settings) in &config.sources {
            let of_it = || config.datasets.iter().filter(|dataset| dataset.source == *name);
            let mut datasets: Vec<Arc<Dataset>> =
                of_it().filter(|dataset| uses.reads(&dataset.name)).cloned().collect();
            if datasets.is_empty() {
                // Nothing reads it yet: its first dataset shows whether it lets us in.
                datasets.extend(of_it().next().cloned());
            }
            let mut asked = Asked {
                name: name.clone(),
                address: settings.address().to_owned(),
                quota: None,
                requests: 0,
                datasets: Vec::new(),
                error: None,
            };
            match source::open(settings) {
                Ok(source) => asked.hold(settings, &*source, &datasets, &uses).await,
                Err(err) => asked.error = Some(err.to_string()),
            }
            show(&asked);
            sources.push(asked);
        }
        Online { sources }
    }

    /// How many things are wrong.
    pub(super) fn troubles(&self) -> usize {
        let of_dataset = |held: &Held| {
            let differences = held.differences.iter().filter(|found| found.matters()).count();
            differences + usize::from(held.error.is_some())
        };
        (self.sources.iter())
            .map(|asked| {
                usize::from(asked.error.is_some())
                    + asked.datasets.iter().map(of_dataset).sum::<usize>()
            })
            .sum()
    }

    /// For machines.
    pub(super) fn facts(&self) -> Value {
        let sources = self.sources.iter().map(Asked::facts);
        Value::Array(sources.collect())
    }
}

/// What all reports and rules read.
fn uses(config: &Config) -> Uses {
    let mut uses = Uses::default();
    for report in config.reports.values() {
        let reader = format!("report `{}`", report.name);
        uses.add(&reader, &report.query);
        report.coverage.iter().for_each(|covering| uses.add(&reader, &covering.query));
    }
    for rule in config.rules.values() {
        uses.add(&format!("rule `{}`", rule.name), &rule.query);
    }
    uses
}

/// Records there are, where the source tells, and what differs.
type Told = Result<(Option<u64>, Vec<Difference>), SourceError>;

/// An org describes its objects.
async fn described(source: &dyn Source, dataset: &Dataset, uses: &Uses) -> Told {
    let described = source.describe(&dataset.object).await?;
    Ok((described.records, compare(dataset, &described, uses)))
}

/// An API describes nothing: its first records are read as the daemon would read them. A field that
/// holds a value in one of them is right, whatever else a description made from a sample says.
async fn sampled(
    source: &dyn Source,
    dataset: &Arc<Dataset>,
    history: Option<TimeDelta>,
    uses: &Uses,
) -> Told {
    let (rows, pulled) = first_rows(source, dataset, history, SAMPLE_ROWS).await?;
    let empty = empty_fields(dataset, &rows);
    let mut differences = match source.describe(&dataset.name).await {
        Ok(described) if !empty.is_empty() => compare(dataset, &described, uses),
        // What can be pulled is right, even where nothing can be learned from it.
        _ => Vec::new(),
    };
    differences.retain(|found| empty.contains(&found.field()));
    Ok((pulled.map(|pulled| pulled.records), differences))
}

impl Asked {
    async fn hold(
        &mut self,
        settings: &SourceSettings,
        source: &dyn Source,
        datasets: &[Arc<Dataset>],
        uses: &Uses,
    ) {
        for dataset in datasets {
            let told = match settings {
                SourceSettings::Salesforce(_) | SourceSettings::Own(_) => {
                    described(source, dataset, uses).await
                }
                SourceSettings::Rest(settings) => {
                    sampled(source, dataset, settings.history, uses).await
                }
            };
            let name = dataset.name.clone();
            match told {
                Ok((records, differences)) => {
                    self.datasets.push(Held { name, records, differences, error: None });
                }
                // A source that is down or lets nobody in says the same of its other datasets.
                Err(err @ (SourceError::Down { .. } | SourceError::QuotaSpent { .. })) => {
                    self.error = Some(err.to_string());
                    break;
                }
                Err(err) => {
                    let (differences, error) = (Vec::new(), Some(err.to_string()));
                    self.datasets.push(Held { name, records: None, differences, error });
                }
            }
        }
        self.quota = source.quota();
        self.requests = source::requests(source);
        source.close().await;
    }

    /// For people.
    pub(super) fn show(&self) {
        let quota = self.quota.map_or_else(String::new, |quota| {
            format!("; {} of {} daily requests used", quota.used, quota.allowed)
        });
        let requests = match self.requests {
            0 => String::new(),
            count => format!("; asked by {}", print::count(count as usize, "request")),
        };
        print::line(format!("\n{}: {}{quota}{requests}", self.name, self.address));
        if let Some(error) = &self.error {
            print::line(format!("  {error}"));
        }
        let width = self.datasets.iter().map(|held| held.name.len()).max().unwrap_or_default();
        for held in &self.datasets {
            let records = held.records.map(|records| {
                print::count(usize::try_from(records).unwrap_or(usize::MAX), "record")
            });
            let verdict = match (&held.error, held.differences.as_slice()) {
                (Some(error), _) => error.clone(),
                (None, []) => "as the config says".to_owned(),
                (None, found) => print::count(found.len(), "difference"),
            };
            let told: Vec<String> = records.into_iter().chain([verdict]).collect();
            print::line(format!("  {:width$}  {}", held.name, told.join(", ")));
            for difference in &held.differences {
                let readers = match difference.readers() {
                    [] => "nobody reads it".to_owned(),
                    readers => format!("read by {}", readers.join(", ")),
                };
                print::line(format!("    {}: {readers}", difference.words()));
            }
        }
    }

    fn facts(&self) -> Value {
        let datasets: Vec<Value> = (self.datasets.iter())
            .map(|held| {
                let differences: Vec<Value> = (held.differences.iter())
                    .map(|found| {
                        json!({
                            "message": found.words(),
                            "readers": found.readers(),
                            "matters": found.matters(),
                        })
                    })
                    .collect();
                json!({
                    "dataset": held.name,
                    "records": held.records,
                    "differences": differences,
                    "error": held.error,
                })
            })
            .collect();
        json!({
            "source": self.name,
            "address": self.address,
            "quota": self.quota.map(|quota| json!({ "used": quota.used, "allowed": quota.allowed })),
            "requests": self.requests,
            "datasets": datasets,
            "error": self.error,
        })
    }
}
