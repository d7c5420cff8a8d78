//! Under `lockdown=confidentiality` programs may not read kernel memory. There is no way back
//! from it, so these run in the machines of `cargo xtask vmtest` only, after all others.

use std::fs;

use procmon_tests::{Procmon, Victim, jsonl};

use crate::{LIMIT, diagnosis};

fn assert_locked_down() {
    let mode = fs::read_to_string("/sys/kernel/security/lockdown").unwrap();
    assert!(mode.contains("[confidentiality]"), "{mode}");
}

#[test]
fn locked_down_doctor_says_what_to_do() {
    assert_locked_down();
    let output = Procmon::new("doctor").arg("--json").output(LIMIT).unwrap();
    let diagnosis = diagnosis(&output);
    assert_eq!(output.status.code(), Some(3), "{diagnosis:#}");
    let host = diagnosis["host"].as_array().unwrap();
    let lockdown = host.iter().find(|finding| finding["name"] == "lockdown");
    let lockdown = lockdown.unwrap();
    assert_eq!(lockdown["ok"], false);
    assert_eq!(lockdown["found"], "confidentiality");
    let advice = lockdown["advice"].as_str().unwrap();
    assert!(advice.contains("--no-ebpf"), "{advice}");
}

#[test]
fn locked_down_run_ends_with_3_and_advice() {
    assert_locked_down();
    let victim = Victim::held_before("").unwrap();
    let run = Procmon::new("run").pid(victim.pid()).args(["--count", "1"]);
    let output = run.output(LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    for words in ["lockdown", "confidentiality", "--no-ebpf"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
}

#[test]
fn locked_down_works_from_proc() {
    assert_locked_down();
    let victim = Victim::held_before("").unwrap();
    let run =
        Procmon::new("run")
            .pid(victim.pid())
            .args(["--no-ebpf", "--count", "1", "--jsonl", "-"]);
    let output = run.output(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let objects = jsonl::parse(&output.stdout).unwrap();
    assert!(
        objects[0].get("process.memory.usage") > Some(0.0),
        "{output:?}"
    );
}
