//! The page to read mails and webhooks: a list that refreshes by itself, and a pane to read in.
//!
//! Mails are shown in a frame without scripts, forms or network: what a mail contains can neither
//! act on the page nor tell anybody that it was read.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware, serve};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::view::{HookView, List, MailView, Reader, Whole};
use super::{Inbox, letter};
use crate::demo::catcher::{Catcher, Hook};

#[cfg(test)]
mod tests;
mod view;

/// What the page itself may load.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; frame-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
/// What a mail may load: its own styles and images.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
    sandbox allow-popups allow-popups-to-escape-sandbox; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'";

/// A running page; dropping it stops it.
pub struct Page {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Shown {
    inbox: Arc<Inbox>,
    catcher: Option<Arc<Catcher>>,
}

impl Page {
    /// Serves the page at an address (port 0 takes a free one).
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start(
        listen: SocketAddr,
        inbox: Arc<Inbox>,
        catcher: Option<Arc<Catcher>>,
    ) -> io::Result<Page> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/", get(home))
            .route("/list", get(list))
            .route("/mail/{number}", get(mail))
            .route("/mail/{number}/html", get(mail_html))
            .route("/mail/{number}/source", get(mail_source))
            .route("/mail/{number}/attachment/{index}", get(attachment))
            .route("/hook/{number}", get(hook))
            .route("/style.css", get(style))
            .route("/script.js", get(script))
            .layer(middleware::map_response(guard))
            .with_state(Shown { inbox, catcher });
        let serving = tokio::spawn(async move {
            // Serving ends only with the task.
            let _ = serve(listener, router).await;
        });
        Ok(Page { address, serving })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for a browser.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shown {
    fn hook(&self, number: u64) -> Option<Arc<Hook>> {
        self.catcher.as_ref().and_then(|catcher| catcher.hook(number))
    }

    fn missing(&self, what: &'static str) -> Response {
        let page = self.page("", Reader::Missing(what));
        (StatusCode::NOT_FOUND, page).into_response()
    }

    fn list(&self, at: &str) -> List {
        let hooks = self.catcher.as_ref().map(|catcher| (catcher.received(), catcher.hooks()));
        List::of(self.inbox.received(), &self.inbox.mails(), hooks, at)
    }

    fn page(&self, at: &str, reader: Reader) -> Response {
        rendered(&Whole { list: self.list(at), reader })
    }
}

async fn home(State(shown): State<Shown>) -> Response {
    shown.page("/", Reader::Nothing)
}

#[derive(Deserialize)]
struct Seen {
    /// The page the list is shown on, to mark its entry.
    #[serde(default)]
    at: String,
    /// What the list's `seen` was when it was last fetched.
    #[serde(default)]
    seen: String,
}

/// The list alone, or 204 when nothing came since.
async fn list(State(shown): State<Shown>, Query(query): Query<Seen>) -> Response {
    let list = shown.list(&query.at);
    if list.seen == query.seen {
        return StatusCode::NO_CONTENT.into_response();
    }
    rendered(&list)
}

#[derive(Deserialize)]
struct As {
    /// `html`, `text` or `source`; without it, the richest there is.
    #[serde(default)]
    view: String,
}

async fn mail(
    State(shown): State<Shown>,
    Path(number): Path<u64>,
    Query(query): Query<As>,
) -> Response {
    let Some(mail) = shown.inbox.mail(number) else { return shown.missing("mail") };
    let view = MailView::of(&mail, letter::open(&mail.bytes), &query.view);
    shown.page(&format!("/mail/{number}"), Reader::Mail(Box::new(view)))
}

async fn mail_html(State(shown): State<Shown>, Path(number): Path<u64>) -> Response {
    let html = shown.inbox.mail(number).and_then(|mail| letter::open(&mail.bytes).html);
    let Some(html) = html else { return shown.missing("mail") };
    let mut response = Html(view::links_open_outside(&html)).into_response();
    let policy = HeaderValue::from_static(MAIL_POLICY);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

async fn mail_source(State(shown): State<Shown>, Path(number): Path<u64>) -> Response {
    let Some(mail) = shown.inbox.mail(number) else { return shown.missing("mail") };
    let kind = (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    ([kind], mail.bytes.clone()).into_response()
}

async fn attachment(
    State(shown): State<Shown>,
    Path((number, index)): Path<(u64, u32)>,
) -> Response {
    let parts = shown.inbox.mail(number).map(|mail| letter::open(&mail.bytes).attachments);
    let part = parts.into_iter().flatten().find(|part| part.index == index);
    let Some(part) = part else { return shown.missing("attachment") };
    let name = view::file_name(&part.name);
    // Always saved, never shown: an attachment in HTML would act in the page's name.
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_str(&part.mime)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    ([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition)], part.bytes).into_response()
}

async fn hook(State(shown): State<Shown>, Path(number): Path<u64>) -> Response {
    let Some(hook) = shown.hook(number) else { return shown.missing("webhook") };
    let view = HookView::of(&hook);
    shown.page(&format!("/hook/{number}"), Reader::Hook(Box::new(view)))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/style.css"))
}

async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("page/script.js"))
}

fn rendered(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Puts the headers on every answer that keep a mail from reaching beyond its frame.
async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
