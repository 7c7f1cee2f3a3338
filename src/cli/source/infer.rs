//! `postrider source infer`: a proposal for the config, from what an API or an org shows.

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::{open, write};
use crate::cli::context::{Context, runtime};
use crate::cli::{Done, Failure, print};
use crate::config::{Config, SourceSettings};
use crate::domain::dataset::Dataset;
use crate::source::salesforce::{SalesforceSettings, objects};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider source infer salesforce:Case          [datasets.Case] of an org in the config

The block goes to standard output and loads as it stands. Of an object every field is proposed that
a dataset can hold and whose name does not look personal; what is left out is named in comments.")]
pub(in crate::cli) struct Infer {
    /// A source of the config with an object or a path, as in `salesforce:Case`
    #[arg(value_name = "SOURCE:OBJECT")]
    what: String,
}

impl Infer {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.run()?;
        let (name, object) = match self.what.split_once(':') {
            Some((name, object)) => (name, object),
            None => (self.what.as_str(), ""),
        };
        let settings = config.sources.get(name).ok_or_else(|| unknown(&config, name))?;
        let block = match settings {
            SourceSettings::Salesforce(org) => {
                runtime()?.block_on(object_block(&config, settings, org, object))?
            }
            SourceSettings::Rest(_) => {
                return Err(Failure::Config(Some(anyhow!("`{name}` is no org"))));
            }
        };
        print::line(block.trim_end());
        Ok(())
    }
}

fn unknown(config: &Config, name: &str) -> Failure {
    let names: Vec<&str> = config.sources.keys().map(String::as_str).collect();
    Failure::Config(Some(anyhow!("no source is called `{name}`; there are {}", names.join(", "))))
}

/// The block of an object of an org.
async fn object_block(
    config: &Config,
    settings: &SourceSettings,
    org: &SalesforceSettings,
    object: &str,
) -> anyhow::Result<String> {
    if object.is_empty() {
        let name = &org.name;
        return Err(anyhow!("of which object? write e.g. `postrider source infer {name}:Case`"));
    }
    let source = open(settings)?;
    let described = source.describe(object).await;
    source.close().await;
    let described = described.with_context(|| format!("`{object}` cannot be described"))?;
    let by_itself = base(&described.object);
    let mut block = String::new();
    if let Some(known) = (config.datasets.iter())
        .find(|dataset| dataset.source == org.name && dataset.object == described.object)
    {
        let fields = print::count(known.fields.len(), "field");
        block +=
            &format!("# The config has `{}` with {fields}; this is what there is.\n", known.name);
    }
    block += &write::object_block(&org.name, &described, &by_itself);
    Ok(block)
}

/// What a dataset of an object has without any `fields` in the config.
fn base(object: &str) -> Dataset {
    objects::datasets("").into_iter().find(|known| known.name == object).unwrap_or_else(|| {
        use crate::domain::dataset::Field;
        use crate::domain::value::Type;
        let fields = vec![
            Field::new("Id", Type::Text),
            Field::new("CreatedDate", Type::Timestamp),
            Field::new("SystemModstamp", Type::Timestamp),
        ];
        Dataset::new("", object, fields, 0)
    })
}
