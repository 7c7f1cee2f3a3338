//! The others: programs that send and write nothing down.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::sink::libraries;
use super::{Load, Took, outbox};
use crate::ground::{self, timed};

/// Postfix's own load generator, which keeps its connections.
pub(crate) fn smtp_source(postfix: &Path, load: Load, to: &str) -> anyhow::Result<Took> {
    let mut command = measured(&postfix.join("smtp-source"));
    command
        .env("LD_LIBRARY_PATH", libraries(postfix))
        .args(["-d", "-s", &load.sessions.to_string(), "-m", &load.messages.to_string()])
        .args(["-l", &load.bytes.to_string()])
        .args(["-f", "reports@example.com", "-t", "reader@example.com", to]);
    run(command)
}

/// A script: `smtplib` over one connection, `aiosmtplib` over as many as the others have.
pub(crate) fn python(how: &str, load: Load, to: &str) -> anyhow::Result<Took> {
    let python = ground::python("mails", &["aiosmtplib"])?;
    let mail = ground::folder()?.join("mail.eml");
    std::fs::write(&mail, outbox::mail("python@example.com", load.bytes))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/mails.py");
    let mut command = measured(&python);
    command.arg(script).args([how, to]).arg(mail);
    command.args([load.messages.to_string(), load.sessions.to_string()]);
    run(command)
}

/// `wrk` posts as fast as it can for a while; its rate is turned into the time for as many.
pub(crate) fn wrk(program: &Path, load: Load, url: &str) -> anyhow::Result<Took> {
    const SECONDS: u64 = 5;
    let script = ground::folder()?.join("post.lua");
    let body = "x".repeat(load.bytes);
    std::fs::write(
        &script,
        format!(
            "wrk.method = \"POST\"\nwrk.body = \"{body}\"\n\
             wrk.headers[\"content-type\"] = \"application/json\"\n"
        ),
    )?;
    let mut command = measured(program);
    command.args(["-t", "1", "-c", &load.sessions.to_string()]);
    command.args(["-d", &format!("{SECONDS}s"), "-s"]).arg(script).arg(url);
    // Unpacked and not installed, its library lies beside it.
    let beside = program.parent().context("a program lies in a folder")?;
    command.env("LD_LIBRARY_PATH", libraries(beside));
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let rate: f64 = rate.with_context(|| format!("wrk said `{text}`"))?.trim().parse()?;
    let (_, cpu_s) = times(&String::from_utf8_lossy(&output.stderr))?;
    let share = load.messages as f64 / (rate * SECONDS as f64);
    let wall = Duration::from_secs_f64(load.messages as f64 / rate);
    Ok(Took { wall, cpu_s: cpu_s * share, peak_mb: None })
}

/// A program whose processor time the shell tells when it has ended.
fn measured(program: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", "TIMEFORMAT='took %R %U %S'; time \"$@\"", "bash"]).arg(program);
    command
}

fn run(mut command: Command) -> anyhow::Result<Took> {
    let (output, _) = timed(|| command.output());
    let output = output?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{command:?} failed: {said}");
    let (wall, cpu_s) = times(&said)?;
    Ok(Took { wall, cpu_s, peak_mb: None })
}

/// What the shell says of a program: real time, and its own and the system's for it together.
fn times(said: &str) -> anyhow::Result<(Duration, f64)> {
    let line = said.lines().rev().find_map(|line| line.strip_prefix("took "));
    let line = line.with_context(|| format!("no times in `{said}`"))?;
    let figures: Vec<f64> = line.split(' ').filter_map(|figure| figure.parse().ok()).collect();
    let [real, user, system] = figures[..] else { anyhow::bail!("no times in `{line}`") };
    Ok((Duration::from_secs_f64(real), user + system))
}
