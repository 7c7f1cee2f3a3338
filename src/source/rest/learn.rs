//! Asks an API for a sample and learns a dataset from it. Where the way to further pages is a
//! guess, a second page is asked for, to see whether the guess is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::Rest;
use super::body::{decoded, find};
use super::failure::{self, Failure};
use super::http::{Answer, web_url};
use super::infer::{self, Inferred, Sample};
use super::paging::{self, Pages, Turned};
use super::pull::{below, first_url, not_empty};
use super::request::Asking;
use super::settings::{Paging, RestAuth, RestDataset, RestSettings};
use super::spec::tokens;
use super::template::{self, Times};
use crate::clock::Clock;
use crate::source::SourceError;

/// Parameters that carry cursors out in the world.
const CARRIERS: [&str; 6] =
    ["cursor", "after", "page_token", "pageToken", "starting_after", "next"];

/// Query parameters that hold secrets.
const SECRETS: [&str; 9] = [
    "apikey",
    "accesstoken",
    "authtoken",
    "token",
    "password",
    "secret",
    "clientsecret",
    "privatetoken",
    "key",
];

/// Learns a dataset from an address without a config, with these headers. The source and dataset
/// it proposes are complete; secrets in them are references to the environment.
///
/// # Errors
/// The address is none, secrets would travel in clear text, the API does not answer, or answers no
/// records.
pub async fn infer_url(
    url: &str,
    headers: Vec<(String, SecretString)>,
    clock: Arc<dyn Clock>,
) -> Result<Inferred, SourceError> {
    let refused = |reason| SourceError::Refused { name: "url".to_owned(), reason };
    let mut url = web_url(url).map_err(refused)?;
    url.set_fragment(None);
    let secret = |name: &str| SECRETS.contains(&infer::plain(name).as_str());
    let found = url.query_pairs().find(|(name, _)| secret(name));
    let found = found.map(|(name, value)| (name.into_owned(), SecretString::from(&*value)));
    let named = infer::source_name(&url).to_uppercase();
    let mut lines: Vec<String> = Vec::new();
    let auth = match found {
        Some((name, value)) => {
            let kept: Vec<(String, String)> =
                url.query_pairs().into_owned().filter(|(own, _)| *own != name).collect();
            url.set_query(None);
            if !kept.is_empty() {
                url.query_pairs_mut().extend_pairs(kept);
            }
            let shown = infer::text(&name);
            lines.push(format!(
                "auth = {{ query = {{ name = {shown}, value = \"env:{named}_KEY\" }} }}"
            ));
            RestAuth::Query { name, value }
        }
        None => RestAuth::None,
    };
    lines.extend(infer::header_lines(&headers, &named, lines.is_empty()));
    if !headers.is_empty() {
        super::http::safe_url(url.as_str()).map_err(refused)?;
    }
    let settings = RestSettings {
        name: infer::source_name(&url),
        base_url: url.origin().ascii_serialization(),
        auth,
        headers,
        pull_every: TimeDelta::minutes(5),
        history: None,
        rate: None,
        datasets: BTreeMap::new(),
    };
    let base_url = settings.base_url.clone();
    let inferred = Rest::new(settings, clock)?.infer(url.as_str()).await?;
    let auth = (!lines.is_empty()).then(|| lines.join("\n"));
    Ok(Inferred { base_url: Some(base_url), auth, ..inferred })
}

/// An answer with its body read whole.
struct Page {
    url: Url,
    headers: HeaderMap,
    body: Value,
}

impl Rest {
    /// Learns a dataset from a sample: `object` is a dataset's name in the config, a path below
    /// `base_url`, or a whole address on its host.
    ///
    /// # Errors
    /// As a pull; and where there are no records to learn from.
    pub async fn infer(&self, object: &str) -> Result<Inferred, SourceError> {
        self.learn(object).await.map_err(|failure| self.told(failure))
    }

    async fn learn(&self, object: &str) -> Result<Inferred, Failure> {
        let known = self.settings.datasets.get(object);
        let url = match known {
            Some(spec) => self.sample_url(spec),
            None => below(&self.base, object),
        };
        let url = url.map_err(Failure::Refused)?;
        let page = self.sample(url).await?;
        let name = match known {
            Some(_) => object.to_owned(),
            None => last_word(&page.url),
        };
        let sample = Sample { url: &page.url, headers: &page.headers, body: &page.body };
        let mut inferred = infer::infer(&sample, &name).map_err(Failure::Unreadable)?;
        match known {
            Some(spec) => {
                inferred.path.clone_from(&spec.path);
                inferred.query.clone_from(&spec.query);
                let texts = spec.query.iter().map(|(_, value)| value).chain([&spec.path]);
                let asked = texts.flat_map(|text| template::placeholders(text).unwrap_or_default());
                inferred.whole = asked.filter(|name| *name != "now").count() == 0;
                inferred.paging.clone_from(&spec.paging);
            }
            None => {
                inferred.path = self.path_of(&inferred.path);
                self.try_paging(&mut inferred, &page).await;
            }
        }
        Ok(inferred)
    }

