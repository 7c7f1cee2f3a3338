//! `postrider source infer`: a proposal for the config, from what an API or an org shows.

use anyhow::{Context as _, anyhow};
use clap::Args;
use secrecy::SecretString;

use super::{open, write};
use crate::cli::context::{Context, clock, runtime};
use crate::cli::{Done, Failure, print};
use crate::config::{Config, Environment, Process, SourceSettings};
use crate::domain::dataset::{Dataset, Field};
use crate::domain::value::Type;
use crate::source::rest::{Inferred, Rest, RestSettings, infer_url};
use crate::source::salesforce::{SalesforceSettings, objects};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider source infer https://api.example.com/v2/tickets?per_page=100
                                    [sources] and [datasets.tickets] for an API not in the config
  postrider source infer https://api.example.com/v2/tickets --header 'Authorization: env:TOKEN'
  postrider source infer desk:/v2/tickets          a further dataset of an API in the config
  postrider source infer salesforce:Case           an object of an org in the config
  postrider source infer desk:/v2/tickets >> conf.d/desk.toml

The block goes to standard output and loads as it stands. Of an API one page is read, and a second
one where how pages follow is a guess; what remains a guess is said in comments. Of an object every
field is proposed that a dataset can hold and whose name does not look personal; what is left out
is named in comments. Look at the records then with `postrider source test NAME`.")]
pub(in crate::cli) struct Infer {
    /// An address; or a source of the config with an object or a path, as in `salesforce:Case`
    #[arg(value_name = "URL|SOURCE[:OBJECT]")]
    what: String,
    /// What the dataset is to be called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What the source of an address is to be called
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// A header for an address, `Name: value`; a secret is `Name: env:VARIABLE`. May be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
}

impl Infer {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let block = if self.what.starts_with("https://") || self.what.starts_with("http://") {
            let headers = self.headers().map_err(|err| Failure::Config(Some(err)))?;
            self.of_address(headers)?
        } else if !self.header.is_empty() || self.source.is_some() {
            let message = "`--header` and `--source` are for an address; a source of the config has \
                           its own";
            return Err(Failure::Config(Some(anyhow!(message))));
        } else {
            self.of_source(context)?
        };
        print::line(block.trim_end());
        Ok(())
    }

    fn of_address(&self, headers: Vec<(String, SecretString)>) -> anyhow::Result<String> {
        let inferred = runtime_block(infer_url(&self.what, headers, clock()))?
            .map_err(|err| anyhow!(err).context("nothing can be proposed"))?;
        let source = match &self.source {
            Some(source) => source.clone(),
            None => source_name(inferred.base_url.as_deref().unwrap_or(&self.what)),
        };
        let dataset = self.dataset_name(&inferred);
        Ok(inferred.to_toml(&source, &dataset, ""))
    }

    fn of_source(&self, context: &Context) -> Result<String, Failure> {
        let config = context.run()?;
        let (name, object) = match self.what.split_once(':') {
            Some((name, object)) => (name, object),
            None => (self.what.as_str(), ""),
        };
        let settings = config.sources.get(name).ok_or_else(|| unknown(&config, name))?;
        Ok(match settings {
            SourceSettings::Salesforce(org) => runtime_block(object_block(
                &config,
                settings,
                (org, object),
                self.name.as_deref(),
            ))??,
            SourceSettings::Rest(api) => runtime_block(self.of_api(api, object))??,
            SourceSettings::Own(_) => {
                let message = "its datasets are built in: `Incident`, `Notice` and `AlertRule`";
                return Err(Failure::Config(Some(anyhow!(message))));
            }
        })
    }

    async fn of_api(&self, api: &RestSettings, object: &str) -> anyhow::Result<String> {
        let inferred = Rest::new(api.clone(), clock())?
            .infer(object)
            .await
            .map_err(|err| anyhow!(err).context("nothing can be proposed"))?;
        let dataset = match api.datasets.contains_key(object) {
            true => object.to_owned(),
            false => self.dataset_name(&inferred),
        };
        Ok(inferred.to_toml(&api.name, &dataset, ""))
    }

    fn dataset_name(&self, inferred: &Inferred) -> String {
        self.name.clone().unwrap_or_else(|| last_word(&inferred.path))
    }

    /// The headers with their references followed.
    fn headers(&self) -> anyhow::Result<Vec<(String, SecretString)>> {
        let header = |written: &String| {
            // The value may be a secret: it is not shown.
            let (name, value) = (written.split_once(':'))
                .ok_or_else(|| anyhow!("a header is `Name: value`, as in `Accept: text/json`"))?;
            let (name, value) = (name.trim(), value.trim());
            let value = match value.strip_prefix("env:") {
                Some(variable) => Process
                    .variable(variable)
                    .ok_or_else(|| anyhow!("the variable `{variable}` is not set"))?,
                None => value.to_owned(),
            };
            Ok((name.to_owned(), SecretString::from(value)))
        };
        self.header.iter().map(header).collect()
    }
}

