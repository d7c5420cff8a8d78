//! Tracing programs that are loaded on this machine, by whomever.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use aya::programs::loaded_programs;

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
