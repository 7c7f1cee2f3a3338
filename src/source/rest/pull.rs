//! One pull of one dataset: which queries to make, their pages, and what a complete reading proves.
//!
//! No order is trusted: nothing says how far a query has come before its last page. Where the pull
//! is cut into windows, each window that is complete is a place to go on from.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;
use url::Url;

use super::Rest;
use super::body::{self, Unread, Wanted};
use super::failure::{self, Failure};
use super::http::Answer;
use super::paging::{self, Pages, Turned};
use super::record::{Misfits, Page, Reader};
use super::request::{Asking, Marks};
use super::settings::RestDataset;
use super::spec::tokens;
use super::template::{self, Times};
use crate::domain::dataset::{Batch, Cursor, Dataset};
use crate::source::{PullRequest, Pulled};

/// The watermark stays this far behind the source's clock: what is committed in the last moment may
/// not be visible yet.
const MARGIN: TimeDelta = TimeDelta::minutes(1);

/// No clock is believed that is further ahead of ours.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// What an instant may not have in a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b':');

/// What is remembered of a pull that read one page, to ask whether that page has changed.
#[derive(Clone, Debug)]
pub(super) struct Known {
    url: Url,
    marks: Marks,
    /// What it proved. A later pull that begins there knows that its rows were kept.
    pulled: Pulled,
}

/// Reads what the request asks for.
pub(super) async fn pull(
    rest: &Rest,
    request: &PullRequest,
    into: &mpsc::Sender<Batch>,
) -> Result<Pulled, Failure> {
    let dataset = request.dataset.as_ref();
    let spec = rest.settings.datasets.get(&dataset.name).ok_or_else(|| {
        Failure::Refused(format!("`{}` is none of its datasets in the config", dataset.name))
    })?;
    let reader = Reader::new(dataset, spec).map_err(Failure::Refused)?;
    let wanted = Wanted { records: tokens(&spec.records), asides: paging::asides(&spec.paging) };
    let known = rest.seen().known.get(&dataset.name).cloned();
    let mut pull = Pull {
        rest,
        dataset,
        spec,
        reader,
        wanted,
        into,
        requests: 0,
        records: 0,
        rows: 0,
        pages: 0,
        misfits: Misfits::default(),
        proven: None,
        until: None,
        // Only where the rows of that pull were kept, and only to go on from there.
        known: known.filter(|known| request.since == Some(known.pulled.watermark)),
        marks: None,
        unchanged: false,
    };
    pull.read(request).await?;
    Ok(pull.pulled(request))
}

/// Whether path or query say until when: by `{to}` or `{now}`.
fn asks_until(spec: &RestDataset) -> bool {
    let mut texts = spec.query.iter().map(|(_, value)| value).chain([&spec.path]);
    texts.any(|text| {
        let names = template::placeholders(text).unwrap_or_default();
        names.iter().any(|name| matches!(*name, "to" | "now"))
    })
}

/// The address of a dataset's first page, with its placeholders filled.
pub(super) fn first_url(base: &Url, spec: &RestDataset, times: &Times) -> Result<Url, String> {
    let encode = |text: &str| utf8_percent_encode(text, IN_PATH).to_string();
    let path = template::fill(&template::parse(&spec.path)?, times, encode);
    let mut url = below(base, &path)?;
    for (name, value) in &spec.query {
        let value = template::fill(&template::parse(value)?, times, str::to_owned);
        url.query_pairs_mut().append_pair(name, &value);
    }
    Ok(url)
}

/// A path below the base, or a whole address on its host.
pub(super) fn below(base: &Url, path: &str) -> Result<Url, String> {
    let text = match path {
        _ if path.starts_with("http://") || path.starts_with("https://") => path.to_owned(),
        "" => base.as_str().to_owned(),
        _ => format!(
            "{}/{}",
            base.as_str().trim_end_matches('/'),
            path.strip_prefix('/').unwrap_or(path)
        ),
    };
    let url = Url::parse(&text).map_err(|err| format!("`{path}` makes no address: {err}"))?;
    match url.origin() == base.origin() {
        true => Ok(url),
        false => Err(format!(
            "`{path}` is not at `{}`, where `auth` is for",
            base.origin().ascii_serialization()
        )),
    }
}

