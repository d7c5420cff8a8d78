//! Killed for want of memory: whom, and what it held.

use std::{
    fs::{self, OpenOptions},
    io::Read as _,
    os::unix::{fs::OpenOptionsExt as _, process::ExitStatusExt as _},
};

use procmon_tests::{
    Procmon, Program,
    cgroup::{Cgroup, Controller},
    fuse::{Fuse, with_own_mounts},
    jsonl::{self, Object},
    need, victim,
    watching::wait_until,
};

use crate::{LIMIT, key};

/// What the victims may have together.
const ALLOWED: u64 = 64 << 20;

#[test]
fn an_oom_kill_is_the_victims_with_what_it_held() {
    let cgroup = need!(Cgroup::new("oom", &[Controller::Memory]));
    let [greedy, modest] = watch(&cgroup, "touch=134217728");
    assert_eq!(modest.get("procmon.oom_kills"), Some(0.0));
    assert_held(&greedy);
}

#[test]
fn an_oom_kill_is_the_victims_when_its_first_thread_has_gone() {
    let cgroup = need!(Cgroup::new("oom-threads", &[Controller::Memory]));
    let [greedy, _] = watch(&cgroup, "leader-exit=0 touch=134217728");
    assert_eq!(greedy.get("procmon.oom_kills"), Some(1.0));
    assert_peak(&greedy);
}

/// The kernel carries the mark of whoever spawned a program across execve: it hides the program's.
#[test]
fn an_oom_kill_tells_what_a_victim_held_whose_parent_had_more() {
    let cgroup = need!(Cgroup::new("oom-parent", &[Controller::Memory]));
    drop(std::hint::black_box(vec![1u8; 2 * ALLOWED as usize]));
    assert!(own_peak() > ALLOWED);
    let [greedy, _] = watch(&cgroup, "leader-exit=0 touch=134217728");
    assert_eq!(greedy.get("procmon.oom_kills"), Some(1.0));
    assert_peak(&greedy);
}

/// A dying process waits for a file system, or on a host under load for a CPU: after two seconds
/// the kernel takes its memory.
#[test]
fn an_oom_kill_tells_what_a_victim_held_whose_memory_was_taken_before_it_could_end() {
    with_own_mounts(|| {
        for threads in ["", "leader-exit=0 "] {
            let cgroup = need!(Cgroup::new("oom-reaped", &[Controller::Memory]));
            let folder = tempfile::tempdir().unwrap();
            let statfs = format!("statfs={}", folder.path().display());
            let [mut greedy, mut modest] = start(
                &cgroup,
                [
                    &format!("print-ready wait {threads}touch=50331648 {statfs}"),
                    "print-ready wait touch=33554432 print-ready",
                ],
            );
            let watched = Watched::new([&greedy, &modest]);
            // procmon asks file systems too: at its first tick, and not again for ten seconds.
            wait_until("the first tick", || watched.has_told());
            let far = need!(Fuse::mount(folder.path(), "procmon-test:/oom").unwrap());
            greedy.send(b"\n").unwrap();
            wait_until("it waits for the file system", || far.asked() == 1);
            modest.send(b"\n").unwrap();
            // There is room for it once the memory has been taken.
            let twice = |text: &str| text.matches("ready ").count() == 2;
            if let Err(error) = modest.wait_for_stdout(LIMIT, twice) {
                let told =
                    |line: &String| line.contains("oom_reaper") || line.contains("of memory");
                let said: Vec<String> = kernel_log().into_iter().filter(told).collect();
                panic!(
                    "{error:#}\nit still runs: {}\nthe kernel said:\n{}",
                    modest.is_running(),
                    said.join("\n")
                );
            }
            far.answer().unwrap();
            let [greedy, modest] = watched.ends(&cgroup, greedy, modest);
            assert_eq!(greedy.get("procmon.oom_kills"), Some(1.0));
            assert_eq!(modest.get("procmon.oom_kills"), Some(0.0));
            assert_peak(&greedy);
            let told = greedy.get("process.memory.usage").is_some();
            assert_eq!(told, tracepoint_tells(), "{greedy:?}");
        }
    });
}

/// The last objects of one that is killed by what it does, and of one that looks on in the same
/// cgroup.
fn watch(cgroup: &Cgroup, operations: &str) -> [Object; 2] {
    let operations = format!("print-ready wait {operations}");
    let [mut greedy, modest] = start(cgroup, [&operations, "print-ready wait"]);
    let watched = Watched::new([&greedy, &modest]);
    greedy.send(b"\n").unwrap();
    watched.ends(cgroup, greedy, modest)
}

/// Victims in a cgroup that has less memory than they want, ready.
fn start(cgroup: &Cgroup, operations: [&str; 2]) -> [Program; 2] {
    cgroup.limit_memory(ALLOWED).unwrap();
    let victim = victim::path().unwrap().display().to_string();
    operations.map(|operations| {
        let words: Vec<&str> = operations.split_whitespace().collect();
        let program = Program::start(&mut cgroup.command(&victim, &words)).unwrap();
        let ready = |text: &str| text.contains("ready ");
        program.wait_for_stdout(LIMIT, ready).unwrap();
        program
    })
}

