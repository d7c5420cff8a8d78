//! `select.rules`: whom they have watched, and mistakes in them.

use std::fs;

use procmon_tests::{Procmon, Victim, jsonl, victim};

use crate::support::*;

#[test]
fn a_mistake_in_an_expression_points_at_its_line_and_its_place() {
    let folder = Folder::with(
        "select:\n  rules:\n  - match: pid == 1 or exe == \"x\"\n    target: a\n  - {macth: pid == 1}\n",
    );
    let output = folder.config(&["check", "procmon.yaml"]);
    let said = [
        "procmon.yaml:3:24: select.rules: rule 1: match: no field `exe`: did you mean `executable`?",
        "\n    pid == 1 or exe == \"x\"\n                ^^^\n",
        "procmon.yaml:5:6: select.rules: rule 2: macth: unknown key \"macth\": did you mean `match`?",
    ];
    assert_refused(&output, &said);
    assert_refused(&folder.run(folder.once()), &said);
}

#[test]
fn without_an_option_that_says_whom_those_that_rules_match_are_watched() {
    let folder = Folder::with("");
    let program = folder.path("procmon-config-rules");
    fs::copy(victim::path().unwrap(), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    let mut named = procmon_tests::Program::start(command.args(["print-ready", "wait"])).unwrap();
    let other = Victim::held_before("").unwrap();
    named
        .wait_for_stdout(LIMIT, |text| text.contains("ready "))
        .unwrap();
    let rule = "select: {rules: [{match: executable == \"procmon-config-rules\"}]}\n";
    fs::write(folder.path("procmon.yaml"), rule).unwrap();
    for road in ROADS {
        let run = Procmon::new("run")
            .args(["--config", "procmon.yaml", "--count", "1", "--jsonl", "-"])
            .args(road);
        let output = folder.run(run);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let pids: Vec<u32> = objects(&output.stdout).iter().map(|o| o.pid).collect();
        assert_eq!(pids, [named.pid()], "{output:?}");
    }
    named.close_stdin();
    drop(other);
}

#[test]
fn without_an_option_and_without_rules_nothing_is_watched() {
    let folder = Folder::with("select: {rules: []}\n");
    let run = Procmon::new("run").args(["--config", "procmon.yaml"]);
    assert_refused(&folder.run(run), &["nothing to watch", "select.rules"]);
}

#[test]
fn exec_takes_rules_too() {
    let folder = Folder::with("select: {rules: [{match: pid > 0, target: a}]}\n");
    let exec =
        Procmon::new("exec").args(["--config", "procmon.yaml", "--jsonl", "lines", "--", "true"]);
    let output = folder.run(exec);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = jsonl::read(&folder.path("lines")).unwrap();
    assert!(
        objects.last().unwrap().exit_code() == Some(0),
        "{objects:?}"
    );
}
