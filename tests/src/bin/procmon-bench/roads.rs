//! Two roads to the end of a system call: its exit tracepoint, and the exit of
//! its function (fexit). What it takes to come and to go by each, and whether
//! either loses calls when another tracer does.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::{
    Btf, Ebpf,
    maps::Array,
    programs::{FExit, TracePoint},
};
use procmon_common::probes::{Hook, PROBES};

use crate::{
    Effort, alone, floor,
    table::{Table, Value},
};

/// How the functions of system calls begin (arch/*/include/asm/syscall_wrapper.h).
#[cfg(target_arch = "x86_64")]
const FUNCTION: &str = "__x64_sys_";
#[cfg(target_arch = "aarch64")]
const FUNCTION: &str = "__arm64_sys_";

#[derive(Clone, Copy)]
enum Road {
    Tracepoint,
    Fexit,
}

impl Road {
    /// A counting program on the end of a call; it counts until it is dropped.
    fn hang(self, call: &str, btf: &Btf) -> Result<Ebpf> {
        let mut bpf = floor::object(btf)?;
        match self {
            Self::Tracepoint => {
                let name = "bench_exit";
                let program: &mut TracePoint = bpf.program_mut(name).context(name)?.try_into()?;
                program.load()?;
                program.attach("syscalls", &format!("sys_exit_{call}"))?;
            }
            Self::Fexit => {
                let name = "bench_return";
                let program: &mut FExit = bpf.program_mut(name).context(name)?.try_into()?;
                program.load(&format!("{FUNCTION}{call}"), btf)?;
                program.attach()?;
            }
        }
        Ok(bpf)
    }
}

/// The rows; where the kernel refuses fexit there are none.
pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    let btf = Btf::from_sys_fs()?;
    if let Err(error) = Road::Fexit.hang("dup", &btf) {
        eprintln!("  no fexit on this kernel: {error:#}");
        return Ok(());
    }
    coming_and_going(&btf, table)?;
    for (what, call) in [("dup", Call::Short), ("clock_nanosleep", Call::Sleeping)] {
        let changes = effort.pick(50, 10);
        let [tracepoint, fexit] =
            [Road::Tracepoint, Road::Fexit].map(|road| lost(road, what, call, changes, &btf));
        let ([by_tracepoint, calls], [by_fexit, fexit_calls]) = (tracepoint?, fexit?);
        table.tell(
            &format!("{what} not counted while another tracer comes and goes {changes} times"),
            format!("exit tracepoint: {by_tracepoint} of {calls}"),
            format!("fexit: of {fexit_calls}"),
            Value::Count(by_fexit as f64),
        );
    }
    Ok(())
}

/// Attaches to all calls that are traced, and detaches again.
fn coming_and_going(btf: &Btf, table: &mut Table) -> Result<()> {
    let calls: Vec<&str> = PROBES
        .iter()
        .filter_map(|probe| match probe.hook {
            Hook::SyscallExit(calls) => Some(calls),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    let took = |road: Road| -> Result<(usize, Duration, Duration)> {
        let mut hung = Vec::new();
        let mut coming = Duration::ZERO;
        for call in &calls {
            let begin = Instant::now();
            // One that this architecture does not have is left out.
            let Ok(bpf) = road.hang(call, btf) else {
                continue;
            };
            coming += begin.elapsed();
            hung.push(bpf);
        }
        let begin = Instant::now();
        let count = hung.len();
        drop(hung);
        Ok((count, coming, begin.elapsed()))
    };
    let [tracepoint, fexit] = [Road::Tracepoint, Road::Fexit].map(|road| {
        let mut measured = None;
        alone::with(
            || Ok(()),
            || {
                measured = Some(took(road)?);
                Ok(())
            },
        )?;
        measured.context("nothing measured")
    });
    let ((count, came, went), (functions, coming, going)) = (tracepoint?, fexit?);
    for (what, base, with) in [("load and attach", came, coming), ("detach", went, going)] {
        table.tell(
            &format!("{what}: fexit, all traced calls"),
            format!("{count} exit tracepoints: {:.2} s", base.as_secs_f64()),
            format!("{functions} functions"),
            Value::Seconds(with.as_secs_f64()),
        );
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Call {
    /// Over before anyone comes.
    Short,
    /// So long that others come meanwhile.
    Sleeping,
}

impl Call {
    fn make(self) {
        let pause = libc::timespec {
            tv_sec: 0,
            tv_nsec: 300_000_000,
        };
        // SAFETY: system calls with nothing but a time to read.
        unsafe {
            match self {
                Self::Short => libc::syscall(libc::SYS_dup, -1),
                Self::Sleeping => {
                    let (clock, flags) = (libc::CLOCK_MONOTONIC, 0);
                    let left = std::ptr::null_mut::<libc::timespec>();
                    libc::syscall(
                        libc::SYS_clock_nanosleep,
                        clock,
                        flags,
                        &raw const pause,
                        left,
                    )
                }
            };
        }
    }
}

/// Calls that a program on their end did not count while another such program
/// came and went, and all calls. Nobody else on the host may make them.
fn lost(road: Road, name: &str, call: Call, changes: u32, btf: &Btf) -> Result<[u64; 2]> {
    alone::with(
        || Ok(()),
        || {
            let (made, stop) = (AtomicU64::new(0), AtomicBool::new(false));
            let meeting = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    meeting.wait();
                    while !stop.load(Ordering::Relaxed) {
                        call.make();
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                });
                let counting = road.hang(name, btf);
                meeting.wait();
                let changed = (0..changes).try_for_each(|_| road.hang(name, btf).map(drop));
                stop.store(true, Ordering::Relaxed);
                Ok((counting?, changed?))
            })
            .and_then(|(counting, ()): (Ebpf, ())| {
                let map = counting.map("BENCH_RUNS").context("BENCH_RUNS")?;
                let counted = Array::<_, u64>::try_from(map)?.get(&0, 0)?;
                let made = made.into_inner();
                Ok([made.saturating_sub(counted), made])
            })
        },
    )
}