/// The procmon that watches the two.
struct Watched {
    procmon: Program,
    pids: [u32; 2],
    file: tempfile::NamedTempFile,
}

impl Watched {
    fn new(victims: [&Program; 2]) -> Self {
        let pids = victims.map(Program::pid);
        let file = tempfile::NamedTempFile::new().unwrap();
        let procmon = Procmon::new("run")
            .pid(pids[0])
            .pid(pids[1])
            .args(["--interval", "1s", "--jsonl"])
            .arg(file.path())
            .start_watching(LIMIT)
            .unwrap();
        Self {
            procmon,
            pids,
            file,
        }
    }

    /// Whether it has written any object.
    fn has_told(&self) -> bool {
        self.file.path().metadata().unwrap().len() > 0
    }

    /// Their last objects, once the first has been killed; the second is let go.
    fn ends(self, cgroup: &Cgroup, greedy: Program, mut modest: Program) -> [Object; 2] {
        let status = greedy.wait(LIMIT).unwrap().status;
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}");
        modest.close_stdin();
        assert!(modest.wait(LIMIT).unwrap().status.success());
        let output = self.procmon.wait(LIMIT).unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(cgroup.oom_kills().unwrap(), 1, "by the kernel's own count");
        let objects = jsonl::read(self.file.path()).unwrap();
        let last = jsonl::last(&objects);
        let ends = self.pids.map(|pid| {
            let of = last.values().find(|object| object.pid == pid);
            of.unwrap_or_else(|| panic!("nothing of {pid}: {objects:?}\n{output:?}"))
                .clone()
        });
        assert_eq!(ends[0].json["exited"]["signal"], "SIGKILL", "{:?}", ends[0]);
        assert_eq!(ends[1].exit_code(), Some(0), "{:?}", ends[1]);
        ends
    }
}

/// Its highest resident set: near the limit, with the files that it maps and that the cgroup does
/// not pay for.
fn assert_peak(object: &Object) {
    let Some(peak) = object.get("procmon.memory.peak_rss") else {
        let hidden = !tracepoint_tells() && own_peak() > ALLOWED / 2;
        assert!(hidden, "no peak: {object:?}");
        return;
    };
    let allowed = ALLOWED as f64;
    assert!(
        (allowed / 2.0..allowed + (8 << 20) as f64).contains(&peak),
        "{object:?}"
    );
}

/// What the kernel's log says of it, to the byte; older kernels tell the programs no more than who
/// it was.
fn assert_held(object: &Object) {
    assert_eq!(object.get("procmon.oom_kills"), Some(1.0));
    assert_peak(object);
    let kind = |kind| object.get(&key("procmon.memory.rss", "procmon.memory.kind", kind));
    let ours = [
        object.get("process.memory.virtual"),
        kind("anon"),
        kind("file"),
        kind("shmem"),
    ];
    if !tracepoint_tells() {
        assert_eq!(ours, [None; 4]);
        return;
    }
    let said = last_words(object.pid);
    let word = |name: &str| -> f64 {
        let (_, rest) = said
            .split_once(&format!("{name}:"))
            .unwrap_or_else(|| panic!("no {name} in {said}"));
        let kib: u64 = rest.split("kB").next().unwrap().parse().unwrap();
        (kib << 10) as f64
    };
    let kernels = ["total-vm", "anon-rss", "file-rss", "shmem-rss"].map(|name| Some(word(name)));
    assert_eq!(ours, kernels, "{said}");
    let rss = kernels[1..].iter().flatten().sum();
    assert_eq!(object.get("process.memory.usage"), Some(rss));
}

/// Our own highest resident set, bytes.
fn own_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let (_, peak) = status.split_once("VmHWM:").unwrap();
    let kib = peak.split_whitespace().next().unwrap();
    kib.parse::<u64>().unwrap() << 10
}

fn tracepoint_tells() -> bool {
    let format = "/sys/kernel/tracing/events/oom/mark_victim/format";
    fs::read_to_string(format).unwrap().contains("anon_rss")
}

/// What the kernel logged last when it killed this process.
fn last_words(pid: u32) -> String {
    let killed = format!("Killed process {pid} ");
    let said = kernel_log()
        .into_iter()
        .rfind(|line| line.contains(&killed));
    said.expect("the kernel's log does not say who was killed")
}

/// What the kernel has logged, as far as it still has it.
fn kernel_log() -> Vec<String> {
    let mut log = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")
        .unwrap();
    let mut lines = Vec::new();
    let mut record = [0; 16 << 10];
    // One read a record; an error at the end, and where records were overwritten.
    loop {
        match log.read(&mut record) {
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                lines.push(text.trim_end().to_owned());
            }
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return lines,
            Err(error) => panic!("/dev/kmsg: {error}"),
        }
    }
}
