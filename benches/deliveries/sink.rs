//! Postfix's `smtp-sink`: takes every mail and forgets it.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// A running sink; it ends with this value.
pub(crate) struct Sink {
    child: Child,
    port: u16,
}

impl Sink {
    /// Starts one on a port that was free a moment ago.
    pub(crate) fn start(postfix: &Path) -> anyhow::Result<Sink> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let program = postfix.join("smtp-sink");
        let mut command = Command::new(&program);
        command.env("LD_LIBRARY_PATH", libraries(postfix));
        // Root must say whose rights it takes instead.
        if std::fs::metadata("/proc/self")?.uid() == 0 {
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg(format!("127.0.0.1:{port}"))
            .arg("1000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("`{}` cannot be started", program.display()))?;
        let sink = Sink { child, port };
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            anyhow::ensure!(Instant::now() < until, "smtp-sink does not listen");
            std::thread::yield_now();
        }
        Ok(sink)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Where an unpacked Postfix has its libraries.
pub(crate) fn libraries(postfix: &Path) -> String {
    let lib = postfix.join("../lib");
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    format!("{}:{}", lib.join("postfix").display(), lib.join(machine).display())
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
