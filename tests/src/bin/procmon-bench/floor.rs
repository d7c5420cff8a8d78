//! The floors: a clock read at every switch and every wakeup, and nothing at
//! the end of a system call, or at every hook of procmon.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{BtfTracePoint, TracePoint},
};
use procmon::kernel::OBJECT;
use procmon_common::probes::{Hook, PROBES};

const SWITCHES: [(&str, &str); 2] = [
    ("bench_switch", "sched_switch"),
    ("bench_wakeup", "sched_wakeup"),
];
const CALL: &str = "bench_call";

/// A clock read at every switch and every wakeup, until it is dropped.
pub fn switches() -> Result<Ebpf> {
    let btf = Btf::from_sys_fs()?;
    let mut bpf = object(&btf)?;
    for (name, tracepoint) in SWITCHES {
        let program: &mut BtfTracePoint = bpf.program_mut(name).context(name)?.try_into()?;
        program.load(tracepoint, &btf)?;
        program.attach()?;
    }
    Ok(bpf)
}

/// An empty program at the end of each of `calls`, until it is dropped.
pub fn calls(calls: &[&str]) -> Result<Ebpf> {
    let mut bpf = object(&Btf::from_sys_fs()?)?;
    let program: &mut TracePoint = bpf.program_mut(CALL).context(CALL)?.try_into()?;
    program.load()?;
    for call in calls {
        program.attach("syscalls", &format!("sys_exit_{call}"))?;
    }
    Ok(bpf)
}

/// An empty program on every hook of procmon, until it is dropped.
///
/// # Errors
/// Where the kernel lacks a tracepoint for which procmon takes another road.
pub fn hooks() -> Result<Ebpf> {
    let btf = Btf::from_sys_fs()?;
    let mut bpf = object(&btf)?;
    for probe in PROBES {
        match probe.hook {
            Hook::BtfTracepoint(tracepoint) | Hook::BtfTracepointOr { tracepoint, .. } => {
                let name = format!("empty_{tracepoint}");
                let program = bpf.program_mut(&name).context(name)?;
                let program: &mut BtfTracePoint = program.try_into()?;
                program.load(tracepoint, &btf)?;
                program.attach()?;
            }
            Hook::Tracepoint(category, name) => hang(&mut bpf, category, name)?,
            Hook::SyscallExit(calls) => {
                for call in calls.iter().copied().filter(|call| has_exit(call)) {
                    hang(&mut bpf, "syscalls", &format!("sys_exit_{call}"))?;
                }
            }
            // Neither slows anybody down.
            Hook::Iterator(_) | Hook::Part { .. } => {}
        }
    }
    Ok(bpf)
}

fn hang(bpf: &mut Ebpf, category: &str, name: &str) -> Result<()> {
    let program: &mut TracePoint = bpf.program_mut(CALL).context(CALL)?.try_into()?;
    if program.fd().is_err() {
        program.load()?;
    }
    program.attach(category, name)?;
    Ok(())
}

/// Whether this architecture has the call, and the kernel a tracepoint at its end.
pub fn has_exit(call: &str) -> bool {
    let events = Path::new("/sys/kernel/tracing/events/syscalls");
    events.join(format!("sys_exit_{call}")).is_dir()
}

/// The kernel programs, loaded by nobody yet.
pub fn object(btf: &Btf) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    loader.btf(Some(btf)).allow_unsupported_maps();
    Ok(loader.load(OBJECT)?)
}
