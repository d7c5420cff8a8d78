//! The two roads of a snapshot, through the kernel and through /proc, over one busy host.
//!
//! /proc is read before the kernel's pass and after it. What only grows lies between the two;
//! what was the same before and after, and may have changed and changed back meanwhile, is the
//! same in at least one of several rounds: a wrong field is wrong in all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use procmon::{
    collector::{Collector, Contract, Missed, Selection},
    frame::Frame,
    kernel::Sizes,
    process::{ProcessId, ProcessSample, Totals},
};
use procmon_tests::Victim;

const ROUNDS: usize = 5;
const MS: u64 = 1_000_000;
/// A tick of /proc's clock (USER_HZ).
const TICK: u64 = 10 * MS;

/// How a field moves.
#[derive(Clone, Copy)]
enum Moves {
    /// It only grows; at most so far outside of the two readings of /proc.
    Up(u64),
    /// Up and down; at most so far from what /proc says.
    Freely(u64),
}
use Moves::{Freely, Up};

type Field = (&'static str, fn(&Totals) -> Option<u64>, Moves);

fn field(name: &'static str, of: fn(&Totals) -> Option<u64>, moves: Moves) -> Field {
    (name, of, moves)
}

/// Every field that both roads have. CPU time is exact to the tick in which /proc counts it, and
/// its split between user and system to another, since each reading splits anew. A running
/// thread's time is brought up to date at the scheduler's tick. Resident memory is exact to what
/// the kernel keeps on each CPU before it adds it up: 32 pages a kind, or twice the CPUs, if that
/// is more (lib/percpu_counter.c).
fn fields() -> Vec<Field> {
    let cpus = thread::available_parallelism().map_or(1, usize::from) as u64;
    let batch = 32.max(2 * cpus) * cpus * 4096;
    let ticks = 2 * TICK;
    vec![
        field(
            "user and system time",
            |t| Some(t.user_ns? + t.system_ns?),
            Up(ticks),
        ),
        field("user time", |t| t.user_ns, Up(2 * ticks)),
        field("system time", |t| t.system_ns, Up(2 * ticks)),
        field("time on a CPU", |t| t.on_cpu_ns, Up(cpus * TICK)),
        field("time waiting for a CPU", |t| t.run_queue_ns, Up(0)),
        field("migrations", |t| t.migrations, Up(0)),
        field("voluntary switches", |t| t.voluntary_switches, Up(0)),
        field("involuntary switches", |t| t.involuntary_switches, Up(0)),
        field("minor faults", |t| t.minor_faults, Up(0)),
        field("major faults", |t| t.major_faults, Up(0)),
        field("bytes from storage", |t| t.disk_read_bytes, Up(0)),
        field("bytes to storage", |t| t.disk_write_bytes, Up(0)),
        field("read calls", |t| t.read_calls, Up(0)),
        field("write calls", |t| t.write_calls, Up(0)),
        field("bytes read", |t| t.read_chars, Up(0)),
        field("bytes written", |t| t.write_chars, Up(0)),
        field("highest resident memory", |t| t.peak_rss, Up(3 * batch)),
        field("age", |t| t.uptime_ns, Up(TICK)),
        field("threads", |t| t.threads, Freely(0)),
        field("resident memory", |t| t.rss, Freely(3 * batch)),
        field("anonymous memory", |t| t.rss_anon, Freely(batch)),
        field("resident files", |t| t.rss_file, Freely(batch)),
        field("shared memory", |t| t.rss_shmem, Freely(batch)),
        field("swapped memory", |t| t.swap, Freely(batch)),
        field("address space", |t| t.virtual_memory, Freely(0)),
        field("page tables", |t| t.page_tables, Freely(0)),
        field("descriptors", |t| t.descriptors, Freely(0)),
        field("soft limit", |t| t.descriptor_soft_limit, Freely(0)),
        field("hard limit", |t| t.descriptor_hard_limit, Freely(0)),
    ]
}

fn by_id(frame: &Frame) -> BTreeMap<ProcessId, &ProcessSample> {
    frame.processes.iter().map(|p| (p.id, p)).collect()
}

#[test]
fn the_two_snapshot_roads_agree_on_every_field_on_a_busy_host() {
    let victims: Vec<Victim> = [
        "spin=20000",
        "threads=6 spin=20000",
        "fork=100000",
        "touch=300000000 sleep=20000",
        "yield=100000000",
        "open-keep=20 socket=5 mmap=100:65536 print-ready wait",
    ]
    .iter()
    .map(|operations| {
        let mut victim = Victim::held_before(operations).unwrap();
        victim.go().unwrap();
        victim
    })
    .collect();
    let all = Selection::All {
        kernel_threads: false,
    };
    let open = |kernel| Collector::open(all.clone(), kernel, Contract::default()).unwrap();
    let (mut kernel, mut proc) = (open(Some(Sizes::default())), open(None));
    assert!(!kernel.probes().is_empty());
    let ours: BTreeSet<u32> = victims.iter().map(Victim::pid).collect();
    // Their threads are there, and known to both.
    thread::sleep(Duration::from_millis(100));
    kernel.tick(Missed::default()).unwrap();
    let mut differing: Option<BTreeSet<(u32, &str)>> = None;
    let mut compared = BTreeMap::<&str, usize>::new();
    for _ in 0..ROUNDS {
        let before = proc.tick(Missed::default()).unwrap();
        let snapshot = kernel.tick(Missed::default()).unwrap();
        let after = proc.tick(Missed::default()).unwrap();
        let (snapshot, after) = (by_id(&snapshot), by_id(&after));
        let mut differs = BTreeSet::new();
        for (id, before) in by_id(&before) {
            let Some(&after) = after.get(&id) else {
                continue;
            };
            // Of others, some may be hidden from the iterator by a security module.
            if !ours.contains(&id.pid) {
                continue;
            }
            let Some(&shown) = snapshot.get(&id) else {
                panic!("{id:?} is not shown: {before:?}");
            };
            assert_same_words(before, shown, after);
            for (name, of, moves) in fields() {
                let values = [before, shown, after].map(|sample| of(&sample.totals));
                let [Some(least), value, Some(most)] = values else {
                    continue;
                };
                let value = value.unwrap_or_else(|| panic!("no {name} of {shown:?}"));
                *compared.entry(name).or_default() += 1;
                match moves {
                    Up(slack) => assert!(
                        (least.saturating_sub(slack)..=most + slack).contains(&value),
                        "{name} of {id:?}: {value}, by /proc {least} before and {most} after"
                    ),
                    Freely(slack) if least == most && value.abs_diff(least) > slack => {
                        differs.insert((id.pid, name));
                    }
                    Freely(_) => {}
                }
            }
        }
        differing = Some(match differing {
            Some(always) => &always & &differs,
            None => differs,
        });
    }
    kernel.close();
    proc.close();
    assert_eq!(differing, Some(BTreeSet::new()), "in every round");
    let expected = victims.len() * ROUNDS;
    for (name, _, _) in fields() {
        assert_eq!(compared.get(name), Some(&expected), "{name} was compared");
    }
}

/// What does not change from tick to tick.
fn assert_same_words(before: &ProcessSample, shown: &ProcessSample, after: &ProcessSample) {
    assert_eq!(shown.created_unix_ns, before.created_unix_ns);
    assert_eq!(before.metadata, after.metadata);
    assert_eq!(shown.metadata, before.metadata);
}
