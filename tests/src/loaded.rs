//! The kernel programs that a process has loaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context as _, Result};

/// The names of the programs that a process holds, as the kernel knows them: their first 15
/// characters (`bpftool prog` shows the same).
pub fn programs(pid: u32) -> Result<BTreeSet<String>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.clone())? {
        // One that was closed meanwhile is no program.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        ids.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    let mut names = BTreeMap::new();
    // One that was unloaded meanwhile belongs to somebody else.
    for program in aya::programs::loaded_programs().flatten() {
        let name = String::from_utf8_lossy(program.name()).into_owned();
        names.insert(program.id(), name);
    }
    let name = |id: &u32| names.get(id).cloned().context("a program without an id");
    ids.iter().map(name).collect()
}

/// A program's name as the kernel keeps it.
pub fn kept(name: &str) -> &str {
    name.get(..15).unwrap_or(name)
}
