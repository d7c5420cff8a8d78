//! What the tests of this binary share: a procmon that watches, and what it wrote.

use std::{fs, path::PathBuf, time::Duration};

use procmon_tests::{
    Procmon, Program,
    jsonl::{self, Object},
};

/// Enough for the longest of them.
pub const LIMIT: Duration = Duration::from_secs(300);
const FILE: &str = "objects.jsonl";

/// A `procmon run` that writes objects to a file.
pub struct Recording {
    procmon: Program,
    folder: tempfile::TempDir,
}

impl Recording {
    /// With these arguments, once it watches.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let procmon = Procmon::new("run")
            .args(arguments)
            .arg("--jsonl")
            .arg(folder.path().join(FILE))
            .start_watching(LIMIT)
            .unwrap();
        Self { procmon, folder }
    }

    /// The file it writes to.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// Stops it, and reads the last objects of those that have exited.
    pub fn stop(self) -> Vec<Object> {
        self.procmon.signal(libc::SIGINT).unwrap();
        jsonl::parse_exited(&self.text()).unwrap()
    }

    /// All that it wrote, once it has ended: when all that it watches have.
    pub fn text(self) -> String {
        let file = self.file();
        let output = self.procmon.wait(LIMIT).unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::read_to_string(file).unwrap()
    }
}

/// The last objects of the processes of `procmon exec -- victim OPERATIONS...`.
pub fn exec(operations: &str) -> Vec<Object> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Procmon::new("exec")
        .arg("--jsonl")
        .arg(file.path())
        .arg("--")
        .arg(procmon_tests::victim::path().unwrap())
        .args(operations.split_whitespace())
        .output(LIMIT)
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let objects = jsonl::read(file.path()).unwrap();
    jsonl::last(&objects).into_values().collect()
}

/// CPU time of an object, seconds.
pub fn cpu(object: &Object) -> f64 {
    sum(object, "process.cpu.time", "cpu.mode", ["user", "system"])
}

/// Page faults of an object.
pub fn faults(object: &Object) -> f64 {
    let kinds = ["minor", "major"];
    sum(
        object,
        "process.paging.faults",
        "system.paging.fault.type",
        kinds,
    )
}

fn sum(object: &Object, metric: &str, attribute: &str, values: [&str; 2]) -> f64 {
    values
        .iter()
        .filter_map(|value| object.get(&format!("{metric}{{{attribute}=\"{value}\"}}")))
        .sum()
}
