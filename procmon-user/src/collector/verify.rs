//! Trust, but verify: the kernel's records against /proc, once at start.
//!
//! Offsets from BTF are checked by type, which does not catch a field that
//! changed its meaning or its place. Procmon's own process is compared in every
//! field that /proc shows too: read before and after the record, so that
//! whatever moves meanwhile has bounds. Of some others, what cannot change.

use procmon_common::ThreadStat;

use crate::kernel::{Accounts, Kernel, KernelError, SnapshotProcess};
use crate::proc::{ProcRoot, ReadErrors, Reading, read_totals};
use crate::process::{ProcessId, Totals};

/// How many other processes are compared.
const COMPARED: usize = 8;
const MIB: u64 = 1 << 20;
const MS: u64 = 1_000_000;

/// A field of both roads.
struct Field {
    name: &'static str,
    of: fn(&Totals) -> Option<u64>,
    /// How far outside of what /proc said before and after it may be.
    slack: u64,
}

const fn field(name: &'static str, of: fn(&Totals) -> Option<u64>, slack: u64) -> Field {
    Field { name, of, slack }
}

/// CPU time is compared to the tick in which /proc counts, resident memory to
/// the batches in which each CPU counts (32 pages a kind and CPU,
/// include/linux/percpu_counter.h; the slack is that of 85 CPUs).
const FIELDS: &[Field] = &[
    field("threads", |t| t.threads, 0),
    field("user time", |t| t.user_ns, 20 * MS),
    field("system time", |t| t.system_ns, 20 * MS),
    field("minor faults", |t| t.minor_faults, 0),
    field("major faults", |t| t.major_faults, 0),
    field("voluntary switches", |t| t.voluntary_switches, 0),
    field("involuntary switches", |t| t.involuntary_switches, 0),
    field("address space", |t| t.virtual_memory, MIB),
    field("resident memory", |t| t.rss, 32 * MIB),
    field("anonymous memory", |t| t.rss_anon, 11 * MIB),
    field("resident files", |t| t.rss_file, 11 * MIB),
    field("shared memory", |t| t.rss_shmem, 11 * MIB),
    field("swapped memory", |t| t.swap, 11 * MIB),
    field("page tables", |t| t.page_tables, MIB),
    field("RLIMIT_NOFILE", |t| t.descriptor_soft_limit, 0),
    field("RLIMIT_AS", |t| t.virtual_memory_limit, 0),
    field("read calls", |t| t.read_calls, 0),
    field("write calls", |t| t.write_calls, 0),
    field("bytes read", |t| t.read_chars, 0),
    field("bytes written", |t| t.write_chars, 0),
    field("bytes from storage", |t| t.disk_read_bytes, 0),
];

/// Compares procmon's own process and some others; those that end meanwhile do
/// not count.
///
/// # Errors
/// [`KernelError::Untrue`] when a field differs.
pub fn against_proc(kernel: &mut Kernel, root: &ProcRoot) -> Result<(), KernelError> {
    let own = std::process::id();
    // Without room for it, the others are compared.
    let wanted = kernel.entry(own).is_none() && kernel.want(own).is_ok();
    let compared = compare(kernel, root, own);
    if wanted {
        kernel.forget(own);
    }
    compared
}

fn compare(kernel: &mut Kernel, root: &ProcRoot, own: u32) -> Result<(), KernelError> {
    let read = |pid| read_totals(root, pid, &mut ReadErrors::default()).ok();
    let before = read(own);
    let mut record = None;
    let mut others = Vec::new();
    let mut pass = kernel.pass()?;
    while let Some(process) = pass.next_process()? {
        if process.leader.pid == own {
            record = Some(process.clone());
        } else if others.len() < COMPARED {
            others.push(process.clone());
        }
    }
    let after = read(own);
    for process in &others {
        if let Some(reading) = read(process.leader.pid) {
            what_cannot_change(process, &reading)?;
        }
    }
    // Where it is hidden from the iterator, or from itself, there is nothing to compare.
    let (Some(before), Some(record), Some(after)) = (before, record, after) else {
        return Ok(());
    };
    what_cannot_change(&record, &after)?;
    let other_threads = pass.others(own);
    let mut totals = kernel.live_totals(&record, &other_threads.sums, &mut Accounts::default());
    without_the_dead(&record, &mut totals);
    for field in FIELDS {
        let values = [&before.totals, &totals, &after.totals].map(field.of);
        if let [Some(before), Some(ours), Some(after)] = values {
            let least = before.min(after).saturating_sub(field.slack);
            let most = before.max(after).saturating_add(field.slack);
            if !(least..=most).contains(&ours) {
                return Err(differs(own, field.name, ours, after));
            }
        }
    }
    Ok(())
}

/// /proc tells of switches thread by thread, and so of the living alone; some of
/// procmon's own have ended when it is switched off and on again.
fn without_the_dead(record: &SnapshotProcess, totals: &mut Totals) {
    for (sum, stat) in [
        (
            &mut totals.voluntary_switches,
            ThreadStat::VoluntarySwitches,
        ),
        (
            &mut totals.involuntary_switches,
            ThreadStat::InvoluntarySwitches,
        ),
    ] {
        let dead = record.entry.dead[stat.index()];
        *sum = sum.map(|sum| sum.saturating_sub(dead));
    }
}

fn what_cannot_change(process: &SnapshotProcess, reading: &Reading) -> Result<(), KernelError> {
    let leader = &process.leader;
    let id = ProcessId::from_boot_ns(leader.pid, leader.start_ns);
    if reading.id.start_ticks != id.start_ticks {
        // A reused pid starts later than the pass saw; anything else is a
        // wrong reading.
        if reading.id.start_ticks > id.start_ticks && leader.exit_state != 0 {
            return Ok(());
        }
        let (ours, proc) = (id.start_ticks, reading.id.start_ticks);
        return Err(differs(leader.pid, "start", ours, proc));
    }
    match (reading.totals.descriptor_soft_limit, leader.has_mm) {
        (Some(soft), 1) if soft != leader.descriptor_limit[0] => {
            let ours = leader.descriptor_limit[0];
            Err(differs(leader.pid, "RLIMIT_NOFILE", ours, soft))
        }
        _ => Ok(()),
    }
}

fn differs(pid: u32, what: &str, kernel: u64, proc: u64) -> KernelError {
    KernelError::Untrue(format!(
        "{what} of process {pid} is {kernel} by the record and {proc} by /proc"
    ))
}
