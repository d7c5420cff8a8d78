//! A build that forks more than it compiles: a process each 1.4 ms of CPU time.
//!
//! With compilers alone it is one each 3.4 ms, and empty programs slow that by half
//! a percent, which no number of turns tells well enough on a shared machine.

use std::{env, fs};

use anyhow::{Result, ensure};

use super::{Work, place};

/// Each in one shell, as is usual.
const RULES: &str = "
%.h: template
\t@sed s/@number@/$*/ $< > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@
%.o: %.c
\t@cc -c -o $@.new $<; mv $@.new $@
";

const HEADERS: usize = 14;
const OBJECTS: usize = 2;

/// Headers are generated, and kept where they are as they were; small files are
/// compiled. A portion does all of it, two at a time.
pub fn set_up() -> Result<Work> {
    for program in ["make", "cc", "sed", "cmp", "mv"] {
        ensure!(is_there(program), "there is no {program} on PATH");
    }
    let (cgroup, folder) = place("build")?;
    let mut makefile = "all:".to_owned();
    for i in 0..HEADERS {
        makefile += &format!(" {i}.h");
    }
    for i in 0..OBJECTS {
        makefile += &format!(" {i}.o");
        let source = folder.path().join(format!("{i}.c"));
        fs::write(source, format!("int f{i}(void) {{ return {i}; }}\n"))?;
    }
    makefile += RULES;
    fs::write(folder.path().join("Makefile"), makefile)?;
    fs::write(folder.path().join("template"), "#define f@number@ 1\n")?;
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
        name: "make: many small commands",
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
