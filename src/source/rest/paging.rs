//! How pages follow each other: where the next one is, and that it is not one seen before.

use std::collections::HashSet;

use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;
use url::Url;

use super::settings::{More, Paging};
use super::spec::tokens;
use super::value::scalar_text;
use crate::source::web::address;

/// Longer addresses and cursors are not followed.
const NEXT_BYTES_MAX: usize = 16 * 1024;

/// What a page says that decides about the next.
pub(super) struct Turned<'a> {
    /// Where it was.
    pub(super) url: &'a Url,
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// The values of [`asides`], as far as they were there.
    pub(super) asides: &'a [Option<Value>],
    /// Its records.
    pub(super) records: u64,
    /// The same for the same records.
    pub(super) print: u64,
}

/// What must be read beside the records: the next page, and whether there is more.
pub(super) fn asides(paging: &Paging) -> Vec<Vec<String>> {
    match paging {
        Paging::NextUrl { pointer, more } | Paging::Cursor { pointer, more, .. } => {
            let more = more.iter().map(|more| tokens(&more.pointer));
            std::iter::once(tokens(pointer)).chain(more).collect()
        }
        Paging::None | Paging::LinkHeader | Paging::Page { .. } | Paging::Offset { .. } => vec![],
    }
}

/// Follows the pages of one query.
pub(super) struct Pages<'a> {
    paging: &'a Paging,
    home: &'a Url,
    first: Url,
    pages_max: u32,
    pages: u32,
    /// Addresses and cursors followed.
    seen: HashSet<String>,
    /// Records of the pages so far, and of the fullest.
    records: u64,
    fullest: u64,
    print: Option<u64>,
}

impl<'a> Pages<'a> {
    /// Of a query at `first`, at most so many; `home` is where all of them must be.
    pub(super) fn new(paging: &'a Paging, home: &'a Url, first: Url, pages_max: u32) -> Pages<'a> {
        let first = match paging {
            Paging::Page { parameter, first: number, .. } => {
                with_parameter(&first, parameter, &number.to_string())
            }
            Paging::Offset { parameter, .. } => with_parameter(&first, parameter, "0"),
            _ => first,
        };
        let seen = HashSet::from([first.as_str().to_owned()]);
        Pages {
            paging,
            home,
            first,
            pages_max,
            pages: 0,
            seen,
            records: 0,
            fullest: 0,
            print: None,
        }
    }

    /// Where the first page is.
    pub(super) fn first(&self) -> Url {
        self.first.clone()
    }

    /// Where the page after this one is; `None`: this was the last.
    ///
    /// # Errors
    /// Pages without end, or elsewhere; told in full.
    pub(super) fn after(&mut self, page: &Turned<'_>) -> Result<Option<Url>, String> {
        self.pages += 1;
        self.records += page.records;
        let next = match self.paging {
            Paging::None => None,
            Paging::NextUrl { more, .. } => self.by_url(page, more.as_ref())?,
            Paging::LinkHeader => match linked(page.headers) {
                Some(link) => Some(self.joined(page.url, &link)?),
                None => None,
            },
            Paging::Cursor { parameter, more, .. } => {
                self.by_cursor(page, parameter, more.as_ref())?
            }
            Paging::Page { parameter, first, size } => {
                match self.goes_on(page, parameter, *size)? {
                    true => {
                        let number = first.saturating_add(u64::from(self.pages));
                        Some(with_parameter(&self.first, parameter, &number.to_string()))
                    }
                    false => None,
                }
            }
            Paging::Offset { parameter, size } => {
                match self.goes_on(page, parameter, Some(*size))? {
                    true => Some(with_parameter(&self.first, parameter, &self.records.to_string())),
                    false => None,
                }
            }
        };
        self.fullest = self.fullest.max(page.records);
        self.print = Some(page.print);
        let Some(next) = next else { return Ok(None) };
        if next.as_str().len() > NEXT_BYTES_MAX {
            return Err(format!("the address of the next page has {} bytes", next.as_str().len()));
        }
        if !self.seen.insert(next.as_str().to_owned()) {
            return Err(format!(
                "its pages lead in a circle: page {} names one that was read before",
                self.pages
            ));
        }
        if self.pages >= self.pages_max {
            return Err(format!(
                "more than {} pages: raise `max_pages`, ask for larger pages, or cut the pull into \
                 a `window`",
                self.pages_max
            ));
        }
        Ok(Some(next))
    }

    fn by_url(&self, page: &Turned<'_>, more: Option<&More>) -> Result<Option<Url>, String> {
        let goes_on = more.and_then(|more| truth(page, more));
        match page.asides.first().and_then(Option::as_ref) {
            _ if goes_on == Some(false) => Ok(None),
            None | Some(Value::Null | Value::Bool(false)) if goes_on == Some(true) => {
                Err("it says that there is more, but not where".to_owned())
            }
            None | Some(Value::Null | Value::Bool(false)) => Ok(None),
            Some(Value::String(link)) if link.trim().is_empty() => Ok(None),
            Some(Value::String(link)) => self.joined(page.url, link.trim()).map(Some),
            Some(other) => {
                let shown: String = other.to_string().chars().take(40).collect();
                Err(format!("the next page is no address but `{shown}`"))
            }
        }
    }

    fn by_cursor(
        &self,
        page: &Turned<'_>,
        parameter: &str,
        more: Option<&More>,
    ) -> Result<Option<Url>, String> {
        let goes_on = more.and_then(|more| truth(page, more));
        if goes_on == Some(false) {
            return Ok(None);
        }
        let cursor = match page.asides.first().and_then(Option::as_ref) {
            None | Some(Value::Null | Value::Bool(_)) => None,
            Some(value) => Some(scalar_text(value).ok_or("the cursor is a list or an object")?),
        };
        match cursor.filter(|cursor| !cursor.is_empty()) {
            Some(cursor) => Ok(Some(with_parameter(&self.first, parameter, &cursor))),
            None if goes_on == Some(true) => {
                Err("it says that there is more, but gives no cursor".to_owned())
            }
            None => Ok(None),
        }
    }

    /// Whether there is a page after this one, where pages are counted: until one is empty, or
    /// shorter than those before. A first page that is shorter than asked proves nothing: many
    /// servers give at most a hundred, whatever is asked.
    fn goes_on(
        &self,
        page: &Turned<'_>,
        parameter: &str,
        size: Option<u64>,
    ) -> Result<bool, String> {
        if page.records == 0 {
            return Ok(false);
        }
        if self.print == Some(page.print) && page.records == self.fullest {
            // Some servers give the last page for every number behind it.
            return match size {
                Some(size) if page.records < size => Ok(false),
                _ => Err(format!(
                    "page {} has the same records as the one before: does the source know the \
                     parameter `{parameter}`?",
                    self.pages
                )),
            };
        }
        Ok(size.is_none() || page.records >= self.fullest)
    }

    /// An address on a page, as one of ours.
    fn joined(&self, page: &Url, link: &str) -> Result<Url, String> {
        let shown = |url: &Url| address(url).chars().take(200).collect::<String>();
        let mut url = page
            .join(link)
            .map_err(|err| format!("the address of the next page is none: {err}"))?;
        // Behind a proxy that ends TLS servers believe in http.
        let upgradable = url.scheme() == "http" && self.home.scheme() == "https";
        if upgradable && url.host() == self.home.host() && url.port().is_none_or(|port| port == 80)
        {
            let mended = url.set_port(None).and_then(|()| url.set_scheme("https"));
            mended.map_err(|()| format!("the next page is at `{}`", shown(&url)))?;
        }
        if url.origin() != self.home.origin() {
            return Err(format!(
                "the next page is said to be at `{}`, which is not `{}`",
                shown(&url),
                self.home.origin().ascii_serialization()
            ));
        }
        url.set_fragment(None);
        Ok(url)
    }
}

