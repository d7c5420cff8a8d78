//! Nothing missed, nothing invented: great numbers, short lives, bytes over the network, and the
//! kernel's own sums.

use std::{collections::BTreeMap, time::Duration};

use procmon_tests::{
    Procmon,
    cgroup::{Cgroup, Controller},
    jsonl::{self, Object},
    need,
    program::Program,
    strace::{FILES, MEMORY, file_key, memory_key},
    time, victim,
};

const LIMIT: Duration = Duration::from_secs(180);
const RECEIVE: &str = r#"process.network.io{network.io.direction="receive"}"#;
const TRANSMIT: &str = r#"process.network.io{network.io.direction="transmit"}"#;

/// CPU time of an object, seconds.
fn cpu(object: &Object) -> f64 {
    ["user", "system"]
        .map(|mode| format!("process.cpu.time{{cpu.mode=\"{mode}\"}}"))
        .iter()
        .filter_map(|key| object.get(key))
        .sum()
}

/// What `procmon run --all` writes while a command runs in a cgroup: the last objects of those that
/// ended, and the kernel's word on the CPU time.
fn all_while(cgroup: &Cgroup, operations: &[&str]) -> (Vec<Object>, f64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.jsonl");
    let procmon = Procmon::new("run")
        .args(["--all", "--interval", "1s", "--jsonl"])
        .arg(&file)
        .start()
        .unwrap();
    procmon
        .wait_for_stderr(LIMIT, |text| text.contains("watching"))
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let victim = victim::path().unwrap().display().to_string();
    let mut command = cgroup.command(&victim, operations);
    let output = Program::start(&mut command).unwrap().wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    std::thread::sleep(Duration::from_millis(1_500));
    procmon.signal(libc::SIGINT).unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let seconds = cgroup.cpu_ns().unwrap() as f64 / 1e9;
    (jsonl::read_exited(&file).unwrap(), seconds)
}

fn of<'a>(objects: &'a [Object], executable: &str) -> Vec<&'a Object> {
    objects
        .iter()
        .filter(|object| object.executable() == executable)
        .collect()
}

#[test]
fn fifty_thousand_short_lives_are_fifty_thousand_exits_and_their_cpu_time_is_the_cgroups() {
    let cgroup = need!(Cgroup::new("short-lives", &[Controller::Cpu]));
    let (ended, kernel) = all_while(&cgroup, &["run=50000:/bin/true"]);
    let lives = of(&ended, "true");
    assert_eq!(lives.len(), 50_000);
    assert!(lives.iter().all(|object| object.exit_code() == Some(0)));
    let ours: f64 = lives.into_iter().chain(of(&ended, "victim")).map(cpu).sum();
    assert!(
        (ours - kernel).abs() <= kernel * 0.01,
        "procmon {ours} s, the cgroup {kernel} s"
    );
}

#[test]
fn a_thousand_nine_thread_lives_have_the_cgroups_cpu_time() {
    let cgroup = need!(Cgroup::new("nine-threads", &[Controller::Cpu]));
    let operations = ["children=1000", "threads=8", "spin=1"];
    let (ended, kernel) = all_while(&cgroup, &operations);
    let lives = of(&ended, "victim");
    assert_eq!(lives.len(), 1_001);
    let ours: f64 = lives.into_iter().map(cpu).sum();
    assert!(
        (ours - kernel).abs() <= kernel * 0.02,
        "procmon {ours} s, the cgroup {kernel} s"
    );
}

/// The last objects of the processes of a traced command.
fn exec(operations: &str) -> Vec<Object> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.jsonl");
    let output = Procmon::new("exec")
        .arg("--jsonl")
        .arg(&file)
        .arg("--")
        .arg(victim::path().unwrap())
        .args(operations.split_whitespace())
        .output(LIMIT)
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let objects = jsonl::read(&file).unwrap();
    jsonl::last(&objects).into_values().collect()
}

#[test]
fn a_million_mmap_pairs_and_a_million_open_pairs_from_8_threads_are_exactly_those() {
    let base = exec("threads=8 map-pairs=0:8192 open=0");
    let full = exec("threads=8 map-pairs=125000:8192 open=125000");
    let base = jsonl::totals(&base, &[MEMORY, FILES]);
    let full = jsonl::totals(&full, &[MEMORY, FILES]);
    let more = |key: &str| full[key] - base.get(key).copied().unwrap_or(0);
    for key in [
        memory_key("mmap", None),
        memory_key("munmap", None),
        file_key("open", None),
        file_key("close", None),
    ] {
        assert_eq!(more(&key), 1_000_000, "{key}");
    }
}

#[test]
fn bytes_over_loopback_are_what_the_calls_returned_by_write_sendfile_and_udp() {
    let objects = exec("tcp=100000000 udp=1000:1200");
    assert_eq!(objects.len(), 3);
    let mut seen: Vec<(f64, f64)> = objects
        .iter()
        .map(|object| (object.get(RECEIVE).unwrap(), object.get(TRANSMIT).unwrap()))
        .collect();
    seen.sort_by(f64_pairs);
    assert_eq!(
        seen,
        [
            // The victim: its bytes, its datagrams, and the answers to them.
            (1_000.0, 100_000_000.0 + 1_200_000.0),
            // The child of the datagrams, who also looked ahead.
            (1_200_000.0, 1_000.0),
            // The child of the stream.
            (100_000_000.0, 0.0),
        ]
    );
}

fn f64_pairs(a: &(f64, f64), b: &(f64, f64)) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap()
}

