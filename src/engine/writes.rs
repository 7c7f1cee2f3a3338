//! Work on the state, off the async threads.

use std::sync::Arc;

use rusqlite::Transaction;
use tokio::sync::oneshot;

use super::{Engine, EngineError};
use crate::store::Store;
use crate::store::state::StateError;
use crate::store::state::commits::{self, WriteError};

impl Engine {
    /// Runs a durable transaction on the state off the async threads; it is on disk when this
    /// returns `Ok`. Writes that wait at the same time are committed together: see [`commits`].
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (tell, told) = oneshot::channel();
        // Whoever asked may be gone by then: it is written all the same.
        let hears = move |came_to| drop(tell.send(came_to));
        if self.store.state.enqueue(work, hears) {
            let lead = Lead(Some(Arc::clone(&self.store)));
            tokio::task::spawn_blocking(move || lead.run());
        }
        match told.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(WriteError::State(err))) => Err(err.into()),
            Ok(Err(WriteError::Panicked(words))) => Err(EngineError::Panic(words)),
            Err(_) => Err(EngineError::Panic("the write was given up".to_owned())),
        }
    }

    /// Reads the state off the async threads.
    pub(crate) async fn state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let store = Arc::clone(&self.store);
        blocking(move || Ok(store.state.read(work)?)).await
    }
}

/// Writes what waits, on a thread that may block. Where that thread never comes or breaks down,
/// those who wait hear of it and the next write begins anew.
struct Lead(Option<Arc<Store>>);

impl Lead {
    fn run(mut self) {
        if let Some(store) = &self.0 {
            store.state.lead();
        }
        self.0 = None;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if let Some(store) = &self.0 {
            store.state.give_up();
        }
    }
}

/// Runs blocking work off the async threads; a panic in it is an error, not the end.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(err) => Err(EngineError::Panic(panic_text(err))),
    }
}

/// What a panicked task said.
pub(crate) fn panic_text(err: tokio::task::JoinError) -> String {
    match err.try_into_panic() {
        Ok(payload) => commits::words(payload.as_ref()),
        Err(_) => "cancelled".to_owned(),
    }
}
