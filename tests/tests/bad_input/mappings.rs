//! A process that maps and never unmaps, told each tick.

use procmon_tests::{
    Program, Victim, ground, jsonl::Object, need, strace::memory_key, sysctl::Sysctl,
};

use crate::support::*;

const MAPPINGS: u64 = 1_000_000;

/// How much procmon's resident set may rise from its first object on: what a victim does must not
/// make procmon larger. Allocators round, hence some room. (Its peak is that of its start.)
const ROOM: u64 = 4 << 20;

/// Watches a victim while it maps, and how large procmon is before and after.
fn watch_mapping(operations: &str) -> (Vec<Object>, [u64; 2]) {
    let mut victim = Victim::held_before(&format!("{operations} print-ready wait")).unwrap();
    let procmon = watch(&[victim.pid()], "20ms").start().unwrap();
    // The set sizes are read some ticks after the start; so much is procmon's usual size.
    wait_objects(&procmon, 20);
    let size = |procmon: &Program| ground::line(procmon.pid(), "status", "VmRSS").unwrap();
    let before = size(&procmon);
    victim.go().unwrap();
    victim
        .program()
        .wait_for_stdout(LIMIT, |text| text.lines().count() == 2)
        .unwrap();
    let seen = objects(&procmon.stdout()).len();
    wait_objects(&procmon, seen + 3);
    let after = size(&procmon);
    // A million mappings take their time to go.
    victim.program().close_stdin();
    let output = procmon.wait(LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    (objects(&output.stdout), [before, after])
}

fn assert_counted(operations: &str) {
    let (objects, [before, after]) = watch_mapping(operations);
    let count = |object: &Object| object.get(&memory_key("mmap", None));
    assert_eq!(
        growth(&objects, &memory_key("mmap", None)),
        Some(MAPPINGS as f64)
    );
    let during = objects
        .iter()
        .filter(|object| count(object) > count(&objects[0]) && !object.has_exited());
    assert!(during.count() > 3, "told while it mapped");
    assert!(
        after <= before + ROOM,
        "procmon grew from {before} to {after} bytes"
    );
}

#[test]
fn a_million_mmaps_are_a_million_while_procmon_tells_each_tick_and_does_not_grow() {
    assert_counted("mmap=1000000:4096");
}

#[test]
fn a_million_mappings_that_stay_apart_are_a_million_while_procmon_tells_each_tick_and_does_not_grow()
 {
    let _maps = need!(Sysctl::at_least("vm/max_map_count", MAPPINGS + 10_000));
    assert_counted("mmap-apart=1000000");
}
