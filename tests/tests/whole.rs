//! Nothing missed, nothing invented: great numbers, short lives, bytes over the network, and the
//! kernel's own sums.

use std::time::Duration;

use procmon_tests::{
    Procmon,
    cgroup::Cgroup,
    jsonl::{self, Object},
    need,
    program::Program,
    strace::{FILES, MEMORY, file_key, memory_key},
    victim,
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
    let cgroup = need!(Cgroup::new("short-lives"));
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
    let cgroup = need!(Cgroup::new("nine-threads"));
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
