//! What the tests of this binary share.

use procmon_tests::{Procmon, jsonl, jsonl::Object, victim};
pub use procmon_tests::{program::file_name, watching::*};

pub const ON_CPU: &str = "procmon.cpu.on_cpu.time";

/// A time as whole nanoseconds.
pub fn ns(object: &Object, key: &str) -> u64 {
    (object.get(key).unwrap() * 1e9).round() as u64
}

/// A count or a size.
pub fn number(object: &Object, key: &str) -> u64 {
    let value = object.get(key);
    value.unwrap_or_else(|| panic!("no {key} in {object:?}")) as u64
}

/// How many of the objects are the ends of their processes.
pub fn ends(objects: &[Object]) -> usize {
    objects.iter().filter(|object| object.has_exited()).count()
}

/// The victim with these operations, as a command.
pub fn victim_command(operations: &str) -> Vec<String> {
    let path = victim::path().unwrap().display().to_string();
    let words = operations.split_whitespace().map(str::to_owned);
    std::iter::once(path).chain(words).collect()
}

/// All objects of `procmon exec` of a command, and its status.
pub fn exec(command: &[String]) -> (Vec<Object>, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let exec = Procmon::new("exec").arg("--jsonl").arg(&file).arg("--");
    let output = output(&exec.args(command));
    (jsonl::read(&file).unwrap(), output.status.code())
}

/// The calls of a command, by procmon and by `strace -f`.
#[macro_export]
macro_rules! assert_counts_equal_strace {
    ($operations:expr) => {
        let strace = procmon_tests::need!(procmon_tests::strace::available());
        let command = $crate::support::victim_command($operations);
        let expected =
            procmon_tests::strace::count(&strace, &command, $crate::support::LIMIT).unwrap();
        let (objects, status) = $crate::support::exec(&command);
        assert_eq!(status, Some(0));
        let metrics = [procmon_tests::strace::MEMORY, procmon_tests::strace::FILES];
        let counted = procmon_tests::jsonl::totals(&objects, &metrics);
        assert_eq!(counted, expected, "procmon left, strace right");
    };
}
