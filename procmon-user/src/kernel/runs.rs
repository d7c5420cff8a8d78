//! How often the kernel programs ran and for how long: the kernel's BPF
//! statistics, which cost as much as our cheapest programs and so are on only
//! for as long as a [`Sampling`] lives.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use aya::programs::Program;
use aya::sys::{Stats, enable_stats};
use log::debug;
use procmon_common::Probe;
use procmon_common::probes::{Hook, PROBES, SYSCALL_FALLBACK};

use super::fdinfo;
use super::load::Kernel;

/// Runs of a probe's programs and the time they took: that of the programs
/// alone, not of the hooks that call them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// How often they ran.
    pub count: u64,
    /// How long, all runs together.
    pub time: Duration,
}

/// Runs by probe.
pub type RunsByProbe = BTreeMap<&'static str, Runs>;

/// The statistics while they are on.
pub struct Sampling {
    /// The kernel counts while this is open (BPF_ENABLE_STATS, bpf(2)).
    _on: OwnedFd,
    since: Instant,
    before: RunsByProbe,
}

/// What a [`Sampling`] found.
#[derive(Debug)]
pub struct Sample {
    /// How long the statistics were on.
    pub length: Duration,
    /// What ran meanwhile.
    pub runs: RunsByProbe,
}

impl Kernel {
    /// Switches the statistics on.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN, or before Linux 5.8.
    pub fn begin_sampling(&self) -> io::Result<Sampling> {
        let on = enable_stats(Stats::RunTime).map_err(|error| error.io_error)?;
        Ok(Sampling {
            _on: on,
            before: self.runs(),
            since: Instant::now(),
        })
    }

    /// Switches them off, unless others have them on too, and says what ran.
    pub fn end_sampling(&self, sampling: Sampling) -> Sample {
        let length = sampling.since.elapsed();
        let mut runs = self.runs();
        for (name, runs) in &mut runs {
            let before = sampling.before.get(name).copied().unwrap_or_default();
            runs.count = runs.count.saturating_sub(before.count);
            runs.time = runs.time.saturating_sub(before.time);
        }
        Sample { length, runs }
    }

    /// The programs' statistics since they were loaded.
    fn runs(&self) -> RunsByProbe {
        let mut runs = RunsByProbe::new();
        for (name, program) in self.bpf.programs() {
            let (Some(probe), Some(found)) = (probe_of(name), runs_of(program)) else {
                continue;
            };
            let sum = runs.entry(probe).or_default();
            sum.count += found.count;
            sum.time += found.time;
        }
        runs
    }
}

/// The probe that a program serves.
fn probe_of(program: &str) -> Option<&'static str> {
    let serves = |probe: &&Probe| match probe.hook {
        Hook::Part { .. } => false,
        Hook::BtfTracepointOr { exits, .. } => {
            probe.program == program || exits.iter().any(|(name, _)| *name == program)
        }
        _ => probe.program == program,
    };
    PROBES
        .iter()
        .chain([&SYSCALL_FALLBACK])
        .find(serves)
        .map(|probe| probe.name)
}

/// `run_cnt` and `run_time_ns` of a program's fdinfo (kernel/bpf/syscall.c,
/// bpf_prog_show_fdinfo); `None` for one that is not loaded.
fn runs_of(program: &Program) -> Option<Runs> {
    let fd = program.fd().ok()?.as_fd().as_raw_fd();
    let [count, time] = fdinfo::read(fd, ["run_cnt:", "run_time_ns:"])
        .inspect_err(|error| debug!("no statistics of a program: {error}"))
        .ok()?;
    Some(Runs {
        count: count?,
        time: Duration::from_nanos(time?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_serves_one_probe() {
        assert_eq!(probe_of("context_switch"), Some("switch"));
        assert_eq!(probe_of("inet6_receive"), Some("receive"));
        assert_eq!(probe_of("exit_mmap"), Some("mmap"));
        assert_eq!(probe_of("syscall_exit"), Some("syscalls"));
        assert_eq!(probe_of("nothing"), None);
    }
}
