//! Outages of the collector and of procmon: every tick arrives.

use std::{collections::BTreeSet, fs, io, time::Duration};

use procmon::export::otlp::{
    Signal,
    spool::{Spool, SpoolSettings},
};
use procmon_tests::{
    ground,
    program::SOON,
    receiver::{
        Manner,
        decode::{Arrived, own},
    },
    watching::wait_until,
};
use tempfile::TempDir;

use crate::outage::*;

const AWAY: Duration = Duration::from_secs(4);

#[test]
fn a_collector_killed_under_load_and_started_again_has_every_tick_once_with_its_time() {
    let mut scene = Outage::with(40);
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(3);
    scene.receiver.stop();
    std::thread::sleep(AWAY);
    scene.receiver.start_again().unwrap();
    wait_answered(&procmon);
    scene.wait_ticks(3);
    let output = end(procmon);
    assert!(!output.stderr.contains("not delivered"), "{output:?}");
    assert!(scene.ticks().len() > 15);
    scene.assert_all_arrived();
}

#[test]
fn the_same_with_kill_9_of_procmon_in_the_middle() {
    let mut scene = Outage::with(40);
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(3);
    scene.receiver.stop();
    scene.wait_ticks(4);
    scene.wait_between_ticks();
    kill(procmon);
    let before = scene.ticks();
    // The next one begins while the collector is still away.
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(4);
    scene.receiver.start_again().unwrap();
    wait_answered(&procmon);
    scene.wait_ticks(2);
    let output = end(procmon);
    assert!(output.stderr.contains("points of before"), "{output:?}");
    assert!(scene.ticks().len() > before.len() + 5);
    scene.assert_all_arrived();
}

#[test]
fn procmon_killed_again_and_again_while_the_collector_answers_loses_no_tick() {
    let scene = Outage::with(10);
    for _ in 0..4 {
        let procmon = scene.procmon(INTERVAL).start().unwrap();
        scene.wait_ticks(2);
        scene.wait_between_ticks();
        kill(procmon);
    }
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(2);
    end(procmon);
    scene.assert_all_arrived();
}

/// How large the spool is, bytes. What goes meanwhile has no size.
fn spool_size(scene: &Outage) -> u64 {
    let files = fs::read_dir(scene.spool()).unwrap().flatten();
    let sizes = files.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    sizes.sum()
}

/// A copy of the spool; fails when a file goes meanwhile, since all of it was sent.
fn copy_spool(scene: &Outage) -> io::Result<TempDir> {
    let copy = tempfile::tempdir()?;
    let folder = copy.path().join("spool");
    fs::create_dir(&folder)?;
    for entry in fs::read_dir(scene.spool())? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    Ok(copy)
}

/// How many batches are in the spool, seen in a copy: procmon has its own locked.
fn spooled(scene: &Outage) -> usize {
    let copy = loop {
        match copy_spool(scene) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            copied => break copied.unwrap(),
        }
    };
    let settings = SpoolSettings {
        state_dir: copy.path().to_owned(),
        max_size: 64 << 20,
    };
    Spool::open(&settings, Signal::Metrics).unwrap().found.len()
}

#[test]
fn while_the_collector_does_not_answer_a_tick_is_in_the_spool_before_the_next_begins() {
    for manner in [Manner::Silent, Manner::Garbage] {
        let scene = Outage::with(3);
        scene.receiver.behave(manner);
        let procmon = scene.procmon(2 * INTERVAL).start().unwrap();
        for _ in 0..6 {
            let ticks = scene.wait_ticks(1);
            std::thread::sleep(INTERVAL);
            assert_eq!(scene.ticks().len(), ticks, "this machine is too slow");
            assert_eq!(spooled(&scene), ticks, "{manner:?}");
        }
        scene.receiver.behave(Manner::Take);
        end(procmon);
        scene.assert_all_arrived();
    }
}

