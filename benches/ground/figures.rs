//! What a process costs, from `/proc`: so this runs on Linux alone.

use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS: u64 = 100;

/// What a process has cost so far.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Time of its processors, in seconds.
    pub(crate) cpu_s: f64,
    /// Its largest resident memory, in MB.
    pub(crate) peak_mb: f64,
    /// Its resident memory now, in MB.
    pub(crate) now_mb: f64,
}

/// The cost of a process: a number, or `self`.
pub(crate) fn cost_of(pid: &str) -> anyhow::Result<Cost> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        std::fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))
    };
    let status = read("status")?;
    let kilobytes = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    let stat = read("stat")?;
    // The name in brackets may hold anything; the times are fields 14 and 15.
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Cost {
        cpu_s: ticks as f64 / TICKS as f64,
        peak_mb: kilobytes("VmHWM:").unwrap_or_default() / 1024.0,
        now_mb: kilobytes("VmRSS:").unwrap_or_default() / 1024.0,
    })
}

/// What a child measured, as the last line it prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Records it read.
    pub(crate) records: u64,
    /// How long reading and storing took, in seconds.
    pub(crate) stored_s: f64,
    /// How long answering took, in seconds.
    #[serde(default)]
    pub(crate) answered_s: f64,
    /// What the process cost.
    #[serde(flatten)]
    pub(crate) cost: Cost,
}

/// The line that says where the figures come from.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().unwrap_or_default().split_whitespace().nth(1);
    let memory = memory.and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default() / 1048576.0;
    format!("{cores} cores ({model}), {memory:.0} GiB")
}

/// Seconds, with as many digits as mean something.
pub(crate) fn seconds(took: Duration) -> String {
    let s = took.as_secs_f64();
    if s < 0.1 { format!("{:.1} ms", s * 1000.0) } else { format!("{s:.2} s") }
}