fn runtime_block<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    match runtime() {
        Ok(runtime) => Ok(runtime.block_on(work)),
        Err(Failure::Failed(err) | Failure::Config(Some(err))) => Err(err),
        Err(Failure::Config(None)) => Err(anyhow!("no runtime")),
    }
}

fn unknown(config: &Config, name: &str) -> Failure {
    let names: Vec<&str> = config.sources.keys().map(String::as_str).collect();
    Failure::Config(Some(anyhow!(
        "no source is called `{name}`; there are {}, or write a whole address",
        names.join(", ")
    )))
}

/// What a source at this address could be called: `https://api.example.com` is `example`.
fn source_name(address: &str) -> String {
    let host = address.split("://").nth(1).unwrap_or(address);
    let host = host.split(['/', ':', '?']).next().unwrap_or(host);
    let mut parts: Vec<&str> = host.split('.').collect();
    if parts.len() > 1 && !host.starts_with(|c: char| c.is_ascii_digit()) {
        parts.pop();
    }
    let name = write::identifier(parts.last().unwrap_or(&"api"));
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if word { name.to_lowercase() } else { "api".to_owned() }
}

/// What a dataset at this path could be called: its last part that is a word.
fn last_word(path: &str) -> String {
    let word = path.rsplit('/').map(|part| part.split('.').next().unwrap_or(part)).find(|part| {
        let version = part
            .strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && !version
            && !["api", "json", "cursor", "list", "search"].contains(part)
    });
    write::identifier(word.unwrap_or("records"))
}

/// The block of an object of an org.
async fn object_block(
    config: &Config,
    settings: &SourceSettings,
    (org, object): (&SalesforceSettings, &str),
    dataset: Option<&str>,
) -> anyhow::Result<String> {
    if object.is_empty() {
        let name = &org.name;
        return Err(anyhow!("of which object? write e.g. `postrider source infer {name}:Case`"));
    }
    let source = open(settings)?;
    let described = source.describe(object).await;
    source.close().await;
    let described = described.with_context(|| format!("`{object}` cannot be described"))?;
    let mut block = String::new();
    let known = (config.datasets.iter())
        .find(|dataset| dataset.source == org.name && dataset.object == described.object);
    if let Some(known) = known {
        let fields = print::count(known.fields.len(), "field");
        let built_in = objects::datasets("").iter().any(|object| object.name == known.name);
        block += &match built_in {
            true => format!(
                "# `{}` is built in with {fields}; this is what could be added.\n",
                known.name
            ),
            false => {
                format!("# The config has `{}` with {fields}; this is what there is.\n", known.name)
            }
        };
    }
    let name = dataset.map_or_else(|| write::identifier(&described.object), str::to_owned);
    block += &write::object_block(&org.name, &name, &described, &base(&described.object));
    Ok(block)
}

/// What a dataset of an object has without any `fields` in the config.
fn base(object: &str) -> Dataset {
    objects::datasets("").into_iter().find(|known| known.name == object).unwrap_or_else(|| {
        let fields = vec![
            Field::new("Id", Type::Text),
            Field::new("CreatedDate", Type::Timestamp),
            Field::new("SystemModstamp", Type::Timestamp),
        ];
        Dataset::new("", object, fields, 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_datasets_get_names_from_their_address() {
        for (address, expected) in [
            ("https://api.example.com", "example"),
            ("https://desk.acme-corp.co/api", "acme_corp"),
            ("http://127.0.0.1:8080", "api"),
            ("http://localhost:8080/x", "localhost"),
        ] {
            assert_eq!(source_name(address), expected, "{address}");
        }
        for (path, expected) in [
            ("/v2/tickets", "tickets"),
            ("/api/v2/incremental/tickets/cursor.json", "tickets"),
            ("/repos/a/b/issues", "issues"),
            ("/v1/open-cases", "open_cases"),
            ("/", "records"),
        ] {
            assert_eq!(last_word(path), expected, "{path}");
        }
    }
}