#[test]
fn a_batch_whose_answer_was_lost_is_sent_again_byte_for_byte_and_counted() {
    let scene = Outage::with(3);
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(2);
    scene.receiver.behave(Manner::LoseAnswer);
    wait_until("it comes again", || {
        Arrived::of(&scene.receiver.bodies()).repeated > 1
    });
    scene.receiver.behave(Manner::Take);
    wait_answered(&procmon);
    scene.wait_ticks(2);
    end(procmon);
    // Which looks at each point of each body, and that repetitions are whole and counted.
    scene.assert_all_arrived();
    assert!(Arrived::of(&scene.receiver.bodies()).repeated > 1);
}

#[test]
fn what_is_left_at_the_end_is_sent_by_the_next_procmon() {
    let mut scene = Outage::with(3);
    scene.receiver.stop();
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(5);
    let output = end(procmon);
    assert!(output.stderr.contains("stay in the spool"), "{output:?}");
    scene.receiver.start_again().unwrap();
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(2);
    end(procmon);
    scene.assert_all_arrived();
    // All of it: nothing is left on disk.
    assert!(spool_size(&scene) < 100);
}

#[test]
fn a_collector_that_is_exhausted_for_ever_costs_the_oldest_which_are_counted() {
    let scene = Outage::with(60);
    scene.receiver.behave(Manner::Refuse(
        "429 Too Many Requests",
        "retry-after: 1\r\n",
    ));
    let procmon = scene
        .procmon(INTERVAL / 3)
        .env("PROCMON_EXPORT_OTLP_SPOOL_MAX_SIZE", "64KiB")
        .start()
        .unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains("oldest batches are dropped"))
        .unwrap();
    scene.wait_ticks(20);
    let size = spool_size(&scene);
    assert!(size < 66 << 10, "{size}");
    scene.receiver.behave(Manner::Take);
    wait_answered(&procmon);
    scene.wait_ticks(10);
    end(procmon);
    let arrived = Arrived::of(&scene.receiver.bodies());
    let ticks = scene.ticks();
    let seen: BTreeSet<_> = arrived.order.iter().map(|time| time / 1_000_000).collect();
    assert!(seen.is_subset(&ticks));
    // Those that were dropped are older than all that came, but for the one on its way.
    let missing: Vec<_> = ticks.difference(&seen).collect();
    let second = seen.iter().nth(1).unwrap();
    assert!(missing.iter().all(|tick| *tick < second), "{missing:?}");
    let bodies = scene.receiver.bodies();
    let dropped = own(
        &bodies,
        "procmon.agent.export.batches",
        &["otlp", "dropped"],
    );
    assert_eq!(dropped, Some(missing.len() as i64));
    assert!(missing.len() > 5);
}

/// The largest resident set of a procmon since [`forget_peak`], KiB.
fn peak(pid: u32) -> u64 {
    ground::line(pid, "status", "VmHWM").unwrap() >> 10
}

/// Begins anew: reading the kernel's type information takes more for a moment, at the start.
fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

#[test]
fn ten_minutes_of_200_processes_fit_in_20_mb_of_spool_and_32_mib_of_memory() {
    let mut scene = Outage::with(200);
    scene.receiver.stop();
    // At 10 s ten minutes are 60 ticks; how far they lie apart costs no room.
    let mut procmon = scene.procmon(Duration::from_millis(100)).start().unwrap();
    scene.wait_ticks(2);
    forget_peak(procmon.pid());
    while scene.ticks().len() < 63 {
        assert!(procmon.is_running());
        std::thread::sleep(Duration::from_millis(200));
    }
    let size = spool_size(&scene);
    let away = peak(procmon.pid());
    assert!(spooled(&scene) >= 60);
    scene.receiver.start_again().unwrap();
    wait_answered(&procmon);
    wait_until("all has been sent", || spooled(&scene) == 0);
    let back = peak(procmon.pid());
    eprintln!("spool: {size} bytes; memory: {away} KiB in the outage, {back} KiB behind it");
    assert!(size < 20_000_000, "{size} bytes of spool");
    assert!(back < 32 << 10, "{away}, then {back} KiB of memory");
    end(procmon);
    scene.assert_all_arrived();
}
