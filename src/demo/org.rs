//! A small faithful Salesforce org on a real socket: token endpoint, SOQL subset with the property
//! table enforced, locators, limits, and generated, living data.
//!
//! It implements Salesforce as its documentation describes it, not as some client calls it, and
//! knows nothing of the rest of postrider but its clock and its zones.
//!
//! Simulated: logins by client credentials and JWT bearer; the list of versions; `query` and
//! `queryAll` with pages by locator; describe; `deleted` and `updated`; `limits`; Bulk API 2.0
//! queries; SOQL with dotted parents, TYPEOF, semi-joins, date literals and functions, GROUP BY and
//! HAVING; the right to filter, group or sort of every field; second-exact stamps, the recycle bin,
//! sessions that expire, a rolling daily usage; trouble on demand ([`Faults`]).
//!
//! Not simulated: writing through the API, SOSL, composite and other resources, sharing between
//! users, formulas, multi-currency, records of other orgs' objects; ROLLUP and CUBE, toLabel,
//! FORMAT and parent-to-child subqueries in SOQL. Where the documentation is silent (texts of some
//! errors, the status of Bulk results asked for too early) a [`Settings`] value or a switch decides.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::Router;
use axum::serve::ListenerExt as _;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::net::TcpListener;

use crate::clock::Clock;

mod bulk;
mod chaos;
mod csv;
mod faults;
mod http;
mod id;
mod json;
mod life;
mod names;
mod plan;
mod rng;
mod row;
mod schema;
mod soql;
mod story;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod traffic;
mod value;
mod world;
mod zone;

pub use faults::{Fault, Faults, On};
pub use id::Id;
pub use plan::{Incident, Plan, WEB_CHAT, WHATSAPP};
pub use text::Text;
pub use traffic::{Call, Seen};
pub use value::{Record, Value};
pub use world::ChangeError;

use bulk::Jobs;
use life::Life;
use traffic::Traffic;
use world::World;

/// Consumer key the org accepts by default.
pub const CLIENT_ID: &str = "3MVG9demo.postrider.org.consumer.key";
/// Consumer secret the org accepts by default; it opens nothing but this org.
pub const CLIENT_SECRET: &str = "demo-consumer-secret";
/// User name of the API's own user, whom the JWT bearer flow may log in.
pub const API_USERNAME: &str = "autoproc@org.example";
/// Private half of the key pair for JWT bearer logins (PEM, PKCS #8). It is published with the
/// program and worth nothing: it opens this org alone.
pub const JWT_PRIVATE_KEY: &str = include_str!("org/keys/worthless-demo-key.pem");
/// Public half of [`JWT_PRIVATE_KEY`].
pub const JWT_PUBLIC_KEY: &str = include_str!("org/keys/worthless-demo-key.pub.pem");
/// The org's own id.
pub const ORG_ID: &str = "00D5g000001XyZaEAK";

/// What can be set about an org.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Consumer key.
    pub client_id: String,
    /// Consumer secret.
    pub client_secret: String,
    /// RSA key (PEM, SPKI or PKCS #1) that signatures of JWT bearer logins are checked with.
    pub jwt_public_key: String,
    /// Whom an assertion is for, beside the org's own address.
    pub jwt_audience: String,
    /// User names an admin approved the app for.
    pub jwt_users: Vec<String>,
    /// REST versions served.
    pub versions: RangeInclusive<u16>,
    /// Requests a rolling day allows.
    pub daily_requests: u64,
    /// A token lives this long after its last use.
    pub token_life: TimeDelta,
    /// Bulk jobs a rolling day allows.
    pub daily_bulk_jobs: u64,
    /// Megabytes of results of Bulk jobs a rolling day allows; told, not enforced.
    pub daily_bulk_mb: u64,
    /// Most records of one page of a Bulk job's results.
    pub bulk_page: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            jwt_public_key: JWT_PUBLIC_KEY.to_owned(),
            jwt_audience: "https://login.salesforce.com".to_owned(),
            jwt_users: vec![API_USERNAME.to_owned()],
            versions: 50..=68,
            daily_requests: 100_000,
            token_life: TimeDelta::hours(2),
            daily_bulk_jobs: 10_000,
            daily_bulk_mb: 976_562,
            bulk_page: 250_000,
        }
    }
}

