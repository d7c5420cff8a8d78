//! Tracing programs that are loaded on this machine, by whomever.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use aya::programs::{ProgramInfo, loaded_programs};

/// How long to wait for other tracers to end; a detached one takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// BPF_PROG_TYPE_KPROBE, _TRACEPOINT, _PERF_EVENT, _RAW_TRACEPOINT and _TRACING
/// (include/uapi/linux/bpf.h).
const TRACING: [u32; 5] = [2, 5, 7, 17, 26];

/// The ids of the loaded programs that hang on hooks.
pub fn loaded() -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for program in loaded_programs() {
        // One that went while we looked is none.
        let Ok(program) = program else { continue };
        if TRACING.contains(&(program.program_type() as u32)) {
            found.insert(program.id());
        }
    }
    Ok(found)
}

/// How long these have run since they were loaded, as far as the kernel was told to time them
/// (bpf(2), BPF_ENABLE_STATS), but for those of these names: the kernel keeps 15 bytes of one.
pub fn run_time(ids: &BTreeSet<u32>, without: &[&str]) -> Duration {
    let kept = |name: &str| name.bytes().take(15).collect::<Vec<u8>>();
    let without: Vec<Vec<u8>> = without.iter().copied().map(kept).collect();
    of(ids)
        .filter(|program| !without.iter().any(|name| name == program.name()))
        .map(|program| program.run_time())
        .sum()
}

/// How often these have run since they were loaded, as far as the kernel was told to count it.
pub fn runs(ids: &BTreeSet<u32>) -> u64 {
    of(ids).map(|program| program.run_count()).sum()
}

fn of(ids: &BTreeSet<u32>) -> impl Iterator<Item = ProgramInfo> {
    let programs = loaded_programs().filter_map(Result::ok);
    programs.filter(|program| ids.contains(&program.id()))
}

/// Waits until none is loaded; says whether that came to be. A procmon that has ended goes on
/// detaching in the background.
pub fn wait_until_gone() -> Result<bool> {
    let until = Instant::now() + PATIENCE;
    while !loaded()?.is_empty() {
        if Instant::now() > until {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}
