//! The machine: one thread that drives the engine and one that does its blocking work, in lockstep:
//! while futures are polled no blocking work is done, and they are polled again when all of it is. So
//! a seed gives the same interleaving on every machine.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};

use super::shared::Sim;

/// A runtime of one thread for futures and one for blocking work.
pub(crate) struct Machine(Runtime);

/// What became of a call.
pub(crate) enum Called<T> {
    /// It returned.
    Done(T),
    /// The process died in it.
    Died,
}

impl Machine {
    pub(crate) fn new() -> std::io::Result<Machine> {
        // One blocking thread: its work is done in the order in which it was handed over.
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
        Ok(Machine(runtime))
    }

    /// Drives a call to its end, or to the process's. `lockstep`: the two threads never work at the
    /// same time; a call whose blocking work waits for its futures cannot be driven so.
    pub(crate) fn drive<T>(
        &self,
        sim: &Sim,
        lockstep: bool,
        call: impl Future<Output = T>,
    ) -> Called<T> {
        let called = self.0.block_on(async {
            let mut call = pin!(call);
            std::future::poll_fn(|cx| {
                let _gate = lockstep.then(Gate::close);
                if sim.lock().fault.dead() {
                    return Poll::Ready(Called::Died);
                }
                match call.as_mut().poll(cx) {
                    Poll::Ready(_) if sim.lock().fault.dead() => Poll::Ready(Called::Died),
                    Poll::Ready(done) => Poll::Ready(Called::Done(done)),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        });
        let _inside = self.0.enter();
        settle();
        called
    }
}

thread_local! {
    /// Whether blocking work waits at the gate.
    static CLOSED: Cell<bool> = const { Cell::new(false) };
}

/// Blocking work that is handed over waits until it is dropped; what was handed over before is done.
struct Gate {
    _open: mpsc::Sender<()>,
}

impl Gate {
    fn close() -> Gate {
        settle();
        let (open, opened) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || opened.recv());
        CLOSED.set(true);
        Gate { _open: open }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        CLOSED.set(false);
    }
}

/// Waits until the blocking work that was handed over is done. Behind a closed gate none is under way.
pub(crate) fn settle() {
    if CLOSED.get() {
        return;
    }
    let (done, waiting) = mpsc::channel();
    tokio::task::spawn_blocking(move || done.send(()));
    // The thread lives as long as the runtime.
    let _ = waiting.recv();
}
