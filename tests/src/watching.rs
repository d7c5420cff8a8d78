//! Watching processes by `procmon run`, object by object.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::{
    Output, Procmon, Program,
    jsonl::{self, Object},
    program::SOON,
};

/// Both roads: through the kernel and through /proc.
pub const ROADS: [&[&str]; 2] = [&[], &["--no-ebpf"]];
/// An interval no test lives to see the end of.
pub const NEVER: &str = "24h";
/// Enough for any run that ends by itself, five seconds of delivery included.
pub const LIMIT: Duration = Duration::from_secs(60);

/// `procmon run --pid PID... --interval INTERVAL --jsonl -`.
pub fn watch(pids: &[u32], interval: &str) -> Procmon {
    let run = Procmon::new("run").args(["--interval", interval, "--jsonl", "-"]);
    pids.iter().fold(run, |run, pid| run.pid(*pid))
}

/// The one object of a process at the first tick of a procmon on this road.
pub fn once(pid: u32, road: &[&str]) -> Object {
    let ended = output(&watch(&[pid], NEVER).args(["--count", "1"]).args(road));
    assert!(ended.status.success(), "{ended:?}");
    let mut objects = objects(&ended.stdout);
    match (objects.pop(), objects.is_empty()) {
        (Some(object), true) if object.pid == pid => object,
        _ => panic!("not one object of process {pid}: {ended:?}"),
    }
}

/// How a procmon ended that is to end by itself.
pub fn output(procmon: &Procmon) -> Output {
    procmon.output(LIMIT).unwrap()
}

/// Interrupts a procmon, which ends soon and with status 0.
pub fn end(procmon: Program) -> Output {
    procmon.signal(libc::SIGINT).unwrap();
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output
}

/// The objects on its stdout; a last line that is still being written is left out.
pub fn objects(stdout: &str) -> Vec<Object> {
    let whole = stdout.rfind('\n').map_or("", |end| &stdout[..=end]);
    jsonl::parse(whole).unwrap()
}

/// Waits until it has written this many objects.
pub fn wait_objects(procmon: &Program, count: usize) -> Vec<Object> {
    let text = procmon.wait_for_stdout(SOON, |text| text.lines().count() > count - 1);
    let objects = objects(&text.unwrap());
    if objects.len() >= count {
        return objects;
    }
    wait_objects(procmon, count)
}

/// The objects of one process.
pub fn of(objects: &[Object], pid: u32) -> Vec<Object> {
    let of = |object: &&Object| object.pid == pid;
    objects.iter().filter(of).cloned().collect()
}

/// How a value grew from the first object of a process to its last.
pub fn growth(objects: &[Object], key: &str) -> Option<f64> {
    Some(objects.last()?.get(key)? - objects.first()?.get(key)?)
}

/// Does this with each of them at the same time: for what mostly waits.
///
/// # Panics
/// When one of them does.
pub fn at_once<T: Send>(all: impl IntoIterator<Item = T>, does: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for one in all {
            scope.spawn(|| does(one));
        }
    });
}

/// Waits until something holds.
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {SOON:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a process has ended and is not reaped.
pub fn wait_zombie(pid: u32) {
    wait_until("a zombie", || state(pid) == Some('Z'));
}

/// Waits until a process sleeps: what it has used up stays the same from then on.
pub fn wait_asleep(pid: u32) {
    wait_until("asleep", || state(pid) == Some('S'));
}

/// The state of a process's leader, by its letter.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}
