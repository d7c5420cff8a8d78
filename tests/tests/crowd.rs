//! Many processes, whose table changes while it is read.

use std::collections::BTreeSet;

use procmon::{
    collector::{Collector, Contract, Missed, Selection},
    frame::Frame,
    kernel::Sizes,
};
use procmon_tests::{
    Victim, environment::is_emulated, ground, need, program::SOON, sysctl::Sysctl,
};

/// A process with so many children that do nothing, and who these are. It is small:
/// from one as large as a test, a fork takes ten times as long, and longer beside
/// what looks through the host's memory.
fn sleepers(count: usize) -> (Victim, BTreeSet<u32>) {
    let victim = Victim::start(&format!("sleepers={count} print-ready wait")).unwrap();
    victim.wait_ready_within(6 * SOON, 1).unwrap();
    let children: BTreeSet<u32> = ground::children(victim.pid())
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(children.len(), count);
    (victim, children)
}

fn open(kernel_threads: bool) -> Collector {
    let all = Selection::All { kernel_threads };
    Collector::open(all, Some(Sizes::default()), Contract::default()).unwrap()
}

fn tick(collector: &mut Collector) -> Frame {
    collector.tick(Missed::default()).unwrap()
}

/// The pids of a frame, each of which is there once.
fn pids(frame: &Frame) -> BTreeSet<u32> {
    let pids: BTreeSet<u32> = frame.processes.iter().map(|p| p.id.pid).collect();
    assert_eq!(pids.len(), frame.processes.len(), "a pid twice");
    pids
}

#[test]
fn of_25000_processes_every_one_is_in_every_frame() {
    let count = if is_emulated() { 2_000 } else { 25_000 };
    let _pids = need!(Sysctl::at_least("kernel/pid_max", 65_536));
    let _threads = need!(Sysctl::at_least("kernel/threads-max", 65_536));
    let (_victim, expected) = sleepers(count);
    let mut collector = open(false);
    for _ in 0..3 {
        let shown = pids(&tick(&mut collector));
        assert_eq!(expected.difference(&shown).next(), None);
    }
    collector.close();
}

#[test]
fn a_process_table_that_changes_while_it_is_read_hides_and_doubles_nobody() {
    let (_victim, expected) = sleepers(1_000);
    let mut victims = [(); 2].map(|()| Victim::held_before("fork=1000000").unwrap());
    for victim in &mut victims {
        victim.go().unwrap();
    }
    let mut collector = open(false);
    let mut born = 0;
    for _ in 0..20 {
        let frame = tick(&mut collector);
        let shown = pids(&frame);
        assert_eq!(expected.difference(&shown).next(), None);
        born += frame.exited.len();
    }
    collector.close();
    assert!(born > 100, "the table has hardly changed: {born} ends");
}

#[test]
fn threads_with_no_mm_have_no_memory_and_everything_else() {
    let mut collector = open(true);
    let frame = tick(&mut collector);
    collector.close();
    // kthreadd, the parent of all the others.
    let kernel_thread = frame.processes.iter().find(|p| p.id.pid == 2);
    let kernel_thread = kernel_thread.expect("no kthreadd");
    assert!(kernel_thread.metadata.kernel_thread);
    let totals = &kernel_thread.totals;
    assert_eq!((totals.rss, totals.virtual_memory), (None, None));
    assert_eq!(totals.threads, Some(1));
    assert!(totals.voluntary_switches > Some(0), "{totals:?}");
}
