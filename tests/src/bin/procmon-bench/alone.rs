//! Measuring while nobody else traces: another tracer's hooks would be in the
//! base, and procmon's beside them would seem to be free.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
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
const ATTEMPTS: usize = 5;

static DISTURBED: AtomicBool = AtomicBool::new(false);

/// Whether another tracer was there after all.
pub fn was_disturbed() -> bool {
    DISTURBED.load(Ordering::Relaxed)
}

/// Attaches with `attach`, measures with `measure`, detaches; again if another
/// tracer came or went meanwhile.
pub fn with<A, T>(
    mut attach: impl FnMut() -> Result<A>,
    mut measure: impl FnMut() -> Result<T>,
) -> Result<T> {
    for _ in 0..ATTEMPTS {
        let mut alone = wait()?;
        let attached = attach()?;
        let before = tracers()?;
        let result = measure()?;
        alone &= tracers()? == before;
        drop(attached);
        if alone {
            return Ok(result);
        }
    }
    DISTURBED.store(true, Ordering::Relaxed);
    wait()?;
    let _attached = attach()?;
    measure()
}

/// Waits until no tracing program is loaded; says whether that came to be.
fn wait() -> Result<bool> {
    let until = Instant::now() + PATIENCE;
    while !tracers()?.is_empty() {
        if Instant::now() > until {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

/// The loaded programs that hang on hooks of this kind.
fn tracers() -> Result<BTreeSet<u32>> {
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
