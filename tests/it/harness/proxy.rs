//! A TCP proxy that breaks a connection at an exact byte: cut, reset, stall, drip, or a STARTTLS that
//! nobody offers any more.
//!
//! Bytes are counted from 0 in each direction of each connection. A fault "at byte k" lets exactly k
//! bytes of its direction through and then does what it is for. What went through is kept in order,
//! so that whoever breaks every byte of a conversation knows where in it each byte stands.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What is read at once, in bytes.
const BLOCK_BYTES: usize = 16 * 1024;
/// After a cut both sides get so long to hang up too.
const PARTING: Duration = Duration::from_secs(2);
/// How much of each direction of a connection is kept, in bytes.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Of how many connections it is kept.
const KEPT_CONNECTIONS_MAX: usize = 1024;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// From the client to the server.
    Out,
    /// From the server to the client.
    Back,
}

/// What is done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Both sides are told that the other has closed (FIN).
    Cut,
    /// Both sides are told that the connection is void (RST).
    Reset,
    /// Nothing more goes this way; the connection stays open.
    Stall,
    /// From here on one byte goes this way after each wait.
    Drip(Duration),
}

/// A fault and where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What happens.
    pub(crate) act: Act,
    /// In which direction.
    pub(crate) direction: Direction,
    /// After so many bytes of it.
    pub(crate) at: u64,
}

/// What went through a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    /// From the client to the server.
    pub(crate) out: Vec<u8>,
    /// From the server to the client.
    pub(crate) back: Vec<u8>,
}

/// A running proxy; dropping it drops its connections.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

struct Shared {
    to: SocketAddr,
    plan: Mutex<Plan>,
    passed: Mutex<VecDeque<Arc<Mutex<Passed>>>>,
    /// Connections begun and ended.
    counts: watch::Sender<(usize, usize)>,
}

#[derive(Clone, Copy, Default)]
struct Plan {
    fault: Option<Fault>,
    /// For so many connections more.
    times: u64,
    edit: Edit,
}

/// How what the server says is changed on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Not at all.
    #[default]
    None,
    /// STARTTLS is made unreadable, as some firewalls do it.
    StripStartTls,
    /// A mail server that offers 8BITMIME also offers PIPELINING.
    OfferPipelining,
}

impl Proxy {
    /// Listens at an address (port 0 takes a free one) and leads to `to`.
    pub(crate) async fn start(listen: SocketAddr, to: SocketAddr) -> io::Result<Proxy> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            to,
            plan: Mutex::default(),
            passed: Mutex::default(),
            counts: watch::Sender::new((0, 0)),
        });
        let serving = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Proxy { shared, address, serving })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the next `times` connections; those after them pass.
    pub(crate) fn plan(&self, fault: Fault, times: u64) {
        let mut plan = lock(&self.shared.plan);
        (plan.fault, plan.times) = (Some(fault), times);
    }

    /// Changes what the server says, from the next connection on.
    pub(crate) fn edit(&self, edit: Edit) {
        lock(&self.shared.plan).edit = edit;
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.counts.borrow().0
    }

    /// What went through each connection since the last [`Proxy::forget`], oldest first.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        lock(&self.shared.passed).iter().map(|passed| lock(passed).clone()).collect()
    }

    /// Forgets what went through.
    pub(crate) fn forget(&self) {
        lock(&self.shared.passed).clear();
    }

    /// Done when no connection is open: what a server does on a connection that ends here, it has
    /// done. The caller bounds the wait.
    pub(crate) async fn quiet(&self) {
        let mut counts = self.shared.counts.subscribe();
        // The sender lives as long as `self`.
        let _ = counts.wait_for(|(begun, ended)| begun == ended).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        shared.counts.send_modify(|counts| counts.0 += 1);
        let plan = {
            let mut plan = lock(&shared.plan);
            let this = *plan;
            plan.times = plan.times.saturating_sub(1);
            this
        };
        let passed = Arc::new(Mutex::new(Passed::default()));
        {
            let mut all = lock(&shared.passed);
            if all.len() == KEPT_CONNECTIONS_MAX {
                all.pop_front();
            }
            all.push_back(Arc::clone(&passed));
        }
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A connection that fails has ended: there is nobody to tell.
            let _ = serve(client, shared.to, plan, &passed).await;
            shared.counts.send_modify(|counts| counts.1 += 1);
        });
    }
}

/// How one direction of a connection came to its end.
enum End {
    /// The side that speaks has closed; the other one is told.
    Closed,
    /// The fault strikes both directions.
    Fault(Act),
}