    /// Where a dataset's first page is, from the beginning on.
    fn sample_url(&self, spec: &RestDataset) -> Result<Url, String> {
        let now = self.clock.now();
        let window = spec.window.unwrap_or(TimeDelta::days(1));
        let from = now.checked_sub_signed(window).unwrap_or(DateTime::UNIX_EPOCH);
        let times = Times { watermark: DateTime::UNIX_EPOCH, from, to: now, now };
        let first = first_url(&self.base, spec, &times)?;
        Ok(Pages::new(&spec.paging, &self.base, first, 1).first())
    }

    async fn sample(&self, url: Url) -> Result<Page, Failure> {
        let asking = Asking { url: &url, further: false, marks: None };
        let got = self.ask(asking, &mut 0, whole_body).await?;
        let body = got.parsed.unwrap_or_default();
        Ok(Page { headers: got.answer.headers, url, body })
    }

    /// A path of our origin as one below the base.
    fn path_of(&self, path: &str) -> String {
        let base = self.base.path().trim_end_matches('/');
        match path.strip_prefix(base) {
            Some(below) if below.is_empty() || below.starts_with('/') => below.to_owned(),
            _ => format!("{}{path}", "/..".repeat(base.matches('/').count())),
        }
    }

    /// Asks for the next page as guessed; what does not lead to other records is no way.
    async fn try_paging(&self, inferred: &mut Inferred, first: &Page) {
        let mut ways = Vec::new();
        match &inferred.paging {
            Paging::None | Paging::NextUrl { .. } | Paging::LinkHeader => return,
            Paging::Page { .. } | Paging::Offset { .. } => ways.push(inferred.paging.clone()),
            Paging::Cursor { pointer, parameter, more } => {
                let others = CARRIERS.iter().filter(|carrier| *carrier != parameter);
                let all = std::iter::once(parameter.as_str()).chain(others.copied());
                ways.extend(all.map(|parameter| Paging::Cursor {
                    pointer: pointer.clone(),
                    parameter: parameter.to_owned(),
                    more: more.clone(),
                }));
            }
        }
        for way in ways {
            if self.leads_on(&way, &inferred.records, first).await {
                inferred.paging = way;
                inferred.notes.retain(|note| !note.contains("is a guess"));
                return;
            }
        }
        if !matches!(inferred.paging, Paging::Cursor { .. }) {
            // Its first page is all there is, or nobody knows how to ask for more.
            inferred.paging = Paging::None;
        }
    }

    /// Whether a way of paging leads to other records, or to the end of them.
    async fn leads_on(&self, way: &Paging, records: &str, first: &Page) -> bool {
        let listed = |body: &Value| -> Option<Value> { find(body, &tokens(records)).cloned() };
        let Some(Value::Array(before)) = listed(&first.body) else { return false };
        let asides = paging::asides(way);
        let asides: Vec<Option<Value>> =
            asides.iter().map(|tokens| find(&first.body, tokens).cloned()).collect();
        let turned = Turned {
            url: &first.url,
            headers: &first.headers,
            asides: &asides,
            records: before.len() as u64,
            print: 0,
        };
        let mut pages = Pages::new(way, &self.base, first.url.clone(), 2);
        let next = match pages.after(&turned) {
            Ok(Some(next)) => next,
            // The sample is the last page: nothing speaks against it.
            Ok(None) => return true,
            Err(_) => return false,
        };
        match self.sample(next).await.map(|page| listed(&page.body)) {
            Ok(Some(Value::Array(after))) => after.is_empty() || after.first() != before.first(),
            _ => false,
        }
    }
}

/// The body as a tree: of one page, which is bounded.
fn whole_body(answer: &Answer) -> Result<Value, Failure> {
    not_empty(answer)?;
    let (text, _) = decoded(&answer.body, answer.charset());
    serde_json::from_str(&text).map_err(|err| match err.is_eof() {
        true => Failure::Cut(failure::no_json(answer, "it breaks off in the middle")),
        false => Failure::Unreadable(failure::no_json(answer, &err.to_string())),
    })
}

/// What a dataset at this address could be called: the last part of its path that is a word.
fn last_word(url: &Url) -> String {
    let parts = url.path().rsplit('/').map(|part| part.split('.').next().unwrap_or_default());
    let is_word = |part: &&str| {
        let plain = infer::plain(part);
        let version =
            plain.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        plain.len() > 1
            && !version
            && !["api", "json", "cursor", "search", "list", "query"].contains(&plain.as_str())
            && plain.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    parts.into_iter().find(is_word).unwrap_or("records").to_owned()
}
