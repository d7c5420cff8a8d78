//! What the tests of this binary share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use procmon_tests::{
    Output, Procmon, Program,
    jsonl::{self, Object},
    program::SOON,
};

/// Nobody's user id.
pub const NOBODY: u32 = 65_534;
/// An interval no test lives to see the end of.
pub const NEVER: &str = "24h";
/// Enough for any run that ends by itself, five seconds of delivery included.
pub const LIMIT: Duration = Duration::from_secs(60);

/// `procmon run --pid PID... --interval INTERVAL --jsonl -`.
pub fn watch(pids: &[u32], interval: &str) -> Procmon {
    let run = Procmon::new("run").args(["--interval", interval, "--jsonl", "-"]);
    pids.iter().fold(run, |run, pid| run.pid(*pid))
}

/// How a procmon ended that is to end by itself.
pub fn output(procmon: &Procmon) -> Output {
    procmon.output(LIMIT).unwrap()
}

/// It is refused: with this status, saying all of this, and showing nothing.
pub fn assert_refused(procmon: &Procmon, status: i32, said: &[&str]) -> Output {
    let output = output(procmon);
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    for word in said {
        assert!(output.stderr.contains(word), "no {word:?} in: {output:?}");
    }
    assert_eq!(output.stdout, "", "{output:?}");
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

/// Waits until something holds.
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a process has ended and is not reaped.
pub fn wait_zombie(pid: u32) {
    wait_until("a zombie", || {
        fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|s| s.starts_with(" Z")))
    });
}

/// `script` with `"$@"` as this procmon, under a wrapper such as `unshare -m`.
pub fn wrapped(wrapper: &[&str], script: &str, procmon: &Procmon) -> Command {
    let inner = procmon.command().unwrap();
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .args(["sh", "-c", script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Runs a command to its end.
pub fn finish(mut command: Command) -> Output {
    let mut program = Program::start(&mut command).unwrap();
    program.close_stdin();
    program.wait(LIMIT).unwrap()
}

/// A folder that everybody may enter, and copies of our programs that everybody may run.
pub struct Public {
    folder: tempfile::TempDir,
}

impl Public {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        Self { folder }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of a program.
    pub fn copy(&self, program: impl AsRef<Path>, name: impl AsRef<Path>) -> PathBuf {
        let copy = self.folder.path().join(name);
        fs::copy(program, &copy).unwrap();
        open_to_all(&copy);
        copy
    }

    /// This procmon, as nobody.
    pub fn as_nobody(&self, procmon: &Procmon) -> Command {
        use std::os::unix::process::CommandExt as _;
        let inner = procmon.command().unwrap();
        let mut command = Command::new(self.copy(inner.get_program(), "procmon"));
        command
            .args(inner.get_args())
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY);
        command
    }
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// How often a text holds a word.
pub fn times(text: &str, word: &str) -> usize {
    text.matches(word).count()
}
