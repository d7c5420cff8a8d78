//! What the tests of this binary share.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub use procmon_tests::watching::*;
use procmon_tests::{Output, Procmon, Program};

/// Nobody's user id.
pub const NOBODY: u32 = 65_534;

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
        open_to_all(folder.path(), 0o755);
        Self { folder }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of a program.
    pub fn copy(&self, program: impl AsRef<Path>, name: impl AsRef<Path>) -> PathBuf {
        let copy = self.folder.path().join(name);
        // A copy from before may still run: a process of procmon's outlives it for a moment.
        let _ = fs::remove_file(&copy);
        fs::copy(program, &copy).unwrap();
        open_to_all(&copy, 0o755);
        copy
    }

    /// This procmon, as nobody.
    pub fn as_nobody(&self, procmon: &Procmon) -> Command {
        use std::os::unix::process::CommandExt as _;
        let inner = procmon.command().unwrap();
        let mut command = Command::new(self.copy(inner.get_program(), "procmon"));
        command
            .args(inner.get_args())
            .envs(set_variables(&inner))
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY);
        command
    }
}

/// This command of nobody's, with CAP_BPF and CAP_PERFMON and nothing else.
pub fn with_capabilities(nobodys: &Command) -> Command {
    with_just("+bpf,+perfmon", nobodys)
}

/// This command of nobody's, with these capabilities and nothing else.
pub fn with_just(capabilities: &str, nobodys: &Command) -> Command {
    let mut command = Command::new("setpriv");
    for option in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
        command.args([option, &format!("-all,{capabilities}")]);
    }
    let user = NOBODY.to_string();
    command
        .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
        .arg(nobodys.get_program())
        .args(nobodys.get_args())
        .envs(set_variables(nobodys))
        .current_dir("/");
    command
}

/// The variables that a command is given.
fn set_variables(command: &Command) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)))
}

/// Gives a file or a folder these permissions.
pub fn open_to_all(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// How often a text holds a word.
pub fn times(text: &str, word: &str) -> usize {
    text.matches(word).count()
}

/// Processes that were started with this variable in their environment.
pub fn marked(mark: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &u32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| {
            text.split(|byte| *byte == 0)
                .any(|word| word == mark.as_bytes())
        })
    };
    pids.filter(has).collect()
}
