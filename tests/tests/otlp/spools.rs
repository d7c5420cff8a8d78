//! Spools that are damaged, of another version, another's, or on a bad disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use procmon_tests::{Output, disk::SmallDisk, program::SOON};

use crate::outage::*;

const IN_MEMORY: &str = "batches wait in memory only";

/// The files of a folder, with what is in them; the lock says who had it last.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| !path.ends_with("lock"));
    paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn segment(folder: &Path) -> PathBuf {
    let files = files(folder);
    let mut segments = files
        .keys()
        .filter(|path| path.extension().is_some_and(|end| end == "segment"));
    segments.next_back().unwrap().clone()
}

/// A spool that a procmon filled whose collector was away; and its ticks.
fn filled() -> (Outage, BTreeSet<u64>) {
    let mut scene = Outage::with(3);
    scene.receiver.stop();
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(4);
    end(procmon);
    scene.receiver.start_again().unwrap();
    let ticks = scene.ticks();
    (scene, ticks)
}

/// Another procmon, for some ticks.
fn another(scene: &Outage) -> Output {
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(3);
    end(procmon)
}

#[test]
fn a_spool_truncated_in_the_middle_of_a_record_is_replayed_up_to_it_and_the_loss_is_said() {
    let (scene, mut ticks) = filled();
    let segment = segment(&scene.spool());
    let file = fs::File::options().write(true).open(segment).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
    let output = another(&scene);
    assert!(
        output
            .stderr
            .contains("at least 1 batches of before are lost"),
        "{output:?}"
    );
    let lost = ticks.pop_last().unwrap();
    let mut expected = scene.ticks();
    expected.remove(&lost);
    scene.assert_arrived(&expected);
}

#[test]
fn a_spool_of_a_newer_version_is_said_left_as_it_is_and_done_without() {
    let (scene, ticks) = filled();
    let path = segment(&scene.spool());
    let mut bytes = fs::read(&path).unwrap();
    bytes[14] = 2;
    fs::write(&path, &bytes).unwrap();
    let before = files(&scene.spool());
    let output = another(&scene);
    for said in ["in format 2", "remove", IN_MEMORY] {
        assert!(output.stderr.contains(said), "no {said:?}: {output:?}");
    }
    assert_eq!(files(&scene.spool()), before);
    let new: BTreeSet<_> = scene.ticks().difference(&ticks).copied().collect();
    scene.assert_arrived(&new);
}

#[test]
fn a_spool_that_another_procmon_uses_is_left_to_it() {
    let scene = Outage::with(3);
    let first = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(2);
    let truth = scene.folder.path().join("second.jsonl");
    let second = scene.procmon_writing(INTERVAL, &truth).start().unwrap();
    second
        .wait_for_stderr(SOON, |text| text.contains(IN_MEMORY))
        .unwrap();
    let said = second.stderr();
    assert!(
        said.contains(&format!(
            "in use by another procmon (process {})",
            first.pid()
        )),
        "{said}"
    );
    scene.wait_ticks(3);
    end(second);
    // It has lost nothing by the other one.
    kill(first);
    let before = scene.ticks();
    another(&scene);
    let bodies = scene.receiver.bodies();
    let arrived = procmon_tests::receiver::decode::Arrived::of(&bodies);
    let seen: BTreeSet<_> = arrived.order.iter().map(|time| time / 1_000_000).collect();
    assert!(before.is_subset(&seen));
}

#[test]
fn a_state_dir_that_is_read_only_is_said_and_done_without() {
    let disk = SmallDisk::mount("size=64k,ro");
    let scene = Outage::with(3);
    let procmon = scene
        .procmon(INTERVAL)
        .env("PROCMON_STATE_DIR", disk.path("state"))
        .env("PROCMON_HISTORY_RETAIN", "true")
        .start()
        .unwrap();
    scene.wait_ticks(3);
    let output = end(procmon);
    let without_history = "the history will not survive";
    for said in [
        "cannot make",
        "Read-only file system",
        IN_MEMORY,
        without_history,
    ] {
        assert!(output.stderr.contains(said), "no {said:?}: {output:?}");
    }
    scene.assert_all_arrived();
}

#[test]
fn a_disk_without_room_is_said_once_and_batches_wait_in_memory_until_it_has_some() {
    let disk = SmallDisk::mount("size=256k");
    let mut scene = Outage::with(3);
    scene.receiver.stop();
    let procmon = scene
        .procmon(INTERVAL)
        .env("PROCMON_STATE_DIR", disk.path("state"))
        .start()
        .unwrap();
    scene.wait_ticks(2);
    disk.fill("other");
    procmon
        .wait_for_stderr(SOON, |text| text.contains("No space left"))
        .unwrap();
    scene.wait_ticks(4);
    fs::remove_file(disk.path("other")).unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains("can be written to again"))
        .unwrap();
    scene.wait_ticks(2);
    scene.receiver.start_again().unwrap();
    wait_answered(&procmon);
    scene.wait_ticks(2);
    let output = end(procmon);
    let said = output.stderr.matches("cannot write to the spool").count();
    assert_eq!(said, 1, "{output:?}");
    scene.assert_all_arrived();
}
