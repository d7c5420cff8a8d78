//! The floors: a clock read at every switch and every wakeup, and nothing at
//! the end of a system call.

use anyhow::{Context as _, Result};
use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{BtfTracePoint, TracePoint},
};
use procmon::kernel::OBJECT;

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

/// The kernel programs, loaded by nobody yet.
pub fn object(btf: &Btf) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    loader.btf(Some(btf)).allow_unsupported_maps();
    Ok(loader.load(OBJECT)?)
}
