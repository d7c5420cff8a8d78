//! Units and containers, by cgroups that the tests make.

use procmon_tests::{
    Program,
    cgroup::{Cgroup, Controller},
    need,
};

use crate::support::*;

fn held_in(cgroup: &Cgroup, named: &Named) -> Program {
    let path = named.path().display().to_string();
    held(&mut cgroup.command(&path, &["print-ready", "wait"]))
}

/// Of two processes, one of them in a group of this name, these options show that one, restarted
/// too.
fn assert_shows_who_is_in(group: &str, options: &[&[&str]]) {
    let named = Named::new("grouped");
    let cgroup = need!(Cgroup::named(group, &[Controller::Memory]));
    let outside = named.held_before("");
    for road in ROADS {
        for options in options {
            let inside = held_in(&cgroup, &named);
            let procmon = start(&run().args(*options).args(road));
            wait_for(&procmon, |objects| of(objects, inside.pid()).len() > 1);
            let first = inside.pid();
            finish(inside);
            let again = held_in(&cgroup, &named);
            wait_for(&procmon, |objects| of(objects, again.pid()).len() > 1);
            let objects = stop(procmon);
            let live = objects.iter().filter(|object| !object.has_exited());
            let live: Vec<_> = live.cloned().collect();
            // The shell that entered the group is there too, under the same pid.
            assert_eq!(pids(&live), [first, again.pid()], "{road:?} {options:?}");
        }
    }
    drop(outside);
}

#[test]
fn the_processes_of_a_unit_are_watched() {
    let unit = format!("procmon-test-{}", std::process::id());
    let group = format!("{unit}.service");
    let expression = format!("unit == '{group}'");
    let by_path = format!("cgroup =~ '/{unit}\\.service$'");
    assert_shows_who_is_in(
        &group,
        &[
            &["--unit", &unit],
            &["--unit", &group],
            &["--match", &expression],
            &["--match", &by_path],
        ],
    );
}

#[test]
fn the_processes_of_a_container_are_watched() {
    let id = format!("{:064x}", 0xfeed_0000_0000 + u64::from(std::process::id()));
    let id: String = id.chars().rev().collect();
    let expression = format!("container == '{}'", &id[..20]);
    assert_shows_who_is_in(
        &format!("docker-{id}.scope"),
        &[
            &["--container", &id],
            &["--container", &id[..12].to_uppercase()],
            &["--match", &expression],
        ],
    );
}
