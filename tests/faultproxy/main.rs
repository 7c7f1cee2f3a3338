//! The tests' fault proxy, by hand: put it between postrider and a server and break what passes.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use self::proxy::{Act, Direction, Edit, Fault, Proxy};

#[allow(dead_code, reason = "the tests ask the proxy for more")]
#[path = "../it/harness/proxy.rs"]
mod proxy;

/// Leads TCP connections on and breaks them at an exact byte.
#[derive(Parser)]
#[command(after_help = "Examples:
  faultproxy --listen 127.0.0.1:2525 --to 127.0.0.1:25 --cut 120
  faultproxy --listen 127.0.0.1:2525 --to 127.0.0.1:25 --reset 40 --direction back --first 1
  faultproxy --listen 127.0.0.1:2525 --to 127.0.0.1:25 --drip 0 --every-ms 1000
  faultproxy --listen 127.0.0.1:2525 --to mail.example.com:587 --strip-starttls")]
#[command(group = clap::ArgGroup::new("act").multiple(false))]
struct Arguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where to lead to
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Close both sides (FIN) after so many bytes
    #[arg(long, value_name = "K", group = "act")]
    cut: Option<u64>,
    /// Reset both sides (RST) after so many bytes
    #[arg(long, value_name = "K", group = "act")]
    reset: Option<u64>,
    /// Let nothing through after so many bytes; the connection stays open
    #[arg(long, value_name = "K", group = "act")]
    stall: Option<u64>,
    /// After so many bytes let one byte through at a time
    #[arg(long, value_name = "K", group = "act")]
    drip: Option<u64>,
    /// The wait between two bytes that drip, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    every_ms: u64,
    /// Which way bytes are counted
    #[arg(long, value_enum, default_value_t = Way::Out)]
    direction: Way,
    /// Break only the first so many connections
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    first: u64,
    /// Make STARTTLS unreadable among what a mail server offers
    #[arg(long)]
    strip_starttls: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// From the client to the server
    Out,
    /// From the server to the client
    Back,
}

impl Arguments {
    fn fault(&self) -> Option<Fault> {
        let drip = Act::Drip(Duration::from_millis(self.every_ms));
        let acts = [
            (Act::Cut, self.cut),
            (Act::Reset, self.reset),
            (Act::Stall, self.stall),
            (drip, self.drip),
        ];
        let direction = match self.direction {
            Way::Out => Direction::Out,
            Way::Back => Direction::Back,
        };
        let (act, at) = acts.into_iter().find_map(|(act, at)| Some((act, at?)))?;
        Some(Fault { act, direction, at })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let to = tokio::net::lookup_host(&arguments.to).await?.next();
    let to = to.ok_or_else(|| anyhow::anyhow!("`{}` has no address", arguments.to))?;
    let proxy = Proxy::start(arguments.listen, to).await?;
    if arguments.strip_starttls {
        proxy.edit(Edit::StripStartTls);
    }
    if let Some(fault) = arguments.fault() {
        proxy.plan(fault, arguments.first);
    }
    eprintln!("{} leads to {to}; Ctrl-C ends it", proxy.address());
    tokio::signal::ctrl_c().await?;
    for (index, passed) in proxy.passed().iter().enumerate() {
        let (out, back) = (passed.out.len(), passed.back.len());
        eprintln!("connection {}: {out} bytes out, {back} bytes back", index + 1);
    }
    Ok(())
}
