//! The procmons that run on this host, seen from outside: what they have lost
//! stands in a map of theirs, which others may read.

use aya::maps::{Array, Map, MapData, loaded_maps};
use procmon_common::Loss;

use super::counters::Losses;

/// Another procmon that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its pid.
    pub pid: u32,
    /// What it has lost so far.
    pub losses: Losses,
}

/// Every other procmon that runs, by pid.
///
/// # Errors
/// When the maps of others may not be read: that takes CAP_SYS_ADMIN.
pub fn running() -> Result<Vec<Running>, String> {
    let mut all = Vec::new();
    for map in loaded_maps() {
        let map = map.map_err(|error| error.to_string())?;
        // Of another version there may be more or less to tell.
        let known = map.name_as_str() == Some("LOSSES")
            && map.max_entries() as usize == Loss::COUNT
            && map.value_size() as usize == size_of::<u64>();
        if !known {
            continue;
        }
        if let Some(pid) = holder(map.id())
            && let Some(losses) = read(map.id())
        {
            all.push(Running { pid, losses });
        }
    }
    all.sort_by_key(|running| running.pid);
    Ok(all)
}

fn read(map: u32) -> Option<Losses> {
    // It may have ended meanwhile.
    let map = Map::Array(MapData::from_id(map).ok()?);
    Some(Losses::read(&Array::try_from(map).ok()?))
}

/// The process, if it is not this one, that has the map open.
fn holder(map: u32) -> Option<u32> {
    let own = std::process::id();
    std::fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .find(|pid| has_open(*pid, map))
}

/// Whether a process has a descriptor of a map (bpf_map_show_fdinfo of
/// kernel/bpf/syscall.c).
fn has_open(pid: u32, map: u32) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let target = std::fs::read_link(entry.path());
        if !target.is_ok_and(|target| target.as_os_str() == "anon_inode:bpf-map") {
            return false;
        }
        let number = entry.file_name();
        let info = format!("/proc/{pid}/fdinfo/{}", number.display());
        std::fs::read_to_string(info).is_ok_and(|info| {
            info.lines()
                .filter_map(|line| line.strip_prefix("map_id:"))
                .any(|id| id.trim().parse() == Ok(map))
        })
    })
}
