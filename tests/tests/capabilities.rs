//! What procmon can still do once it is attached: what README.md's table says, and all it is for.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    process::Command,
};

use procmon_tests::{
    Procmon, Program, Victim, ground,
    program::SOON,
    strace::file_key,
    watching::{NEVER, end, objects, output, wait_objects, watch},
};

const NOBODY: u32 = 65_534;

/// By name, as README.md's table has them (include/uapi/linux/capability.h).
const NUMBERS: [(&str, u32); 8] = [
    ("DAC_OVERRIDE", 1),
    ("DAC_READ_SEARCH", 2),
    ("KILL", 5),
    ("NET_BIND_SERVICE", 10),
    ("SYS_PTRACE", 19),
    ("SYS_ADMIN", 21),
    ("PERFMON", 38),
    ("BPF", 39),
];
const OF_PROC: [&str; 2] = ["SYS_PTRACE", "DAC_READ_SEARCH"];
const OF_EBPF: [&str; 3] = ["BPF", "PERFMON", "SYS_ADMIN"];

/// These, of what the test itself has.
fn set(names: &[&[&str]]) -> u64 {
    let numbers: BTreeMap<_, _> = NUMBERS.into();
    let all = names.concat();
    let set = all.iter().fold(0, |set, name| set | 1 << numbers[name]);
    set & sets("self")["CapPrm"]
}

/// The sets in a status file of /proc.
fn sets(of: &str) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(format!("/proc/{of}/status")).unwrap();
    parse(&text)
}

fn parse(text: &str) -> BTreeMap<String, u64> {
    let set = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_set = name.starts_with("Cap") || name == "NoNewPrivs";
        is_set.then(|| {
            (
                name.to_owned(),
                u64::from_str_radix(value.trim(), 16).unwrap(),
            )
        })
    };
    text.lines().filter_map(set).collect()
}

/// Every thread of a process has exactly these, and can get no others.
fn assert_keeps(pid: u32, names: &[&[&str]]) {
    let wanted = set(names);
    let threads = ground::threads(pid).unwrap();
    assert!(threads.len() > 1, "{threads:?}");
    for thread in threads {
        let sets = sets(&format!("{pid}/task/{thread}"));
        for (name, value) in [
            ("CapEff", wanted),
            ("CapPrm", wanted),
            ("CapInh", 0),
            ("CapAmb", 0),
            ("NoNewPrivs", 1),
        ] {
            assert_eq!(sets[name], value, "{name} of thread {thread}: {sets:x?}");
        }
    }
}

fn as_nobody(command: &mut Command) {
    command.uid(NOBODY).gid(NOBODY);
}

#[test]
fn capabilities_are_dropped_after_attach_to_the_documented_least_set_and_counts_stay_exact() {
    let operations = "open=50 open-fail=11 dup=9 listen=2 print-ready wait";
    let mut victim = Victim::held_as(as_nobody, operations).unwrap();
    let pid = victim.pid();
    let procmon = watch(&[pid], "100ms").start().unwrap();
    wait_objects(&procmon, 2);
    assert_keeps(procmon.pid(), &[&OF_PROC, &OF_EBPF]);
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    let before = objects(&procmon.stdout()).len();
    // Connections are read every two seconds.
    let listening = |text: &str| {
        objects(text).last().is_some_and(|object| {
            let state = "network.connection.state=\"listen\",network.transport=\"tcp\"";
            let key = format!("procmon.network.connection.count{{{state}}}");
            object.get(&key) == Some(2.0)
        })
    };
    let text = procmon.wait_for_stdout(SOON, listening).unwrap();
    let objects = objects(&text);
    assert!(objects.len() > before);
    let (first, last) = (&objects[0], objects.last().unwrap());
    for (key, count) in [
        (file_key("open", None), 50.0),
        (file_key("open", Some("ENOENT")), 11.0),
        (file_key("dup", None), 9.0),
    ] {
        let growth = last.get(&key).unwrap() - first.get(&key).unwrap_or(0.0);
        assert_eq!(growth, count, "{key}");
    }
    // Of another user's process, whose files in /proc are not ours to read.
    let descriptors = last.get("process.unix.file_descriptor.count").unwrap();
    assert_eq!(descriptors, ground::entries(pid, "fd").unwrap() as f64);
    for key in [
        "procmon.memory.uss",
        "procmon.memory.pss",
        "process.disk.io{disk.io.direction=\"read\"}",
    ] {
        assert!(last.get(key).is_some(), "{key}: {last:?}");
    }
    assert!(last.json["process"]["path"].is_string(), "{last:?}");
    let said = end(procmon).stderr;
    assert!(!said.contains("left out"), "{said}");
}

