//! Which capabilities procmon keeps once it is attached, and what for. All
//! others go (capabilities(7)).
//!
//! Capabilities belong to a thread, and a new one has those of whoever starts
//! it: what is given up before the first thread is started, no thread has.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

/// A capability that procmon may keep.
pub struct Kept {
    /// Its name.
    pub name: &'static str,
    /// When it is kept, in a few words.
    pub when: &'static str,
    /// What it is needed for from then on.
    pub what_for: &'static str,
    set: CapabilitySet,
    is_needed: fn(&Plans) -> bool,
}

/// What of all that procmon can do it is going to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plans {
    /// To count in the kernel.
    pub ebpf: bool,
    /// To write to places that are not its own user's to write to.
    pub writes_for_others: bool,
    /// To listen at a port below 1024.
    pub low_port: bool,
    /// To pass signals on.
    pub signals: bool,
}

/// Every capability that may be kept.
pub const KEPT: &[Kept] = &[
    Kept {
        name: "CAP_SYS_PTRACE",
        when: "always",
        what_for: "to read `exe`, `io`, `smaps` and descriptors of other users' processes",
        set: CapabilitySet::SYS_PTRACE,
        is_needed: |_| true,
    },
    Kept {
        name: "CAP_DAC_READ_SEARCH",
        when: "always",
        what_for: "to open /proc/PID/fd and the like of other users, and to reach every mount",
        set: CapabilitySet::DAC_READ_SEARCH,
        is_needed: |_| true,
    },
    Kept {
        name: "CAP_BPF",
        when: "with eBPF",
        what_for: "to load programs anew when `enabled` is switched on again",
        set: CapabilitySet::BPF,
        is_needed: |plans| plans.ebpf,
    },
    Kept {
        name: "CAP_PERFMON",
        when: "with eBPF",
        what_for: "to attach them then",
        set: CapabilitySet::PERFMON,
        is_needed: |plans| plans.ebpf,
    },
    Kept {
        name: "CAP_SYS_ADMIN",
        when: "with eBPF",
        what_for: "to measure what the programs cost, for the overhead budget (BPF_ENABLE_STATS)",
        set: CapabilitySet::SYS_ADMIN,
        is_needed: |plans| plans.ebpf,
    },
    Kept {
        name: "CAP_DAC_OVERRIDE",
        when: "where an output or `state_dir` is not procmon's user's own to write to",
        what_for: "to write there, and to put files aside",
        set: CapabilitySet::DAC_OVERRIDE,
        is_needed: |plans| plans.writes_for_others,
    },
    Kept {
        name: "CAP_NET_BIND_SERVICE",
        when: "where `http.listen` is a port below 1024",
        what_for: "to take it again when `enabled` is switched",
        set: CapabilitySet::NET_BIND_SERVICE,
        is_needed: |plans| plans.low_port,
    },
    Kept {
        name: "CAP_KILL",
        when: "by `exec`",
        what_for: "to pass signals on to a command that has become another user",
        set: CapabilitySet::KILL,
        is_needed: |plans| plans.signals,
    },
];

impl Kept {
    /// Whether this thread has it.
    pub fn is_held(&self) -> bool {
        capabilities(None).is_ok_and(|held| held.permitted.contains(self.set))
    }
}

/// Keeps of this thread's capabilities those that these plans need, and none
/// for the programs it may start. That it had fewer at the start is no error.
///
/// # Errors
/// When the kernel refuses to take any away, which a filter of system calls may
/// do.
pub fn keep_for(plans: &Plans) -> io::Result<()> {
    let needed = KEPT.iter().filter(|kept| (kept.is_needed)(plans));
    keep(needed.fold(CapabilitySet::empty(), |all, kept| all | kept.set))
}

/// Keeps what it takes to reach every directory.
///
/// # Errors
/// As [`keep_for`].
pub fn keep_to_search() -> io::Result<()> {
    keep(CapabilitySet::DAC_READ_SEARCH)
}

fn keep(kept: CapabilitySet) -> io::Result<()> {
    let held = capabilities(None)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: held.effective & kept,
            permitted: held.permitted & kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    // Root's programs would have them all again.
    Ok(set_no_new_privs(true)?)
}

/// Whether it takes the capability to go on writing a file at this place, and to
/// put it aside: one is not ours, or we took our own right from us.
pub fn is_for_others_to_write(path: &Path) -> bool {
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = folder.unwrap_or(Path::new("."));
    let is_ours = |path: &Path, wanted: u32| match fs::metadata(path) {
        Ok(found) => found.uid() == geteuid().as_raw() && found.mode() & wanted == wanted,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    let wanted = if path.is_dir() { 0o300 } else { 0o200 };
    !is_ours(path, wanted) || !is_ours(folder, 0o300)
}

/// [`KEPT`] as a table of Markdown.
pub fn as_markdown() -> String {
    let mut text = "| capability | kept | what for |\n|---|---|---|\n".to_owned();
    for kept in KEPT {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |",
            kept.name, kept.when, kept.what_for
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_readme_has_the_table() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&as_markdown()), "{}", as_markdown());
    }

    #[test]
    fn a_thread_keeps_what_was_planned_of_what_it_had() {
        let (before, after) = std::thread::spawn(|| {
            let before = capabilities(None).unwrap();
            keep_for(&Plans::default()).unwrap();
            (before, capabilities(None).unwrap())
        })
        .join()
        .unwrap();
        let kept = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
        assert_eq!(after.permitted, before.permitted & kept);
        assert_eq!(after.effective, before.effective & kept);
        assert_eq!(after.inheritable, CapabilitySet::empty());
        assert_eq!(capabilities(None).unwrap(), before, "of another thread");
    }

    #[test]
    fn what_is_written_to_places_of_ones_own_takes_no_capability() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report");
        assert!(!is_for_others_to_write(&file));
        assert!(!is_for_others_to_write(&folder.path().join("new/folder")));
        fs::write(&file, "").unwrap();
        assert!(!is_for_others_to_write(&file));
        fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
        assert!(is_for_others_to_write(&file), "procmon took it from itself");
        fs::remove_file(&file).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
        assert!(is_for_others_to_write(&file));
        if geteuid().is_root() {
            fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
            std::os::unix::fs::chown(folder.path(), Some(65_534), None).unwrap();
            assert!(is_for_others_to_write(&file), "another user's folder");
        }
    }
}
