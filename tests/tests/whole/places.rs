//! Processes whose entries would stand at the same place in front of the map.

use std::{collections::BTreeMap, process::Command};

use procmon_common::config::{FEWEST_PLACES, MOST_PLACES};
use procmon_tests::{
    Victim, jsonl,
    next_pid::{self, LAST_PID},
    skip,
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

#[test]
fn one_born_at_the_place_of_another_is_counted_from_its_birth_to_its_end() {
    if !next_pid::can_be_chosen() {
        skip!("no {LAST_PID}: a pid cannot be chosen");
    }
    let recording = Recording::start(&["--all", "--interval", "100ms"]);
    let there = Victim::held_before("").unwrap();
    // In whichever direction there is room below pid_max, which is 32768 at least.
    let same_place = match there.pid() {
        low @ ..MOST_PLACES => low + MOST_PLACES,
        high => high - MOST_PLACES,
    };
    let work = "threads=2 map-pairs=1000:8192 open=1000 open-fail=10";
    let held = || Victim::held_before(work).unwrap();
    let Some(born) = next_pid::start_as(same_place, held, Victim::pid) else {
        skip!("pid {same_place} was taken by others each time");
    };
    let other = held();
    let ids = [born.pid(), other.pid()];
    for victim in [born, other] {
        let output = victim.finish_within(LIMIT).unwrap();
        assert!(output.status.success());
    }
    drop(there);
    let ended = recording.stop();
    let [born, other] = ids.map(|pid| {
        let of = |object: &&jsonl::Object| object.pid == pid;
        ended.iter().find(of).unwrap().clone()
    });
    assert_eq!([born.exit_code(), other.exit_code()], [Some(0); 2]);
    assert_eq!(calls(born), calls(other));
}

/// How often it did what it was told to, and what came with it.
fn calls(object: jsonl::Object) -> BTreeMap<String, u64> {
    let totals = jsonl::totals(&[object], &[MEMORY, FILES]);
    let keys = [
        memory_key("mmap", None),
        memory_key("munmap", None),
        file_key("open", None),
        file_key("open", Some("ENOENT")),
        file_key("close", None),
    ];
    keys.map(|key| {
        let count = totals[&key];
        (key, count)
    })
    .into()
}
