//! What the system's supervisor is told: that we are ready, reload, stop, need more time, and live.
//!
//! The protocol is one datagram a message to the socket that the supervisor names in `NOTIFY_SOCKET`
//! (see `sd_notify(3)`). Without one nothing is said; a socket that takes nothing costs nothing.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc;
use std::time::Duration;

use crate::clock;

/// The supervisor is asked for more time so often, for so long.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(5);
pub(super) const ASK_FOR: Duration = Duration::from_secs(30);

/// More than this is not said of why something takes long.
const STATUS_CHARS_MAX: usize = 300;

/// The supervisor, where there is one.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// One that listens at a path, or at an abstract name (`@name`).
    ///
    /// # Errors
    /// The address cannot be one, or there are no sockets left.
    pub fn to(address: &str) -> io::Result<Notify> {
        let address = match address.strip_prefix('@') {
            Some(name) => abstract_address(name)?,
            None if address.starts_with('/') => SocketAddr::from_pathname(address)?,
            None => return Err(io::Error::other("neither a path nor an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        // A supervisor that does not read must not stop us.
        socket.set_nonblocking(true)?;
        Ok(Notify { to: Some((socket, address)), watchdog: None })
    }

    /// As the variables of the process say: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` where it is meant
    /// for this process (`WATCHDOG_PID`).
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Notify {
        let Some(address) = variable("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Notify::default();
        };
        let mut notify = match Notify::to(&address) {
            Ok(notify) => notify,
            Err(err) => {
                tracing::warn!(error = %err, "`NOTIFY_SOCKET` cannot be used");
                return Notify::default();
            }
        };
        let own = std::process::id().to_string();
        if variable("WATCHDOG_PID").is_none_or(|pid| pid == own) {
            let micros = variable("WATCHDOG_USEC").and_then(|micros| micros.parse().ok());
            notify.watchdog = micros.filter(|micros| *micros > 0).map(Duration::from_micros);
        }
        notify
    }

    /// How long the supervisor waits for [`Notify::alive`] before it takes us for dead.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The work goes on from here.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// What we do, in a few words.
    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={}", line(status)));
    }

    /// The config is read anew; [`Notify::ready`] follows.
    pub fn reloading(&self) {
        let micros = clock::monotonic().as_micros();
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the config"));
    }

    /// We end.
    pub fn stopping(&self, status: &str) {
        self.say(&format!("STOPPING=1\nSTATUS={}", line(status)));
    }

    /// We need so long from now on, whatever was allowed before.
    pub fn extend(&self, by: Duration) {
        self.say(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
    }

    /// Does work that blocks and may take long, and asks for more time meanwhile.
    pub fn patiently<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let (done, waiting) = mpsc::channel::<()>();
            scope.spawn(move || {
                while waiting.recv_timeout(ASK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                    self.extend(ASK_FOR);
                }
            });
            // Dropped at the end, also where the work panics.
            let _done = done;
            work()
        })
    }

    /// We live.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, text: &str) {
        let Some((socket, address)) = &self.to else { return };
        if let Err(err) = socket.send_to_addr(text.as_bytes(), address) {
            tracing::debug!(error = %err, "the supervisor does not listen");
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> io::Result<SocketAddr> {
    Err(io::Error::other("there are no abstract names on this system"))
}

/// On one line, and short.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(STATUS_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[track_caller]
    fn check(socket: &UnixDatagram, address: &str) {
        let variables = [("NOTIFY_SOCKET", address), ("WATCHDOG_USEC", "3000000")];
        let variable = |name: &str| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        };
        let notify = Notify::of(variable);
        assert_eq!(notify.watchdog(), Some(Duration::from_secs(3)));
        notify.ready("all is well\nREADY=0");
        assert_eq!(heard(socket), "READY=1\nSTATUS=all is well READY=0");
        notify.extend(Duration::from_secs(20));
        assert_eq!(heard(socket), "EXTEND_TIMEOUT_USEC=20000000");
        notify.alive();
        assert_eq!(heard(socket), "WATCHDOG=1");
        let before = clock::monotonic().as_micros();
        notify.reloading();
        let said = heard(socket);
        let micros = said.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(before <= micros.parse().unwrap(), "{said}");
        notify.stopping("finishing");
        assert_eq!(heard(socket), "STOPPING=1\nSTATUS=finishing");
    }

    #[test]
    fn it_is_told_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        check(&socket, path.to_str().unwrap());
        let name = format!("postrider-{}-{}", std::process::id(), folder.path().display());
        let socket = UnixDatagram::bind_addr(&abstract_address(&name).unwrap()).unwrap();
        check(&socket, &format!("@{name}"));
    }

    #[test]
    fn nobody_that_listens_costs_nothing() {
        Notify::default().ready("well");
        for address in ["", "relative", "/no/such/socket"] {
            let notify = Notify::of(|name| (name == "NOTIFY_SOCKET").then(|| address.to_owned()));
            notify.ready("well");
            assert_eq!(notify.watchdog(), None);
        }
        // A watchdog that is meant for another process.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::of(|name| match name {
            "NOTIFY_SOCKET" => Some(path.display().to_string()),
            "WATCHDOG_PID" => Some("1".to_owned()),
            _ => Some("3000000".to_owned()),
        });
        assert_eq!(notify.watchdog(), None);
    }
}
