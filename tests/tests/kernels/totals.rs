//! What the task iterator reads, against the files of /proc: of a stopped process both are the
//! same, or the offsets are wrong.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use procmon_tests::{
    Procmon, Victim,
    jsonl::{self, Object},
};

use crate::{LIMIT, key};

/// Numbers of /proc by our own keys.
type Values = BTreeMap<String, f64>;

#[test]
fn totals_equal_proc_on_this_kernel() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    assert_totals_equal_proc(
        &format!(
            "touch=4000000 mmap=20:65536 open-keep=5 socket=2 write=30:5000:{path} read=20:700:{path} \
             spin=60 sleep=5 sleep=5 yield=50 print-ready wait"
        ),
        1,
    );
}

#[test]
fn totals_of_threads_equal_proc_on_this_kernel() {
    assert_totals_equal_proc(
        "threads=7 touch=400000 open-keep=3 spin=10 sleep=3 yield=20 print-ready wait",
        7,
    );
}

fn assert_totals_equal_proc(operations: &str, ready: usize) {
    let mut victim = Victim::start(operations).unwrap();
    victim.wait_ready(ready).unwrap();
    thread::sleep(Duration::from_millis(50));
    let pid = victim.pid();
    stop(&mut victim);
    let run = Procmon::new("run")
        .pid(pid)
        .args(["--count", "1", "--jsonl", "-"]);
    // Even a stopped process may change: khugepaged puts huge pages in the place of small ones.
    let mut before = proc(pid);
    for _ in 0..5 {
        let output = run.output(LIMIT).unwrap();
        assert!(output.status.success(), "{output:?}");
        let objects = jsonl::parse(&output.stdout).unwrap();
        let [object] = &objects[..] else {
            panic!("{output:?}");
        };
        let after = proc(pid);
        if before == after {
            let differences = differences(object, &after);
            assert!(differences.is_empty(), "{differences:#?}");
            return;
        }
        before = after;
    }
    panic!("the victim's numbers in /proc do not come to rest");
}

fn differences(object: &Object, proc: &Values) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, value) in proc {
        match object.get(key) {
            Some(ours) if (ours - value).abs() <= tolerance(key) => {}
            ours => differences.push(format!("{key}: {ours:?}, by /proc {value}")),
        }
    }
    differences
}

/// Stops it, all its threads.
fn stop(victim: &mut Victim) {
    victim.program().signal(libc::SIGSTOP).unwrap();
    let pid = victim.pid();
    for _ in 0..500 {
        let states = tasks(pid, "status");
        if states.iter().all(|status| field(status, "State") == "T") {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("the victim does not stop");
}

/// How far apart they may be: resident pages by what the kernel keeps on each CPU and adds up or
/// not as the version may be (32 pages a CPU and kind), CPU time by the tick in which /proc counts.
fn tolerance(key: &str) -> f64 {
    let cpus = thread::available_parallelism().map_or(1, usize::from) as f64;
    // SAFETY: sysconf(3) takes a number only.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as f64;
    match key.split('{').next().unwrap_or(key) {
        "process.memory.usage" | "procmon.memory.peak_rss" => 3.0 * 32.0 * page * cpus,
        "procmon.memory.rss" => 32.0 * page * cpus,
        "process.cpu.time" => 0.011,
        _ => 0.0,
    }
}

fn proc(pid: u32) -> Values {
    let status = read(pid, "status");
    let stat = read(pid, "stat");
    let io = read(pid, "io");
    // After the name, which may hold anything: field 3 and on (proc_pid_stat(5)).
    let stat: Vec<f64> = stat[stat.rfind(')').unwrap() + 2..]
        .split(' ')
        .map(|word| word.trim().parse().unwrap_or(f64::NAN))
        .collect();
    let stat = |number: usize| stat[number - 3];
    let number = |text: &str, name: &str| -> f64 {
        let value = field(text, name);
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}: {value:?}"))
    };
    let bytes = |name: &str| number(&status, name) * 1024.0;
    let switches = |name: &str| -> f64 {
        let tasks = tasks(pid, "status");
        tasks.iter().map(|status| number(status, name)).sum()
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let limits = read(pid, "limits");
    let limits: Vec<&str> = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap()
        .split_whitespace()
        .collect();
    let kind = |value| key("procmon.memory.rss", "procmon.memory.kind", value);
    let direction = |metric, value| key(metric, "disk.io.direction", value);
    let switch = |value| {
        key(
            "process.context_switches",
            "process.context_switch.type",
            value,
        )
    };
    let fault = |value| key("process.paging.faults", "system.paging.fault.type", value);
    let limit = |value| key("procmon.file_descriptor.limit", "procmon.limit.type", value);
    let time = |value| key("process.cpu.time", "cpu.mode", value);
    Values::from([
        ("process.memory.usage".to_owned(), bytes("VmRSS")),
        (kind("anon"), bytes("RssAnon")),
        (kind("file"), bytes("RssFile")),
        (kind("shmem"), bytes("RssShmem")),
        ("procmon.memory.swap".to_owned(), bytes("VmSwap")),
        ("procmon.memory.page_tables".to_owned(), bytes("VmPTE")),
        ("procmon.memory.peak_rss".to_owned(), bytes("VmHWM")),
        ("process.memory.virtual".to_owned(), bytes("VmSize")),
        (
            "process.thread.count".to_owned(),
            number(&status, "Threads"),
        ),
        (
            "process.unix.file_descriptor.count".to_owned(),
            descriptors as f64,
        ),
        (limit("soft"), limits[0].parse().unwrap()),
        (limit("hard"), limits[1].parse().unwrap()),
        (switch("voluntary"), switches("voluntary_ctxt_switches")),
        (
            switch("involuntary"),
            switches("nonvoluntary_ctxt_switches"),
        ),
        (fault("minor"), stat(10)),
        (fault("major"), stat(12)),
        (time("user"), stat(14) / 100.0),
        (time("system"), stat(15) / 100.0),
        (
            direction("process.disk.operations", "read"),
            number(&io, "syscr"),
        ),
        (
            direction("process.disk.operations", "write"),
            number(&io, "syscw"),
        ),
        (
            direction("procmon.io.logical", "read"),
            number(&io, "rchar"),
        ),
        (
            direction("procmon.io.logical", "write"),
            number(&io, "wchar"),
        ),
        (
            direction("process.disk.io", "read"),
            number(&io, "read_bytes"),
        ),
    ])
}

/// The first word of a line `name: word ...`.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

/// A file of each thread.
fn tasks(pid: u32, file: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| fs::read_to_string(task.unwrap().path().join(file)).unwrap())
        .collect()
}
