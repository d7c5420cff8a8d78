//! procmon's kernel half in this process, watching the workers.

use anyhow::Result;
use procmon::kernel::{Kernel, Options, Programs, Scope, Sizes};
use procmon_common::{Probe, probes::Hook};

/// What [`load`] attaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    /// All of procmon.
    All,
    /// All but the system calls' probes.
    NoCalls,
}

impl Probes {
    fn has(self, probe: &Probe) -> bool {
        self == Self::All || !matches!(probe.hook, Hook::SyscallExit(_))
    }
}

/// Only what [`load`] is asked to watch.
pub const CHOSEN: Scope = Scope::Chosen;
/// Every process.
pub const ALL: Scope = Scope::All {
    kernel_threads: false,
};

/// Loads it and waits until it counts `pids`.
pub fn load(scope: Scope, probes: Probes, pids: &[u32]) -> Result<Kernel> {
    let options = Options {
        scope,
        children: false,
        sizes: Sizes::default(),
        programs: Programs::ALL,
    };
    let mut kernel = Kernel::load_chosen(options, |probe| probes.has(probe))?;
    for pid in pids {
        kernel.want(*pid)?;
    }
    kernel.meet_all()?;
    Ok(kernel)
}