/// One org.
pub struct Org {
    clock: Arc<dyn Clock>,
    settings: Settings,
    /// Locked before the world, never after it.
    life: Mutex<Option<Life>>,
    world: RwLock<World>,
    faults: Mutex<Faults>,
    traffic: Mutex<Traffic>,
    jobs: Mutex<Jobs>,
    instance_url: Mutex<Option<String>>,
}

impl Org {
    /// An org without records (but the API's own user), for tests that bring their own.
    pub fn empty(clock: Arc<dyn Clock>) -> Arc<Org> {
        Org::with(Settings::default(), clock)
    }

    /// An empty org with other settings.
    pub fn with(settings: Settings, clock: Arc<dyn Clock>) -> Arc<Org> {
        let world = World::new(clock.now().timestamp());
        Org::of(settings, clock, world, None)
    }

    /// An org with a generated history, which lives on as its clock goes: one seed and one plan
    /// always give the same records at the same instants.
    pub fn generate(seed: u64, plan: Plan, clock: Arc<dyn Clock>) -> Arc<Org> {
        Org::generate_with(seed, plan, Settings::default(), clock)
    }

    /// [`Org::generate`] with other settings.
    pub fn generate_with(
        seed: u64,
        plan: Plan,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Arc<Org> {
        let now = plan.now;
        let mut world = World::new((now - plan.history).timestamp());
        let life = Life::begin(seed, plan, &mut world);
        let org = Org::of(settings, clock, world, Some(life));
        org.live(now);
        org
    }

    fn of(settings: Settings, clock: Arc<dyn Clock>, world: World, life: Option<Life>) -> Arc<Org> {
        Arc::new(Org {
            clock,
            settings,
            life: Mutex::new(life),
            world: RwLock::new(world),
            faults: Mutex::new(Faults::default()),
            traffic: Mutex::new(Traffic::new(0)),
            jobs: Mutex::default(),
            instance_url: Mutex::new(None),
        })
    }

    /// Lets the org live up to an instant; every request does so with the clock's now.
    pub fn live(&self, until: DateTime<Utc>) {
        let until = until.timestamp();
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(life) = life.as_mut().filter(|life| life.is_due(until)) {
            life.live(until, &mut self.world_mut());
        }
        let due = self.world().bin_is_due(until);
        if due {
            self.world_mut().empty_bin(until);
        }
    }

    /// Copies of all records of an object, deleted ones too, by id.
    ///
    /// # Panics
    /// On an object the org does not have.
    #[track_caller]
    pub fn records(&self, object: &str) -> Vec<Record> {
        let Some(object) = schema::object_named(object) else {
            panic!("the org has no object `{object}`")
        };
        let world = self.world();
        let table = world.tables.of(object);
        let rows = table.slots().filter_map(|slot| table.row(slot));
        rows.map(|row| Record { object, values: row.clone() }).collect()
    }

    /// A copy of one record.
    pub fn record(&self, id: Id) -> Option<Record> {
        let world = self.world();
        let (table, slot) = world.tables.find(id)?;
        Some(Record { object: table.object, values: table.row(slot)?.clone() })
    }

    /// Makes a record now. System fields may be given too: `SystemModstamp` in the past is a row
    /// that was committed late.
    pub fn insert(&self, object: &str, fields: &[(&str, Value)]) -> Result<Id, ChangeError> {
        let known = schema::object_named(object);
        let known = known.ok_or_else(|| ChangeError::Object(object.to_owned()))?;
        let now = self.clock.now().timestamp();
        self.world_mut().insert(known, now, fields)
    }

    /// Makes many records of one object now, all with one stamp unless a row brings its own.
    pub fn load<'a>(
        &self,
        object: &str,
        rows: impl IntoIterator<Item = Vec<(&'a str, Value)>>,
    ) -> Result<Vec<Id>, ChangeError> {
        let known = schema::object_named(object);
        let known = known.ok_or_else(|| ChangeError::Object(object.to_owned()))?;
        let now = self.clock.now().timestamp();
        let mut world = self.world_mut();
        rows.into_iter().map(|fields| world.insert(known, now, &fields)).collect()
    }

    /// Changes a record now.
    pub fn update(&self, id: Id, fields: &[(&str, Value)]) -> Result<(), ChangeError> {
        let now = self.clock.now().timestamp();
        self.world_mut().update(id, now, fields)
    }

    /// Puts a record into the recycle bin now; a session takes its metrics along.
    pub fn delete(&self, id: Id) -> Result<(), ChangeError> {
        let now = self.clock.now().timestamp();
        self.world_mut().delete(id, now)
    }

    /// Takes a record out of the bin now.
    pub fn undelete(&self, id: Id) -> Result<(), ChangeError> {
        let now = self.clock.now().timestamp();
        self.world_mut().undelete(id, now)
    }

    /// Removes a record for good, leaving no trace.
    pub fn purge(&self, id: Id) -> Result<(), ChangeError> {
        self.world_mut().purge(id)
    }

    /// The switches for trouble. Do not hold the guard across an await.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, requests meet a reproducible, endless mix of troubles that a good client
    /// survives, at a low rate; see [`Faults::chaos`].
    pub fn chaos(&self, seed: u64) {
        self.faults().chaos(Some(seed));
    }

    /// Requests answered so far, by kind.
    pub fn requests(&self) -> BTreeMap<Call, u64> {
        self.traffic().counts()
    }

    /// Requests of one kind answered so far.
    pub fn requests_of(&self, call: Call) -> u64 {
        self.requests().get(&call).copied().unwrap_or(0)
    }

    /// The last requests as they were answered, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.traffic().seen()
    }

