//! Flags beat the environment, which beats the file, which beats the defaults.

use procmon_tests::jsonl;

use crate::support::*;

const FILE: &str = "interval: 3m\nexport: {jsonl: {file: lines}}\n";

/// What it says at the start about how often it looks.
fn every(output: &procmon_tests::Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let after = output.stderr.split(" every ").nth(1).expect("no greeting");
    after.split(';').next().unwrap()
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let folder = Folder::with(FILE);
    let variable = || folder.once().env("PROCMON_INTERVAL", "4m");
    assert_eq!(every(&folder.run(folder.once())), "3m");
    assert_eq!(every(&folder.run(variable())), "4m");
    assert_eq!(
        every(&folder.run(variable().args(["--interval", "5m"]))),
        "5m"
    );
}

#[test]
fn a_misspelt_variable_is_answered_with_the_right_one_and_changes_nothing() {
    let folder = Folder::with(FILE);
    let output = folder.run(folder.once().env("PROCMON_INTERVALL", "4m"));
    assert_eq!(every(&output), "3m");
    let said = "PROCMON_INTERVALL: no variable of procmon's: did you mean PROCMON_INTERVAL?";
    assert_eq!(output.stderr.matches(said).count(), 1, "{output:?}");
    let right = folder.run(folder.once().env("PROCMON_INTERVAL", "4m"));
    assert!(!right.stderr.contains("did you mean"), "{right:?}");
}

#[test]
fn a_run_takes_its_interval_and_its_output_from_the_file() {
    let folder = Folder::with("interval: 20ms\nexport: {jsonl: {file: lines}}\n");
    let run = folder.once().args(["--count", "3"]);
    let output = folder.run(run);
    assert_eq!(output.status.code(), Some(2), "--count twice: {output:?}");

    let run = procmon_tests::Procmon::new("run")
        .pid(std::process::id())
        .args(["--count", "3", "--config", "procmon.yaml"]);
    let output = folder.run(run);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(every(&output), "20ms");
    assert_eq!(output.stdout, "", "the file asked for JSON lines only");
    let objects = jsonl::read(&folder.path("lines")).unwrap();
    assert_eq!(of(&objects, std::process::id()).len(), 3);
}

#[test]
fn a_flag_takes_the_place_of_the_file_s_output() {
    let folder = Folder::with(FILE);
    let output = folder.run(folder.once().args(["--jsonl", "other"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(jsonl::read(&folder.path("other")).unwrap().len(), 1);
    assert!(!folder.path("lines").exists());
}

#[test]
fn exec_takes_a_file_too() {
    let folder = Folder::with("export: {jsonl: {file: lines}}\n");
    let exec = procmon_tests::Procmon::new("exec").args([
        "--config",
        "procmon.yaml",
        "--",
        "sh",
        "-c",
        "echo out",
    ]);
    let output = folder.run(exec);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, "out\n");
    assert!(!jsonl::read(&folder.path("lines")).unwrap().is_empty());
}

#[test]
fn exec_refuses_a_file_s_output_on_stdout() {
    let folder = Folder::with("export:\n  report: {file: '-'}\n");
    let exec =
        procmon_tests::Procmon::new("exec").args(["--config", "procmon.yaml", "--", "echo", "ran"]);
    let said = &[
        "procmon.yaml:2:18: export.report.file - ",
        "stdout is the command's",
    ];
    assert_refused(&folder.run(exec), said);
}
