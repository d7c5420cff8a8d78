//! What the tests of this binary share.

use std::{fs, path::PathBuf};

pub use procmon_tests::watching::*;
use procmon_tests::{Output, Procmon};

/// A folder with a configuration file in it.
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub fn with(configuration: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("procmon.yaml"), configuration).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// This procmon, its working folder here.
    pub fn run(&self, procmon: Procmon) -> Output {
        output(&procmon.folder(self.folder.path()))
    }

    /// `procmon config ARGUMENTS...` here.
    pub fn config(&self, arguments: &[&str]) -> Output {
        self.run(Procmon::new("config").args(arguments))
    }

    /// `procmon run --pid ... --config procmon.yaml` of ourselves, for one frame.
    pub fn once(&self) -> Procmon {
        Procmon::new("run").pid(std::process::id()).args([
            "--count",
            "1",
            "--config",
            "procmon.yaml",
        ])
    }
}

/// It is refused with status 2, saying all of this and showing nothing.
pub fn assert_refused(output: &Output, said: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    for word in said {
        assert!(output.stderr.contains(word), "no {word:?} in: {output:?}");
    }
    assert_eq!(output.stdout, "", "{output:?}");
}
