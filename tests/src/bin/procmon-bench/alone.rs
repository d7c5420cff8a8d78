//! Measuring while nobody else traces: another tracer's hooks would be in the
//! base, and procmon's beside them would seem to be free.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use procmon_tests::tracers;

const ATTEMPTS: usize = 5;

static DISTURBED: AtomicBool = AtomicBool::new(false);

/// Whether another tracer was there after all.
pub fn was_disturbed() -> bool {
    DISTURBED.load(Ordering::Relaxed)
}

/// Another tracer was there.
pub fn note_disturbance() {
    DISTURBED.store(true, Ordering::Relaxed);
}

/// Loads with `load`; with the ids of the programs that came with it. If others
/// were there, what is measured is beside them.
pub fn load<T>(load: impl FnOnce() -> Result<T>) -> Result<(T, BTreeSet<u32>)> {
    let before = tracers::loaded()?;
    let loaded = load()?;
    let ours = tracers::loaded()?.difference(&before).copied().collect();
    if !before.is_empty() {
        note_disturbance();
    }
    Ok((loaded, ours))
}

/// Attaches with `attach`, measures with `measure`, detaches; again if another
/// tracer came or went meanwhile.
pub fn with<A, T>(
    mut attach: impl FnMut() -> Result<A>,
    mut measure: impl FnMut() -> Result<T>,
) -> Result<T> {
    for _ in 0..ATTEMPTS {
        let mut alone = tracers::wait_until_gone()?;
        let attached = attach()?;
        let before = tracers::loaded()?;
        let result = measure()?;
        alone &= tracers::loaded()? == before;
        drop(attached);
        if alone {
            return Ok(result);
        }
    }
    note_disturbance();
    tracers::wait_until_gone()?;
    let _attached = attach()?;
    measure()
}