struct Pull<'a> {
    rest: &'a Rest,
    dataset: &'a Dataset,
    spec: &'a RestDataset,
    reader: Reader<'a>,
    wanted: Wanted,
    into: &'a mpsc::Sender<Batch>,
    requests: u64,
    records: u64,
    /// Rows they became: a list in a record may make many, or none.
    rows: u64,
    pages: u64,
    misfits: Misfits,
    /// The source's clock before its first answer.
    proven: Option<DateTime<Utc>>,
    /// Where the last query ends, if it says so.
    until: Option<DateTime<Utc>>,
    known: Option<Known>,
    /// What the only page was marked with, and where it was.
    marks: Option<(Url, Marks)>,
    unchanged: bool,
}

impl Pull<'_> {
    async fn read(&mut self, request: &PullRequest) -> Result<(), Failure> {
        let now = self.rest.clock.now();
        self.until = asks_until(self.spec).then_some(now);
        let overlap = self.spec.overlap;
        let resumed = request.resume.as_ref().map(|cursor| cursor.stamp);
        let earliest = request.from.unwrap_or(DateTime::UNIX_EPOCH);
        let start = match resumed.or(request.since) {
            Some(at) => at.checked_sub_signed(overlap).unwrap_or(earliest),
            None => earliest,
        };
        // History bounds a first load only; later changes are asked for from the watermark on.
        let start = if request.since.is_none() { start.max(earliest) } else { start }.min(now);
        let Some(window) = self.spec.window.filter(|window| *window > TimeDelta::zero()) else {
            return self.query(&Times { watermark: start, from: start, to: now, now }).await;
        };
        let mut from = start;
        loop {
            let to = from.checked_add_signed(window).map_or(now, |to| to.min(now));
            self.query(&Times { watermark: start, from, to, now }).await?;
            // Told before the place is: what is left out there would never be told again.
            self.check_left_out()?;
            if to >= now {
                return Ok(());
            }
            if request.since.is_none() && resumed.is_none_or(|place| place < to) {
                self.tell_place(to).await?;
            }
            from = to;
        }
    }

    /// Says that everything before an instant was read.
    async fn tell_place(&self, to: DateTime<Utc>) -> Result<(), Failure> {
        let cursor = Some(Cursor { stamp: to, key: String::new() });
        self.send(Batch { cursor, ..Batch::default() }).await
    }

    async fn send(&self, batch: Batch) -> Result<(), Failure> {
        self.into.send(batch).await.map_err(|_| Failure::Stopped)
    }

    /// Asks one query and follows its pages to the end.
    async fn query(&mut self, times: &Times) -> Result<(), Failure> {
        let rest = self.rest;
        let first = first_url(&rest.base, self.spec, times).map_err(Failure::Refused)?;
        let mut pages = Pages::new(&self.spec.paging, &rest.base, first, self.spec.pages_max);
        let mut url = pages.first();
        let mut further = false;
        loop {
            let known = self.known.take().filter(|known| !further && known.url == url);
            let marks = known.as_ref().map(|known| &known.marks);
            let asking = Asking { url: &url, further, marks };
            let (reader, wanted) = (&self.reader, &self.wanted);
            let got = rest
                .ask(asking, &mut self.requests, |answer| read_page(answer, reader, wanted))
                .await?;
            if self.proven.is_none() {
                self.proven = Some(self.clock_before(&got.answer, got.took));
            }
            self.pages += 1;
            let Some((page, asides)) = got.parsed else {
                self.unchanged = true;
                self.known = known;
                return Ok(());
            };
            let Page { batches, records, misfits, print } = page;
            self.records += records;
            self.misfits.absorb(misfits);
            for batch in batches {
                self.rows += batch.rows() as u64;
                self.send(batch).await?;
            }
            let headers = &got.answer.headers;
            let turned = Turned { url: &url, headers, asides: &asides, records, print };
            let next = pages.after(&turned).map_err(Failure::Unreadable)?;
            let Some(next) = next else {
                let marks = Marks::of(&got.answer).filter(|_| self.pages == 1);
                self.marks = marks.map(|marks| (url, marks));
                return self.check_left_out();
            };
            (url, further) = (next, true);
        }
    }

    /// The source's clock when it began to answer.
    fn clock_before(&self, answer: &Answer, took: TimeDelta) -> DateTime<Utc> {
        let now = self.rest.clock.now();
        answer.date().unwrap_or(now).min(now + SKEW_MAX) - took
    }

    fn check_left_out(&self) -> Result<(), Failure> {
        let Misfits { left_out, record_samples, .. } = &self.misfits;
        let all = self.rows + left_out;
        if *left_out as f64 <= self.spec.bad_share_max * all as f64 {
            return Ok(());
        }
        Err(Failure::Unreadable(format!(
            "{left_out} of {all} records of `{}` cannot be read: {}",
            self.dataset.name,
            record_samples.join("; ")
        )))
    }

    fn pulled(self, request: &PullRequest) -> Pulled {
        let now = self.rest.clock.now();
        let proven = self.proven.unwrap_or(now) - MARGIN;
        // Where the query says until when, nothing behind that was asked for, by our clock.
        let proven = self.until.map_or(proven, |until| proven.min(until));
        let proven = proven.duration_trunc(TimeDelta::seconds(1)).unwrap_or(proven);
        let watermark = request.since.map_or(proven, |since| since.max(proven));
        if let (true, Some(known)) = (self.unchanged, self.known) {
            let pulled = Pulled { watermark, ..known.pulled };
            let (records, requests) = (0, self.requests);
            let unchanged = Pulled { records, requests, unchanged: true, ..pulled.clone() };
            // Its rows are known to be kept: the next pull may ask again, from the new watermark.
            let known = Known { pulled, ..known };
            self.rest.seen().known.insert(self.dataset.name.clone(), known);
            return unchanged;
        }
        let samples = self.misfits.record_samples.into_iter().chain(self.misfits.value_samples);
        let pulled = Pulled {
            watermark,
            records: self.records,
            requests: self.requests,
            left_out: self.misfits.left_out,
            misfits: self.misfits.values,
            // The far side may repeat in a record what we sent.
            misfit_samples: samples.map(|told| self.rest.auth.clean(&told)).collect(),
            hidden: Vec::new(),
            unchanged: false,
        };
        let mut seen = self.rest.seen();
        match self.marks {
            // A watermark that did not move would not tell whether these rows were kept.
            Some((url, marks)) if request.since.is_none_or(|since| since < watermark) => {
                let known = Known { url, marks, pulled: pulled.clone() };
                seen.known.insert(self.dataset.name.clone(), known);
            }
            _ => drop(seen.known.remove(&self.dataset.name)),
        }
        pulled
    }
}

