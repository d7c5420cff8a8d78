//! What the kernel half cannot keep: maps and buffers that are full.

use std::fs;

use procmon_tests::{
    Victim,
    jsonl::Object,
    need,
    next_pid::{self, LAST_PID},
    skip,
    watching::*,
};

use crate::scene::{Scene, lost};

#[test]
fn a_full_map_is_counted_exported_in_the_report_and_shown_by_doctor() {
    let scene = need!(Scene::start(|run| {
        run.env("PROCMON_KERNEL_MAX_PROCESSES", "1")
            .args(["--all", "--interval", "100ms"])
    }));
    scene.wait_told("process map_full");
    scene.wait_told("update no_process");
    let process = scene.doctor("NoRoomForProcess");
    let update = scene.doctor("UpdateWithoutProcess");
    let told = scene.end();
    told.assert_told("update no_process", &lost!("update", "no_process"), update);
    // Those of the first pass are told by all but the map itself.
    let [report, exported] = told.numbers("process map_full", &lost!("process", "map_full"));
    assert_eq!(report, exported, "report left, metric right");
    assert!(report > Some(process.1), "{report:?} after {process:?}");
}

/// A victim whose children's ends have no room, as long as procmon stands still.
struct Crowded {
    scene: Scene,
    victim: Victim,
    folder: tempfile::TempDir,
}

impl Crowded {
    fn start(operations: &str) -> Result<Self, String> {
        let victim = Victim::held_before(operations).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let scene = Scene::start(|run| {
            run.env("PROCMON_KERNEL_EVENTS_BUFFER", "4096")
                .pid(victim.pid())
                .args(["--children", "--interval", "100ms", "--jsonl"])
                .arg(folder.path().join("lines"))
        })?;
        Ok(Self {
            scene,
            victim,
            folder,
        })
    }

    /// The ends of the victim's children.
    fn ends(&self) -> Vec<Object> {
        let text = fs::read_to_string(self.folder.path().join("lines")).unwrap();
        let mut ends = objects(&text);
        ends.retain(|object| object.has_exited() && object.pid != self.victim.pid());
        ends
    }
}

#[test]
fn a_full_ring_buffer_is_counted_exported_in_the_report_and_shown_by_doctor_and_loses_no_end() {
    let mut crowded = need!(Crowded::start("open=3 fork=50 print-ready wait"));
    let (scene, victim) = (&crowded.scene, &mut crowded.victim);
    scene.while_stopped(|| {
        victim.go().unwrap();
        victim.wait_ready(2).unwrap();
    });
    scene.wait_told("exit buffer_full_deferred");
    wait_until("all ends", || crowded.ends().len() >= 50);
    let doctor = crowded.scene.doctor("ExitRecordDeferred");
    let ends = crowded.ends();
    assert_eq!(ends.len(), 50);
    assert!(ends.iter().all(|end| end.exit_code() == Some(0)));
    let told = crowded.scene.end();
    let metric = lost!("exit", "buffer_full_deferred");
    told.assert_told("exit buffer_full_deferred", &metric, doctor);
    let none = told.numbers("exit buffer_full ", &lost!("exit", "buffer_full"));
    assert_eq!(none, [None, Some(0)]);
}

#[test]
fn ends_that_a_full_ring_buffer_has_lost_for_good_are_counted_one_by_one() {
    if !next_pid::can_be_chosen() {
        skip!("no {LAST_PID}: a pid cannot be used again at will");
    }
    let then = "fork=20 print-ready wait fork=20 print-ready wait";
    let mut crowded = need!(Crowded::start(then));
    let (scene, victim) = (&crowded.scene, &mut crowded.victim);
    scene.while_stopped(|| {
        // Twice the same pids: the second child finds the end of the first in its place.
        for ready in [2, 3] {
            fs::write(LAST_PID, victim.pid().to_string()).unwrap();
            victim.go().unwrap();
            victim.wait_ready(ready).unwrap();
        }
    });
    scene.wait_told("exit buffer_full ");
    let doctor = crowded.scene.doctor("ExitRecordLost");
    let lost = doctor.1;
    wait_until("all ends but the lost", || {
        crowded.ends().len() as u64 + lost >= 40
    });
    assert_eq!(crowded.ends().len() as u64 + lost, 40);
    let told = crowded.scene.end();
    told.assert_told("exit buffer_full ", &lost!("exit", "buffer_full"), doctor);
}
