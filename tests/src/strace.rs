//! What strace counts, under the names of our own series.
//!
//! The full trace is read instead of `-c`'s table, since it tells the errno of each failure and
//! the commands of fcntl.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{environment, program::Program};

/// The metric of the memory calls.
pub const MEMORY: &str = "procmon.memory.mapping.operations";
/// The metric of the descriptor calls.
pub const FILES: &str = "procmon.file_descriptor.operations";

const MEMORY_CALLS: &[&str] = &["mmap", "munmap", "mremap", "brk"];
const FILE_CALLS: &[(&str, &[&str])] = &[
    (
        "open",
        &["open", "openat", "openat2", "creat", "open_by_handle_at"],
    ),
    ("close", &["close", "close_range"]),
    ("dup", &["dup", "dup2", "dup3", "fcntl"]),
    ("socket", &["socket", "socketpair"]),
    ("accept", &["accept", "accept4"]),
    ("pipe", &["pipe", "pipe2"]),
    (
        "other",
        &[
            "eventfd",
            "eventfd2",
            "epoll_create",
            "epoll_create1",
            "timerfd_create",
            "signalfd",
            "signalfd4",
            "memfd_create",
            "inotify_init",
            "inotify_init1",
            "pidfd_open",
            "io_uring_setup",
        ],
    ),
];

/// Whether strace is to be had.
pub fn available() -> Result<std::path::PathBuf, String> {
    environment::tool(environment::STRACE)
}

/// Runs a command under `strace -f` and counts, by the key our JSONL has for it.
pub fn count(strace: &Path, command: &[String], limit: Duration) -> Result<BTreeMap<String, u64>> {
    let file = tempfile::NamedTempFile::new().context("no temporary file")?;
    let calls: Vec<String> = MEMORY_CALLS
        .iter()
        .chain(FILE_CALLS.iter().flat_map(|(_, calls)| *calls))
        .map(|call| format!("?{call}"))
        .collect();
    let mut traced = Command::new(strace);
    traced.args([
        "-f",
        "-qq",
        "-e",
        "signal=none",
        "-e",
        &format!("trace={}", calls.join(",")),
        "-o",
    ]);
    traced.arg(file.path()).arg("--").args(command);
    let mut program = Program::start(&mut traced)?;
    program.close_stdin();
    let output = program.wait(limit)?;
    ensure!(
        output.status.success(),
        "under strace the command ended with {}: {}",
        output.status,
        output.stderr
    );
    let text = fs::read(file.path()).context("cannot read the trace")?;
    ensure!(!text.is_empty(), "strace wrote nothing: {}", output.stderr);
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// Counts the lines of a trace.
pub fn parse(trace: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut unfinished = BTreeMap::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(pid, begun.to_owned());
            continue;
        }
        let whole = match rest
            .strip_prefix("<... ")
            .and_then(|rest| rest.split_once(" resumed>"))
        {
            Some((_, end)) => unfinished.remove(pid).unwrap_or_default() + end,
            None => rest.to_owned(),
        };
        if let Some(key) = key(&whole) {
            *counts.entry(key).or_insert(0) += 1;
        }
    }
    counts
}

/// The series a call belongs to; none for a call that never returned and for those we do not count.
fn key(line: &str) -> Option<String> {
    let (call, arguments) = line.split_once('(')?;
    let (before, result) = line.rsplit_once(" = ")?;
    if !before.trim_end().ends_with(')') || result.starts_with('?') {
        return None;
    }
    if call == "fcntl" && !arguments.contains(", F_DUPFD") {
        return None;
    }
    let (metric, attribute, kind) = if MEMORY_CALLS.contains(&call) {
        (MEMORY, "procmon.memory.operation", call)
    } else {
        let (kind, _) = FILE_CALLS.iter().find(|(_, calls)| calls.contains(&call))?;
        (FILES, "procmon.file_descriptor.operation", *kind)
    };
    let errno = result
        .strip_prefix("-1 ")
        .and_then(|rest| rest.split_whitespace().next());
    Some(series(metric, attribute, kind, errno))
}

/// The key of a descriptor operation, as above.
pub fn file_key(kind: &str, errno: Option<&str>) -> String {
    series(FILES, "procmon.file_descriptor.operation", kind, errno)
}

/// The key of a memory operation.
pub fn memory_key(kind: &str, errno: Option<&str>) -> String {
    series(MEMORY, "procmon.memory.operation", kind, errno)
}

fn series(metric: &str, attribute: &str, kind: &str, errno: Option<&str>) -> String {
    let error = errno
        .map(|errno| format!("error.type=\"{errno}\","))
        .unwrap_or_default();
    format!("{metric}{{{error}{attribute}=\"{kind}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_kind_and_errno() {
        let trace = concat!(
            "11 openat(AT_FDCWD, \"/a = b) = 1\", O_RDONLY) = -1 ENOENT (No such file or directory)\n",
            "11 openat(AT_FDCWD, \"/x\", O_RDONLY|O_CLOEXEC)      = 3\n",
            "11 fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)\n",
            "11 fcntl(3, F_DUPFD_CLOEXEC, 10 <unfinished ...>\n",
            "12 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n",
            "11 <... fcntl resumed>) = 10\n",
            "12 pipe2([3, 4], 0) = 0\n",
            "12 accept(3, NULL, NULL <unfinished ...>\n",
            "12 +++ exited with 0 +++\n",
            "13 brk(NULL) = 0x55d0\n",
            "13 close(99) = ?\n",
        );
        let expected = [
            (file_key("open", Some("ENOENT")), 1),
            (file_key("open", None), 1),
            (file_key("dup", None), 1),
            (file_key("pipe", None), 1),
            (memory_key("mmap", None), 1),
            (memory_key("brk", None), 1),
        ];
        assert_eq!(parse(trace), expected.into_iter().collect());
    }
}
