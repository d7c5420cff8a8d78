//! The floor of the switch program: a clock read at every switch and every
//! wakeup, and nothing else.

use anyhow::Result;
use aya::{Btf, Ebpf, EbpfLoader, programs::BtfTracePoint};
use procmon::kernel::OBJECT;

const PROGRAMS: [(&str, &str); 2] = [
    ("bench_switch", "sched_switch"),
    ("bench_wakeup", "sched_wakeup"),
];

/// Loads and attaches it; it is detached when it is dropped.
pub fn load() -> Result<Ebpf> {
    let btf = Btf::from_sys_fs()?;
    let mut bpf = EbpfLoader::new()
        .btf(Some(&btf))
        .allow_unsupported_maps()
        .load(OBJECT)?;
    for (name, tracepoint) in PROGRAMS {
        let program: &mut BtfTracePoint = bpf
            .program_mut(name)
            .ok_or_else(|| anyhow::anyhow!("no program {name}"))?
            .try_into()?;
        program.load(tracepoint, &btf)?;
        program.attach()?;
    }
    Ok(bpf)
}
