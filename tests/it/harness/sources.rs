//! A JSON API on a real socket: it answers what the test tells it, by the test's clock, and can be
//! slow or dead.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use axum::serve::Listener;

use postrider::clock::Clock;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::PATIENCE;

/// The API; dropping it stops it.
pub(crate) struct Api {
    site: Arc<Site>,
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

struct Site {
    clock: Arc<dyn Clock>,
    routes: Mutex<BTreeMap<String, Route>>,
    asked: watch::Sender<Vec<Asked>>,
    dead: AtomicBool,
    /// So many requests are answered; those after them wait.
    answered: watch::Sender<u64>,
    count: AtomicU64,
}

type Route = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query string as sent.
    pub(crate) target: String,
    /// The query, decoded.
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    /// JSON.
    pub(crate) fn json(value: &Value) -> Reply {
        Reply::of(200, &value.to_string())
    }

    /// Any status with any body, said to be JSON.
    pub(crate) fn of(status: u16, body: &str) -> Reply {
        let headers = vec![("content-type", "application/json".to_owned())];
        Reply { status, headers, body: body.to_owned() }
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Api {
    /// Starts on a free port of this machine, with nothing to give.
    pub(crate) async fn start(clock: Arc<dyn Clock>) -> Api {
        let site = Arc::new(Site {
            clock,
            routes: Mutex::default(),
            asked: watch::Sender::default(),
            dead: AtomicBool::new(false),
            answered: watch::Sender::new(u64::MAX),
            count: AtomicU64::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door { listener, site: Arc::clone(&site) };
        let router = Router::new().fallback(answer).with_state(Arc::clone(&site));
        let serving =
            tokio::spawn(async move { axum::serve(door, router).await.unwrap_or_default() });
        Api { site, address, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on a path answers what this makes of each request.
    pub(crate) fn tells(&self, path: &str, how: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        self.site.routes.lock().unwrap().insert(path.to_owned(), Arc::new(how));
    }

    /// From now on a path answers this.
    pub(crate) fn gives(&self, path: &str, value: Value) {
        self.tells(path, move |_| Reply::json(&value));
    }

    /// The requests so far, which are forgotten then.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.site.asked.send_replace(Vec::new())
    }

    /// Waits until so many requests have come that were not forgotten.
    pub(crate) async fn has_been_asked(&self, times: usize) {
        let mut asked = self.site.asked.subscribe();
        let there = asked.wait_for(|asked| asked.len() >= times);
        let there = tokio::time::timeout(PATIENCE, there).await;
        assert!(there.is_ok_and(|there| there.is_ok()), "it is not asked {times} times");
    }

    /// Closes every connection without a word, or serves again.
    pub(crate) fn dead(&self, dead: bool) {
        self.site.dead.store(dead, Ordering::SeqCst);
    }

    /// Answers so many requests from now on; those after them wait.
    pub(crate) fn answers_only(&self, requests: u64) {
        let so_far = self.site.count.load(Ordering::SeqCst);
        self.site.answered.send_replace(so_far + requests);
    }

    /// Lets all answers go.
    pub(crate) fn answers(&self) {
        self.site.answered.send_replace(u64::MAX);
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Lets connections in, unless the API is dead: then it keeps its address, and nobody gets a word.
struct Door {
    listener: TcpListener,
    site: Arc<Site>,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, from) = Listener::accept(&mut self.listener).await;
            if !self.site.dead.load(Ordering::SeqCst) {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let query = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let asked =
        Asked { target, query: query.into_owned().collect(), headers: request.headers().clone() };
    let number = site.count.fetch_add(1, Ordering::SeqCst);
    site.asked.send_modify(|all| all.push(asked.clone()));
    let mut answered = site.answered.subscribe();
    // The sender lives as long as the site.
    let _ = answered.wait_for(|answered| number < *answered).await;
    let route = site.routes.lock().unwrap().get(request.uri().path()).cloned();
    let reply = route.map_or_else(|| Reply::of(404, "{}"), |route| route(&asked));
    let date = httpdate::fmt_http_date(SystemTime::from(site.clock.now()));
    // One request a connection: who is dead is dead for everybody at once.
    let mut response =
        Response::builder().status(reply.status).header("date", date).header("connection", "close");
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}
