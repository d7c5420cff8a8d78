//! Operations and lives, counted against what the victim was told to do.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use procmon_tests::{
    Procmon, Victim,
    jsonl::{self, Object},
    strace::{FILES, MEMORY, file_key, memory_key},
    victim,
    watching::objects,
};

use crate::{
    LIMIT, diagnosis,
    hide::{self, Hidden},
    probes_not,
};

type Counts = BTreeMap<String, u64>;

/// A bit of everything, and failures.
const OPERATIONS: &str = "mmap=100:8192 munmap=40 mmap-fail=3 munmap-fail=2 mremap=7 brk=5:4096 open=50 \
    open-keep=9 open-fail=11 close-kept=5 close-fail=6 dup=8 dup-fcntl=6 dup-fail=5 socket=4 pipe=6 eventfd=1 \
    memfd=4 uncounted=100";

/// What [`OPERATIONS`] comes to.
fn expected() -> Counts {
    let closed = 50 + 5 + (8 + 6) + 4 + 2 * 6 + (1 + 4);
    Counts::from([
        (memory_key("mmap", None), 100),
        (memory_key("mmap", Some("EINVAL")), 3),
        (memory_key("munmap", None), 40),
        (memory_key("munmap", Some("EINVAL")), 2),
        (memory_key("mremap", None), 7),
        (memory_key("brk", None), 5),
        (file_key("open", None), 50 + 9),
        (file_key("open", Some("ENOENT")), 11),
        (file_key("close", None), closed),
        (file_key("close", Some("EBADF")), 6),
        (file_key("dup", None), 8 + 6),
        (file_key("dup", Some("EBADF")), 5),
        (file_key("socket", None), 4),
        (file_key("pipe", None), 6),
        (file_key("other", None), 1 + 4),
    ])
}

/// What `procmon exec` counts of the victim and its children.
fn counted(operations: &str, hidden: Hidden) -> Counts {
    let file = tempfile::NamedTempFile::new().unwrap();
    let procmon = Procmon::new("exec")
        .arg("--jsonl")
        .arg(file.path())
        .arg("--")
        .arg(victim::path().unwrap())
        .args(operations.split_whitespace());
    let output = hide::output(&procmon, hidden);
    assert!(output.status.success(), "{output:?}");
    jsonl::totals(&jsonl::read(file.path()).unwrap(), &[MEMORY, FILES])
}

/// More by these operations than by as many that are not counted.
fn difference(operations: &str, without: &str, hidden: Hidden) -> Counts {
    let without = counted(without, hidden);
    let mut with = counted(operations, hidden);
    for (key, count) in without {
        let left = with.get(&key).copied().unwrap_or(0);
        assert!(left >= count, "{key}: {left} with, {count} without");
        with.insert(key, left - count);
    }
    with.retain(|_, count| *count != 0);
    with
}

#[test]
fn exec_counts_exactly_what_the_victim_does() {
    let counted = difference(OPERATIONS, "uncounted=1", Hidden::Nothing);
    assert_eq!(counted, expected());
}

#[test]
fn exec_counts_exactly_what_children_and_threads_do() {
    let operations = OPERATIONS.replace("brk=5:4096", "");
    let many = |times: u64| {
        let mut counts = expected();
        counts.remove(&memory_key("brk", None));
        counts.values_mut().for_each(|count| *count *= times);
        counts
    };
    let children = difference(
        &format!("children=20 {operations}"),
        "children=20 uncounted=1",
        Hidden::Nothing,
    );
    assert_eq!(children, many(20), "20 children");
    let threads = difference(
        &format!("threads=6 {operations}"),
        "threads=6 uncounted=1",
        Hidden::Nothing,
    );
    assert_eq!(threads, many(6), "6 threads");
}

#[test]
fn without_tracefs_one_program_stands_in() {
    let doctor = Procmon::new("doctor").arg("--json");
    let diagnosis = diagnosis(&hide::output(&doctor, Hidden::Tracefs));
    let mut degraded = probes_not("active", &diagnosis);
    degraded.retain(|probe| probe.contains("memory") || probe.contains("files"));
    assert_eq!(degraded.len(), 13, "{degraded:#?}");
    for probe in degraded {
        assert!(
            probe.contains("degraded") && probe.contains("no tracefs"),
            "{probe}"
        );
    }
    let counted = difference(OPERATIONS, "uncounted=1", Hidden::Tracefs);
    assert_eq!(counted, expected());
}

