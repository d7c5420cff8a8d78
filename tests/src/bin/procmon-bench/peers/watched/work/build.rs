//! A build that forks more than it compiles.

use std::{env, fs};

use anyhow::{Result, ensure};

use super::{Work, place};

/// Small files; a portion compiles all of them, two at a time.
pub fn set_up() -> Result<Work> {
    for program in ["make", "cc"] {
        ensure!(is_there(program), "there is no {program} on PATH");
    }
    let (cgroup, folder) = place("build")?;
    let mut makefile = "all:".to_owned();
    for i in 0..5 {
        makefile += &format!(" {i}.o");
        let source = folder.path().join(format!("{i}.c"));
        fs::write(source, format!("int f{i}(void) {{ return {i}; }}\n"))?;
    }
    // make runs a line without special characters itself; the shell of this
    // one has a child more.
    makefile += "\n%.o: %.c\n\t@true; cc -c -o $@ $<; true\n";
    fs::write(folder.path().join("Makefile"), makefile)?;
    let folder_name = folder.path().display().to_string();
    let portion = [
        "make",
        "--no-print-directory",
        "-s",
        "-B",
        "-j2",
        "-C",
        &folder_name,
    ];
    Ok(Work {
        name: "make: many small runs of cc",
        every: 1,
        server: None,
        portion: portion.map(str::to_owned).to_vec(),
        libraries: None,
        cgroup,
        _folder: folder,
    })
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
