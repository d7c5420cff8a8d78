//! What the machine is to do, and the programs that takes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{
    Guest, LOCKED_DOWN,
    initramfs::{Contents, PROGRAMS},
    tools::Tools,
};

/// The tests that run in the machine: the quick ones, then those of great numbers. What is about
/// cost stays on the host.
const TESTS: [&str; 5] = ["kernels", "exec_counts", "identity", "whole", "losses"];
/// How many of them run where there is one CPU: nothing differs by the number but who runs when.
const WITH_ONE_CPU: usize = 2;
/// It makes the storms such that an emulated machine gets through them.
const ENVIRONMENT: &str = "PROCMON_EMULATED=1";

/// procmon and the victim.
pub fn add_ours(contents: &mut Contents, release: &Path) {
    for (name, variable) in [("procmon", "PROCMON_BIN"), ("victim", "VICTIM_BIN")] {
        let there = add(contents, release, name);
        contents.job += &format!("env\t{variable}={there}\n");
    }
}

/// One more program of ours; returns where it is.
pub fn add(contents: &mut Contents, release: &Path, name: &str) -> String {
    let there = format!("{PROGRAMS}/{name}");
    contents.programs.push((release.join(name), there.clone()));
    there
}

/// The tools that some tests compare with, or what is said where they are not.
pub fn add_tools(contents: &mut Contents, tools: Tools) {
    contents.programs.extend(tools.files);
    for (variable, value) in tools.variables {
        contents.job += &format!("env\t{variable}={value}\n");
    }
}

/// The tests.
pub fn add_tests(
    contents: &mut Contents,
    guest: Guest,
    tests: &[(String, PathBuf)],
    filter: Option<&str>,
) -> Result<()> {
    contents.job += &format!("env\t{ENVIRONMENT}\n");
    let filter = filter.unwrap_or_default();
    let mut last = String::new();
    let tests_here = match guest.cpus {
        1 => &TESTS[..WITH_ONE_CPU],
        _ => &TESTS[..],
    };
    for name in tests_here {
        let binary = binary(tests, name)?;
        let there = format!("{PROGRAMS}/{name}");
        contents.programs.push((binary.to_owned(), there.clone()));
        let run = format!("run\t{there}\t--test-threads=1\t");
        if !guest.lockdown {
            contents.job += &format!("{run}{filter}\t--skip\t{LOCKED_DOWN}\n");
        }
        if *name == "kernels" {
            last = format!("{run}{LOCKED_DOWN}\n");
        }
    }
    if !guest.lockdown {
        last.insert_str(0, "lockdown\tconfidentiality\n");
    }
    if filter.is_empty() || filter.contains(LOCKED_DOWN) {
        contents.job += &last;
    }
    Ok(())
}

fn binary<'a>(tests: &'a [(String, PathBuf)], name: &str) -> Result<&'a Path> {
    let wanted = |source: &str| {
        source.ends_with(&format!("tests/{name}.rs"))
            || source.ends_with(&format!("tests/{name}/main.rs"))
    };
    let found = tests.iter().find(|(source, _)| wanted(source));
    found
        .map(|(_, binary)| binary.as_path())
        .with_context(|| format!("there is no test binary {name}"))
}