async fn serve(
    client: TcpStream,
    to: SocketAddr,
    plan: Plan,
    passed: &Mutex<Passed>,
) -> io::Result<()> {
    let server = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let fault = plan.fault.filter(|_| plan.times > 0);
    let of = |direction| fault.filter(|fault| fault.direction == direction);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let end = {
        let out = Pipe { direction: Direction::Out, fault: of(Direction::Out), edit: Edit::None };
        let back = Pipe { direction: Direction::Back, fault: of(Direction::Back), edit: plan.edit };
        let mut out = std::pin::pin!(out.carry(&mut from_client, &mut to_server, passed));
        let mut back = std::pin::pin!(back.carry(&mut from_server, &mut to_client, passed));
        tokio::select! {
            end = &mut out => match end? {
                End::Closed => back.await?,
                fault => fault,
            },
            end = &mut back => match end? {
                End::Closed => out.await?,
                fault => fault,
            },
        }
    };
    match end {
        End::Fault(Act::Reset) => {
            to_client.as_ref().set_zero_linger()?;
            to_server.as_ref().set_zero_linger()
        }
        End::Fault(_) => {
            // A socket closed over unread bytes would send RST: what still comes is read away.
            let _ = to_client.shutdown().await;
            let _ = to_server.shutdown().await;
            let both = async { tokio::join!(drain(&mut from_client), drain(&mut from_server)) };
            let _ = tokio::time::timeout(PARTING, both).await;
            Ok(())
        }
        End::Closed => Ok(()),
    }
}

/// Reads away what comes until its side hangs up.
async fn drain(from: &mut OwnedReadHalf) {
    let mut block = [0; 4096];
    while matches!(from.read(&mut block).await, Ok(count) if count > 0) {}
}

/// One direction of a connection.
struct Pipe {
    direction: Direction,
    fault: Option<Fault>,
    /// With one, lines are held until they are whole.
    edit: Edit,
}

impl Pipe {
    async fn carry(
        self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        passed: &Mutex<Passed>,
    ) -> io::Result<End> {
        let (mut block, mut held, mut gone) = (vec![0; BLOCK_BYTES], Vec::new(), 0);
        loop {
            if let Some(act) = self.due(gone) {
                match act {
                    // The other direction goes on until this side hangs up.
                    Act::Stall => {
                        drain(from).await;
                        return Ok(End::Fault(Act::Cut));
                    }
                    Act::Drip(_) => {}
                    act => return Ok(End::Fault(act)),
                }
            }
            let count = from.read(&mut block).await?;
            if count == 0 {
                // The other side may have gone already.
                let _ = to.shutdown().await;
                return Ok(End::Closed);
            }
            held.extend_from_slice(&block[..count]);
            let whole = match self.edit {
                Edit::None => held.len(),
                _ => held.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1),
            };
            let bytes = self.edit.apply(held.drain(..whole).collect());
            gone += self.pass(&bytes, gone, to, passed).await?;
        }
    }

    /// What strikes now that so many bytes have gone.
    fn due(&self, gone: u64) -> Option<Act> {
        self.fault.filter(|fault| fault.at <= gone).map(|fault| fault.act)
    }

    /// Passes bytes on, no further than the fault; how many have gone.
    async fn pass(
        &self,
        bytes: &[u8],
        gone: u64,
        to: &mut OwnedWriteHalf,
        passed: &Mutex<Passed>,
    ) -> io::Result<u64> {
        let free = self.fault.map_or(u64::MAX, |fault| fault.at.saturating_sub(gone));
        let free = usize::try_from(free).unwrap_or(usize::MAX).min(bytes.len());
        let (now, then) = bytes.split_at(free);
        if !now.is_empty() {
            self.note(now, passed);
            to.write_all(now).await?;
        }
        if let Some(Fault { act: Act::Drip(wait), .. }) = self.fault {
            for byte in then {
                tokio::time::sleep(wait).await;
                self.note(std::slice::from_ref(byte), passed);
                to.write_all(std::slice::from_ref(byte)).await?;
            }
            return Ok(bytes.len() as u64);
        }
        Ok(now.len() as u64)
    }

    fn note(&self, bytes: &[u8], passed: &Mutex<Passed>) {
        let mut passed = lock(passed);
        let side = match self.direction {
            Direction::Out => &mut passed.out,
            Direction::Back => &mut passed.back,
        };
        if side.len() < KEPT_BYTES_MAX {
            side.extend_from_slice(bytes);
        }
    }
}

impl Edit {
    fn apply(self, lines: Vec<u8>) -> Vec<u8> {
        match self {
            Edit::None => lines,
            // The word stays as long as it was.
            Edit::StripStartTls => replaced(&lines, b"STARTTLS", b"XXXXXXXX"),
            Edit::OfferPipelining => {
                replaced(&lines, b"250-8BITMIME\r\n", b"250-PIPELINING\r\n250-8BITMIME\r\n")
            }
        }
    }
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut done, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        done.extend_from_slice(&rest[..at]);
        done.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    done.extend_from_slice(rest);
    done
}
