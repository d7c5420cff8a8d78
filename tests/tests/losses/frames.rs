//! What user space does not keep up with: ticks, and views.

use std::{fs::File, process::Command, time::Duration};

use procmon_tests::{Victim, need, program::SOON};

use crate::scene::{Metric, Scene};

#[test]
fn late_ticks_are_counted_exported_in_the_report_and_shown_by_doctor() {
    let victim = Victim::held_before("").unwrap();
    let scene = need!(Scene::start(|run| {
        run.pid(victim.pid()).args(["--interval", "100ms"])
    }));
    scene.while_stopped(|| std::thread::sleep(Duration::from_millis(1_050)));
    scene.wait_told("tick late");
    let doctor = scene.doctor("LateTick");
    // Ten ticks were due meanwhile: one came late, the others not at all.
    assert!(doctor.1 >= 9, "{doctor:?}");
    let told = scene.end();
    let metric = Metric {
        name: "procmon.agent.tick.late",
        attributes: &[("procmon.stage", "collect")],
    };
    told.assert_told("tick late", &metric, doctor);
}

#[test]
fn dropped_views_are_counted_exported_in_the_report_and_shown_by_doctor() {
    let victim = Victim::held_before("").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // Open, and never read.
    let reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let scene = need!(Scene::start(|run| {
        run.pid(victim.pid())
            .args(["--interval", "10ms", "--jsonl"])
            .arg(&pipe)
    }));
    scene.wait_told("frame dropped");
    let doctor = scene.doctor("ViewDropped");
    drop(reader);
    // From then on nothing is lost that somebody would read.
    scene
        .procmon
        .wait_for_stderr(SOON, |text| text.contains("the other outputs go on"))
        .unwrap();
    let told = scene.end();
    let metric = Metric {
        name: "procmon.agent.frames.dropped",
        attributes: &[("procmon.consumer", "jsonl")],
    };
    told.assert_told("frame dropped", &metric, doctor);
}