/// Checks that there is a body.
pub(super) fn not_empty(answer: &Answer) -> Result<(), Failure> {
    match answer.body.trim_ascii().is_empty() {
        true => Err(Failure::Unreadable(format!("an empty body (status {})", answer.status))),
        false => Ok(()),
    }
}

/// Reads the records of an answer, and what stands beside them.
fn read_page(
    answer: &Answer,
    reader: &Reader<'_>,
    wanted: &Wanted,
) -> Result<(Page, Vec<Option<serde_json::Value>>), Failure> {
    if matches!(answer.status, 204 | 205) {
        return Ok((reader.page().done(), vec![None; wanted.asides.len()]));
    }
    not_empty(answer)?;
    let walked = body::walk(
        &answer.body,
        answer.charset(),
        wanted,
        || reader.page(),
        |rows, handed| rows.take(handed),
    );
    match walked {
        Ok((rows, asides, replaced)) => {
            let mut page = rows.done();
            if replaced > 0 {
                let told = || format!("{replaced} broken characters of a page were replaced");
                page.misfits.value(told);
            }
            Ok((page, asides))
        }
        Err(Unread::Cut) => {
            Err(Failure::Cut(failure::no_json(answer, "it breaks off in the middle")))
        }
        Err(Unread::NoJson(why)) => Err(Failure::Unreadable(failure::no_json(answer, &why))),
        Err(Unread::NoRecords(why)) => Err(Failure::Unreadable(why)),
    }
}
