//! Prometheus with as many rules on the same machine: what it costs. It reads samples that an
//! exporter here has counted already, which is the smaller part of what postrider does.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::ground::figures::{Cost, cost_of};
use crate::ground::line;

/// So many label values has each metric.
const VALUES: u64 = 20;
/// A window holds so many samples.
const SAMPLES: u64 = 10;
/// Longer than this nothing is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Prometheus that is ended with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Scrapes and evaluates every `seconds`, for so many rounds; prints what a round costs, as the share
/// of a core that it is of a minute.
pub(crate) fn beside(
    program: &Path,
    (rules, shapes): (u64, u64),
    (rounds, seconds): (u64, u64),
    folder: &Path,
) -> anyhow::Result<()> {
    let exporter = TcpListener::bind("127.0.0.1:0")?;
    let scraped = exporter.local_addr()?;
    std::thread::spawn(move || export(&exporter, shapes));
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    std::fs::write(folder.join("rules.yml"), rules_file(rules, shapes, seconds))?;
    let config = format!(
        "global: {{ scrape_interval: {seconds}s, evaluation_interval: {seconds}s }}\n\
         rule_files: [rules.yml]\n\
         scrape_configs:\n- job_name: org\n  static_configs: [{{ targets: [\"{scraped}\"] }}]\n"
    );
    let config_file = folder.join("prometheus.yml");
    std::fs::write(&config_file, config)?;
    let running = Command::new(program)
        .arg(format!("--config.file={}", config_file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={free}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let running = Running(running.with_context(|| format!("cannot start {}", program.display()))?);
    let pid = running.0.id().to_string();
    let address = free.to_string();
    // Windows are full and caches warm.
    let warm = wait_for(&address, SAMPLES + 2)?;
    let before = cost_of(&pid)?;
    let done = wait_for(&address, warm + rounds)?;
    let after = cost_of(&pid)?;
    tell(&address, (rules, shapes, seconds), done - warm, (before, after))
}

fn tell(
    address: &str,
    (rules, shapes, seconds): (u64, u64, u64),
    rounds: u64,
    (before, after): (Cost, Cost),
) -> anyhow::Result<()> {
    let text = metrics(address)?;
    let quantile = |q: &str| {
        let name = format!("prometheus_rule_group_duration_seconds{{quantile=\"{q}\"}}");
        value(&text, &name).unwrap_or_default() * 1000.0
    };
    let a_round = (after.cpu_s - before.cpu_s) / rounds as f64;
    line(format!(
        "Prometheus, {rules} rules of {shapes} expressions over {} series, {rounds} rounds of {seconds} s: \
         {:.0} ms of processor time a round, scrape included: {:.2} % of a core at one a minute; \
         a round {:.1} ms (median), {:.1} ms (p99); {:.0} MB resident, {:.0} MB at most",
        shapes * VALUES,
        a_round * 1000.0,
        100.0 * a_round / 60.0,
        quantile("0.5"),
        quantile("0.99"),
        after.now_mb,
        after.peak_mb,
    ));
    line(
        "not alike: Prometheus evaluates samples that somebody has counted before; postrider counts \
         the records themselves, writes what moved to disk and makes the messages",
    );
    Ok(())
}

/// One group of rules, so that a round is one evaluation of all of them, one after the other.
fn rules_file(rules: u64, shapes: u64, seconds: u64) -> String {
    let mut text = "groups:\n- name: all\n  rules:\n".to_owned();
    let window = SAMPLES * seconds;
    for rule in 0..rules {
        let shape = rule % shapes;
        let threshold = 1000 * (rule / shapes + 1);
        let _ = writeln!(
            text,
            "  - {{ alert: r{rule}, expr: \"max by (channel) (max_over_time(\
             m{shape}[{window}s])) > {threshold}\", labels: {{ level: warning }} }}"
        );
    }
    text
}

/// Serves so many metrics, other values each time.
fn export(listener: &TcpListener, shapes: u64) {
    let mut state: u64 = 1;
    for stream in listener.incoming().flatten() {
        let mut body = String::new();
        for metric in 0..shapes {
            for label in 0..VALUES {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let (value, channel) = ((state >> 33) % 6000, label % 4);
                let _ = writeln!(
                    body,
                    "m{metric}{{channel=\"c{channel}\",label=\"l{label}\"}} {value}"
                );
            }
        }
        // A scrape that was cut off is a gap in Prometheus, and nothing here.
        let _ = answer(stream, &body);
    }
}

fn answer(stream: TcpStream, body: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while reader.read_line(&mut request)? > 2 {}
    let mut stream = reader.into_inner();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

/// Waits until so many rounds were evaluated; how many there are.
#[expect(clippy::disallowed_methods, reason = "another program is waited for, in real time")]
fn wait_for(address: &str, rounds: u64) -> anyhow::Result<u64> {
    let mut last = (0, Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let name = "prometheus_rule_group_iterations_total";
        let done = metrics(address).ok().and_then(|text| value(&text, name)).unwrap_or(0.0) as u64;
        if done >= rounds {
            return Ok(done);
        }
        if done > last.0 {
            last = (done, Instant::now());
        }
        anyhow::ensure!(last.1.elapsed() < PATIENCE, "Prometheus evaluates nothing");
    }
}

/// What Prometheus says of itself.
fn metrics(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The first value whose name begins so.
fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find(|line| line.starts_with(name))?.rsplit_once(' ')?.1.trim().parse().ok()
}
