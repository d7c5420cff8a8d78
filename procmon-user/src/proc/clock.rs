//! The clocks, and the time of boot that stays the same.
//!
//! `btime` of /proc/stat is the clock's time minus the time since boot, worked
//! out anew on every read (fs/proc/stat.c): it moves when the clock is stepped,
//! and by a second when it is not. So it is read once for each boot id
//! (/proc/sys/kernel/random/boot_id, random(4)) and kept in
//! `<run>/procmon/btime`.

use std::fs;
use std::io;
use std::path::Path;

use rustix::time::ClockId;

use super::dir::read_file;
use super::{Error, Malformed, ProcRoot, system, text};
use crate::process::Clock;

/// A clock before this was never set (September 2020): what it says about the
/// boot is not kept, so that a later start may know better.
const SET: u64 = 1_600_000_000;

/// A clock after this was set wrong (the year 2286).
const ABSURD: u64 = 10_000_000_000;

/// The clock of this boot. Where the time of boot cannot be kept it is still
/// the same for as long as procmon runs.
pub fn load(root: &ProcRoot) -> Result<Clock, Error> {
    let mut buf = Vec::new();
    let boot_id = boot_id(root).ok();
    let file = root.run.join("procmon/btime");

    let kept = |buf: &mut Vec<u8>| {
        let boot_id = boot_id.as_deref()?;
        read_file(&file, buf).ok()?;
        parse_kept(buf, boot_id)
    };
    if let Some(btime) = kept(&mut buf) {
        return Ok(Clock::from_btime(btime));
    }
    let path = root.proc.join("stat");
    read_file(&path, &mut buf)?;
    let btime = system::parse(&buf)
        .map_err(|malformed| malformed.at(&path))?
        .btime;
    if btime >= ABSURD {
        return Err(Malformed::new("a time of boot before 2286", b"btime").at(path));
    }
    if btime >= SET
        && let Some(boot_id) = &boot_id
        && keep(&file, boot_id, btime).is_ok()
        // Another procmon may have written it meanwhile: the file decides.
        && let Some(btime) = kept(&mut buf)
    {
        return Ok(Clock::from_btime(btime));
    }
    Ok(Clock::from_btime(btime))
}

/// What this boot is called: another word at the next.
pub fn boot_id(root: &ProcRoot) -> Result<Vec<u8>, Error> {
    let mut buf = Vec::new();
    read_file(&root.proc.join("sys/kernel/random/boot_id"), &mut buf)?;
    Ok(buf.trim_ascii().to_vec())
}

/// `boot_id btime`, of this boot.
fn parse_kept(line: &[u8], boot_id: &[u8]) -> Option<u64> {
    let mut fields = text::fields(text::lines(line).next()?);
    if boot_id.is_empty() || fields.next()? != boot_id {
        return None;
    }
    text::number(fields.next()?).filter(|btime| (SET..ABSURD).contains(btime))
}

/// Writes the file beside its place and moves it there: whoever reads it finds
/// all of it or none.
fn keep(file: &Path, boot_id: &[u8], btime: u64) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = file.with_extension(format!("{}.new", std::process::id()));
    let mut line = boot_id.to_vec();
    line.extend_from_slice(format!(" {btime}\n").as_bytes());
    let written = fs::write(&beside, line).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Now, ns of CLOCK_BOOTTIME (clock_gettime(2)): the clock of process starts,
/// never stepped, running on in suspend.
pub fn now_boot_ns() -> u64 {
    now(ClockId::Boottime)
}

/// Now, ns of Unix time.
pub fn now_unix_ns() -> u64 {
    now(ClockId::Realtime)
}

fn now(clock: ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(tree: &Path, boot_id: &str, btime: u64) {
        let random = tree.join("proc/sys/kernel/random");
        fs::create_dir_all(&random).unwrap();
        fs::write(random.join("boot_id"), format!("{boot_id}\n")).unwrap();
        let stat = format!("cpu 1 1 1 1 1 1 1 1\nbtime {btime}\nprocesses 1\nprocs_running 1\n");
        fs::write(tree.join("proc/stat"), stat).unwrap();
    }

    #[test]
    fn a_stepped_clock_does_not_move_the_boot() {
        let tree = tempfile::tempdir().unwrap();
        let root = ProcRoot::under(tree.path());
        host(tree.path(), "aa-bb", 1_700_000_000);
        let first = load(&root).unwrap();
        assert_eq!(first, Clock::from_btime(1_700_000_000));
        host(tree.path(), "aa-bb", 1_700_003_600);
        assert_eq!(load(&root).unwrap(), first);
        host(tree.path(), "cc-dd", 1_700_003_600);
        assert_eq!(load(&root).unwrap(), Clock::from_btime(1_700_003_600));
        let left: Vec<_> = fs::read_dir(tree.path().join("run/procmon"))
            .unwrap()
            .collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn what_was_kept_may_be_damaged_or_impossible_to_keep() {
        let tree = tempfile::tempdir().unwrap();
        let root = ProcRoot::under(tree.path());
        host(tree.path(), "aa-bb", 1_700_000_000);
        let kept = tree.path().join("run/procmon/btime");
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        for damaged in ["", "aa-bb", "aa-bb 17", "aa-bb 1700000099", "aa-bb x\n"] {
            fs::write(&kept, damaged).unwrap();
            assert_eq!(load(&root).unwrap(), Clock::from_btime(1_700_000_000));
        }
        fs::remove_dir_all(tree.path().join("run")).unwrap();
        fs::write(tree.path().join("run"), "not a directory").unwrap();
        assert_eq!(load(&root).unwrap(), Clock::from_btime(1_700_000_000));
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_kept() {
        let tree = tempfile::tempdir().unwrap();
        let root = ProcRoot::under(tree.path());
        host(tree.path(), "aa-bb", 30);
        assert_eq!(load(&root).unwrap(), Clock::from_btime(30));
        host(tree.path(), "aa-bb", 1_700_000_000);
        assert_eq!(load(&root).unwrap(), Clock::from_btime(1_700_000_000));
        host(tree.path(), "ee", u64::MAX);
        assert!(load(&root).is_err());
    }

    #[test]
    fn boot_time_is_that_of_uptime() {
        let before = now_boot_ns();
        let uptime = fs::read("/proc/uptime").unwrap();
        let uptime = system::parse_uptime(&uptime).unwrap();
        assert!(uptime + 10_000_000 >= before && uptime <= now_boot_ns());
        assert!(now_unix_ns() > SET * 1_000_000_000);
    }
}
