//! A file that procmon writes, and those that it has put aside.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The file and those put aside (`.1` being the newest), the oldest first.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let aside = |number: &u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let mut files: Vec<_> = (1..)
        .map(|n| aside(&n))
        .take_while(|p| p.exists())
        .collect();
    files.reverse();
    files.push(path.to_owned());
    files
}

/// What stands in them, each whole to its last line.
///
/// # Panics
/// When one cannot be read, or ends within a line.
pub fn texts(path: &Path) -> Vec<String> {
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("a file that can be read");
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{}: {text}",
            file.display()
        );
        text
    };
    files(path).iter().map(read).collect()
}

/// A procmon that watches this process by /proc, configured by a file in this folder.
pub fn configured(folder: &Path, configuration: &str) -> crate::Procmon {
    let file = folder.join("procmon.yaml");
    fs::write(&file, configuration).expect("room for a configuration");
    crate::Procmon::new("run")
        .pid(std::process::id())
        .arg("--no-ebpf")
        .args(["--config".as_ref(), file.as_os_str()])
}
