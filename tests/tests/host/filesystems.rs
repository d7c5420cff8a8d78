//! File systems, and one that hangs.

use std::{collections::BTreeSet, ffi::CString, mem::MaybeUninit, path::Path, time::Duration};

use procmon_tests::{
    Collector, Point,
    fuse::{BLOCK, BLOCKS, Fuse, with_own_mounts},
    need,
};

use crate::support::{FRAME, value, watch_all};

const SOURCE: &str = "procmon-test:/far";

/// Bytes by state of the file system at a place, at its last tick.
fn last_room(points: &[Point], mountpoint: &str) -> Option<[f64; 3]> {
    let at = |state| {
        let of_state = points.iter().rev().find(|point| {
            let is = |key: &str, value: &str| point.attributes.get(key) == Some(&value.into());
            point.metric == "system.filesystem.usage"
                && is("system.filesystem.mountpoint", mountpoint)
                && is("system.filesystem.state", state)
        });
        of_state?.value
    };
    Some([at("used")?, at("free")?, at("reserved")?])
}

/// How often processes were told of.
fn ticks(points: &[Point]) -> usize {
    let times = points.iter().filter(|point| point.pid().is_some());
    times.map(|point| point.time).collect::<BTreeSet<_>>().len()
}

/// Blocks of a file system, its bytes.
fn size(path: &Path) -> f64 {
    let name = CString::new(path.to_str().unwrap()).unwrap();
    let mut room = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: statvfs(3) with a string and a place for the answer.
    let room = unsafe {
        assert_eq!(libc::statvfs(name.as_ptr(), room.as_mut_ptr()), 0);
        room.assume_init()
    };
    (room.f_blocks * room.f_frsize) as f64
}

#[test]
fn filesystems_that_hang_do_not_stop_a_tick() {
    let collector = need!(Collector::rotel().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    with_own_mounts(move || drop(sender.send(hang(&collector))));
    if let Ok(Err(reason)) = receiver.recv() {
        procmon_tests::skip!("{reason}");
    }
}

fn hang(collector: &Collector) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let mountpoint = folder.path().to_str().unwrap().to_owned();
    let far = Fuse::mount(folder.path(), SOURCE).unwrap()?;
    let interval = ["--interval", "500ms", "--no-ebpf"];
    let procmon = watch_all(collector).args(interval).start().unwrap();
    let wait_for = |what: &str, holds: &dyn Fn(&[Point]) -> bool| {
        // All points of all processes would be too much to be read.
        let Ok(points) = collector.wait_for(FRAME, holds) else {
            panic!("{what} has not arrived: {}", procmon.stderr());
        };
        points
    };
    let errors = [("procmon.field", "filesystems"), ("error.type", "timeout")];
    let points = wait_for("the host", &|points| {
        value(points, "procmon.agent.read.errors", &errors).is_some()
            && last_room(points, "/").is_some()
            && ticks(points) > 10
    });

    // The others are told, it is not, and it was asked once and no more.
    let root = last_room(&points, "/").unwrap();
    assert_eq!(root.iter().sum::<f64>(), size(Path::new("/")));
    assert_eq!(last_room(&points, &mountpoint), None);
    assert_eq!(far.asked(), 1);
    let said = procmon.stderr();
    let lines = said.lines().filter(|line| line.contains("does not say"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(
        lines[0].contains(&mountpoint) && lines[0].contains(SOURCE),
        "{said}"
    );
    // Each round without an answer is one, and there is a round a tick.
    let unanswered = value(&points, "procmon.agent.read.errors", &errors).unwrap();
    assert!(unanswered > 10.0, "{unanswered}");

    // It comes back.
    far.answer().unwrap();
    let [all, free, available] = BLOCKS.map(|blocks| (blocks * BLOCK) as f64);
    wait_for("its room", &|points| {
        last_room(points, &mountpoint) == Some([all - free, available, free - available])
    });
    procmon.signal(libc::SIGINT).unwrap();
    assert!(procmon.wait(FRAME).unwrap().status.success());
    Ok(())
}

#[test]
fn procmon_ends_while_a_filesystem_hangs() {
    with_own_mounts(|| {
        let folder = tempfile::tempdir().unwrap();
        let far = need!(Fuse::mount(folder.path(), SOURCE).unwrap());
        let procmon = procmon_tests::Procmon::new("run")
            .args([
                "--all",
                "--interval",
                "500ms",
                "--jsonl",
                "/dev/null",
                "--no-ebpf",
            ])
            .start_watching(FRAME)
            .unwrap();
        procmon_tests::watching::wait_until("asked", || far.asked() == 1);
        procmon.signal(libc::SIGINT).unwrap();
        let ended = procmon.wait(Duration::from_secs(10)).unwrap();
        assert!(ended.status.success(), "{ended:?}");
    });
}