#[test]
fn a_third_process_of_the_same_namespace_shows_no_network_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("idle.jsonl");
    let mut idle = victim::Victim::start("print-ready wait").unwrap();
    idle.wait_ready(1).unwrap();
    let procmon = Procmon::new("run")
        .pid(idle.pid())
        .args(["--interval", "100ms", "--jsonl"])
        .arg(&file)
        .start()
        .unwrap();
    procmon
        .wait_for_stderr(LIMIT, |text| text.contains("watching"))
        .unwrap();
    let mut busy = victim::Victim::start("tcp=10000000").unwrap();
    busy.go().ok();
    assert!(busy.finish().unwrap().status.success());
    idle.go().unwrap();
    idle.finish().unwrap();
    assert!(procmon.wait(LIMIT).unwrap().status.success());
    let objects = jsonl::read(&file).unwrap();
    let last = objects.last().unwrap();
    assert!(last.has_exited());
    assert_eq!(
        (last.get(RECEIVE), last.get(TRANSMIT)),
        (Some(0.0), Some(0.0))
    );
}

#[test]
fn with_room_for_one_process_report_says_how_many_updates_and_processes_found_no_room() {
    let output = Procmon::new("run")
        .args([
            "--all",
            "--count",
            "2",
            "--interval",
            "500ms",
            "--report",
            "-",
        ])
        .env("PROCMON_KERNEL_MAX_PROCESSES", "1")
        .output(LIMIT)
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let line = output
        .stdout
        .lines()
        .rfind(|line| line.contains(" lost so far: "))
        .unwrap();
    let count = |what: &str| -> u64 {
        let (_, rest) = line.split_once(what).unwrap();
        rest.trim_start()
            .split([',', ' '])
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert!(count("process map_full") > 0, "{line}");
    assert!(count("update no_process") > 0, "{line}");
}

/// Work of every kind for some seconds: short lives, threads, sleeps, system calls.
const MIXED: &str = r#"read go
for i in $(seq 40); do
    for j in 1 2 3 4 5; do /bin/true; done
    "$0" threads=3 spin=15 open=200 map-pairs=200:8192
    "$0" children=3 spin=10 &
    "$0" spin=30 sleep=20
done
wait"#;
/// Processes of it: the shell and its seq, and what each of 40 rounds runs.
const MIXED_PROCESSES: usize = 2 + 40 * (5 + 1 + 4 + 1);

#[test]
fn at_every_tick_of_a_mixed_load_live_and_exited_cpu_time_is_the_cgroups_within_a_tick() {
    let cgroup = need!(Cgroup::new("mixed", &[Controller::Cpu]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mixed.jsonl");
    let victim = victim::path().unwrap().display().to_string();
    let mut shell =
        Program::start(&mut cgroup.command("/bin/bash", &["-c", MIXED, &victim])).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let procmon = Procmon::new("run")
        .pid(shell.pid())
        .args(["--children", "--interval", "500ms", "--jsonl"])
        .arg(&file)
        .start()
        .unwrap();
    procmon
        .wait_for_stderr(LIMIT, |text| text.contains("watching"))
        .unwrap();
    shell.send(b"go\n").unwrap();
    // The kernel's word, all the time.
    let mut word: Vec<(u64, f64)> = Vec::new();
    while shell.is_running() {
        word.push((now_ns(), cgroup.cpu_ns().unwrap() as f64 / 1e9));
        std::thread::sleep(Duration::from_millis(5));
    }
    word.push((now_ns(), cgroup.cpu_ns().unwrap() as f64 / 1e9));
    assert!(procmon.wait(LIMIT).unwrap().status.success());
    let objects = jsonl::read(&file).unwrap();

    let mut ended: BTreeMap<(u32, String), f64> = BTreeMap::new();
    let mut live: BTreeMap<(u32, String), f64> = BTreeMap::new();
    let mut frames = 0;
    let mut at = String::new();
    let mut compare = |at: &str, live: &mut BTreeMap<_, f64>, ended: &BTreeMap<_, f64>| {
        if live.is_empty() {
            return;
        }
        let ours: f64 = live.values().chain(ended.values()).sum();
        live.clear();
        let at = time::parse(at).unwrap();
        let least = word.iter().rfind(|(then, _)| *then <= at);
        let most = word.iter().find(|(then, _)| *then >= at + 500_000_000);
        let least = least.map_or(0.0, |(_, cpu)| *cpu);
        let most = most.or(word.last()).unwrap().1;
        // A running thread's time is up to a scheduler tick old, on each CPU.
        assert!(
            (least - 0.03..=most + 0.03).contains(&ours),
            "procmon {ours} s, the cgroup {least} to {most} s"
        );
        frames += 1;
    };
    for object in &objects {
        let id = (object.pid, object.creation_time.clone());
        if object.has_exited() {
            // The ends of a frame come before its live processes.
            compare(&at, &mut live, &ended);
            assert!(
                ended.insert(id, cpu(object)).is_none(),
                "ended twice: {object:?}"
            );
            continue;
        }
        let timestamp = object.json["timestamp"].as_str().unwrap();
        if timestamp != at {
            compare(&at, &mut live, &ended);
            at = timestamp.to_owned();
        }
        live.insert(id, cpu(object));
    }
    assert!(frames > 5, "{frames} frames");
    assert_eq!(ended.len(), MIXED_PROCESSES);
    let ours: f64 = ended.values().sum();
    let kernel = word.last().unwrap().1;
    assert!(
        (ours - kernel).abs() < 0.03 + kernel * 0.01,
        "procmon {ours} s, the cgroup {kernel} s"
    );
}

fn now_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_nanos()).unwrap()
}
