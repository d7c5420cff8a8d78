//! Processes older than procmon: what the kernel keeps is right since their birth, what the
//! probes keep begins at the attach. (That the series' start times say so, `otlp` asserts.)

use procmon_tests::{Victim, ground, program::SOON, strace::file_key};

use crate::support::*;

#[test]
fn of_an_older_process_kernel_totals_are_right_since_birth_and_calls_begin_at_attach() {
    let before = "open=9 mmap=4:8192 spin=20 touch=4000000 thread=5";
    let after = "open=4 print-ready wait";
    let mut victim = Victim::start(&format!("{before} print-ready wait {after}")).unwrap();
    victim.wait_ready(1).unwrap();
    let pid = victim.pid();
    wait_asleep(pid);
    let procmon = watch(&[pid], NEVER).start().unwrap();
    let first = &wait_objects(&procmon, 1)[0];
    assert_eq!(ns(first, ON_CPU), ground::cpu_ns(pid).unwrap());
    let cpu = ["user", "system"].map(|mode| format!("process.cpu.time{{cpu.mode=\"{mode}\"}}"));
    let [user, system] = cpu.map(|key| ns(first, &key));
    assert_eq!(user + system, ns(first, ON_CPU));
    let faults = ["minor", "major"]
        .map(|kind| format!("process.paging.faults{{system.paging.fault.type=\"{kind}\"}}"))
        .map(|key| number(first, &key));
    let kernel = [10, 12].map(|field| ground::stat(pid, field).unwrap());
    assert_eq!(faults, kernel);
    let io = ["read", "write"]
        .map(|way| format!("procmon.io.logical{{disk.io.direction=\"{way}\"}}"))
        .map(|key| number(first, &key));
    let kernel = ["rchar", "wchar"].map(|key| ground::line(pid, "io", key).unwrap());
    assert_eq!(io, kernel);
    assert_eq!(number(first, &file_key("open", None)), 0);

    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    victim.finish().unwrap();
    let output = procmon.wait(SOON).unwrap();
    let objects = objects(&output.stdout);
    assert_eq!(growth(&objects, &file_key("open", None)), Some(4.0));
}