/// Whether the page says that there is more; `None`: it does not say.
fn truth(page: &Turned<'_>, more: &More) -> Option<bool> {
    let said = match page.asides.get(1)?.as_ref()? {
        Value::Bool(said) => *said,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => return None,
    };
    Some(said == more.when)
}

/// The address with a query parameter set, in its old place where it was there.
pub(super) fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let mut out = url.clone();
    let known = url.query_pairs().any(|(own, _)| own == name);
    if !known {
        out.query_pairs_mut().append_pair(name, value);
        return out;
    }
    let mut pairs = out.query_pairs_mut();
    pairs.clear();
    let mut done = false;
    for (own, old) in url.query_pairs() {
        if own != name {
            pairs.append_pair(&own, &old);
        } else if !std::mem::replace(&mut done, true) {
            pairs.append_pair(name, value);
        }
    }
    drop(pairs);
    out
}

/// The address with `rel="next"` in the headers `Link` (RFC 8288).
pub(super) fn linked(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok()).find_map(next_of)
}

fn next_of(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(begin) = rest.find('<') {
        let (target, after) = rest[begin + 1..].split_once('>')?;
        let (parameters, after) = parameters_of(after);
        // Only the first `rel` counts.
        let rel = parameters.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("rel"));
        let is_next =
            |rel: &str| rel.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"));
        if rel.is_some_and(|(_, rel)| is_next(&rel)) {
            return Some(target.trim().to_owned());
        }
        rest = after;
    }
    None
}

/// The parameters of one link, and what follows the comma behind them.
fn parameters_of(text: &str) -> (Vec<(String, String)>, &str) {
    let mut parameters = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return (parameters, rest);
        }
        if let Some(after) = rest.strip_prefix(',') {
            return (parameters, after);
        }
        let end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            rest = after.trim_start();
            if let Some(quoted) = rest.strip_prefix('"') {
                let mut end = quoted.len();
                let mut escaped = false;
                for (at, letter) in quoted.char_indices() {
                    match letter {
                        '"' if !escaped => {
                            end = at + 1;
                            break;
                        }
                        '\\' if !escaped => escaped = true,
                        letter => {
                            escaped = false;
                            value.push(letter);
                        }
                    }
                }
                rest = &quoted[end..];
            } else {
                let end = rest.find([';', ',']).unwrap_or(rest.len());
                value = rest[..end].trim().to_owned();
                rest = &rest[end..];
            }
        }
        parameters.push((name, value));
    }
}

#[cfg(test)]
mod tests;
