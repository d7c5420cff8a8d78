//! Ended but not waited for: that is an end, told once, and nothing that lives.

use procmon_tests::{Procmon, Victim, program::SOON, time};
use serde_json::json;

use crate::support::*;

#[test]
fn a_zombie_made_while_watched_is_told_once_and_never_as_live() {
    for road in ROADS {
        let mut victim = Victim::held_before("zombie print-ready wait").unwrap();
        let run = watch(&[victim.pid()], "50ms").args(["--children"]);
        let procmon = run.args(road).start().unwrap();
        wait_objects(&procmon, 1);
        victim.go().unwrap();
        let zombie = victim.zombie().unwrap();
        wait_zombie(zombie);
        let since = time::now();
        let seen = objects(&procmon.stdout()).len();
        wait_objects(&procmon, seen + 4);
        victim.finish().unwrap();
        let output = procmon.wait(SOON).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = of(&objects(&output.stdout), zombie);
        // A tick may have met it while it lived, for a moment.
        let (ended, lived): (Vec<_>, Vec<_>) =
            objects.iter().partition(|object| object.has_exited());
        for object in lived {
            let at = time::parse(object.json["timestamp"].as_str().unwrap()).unwrap();
            assert!(at <= since, "{road:?} {since} {object:?}");
        }
        if road.is_empty() {
            assert_eq!(ended.len(), 1, "{objects:?}");
            assert_eq!(objects.last().unwrap().exit_code(), Some(0), "{objects:?}");
        } else {
            // Without eBPF it is not seen between two ticks.
            assert!(ended.len() <= 1, "{objects:?}");
        }
    }
}

#[test]
fn a_zombie_from_before_is_no_live_process_of_all() {
    for road in ROADS {
        let mut victim = Victim::held_before("zombie print-ready wait").unwrap();
        victim.go().unwrap();
        let zombie = victim.zombie().unwrap();
        wait_zombie(zombie);
        let all = Procmon::new("run").args(["--all", "--count", "3", "--interval", "50ms"]);
        let output = output(&all.args(["--jsonl", "-"]).args(road));
        let objects = objects(&output.stdout);
        assert_eq!(of(&objects, victim.pid()).len(), 3, "{road:?}");
        assert_eq!(of(&objects, zombie).len(), 0, "{road:?}");
    }
}

#[test]
fn a_process_that_is_killed_and_not_waited_for_is_told_once_and_never_again() {
    for road in ROADS {
        let stays = Victim::held_before("").unwrap();
        let mut killed = Victim::held_before("kill=SIGKILL").unwrap();
        let pids = [stays.pid(), killed.pid()];
        let procmon = watch(&pids, "50ms").args(road).start().unwrap();
        wait_objects(&procmon, 2);
        killed.go().unwrap();
        wait_zombie(killed.pid());
        procmon
            .wait_for_stdout(SOON, |text| text.contains("\"exited\""))
            .unwrap();
        let seen = objects(&procmon.stdout()).len();
        wait_objects(&procmon, seen + 4);
        procmon.signal(libc::SIGINT).unwrap();
        let output = procmon.wait(SOON).unwrap();
        let objects = of(&objects(&output.stdout), killed.pid());
        assert_eq!(ends(&objects), 1, "{road:?}");
        let last = objects.last().unwrap();
        assert!(last.has_exited(), "{road:?} {objects:?}");
        assert_eq!(last.json["exited"]["signal"], json!("SIGKILL"), "{road:?}");
    }
}