#[test]
fn without_ebpf_procmon_keeps_what_it_takes_to_read_proc_of_other_users() {
    let victim = Victim::held_as(as_nobody, "").unwrap();
    let procmon = watch(&[victim.pid()], "100ms")
        .arg("--no-ebpf")
        .start()
        .unwrap();
    wait_objects(&procmon, 3);
    assert_keeps(procmon.pid(), &[&OF_PROC]);
    let objects = objects(&procmon.stdout());
    let last = objects.last().unwrap();
    let descriptors = ground::entries(victim.pid(), "fd").unwrap() as f64;
    assert_eq!(
        last.get("process.unix.file_descriptor.count"),
        Some(descriptors)
    );
    assert!(last.get("procmon.memory.uss").is_some(), "{last:?}");
    let said = end(procmon).stderr;
    assert!(!said.contains("left out"), "{said}");
}

#[test]
fn the_overhead_budget_is_still_measured_after_the_drop() {
    let own = std::process::id();
    let procmon = watch(&[own], "100ms")
        .args(["--listen", "127.0.0.1:0"])
        .env("PROCMON_OVERHEAD_PERIOD", "1s")
        .start()
        .unwrap();
    wait_objects(&procmon, 1);
    let address = procmon_tests::http::address(&procmon).unwrap();
    let page = procmon_tests::http::wait_for_page(&address, "/metrics", |answer| {
        answer.text().contains("\nprocmon_agent_probe_runs_total{")
    });
    assert!(page.unwrap().text().contains("\nprocmon_agent_overhead"));
    let said = end(procmon).stderr;
    assert!(!said.contains("cannot be measured"), "{said}");
}

#[test]
fn a_report_in_another_users_folder_is_still_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let file = folder.path().join("report.jsonl");
    let configuration = folder.path().join("procmon.yaml");
    fs::write(
        &configuration,
        format!(
            "export: {{jsonl: {{file: {}, max_size: 4KiB}}}}\n",
            file.display()
        ),
    )
    .unwrap();
    let procmon = Procmon::new("run")
        .pid(std::process::id())
        .args(["--interval", "50ms", "--config"])
        .arg(&configuration)
        .start()
        .unwrap();
    let second = folder.path().join("report.jsonl.2");
    procmon_tests::watching::wait_until("two were put aside", || second.exists());
    assert_keeps(procmon.pid(), &[&OF_PROC, &OF_EBPF, &["DAC_OVERRIDE"]]);
    let said = end(procmon).stderr;
    assert!(!said.contains("cannot"), "{said}");
}

#[test]
fn a_command_that_is_executed_has_the_capabilities_it_would_have_without_procmon() {
    let shown = ["grep", "-E", "^(Cap|NoNewPrivs)", "/proc/self/status"];
    let alone = Command::new(shown[0]).args(&shown[1..]).output().unwrap();
    let alone = String::from_utf8(alone.stdout).unwrap();
    for road in [&[][..], &["--no-ebpf"]] {
        let exec = Procmon::new("exec").args(road).arg("--").args(shown);
        let output = output(&exec);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output.stdout, alone, "{road:?}");
    }
    // procmon itself has not, and its command is somebody else by now.
    let drop = "exec setpriv --reuid 65534 --clear-groups sleep 60";
    let procmon = Procmon::new("exec")
        .args(["--", "sh", "-c", drop])
        .start()
        .unwrap();
    procmon_tests::watching::wait_until("the command is nobody's", || {
        child_of(procmon.pid(), NOBODY).is_some()
    });
    // The thread that starts it gives up its own right after.
    procmon_tests::watching::wait_until("all threads gave up what they had", || {
        let threads = ground::threads(procmon.pid()).unwrap();
        let has_none = |thread: &u32| sets(&thread.to_string())["NoNewPrivs"] == 1;
        threads.iter().all(has_none)
    });
    assert_keeps(procmon.pid(), &[&OF_PROC, &OF_EBPF, &["KILL"]]);
    procmon.signal(libc::SIGTERM).unwrap();
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(
        output.status.code(),
        Some(128 + libc::SIGTERM),
        "{output:?}"
    );
}

/// A child of a process that runs as this user.
fn child_of(parent: u32, user: u32) -> Option<u32> {
    let children = ground::children(parent).unwrap();
    children.into_iter().find(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains(&format!("\nUid:\t{user}\t{user}\t"))
    })
}

#[test]
fn capabilities_that_are_missing_at_the_start_are_no_error() {
    let own = std::process::id();
    let inner = watch(&[own], NEVER)
        .args(["--count", "1", "--no-ebpf"])
        .command()
        .unwrap();
    let mut command = Command::new("setpriv");
    command
        .args([
            "--bounding-set",
            "-all,+dac_read_search",
            "--inh-caps",
            "-all",
        ])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(Procmon::LISTEN, "off");
    let output = Program::start(&mut command).unwrap().wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(objects(&output.stdout).len(), 1);
    assert!(!output.stderr.contains("capabilities"), "{output:?}");
}
