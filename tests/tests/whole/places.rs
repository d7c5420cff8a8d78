//! Processes whose tallies would stand at the same place in front of the map.

use std::process::Command;

use procmon_common::config::FEWEST_PLACES;
use procmon_tests::{
    Victim, jsonl,
    strace::{FILES, MEMORY, file_key, memory_key},
};

use crate::support::{LIMIT, Recording};

/// A victim whose place is that of another process.
fn at_the_place_of(other: u32, operations: &str) -> Victim {
    let same = |pid: u32| pid % FEWEST_PLACES == other % FEWEST_PLACES;
    // Ids are given in turn; others take some.
    for _ in 0..20 * FEWEST_PLACES {
        let mut before = Command::new("/bin/true").spawn().unwrap();
        before.wait().unwrap();
        if same(before.id() + 1) {
            let victim = Victim::held_before(operations).unwrap();
            if same(victim.pid()) {
                return victim;
            }
        }
    }
    panic!("no process has the place of {other}");
}

#[test]
fn of_two_processes_at_one_place_both_are_counted_exactly() {
    let work = |pairs: u32| format!("threads=2 map-pairs={pairs}:8192 open={pairs}");
    let few = Victim::held_before(&work(1_000)).unwrap();
    let many = at_the_place_of(few.pid(), &work(3_000));
    let pids = [&few, &many].map(|victim| victim.pid().to_string());
    let recording = Recording::start(&["--pid", &pids[0], "--pid", &pids[1]]);
    let ids = [few.pid(), many.pid()];
    for victim in [few, many] {
        assert!(victim.finish_within(LIMIT).unwrap().status.success());
    }
    let ended = jsonl::parse_exited(&recording.text()).unwrap();
    assert_eq!(ended.len(), 2);
    let [few, many] = ids.map(|pid| {
        let of = |object: &&jsonl::Object| object.pid == pid;
        let object = ended.iter().find(of).unwrap().clone();
        jsonl::totals(&[object], &[MEMORY, FILES])
    });
    for key in [
        memory_key("mmap", None),
        memory_key("munmap", None),
        file_key("open", None),
        file_key("close", None),
    ] {
        assert!(few[&key] >= 2_000, "{key}: {}", few[&key]);
        assert_eq!(many[&key] - few[&key], 4_000, "{key}");
    }
}
