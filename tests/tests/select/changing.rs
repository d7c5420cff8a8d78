//! Expressions on what changes by itself: asked at each tick.

use procmon_tests::jsonl::Object;

use crate::support::*;

const RSS: &str = "process.memory.usage";

#[test]
fn a_process_matches_by_its_resident_set_from_the_tick_on_that_it_has_grown() {
    let named = Named::new("grows");
    let witness = Named::new("witness");
    for road in ROADS {
        let stays = witness.held_before("");
        let mut victim = named.held_before("touch=64000000 wait");
        let pid = victim.pid();
        let expression = format!("{} or {} and rss > 40MiB", witness.is(), named.is());
        let procmon = start(&matching(&expression).args(road));
        let before = wait_ticks(&procmon, stays.pid(), 3);
        assert_eq!(pids(&before), [stays.pid()], "{road:?}");
        victim.send(b"\n").unwrap();
        wait_for(&procmon, |objects| !of(objects, pid).is_empty());
        finish(victim);
        wait_for(&procmon, |objects| {
            of(objects, pid).iter().any(|object| object.has_exited())
        });
        let objects = of(&stop(procmon), pid);
        let live: Vec<_> = objects
            .iter()
            .filter(|object| !object.has_exited())
            .collect();
        assert_eq!(live.len() + 1, objects.len(), "{road:?}");
        for object in live {
            assert!(object.get(RSS).unwrap() > f64::from(40 << 20), "{road:?}");
        }
    }
}

#[test]
fn a_process_matches_by_the_cpu_it_uses() {
    let named = Named::new("spins");
    for road in ROADS {
        let idle = named.held_before("");
        let mut busy = named.held_before("spin=60000");
        busy.send(b"\n").unwrap();
        let expression = format!("{} and cpu > 1%", named.is());
        // Some ticks of /proc's clock in each of ours.
        let procmon = every("300ms").args(["--match", &expression]).args(road);
        let procmon = start(&procmon);
        let usage = |object: &Object| {
            let of = |mode| object.get(&format!("procmon.cpu.usage{{cpu.mode=\"{mode}\"}}"));
            Some(of("user")? + of("system")?)
        };
        wait_for(&procmon, |objects| {
            objects.iter().filter_map(usage).count() > 2
        });
        let objects = stop(procmon);
        assert_eq!(pids(&objects), [busy.pid()], "{road:?}");
        // What is told of its use is what it was asked for.
        for usage in objects.iter().filter_map(usage) {
            assert!(usage > 0.01, "{road:?}: {usage}");
        }
        drop(idle);
    }
}

#[test]
fn a_process_matches_by_its_age() {
    let named = Named::new("ages");
    for road in ROADS {
        let victim = named.held_before("");
        let expression = format!("{} and age > 1500ms", named.is());
        let procmon = start(&matching(&expression).args(road));
        wait_for(&procmon, |objects| objects.len() > 2);
        let objects = stop(procmon);
        assert_eq!(pids(&objects), [victim.pid()], "{road:?}");
        for object in objects {
            assert!(object.get("process.uptime").unwrap() > 1.5, "{road:?}");
        }
    }
}