    /// Starts counting anew; the daily usage goes on.
    pub fn forget_requests(&self) {
        self.traffic().forget();
    }

    /// Adds to the daily usage, as other clients of the org would.
    pub fn use_requests(&self, count: u64) {
        let now = self.clock.now();
        self.traffic().used(now, count);
    }

    /// Cursors open now.
    pub fn open_cursors(&self) -> usize {
        self.traffic().cursors()
    }

    /// Ends every session.
    pub fn expire_tokens(&self) {
        self.traffic().expire_all();
    }

    /// What tokens name as `instance_url`; `None`: the address the login came to.
    pub fn set_instance_url(&self, url: Option<String>) {
        *self.instance_url.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// Answers requests on a listener until `stop` is done; open requests are finished.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        // Small answers must not wait for the far side's acknowledgements.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let router = Router::new().fallback(http::handle).with_state(self);
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    }

    /// Serves on a free loopback port until the handle is dropped.
    pub async fn start(self: &Arc<Self>) -> io::Result<Serving> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = Arc::clone(self).serve(listener, async {
            // Told or dropped: both mean stop.
            let _ = stopped.await;
        });
        tokio::spawn(serving);
        Ok(Serving { address, _stop: stop })
    }

    fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }
    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn instance_url(&self) -> Option<String> {
        self.instance_url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The user that logins by client credentials are.
    pub fn api_user(&self) -> Id {
        self.world().system_user
    }

    /// `Sforce-Limit-Info`, unless it is left out on purpose.
    fn limit_info(&self, now: DateTime<Utc>) -> Option<String> {
        if let Some(told) = &self.faults().limit_info {
            return told.clone();
        }
        let used = self.traffic().used(now, 0);
        Some(format!("api-usage={used}/{}; api-bursts=1/750", self.settings.daily_requests))
    }
}

impl std::fmt::Debug for Org {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Org").finish_non_exhaustive()
    }
}

/// A running server; dropping it stops the server.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// `http://127.0.0.1:port`: My Domain of this org.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