#[test]
fn without_control_groups_the_counts_are_the_same_and_no_memory_limit_is_told() {
    let counted = difference(OPERATIONS, "uncounted=1", Hidden::Groups);
    assert_eq!(counted, expected());
    let victim = Victim::held_before("").unwrap();
    let run = Procmon::new("run").pid(victim.pid());
    let run = run.args(["--count", "1", "--jsonl", "-"]);
    let output = hide::output(&run, Hidden::Groups);
    assert!(output.status.success(), "{output:?}");
    let objects = jsonl::parse(&output.stdout).unwrap();
    assert_eq!(objects[0].get("procmon.memory.limit"), None, "{output:?}");
    assert!(
        objects[0].get("process.memory.usage") > Some(0.0),
        "{output:?}"
    );
}

#[test]
fn without_type_information_it_ends_with_3_and_advice() {
    let victim = Victim::held_before("").unwrap();
    let run = Procmon::new("run").pid(victim.pid()).args(["--count", "1"]);
    let output = hide::output(&run, Hidden::Btf);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    for words in ["CONFIG_DEBUG_INFO_BTF", "--no-ebpf"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    let run = run.args(["--no-ebpf", "--jsonl", "-"]);
    let output = hide::output(&run, Hidden::Btf);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(jsonl::parse(&output.stdout).unwrap().len(), 1, "{output:?}");
}

#[test]
fn a_short_life_is_recorded_with_its_exit_code() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // Most of them live between two ticks.
    let procmon = Procmon::new("run")
        .args(["--all", "--interval", "1s", "--jsonl"])
        .arg(file.path())
        .start_watching(LIMIT)
        .unwrap();
    let mut lives = Vec::new();
    for n in 0..20 {
        let ending = match n % 4 {
            3 => "kill=SIGKILL".to_owned(),
            2 => "threads=3 spin=1".to_owned(),
            _ => format!("open=3 exit={n}"),
        };
        let victim = Victim::start(&ending).unwrap();
        let pid = victim.pid();
        let status = victim.finish().unwrap().status;
        assert_eq!(status.signal().is_some(), n % 4 == 3, "{status}");
        lives.push((pid, status));
    }
    // A record is made at the last switch, which may come after wait() has returned.
    let records = ends(file.path(), lives.len());
    procmon.signal(libc::SIGINT).unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    for (pid, status) in lives {
        let records: Vec<_> = records.iter().filter(|object| object.pid == pid).collect();
        let [record] = records[..] else {
            panic!("{} ends of process {pid}: {records:?}", records.len());
        };
        let exited = &record.json["exited"];
        assert_eq!(exited["code"].as_i64(), status.code().map(i64::from));
        let signal = status.signal().map(|_| "SIGKILL");
        assert_eq!(exited["signal"].as_str(), signal);
        assert_eq!(record.json["process"]["executable"], "victim");
        let on_cpu = record.get("procmon.cpu.on_cpu.time").unwrap();
        assert!(on_cpu > 0.0, "{record:?}");
        let opened = file_key("open", None);
        if status.code().is_some_and(|code| code % 4 < 2 && code > 0) {
            assert!(record.get(&opened) >= Some(3.0), "{record:?}");
        }
    }
}

#[test]
fn not_one_of_many_short_lives_is_lost() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Procmon::new("exec")
        .arg("--jsonl")
        .arg(file.path())
        .arg("--")
        .arg(victim::path().unwrap())
        .args(["fork=400", "children=4", "fork=25"])
        .output(LIMIT)
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let last = jsonl::last(&jsonl::read(file.path()).unwrap());
    assert_eq!(last.len(), 1 + 400 + 4 * (1 + 25));
    for object in last.values() {
        assert_eq!(object.json["exited"]["code"], 0, "{object:?}");
        assert!(
            object.get("procmon.cpu.on_cpu.time") > Some(0.0),
            "{object:?}"
        );
    }
    let forks = last
        .values()
        .filter_map(|object| object.get("procmon.process.forks"));
    assert_eq!(forks.sum::<f64>() as usize, last.len() - 1);
}

/// The last objects of victims, once there are so many.
fn ends(file: &Path, count: usize) -> Vec<Object> {
    let until = Instant::now() + LIMIT;
    loop {
        let text = fs::read_to_string(file).unwrap();
        let mut ends = objects(&text);
        ends.retain(|end| end.has_exited() && end.json["process"]["executable"] == "victim");
        if ends.len() >= count {
            return ends;
        }
        assert!(Instant::now() < until, "{} ends of {count}", ends.len());
        thread::sleep(Duration::from_millis(100));
    }
}
