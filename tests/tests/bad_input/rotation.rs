//! Files that cannot be put aside: disks without room, folders without permission.

use std::{fs, path::Path};

use procmon_tests::{Output, disk::SmallDisk, jsonl, program::SOON, rotated, rotated::configured};

use crate::support::*;

/// What is said of a file that cannot be put aside.
const STUCK: &str = "cannot be put aside";

/// JSON lines in this file, so configured.
fn lines_to(path: &Path, more: &str) -> String {
    format!(
        "export: {{jsonl: {{file: '{}', {more}}}}}\n",
        path.display()
    )
}

/// The times of all objects, the oldest file first; each object is whole, and none is there twice.
fn times_of(path: &Path) -> Vec<String> {
    let times: Vec<String> = rotated::texts(path)
        .iter()
        .flat_map(|text| jsonl::parse(text).unwrap())
        .map(|object| object.json["timestamp"].as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    times
}

/// How many lines procmon said it lost.
fn lost(output: &Output) -> usize {
    let said = output
        .stderr
        .lines()
        .filter_map(|line| line.strip_suffix(" lines were lost"));
    said.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum()
}

#[test]
fn rotation_onto_a_full_disk_loses_nothing_that_was_written_and_counts_the_rest() {
    const FRAMES: usize = 150;
    const HALF: usize = 64 << 10;
    let (disk, folder) = (SmallDisk::mount("size=128k"), tempfile::tempdir().unwrap());
    let (lines, other) = (disk.path("lines"), disk.path("other"));
    // Half of the room; the lines take the other one.
    fs::write(&other, vec![0; HALF]).unwrap();
    let run = configured(
        folder.path(),
        &lines_to(&lines, "max_size: 16KiB, max_files: 100"),
    );
    let procmon = run
        .args(["--interval", "20ms", "--count", &FRAMES.to_string()])
        .start()
        .unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains("No space left"))
        .unwrap();
    assert!(rotated::files(&lines).len() > 1);
    fs::remove_file(&other).unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains(": written again;"))
        .unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = times_of(&lines).len();
    assert_eq!(written + lost(&output), FRAMES, "{output:?}");
    let bytes: usize = rotated::texts(&lines).iter().map(String::len).sum();
    assert!(lost(&output) > 0 && bytes > HALF, "{bytes} {output:?}");
}

#[test]
fn a_disk_without_room_for_another_file_lets_the_one_grow_and_loses_nothing() {
    const FRAMES: usize = 60;
    const FILES: usize = 100;
    let disk = SmallDisk::mount(&format!("size=4m,nr_inodes={FILES}"));
    let folder = tempfile::tempdir().unwrap();
    let lines = disk.path("lines");
    // Beside its root and the lines.
    let others: Vec<_> = (2..FILES).map(|n| disk.path(&n.to_string())).collect();
    for other in &others {
        fs::write(other, "").unwrap();
    }
    let run = configured(
        folder.path(),
        &lines_to(&lines, "max_size: 8KiB, max_files: 100"),
    );
    let procmon = run
        .args(["--interval", "20ms", "--count", &FRAMES.to_string()])
        .start()
        .unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains(STUCK))
        .unwrap();
    wait_until("more than fits", || {
        fs::metadata(&lines).unwrap().len() > 20 << 10
    });
    for other in &others {
        fs::remove_file(other).unwrap();
    }
    let output = procmon.wait(LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = times(&output.stderr, STUCK);
    assert_eq!((said, lost(&output)), (1, 0), "{output:?}");
    assert_eq!(times_of(&lines).len(), FRAMES);
    let files = rotated::texts(&lines);
    assert!(files.len() > 2 && files[0].len() > 20 << 10);
}

#[test]
fn a_folder_without_permission_lets_the_file_grow_and_loses_nothing() {
    const FRAMES: usize = 20;
    let public = Public::new();
    let (lines, configuration) = (public.path("lines"), public.path("procmon.yaml"));
    fs::write(&lines, "").unwrap();
    open_to_all(&lines, 0o666);
    let run = configured(
        configuration.parent().unwrap(),
        &lines_to(&lines, "max_size: 4KiB, max_files: 3"),
    );
    let run = run.args(["--interval", "20ms", "--count", &FRAMES.to_string()]);
    let output = finish(public.as_nobody(&run));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(times_of(&lines).len(), FRAMES);
    assert_eq!(rotated::files(&lines), [lines]);
    let said = format!("{STUCK}: Permission denied");
    assert_eq!(times(&output.stderr, &said), 1, "{output:?}");
}

#[test]
fn a_file_in_a_folder_without_permission_is_refused_by_its_name() {
    let public = Public::new();
    for key in ["export: {report", "export: {jsonl", "{logging"] {
        let file = public.path("file");
        let end = if key.starts_with('e') { "}" } else { "" };
        let text = format!("{key}: {{file: '{}'}}{end}\n", file.display());
        let text = text.strip_prefix('{').unwrap_or(&text);
        let run = configured(public.path("").as_path(), text).args(["--count", "1"]);
        let output = finish(public.as_nobody(&run));
        assert_eq!(output.status.code(), Some(2), "{key} {output:?}");
        let said = format!("cannot open {}: Permission denied", file.display());
        assert!(output.stderr.contains(&said), "{key} {output:?}");
    }
}
