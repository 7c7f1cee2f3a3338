//! Connections that wait a few seconds for the next mail.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Connection;

/// After this many messages a connection is replaced, as some servers insist.
const MESSAGES_MAX: u32 = 100;
/// After this long a connection is replaced.
const AGE_MAX: Duration = Duration::from_secs(60);

/// Open connections between two mails.
pub(super) struct Idle {
    wait: Duration,
    /// The most connections kept waiting.
    parked_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    parked: Vec<(Instant, Connection)>,
    /// Whether a reaper waits for the oldest one's time.
    reaping: bool,
}

impl Idle {
    /// Keeps `parked_max` connections for `wait`.
    pub(super) fn new(wait: Duration, parked_max: usize) -> Idle {
        Idle { wait, parked_max, state: Mutex::default() }
    }

    /// The connection that was used last, if its time is not over. Without one none is open here, so
    /// that another one may be opened.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut state = self.lock();
        let (since, connection) = state.parked.pop()?;
        if since.elapsed() < self.wait {
            return Some(connection);
        }
        // The others have waited longer still.
        state.parked.clear();
        None
    }

    /// Keeps a connection for the next mail, or says goodbye when it has served enough.
    pub(super) fn park(self: &Arc<Idle>, connection: Connection) {
        let spent = connection.messages >= MESSAGES_MAX || connection.opened.elapsed() >= AGE_MAX;
        let mut state = self.lock();
        if spent || self.wait.is_zero() || state.parked.len() >= self.parked_max {
            drop(state);
            tokio::spawn(connection.quit());
            return;
        }
        state.parked.push((Instant::now(), connection));
        if !state.reaping {
            state.reaping = true;
            drop(state);
            tokio::spawn(reap(Arc::clone(self)));
        }
    }

    /// Takes out what has waited long enough, and says when to look again.
    fn expired(&self) -> (Vec<Connection>, Option<Instant>) {
        let mut state = self.lock();
        let now = Instant::now();
        let count = state.parked.iter().take_while(|(since, _)| *since + self.wait <= now).count();
        let expired = state.parked.drain(..count).map(|(_, connection)| connection).collect();
        let next = state.parked.first().map(|(since, _)| *since + self.wait);
        state.reaping = next.is_some();
        (expired, next)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is consistent between any two statements, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections when their wait is over; ends when none is left.
async fn reap(idle: Arc<Idle>) {
    let mut next = Some(Instant::now() + idle.wait);
    while let Some(at) = next {
        tokio::time::sleep_until(at).await;
        let (expired, later) = idle.expired();
        next = later;
        for connection in expired {
            tokio::spawn(connection.quit());
        }
    }
}
