//! Files that cannot be meant: status 2, and what would be right.

use std::{
    fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, os::unix::process::CommandExt,
    path::Path,
};

use procmon_tests::{Procmon, Program, program::SOON};

use crate::support::*;

/// What `config check` and `run --config` say of it must be the same.
fn refused(configuration: impl AsRef<[u8]>, said: &[&str]) {
    let folder = Folder::with(configuration);
    let check = folder.config(&["check", "procmon.yaml"]);
    assert_refused(&check, said);
    let run = folder.run(folder.once());
    assert_refused(&run, said);
    assert_eq!(check.stderr, run.stderr);
}

#[test]
fn an_empty_configuration_means_the_defaults() {
    for text in ["", "# nothing\n", "---\n"] {
        let folder = Folder::with(text);
        let check = folder.config(&["check", "procmon.yaml"]);
        assert_eq!(check.stdout, "procmon.yaml: ok\n", "{check:?}");
        let printed = |arguments: &[&str]| folder.config(arguments).stdout;
        assert_eq!(printed(&["print", "procmon.yaml"]), printed(&["print"]));
        let run = folder.run(folder.once());
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        assert!(run.stderr.contains(" every 1s;"), "{run:?}");
    }
}

#[test]
fn a_misspelt_key_is_answered_with_the_right_one_and_its_line() {
    refused(
        "# words\nintervall: 1s\n",
        &[
            "procmon.yaml:2:1: ",
            "\"intervall\"",
            "did you mean `interval`?",
        ],
    );
}

#[test]
fn all_mistakes_are_told_together_each_with_its_line() {
    refused(
        "intervall: 1s\n\noverhead_budget: 2\nkernel:\n  max_processes: many\nalerts: []\n",
        &[
            "4 mistakes",
            "procmon.yaml:1:1: ",
            "procmon.yaml:3:18: overhead_budget: ",
            "procmon.yaml:5:18: kernel.max_processes: \"many\"",
            "procmon.yaml:6:1: `alerts` is not in this version",
        ],
    );
}

#[test]
fn a_value_out_of_range_names_the_range() {
    refused(
        "interval: 9ms\n",
        &["procmon.yaml:1:11: interval: ", "10ms to 24h"],
    );
    refused(
        "interval: [1s]\n",
        &["interval: a list is not a time from 10ms to 24h"],
    );
    refused(
        "export: {otlp: {endpoint: 'ftp://host'}}\n",
        &["procmon.yaml:1:27: ", "ftp://host"],
    );
}

#[test]
fn what_only_the_environment_makes_wrong_is_told_with_the_variable() {
    let folder = Folder::with("export: {otlp: {endpoint: 'http://127.0.0.1:4317/path'}}\n");
    assert_eq!(
        folder.config(&["check", "procmon.yaml"]).status.code(),
        Some(2)
    );
    let folder = Folder::with("interval: 1s\n");
    let run = folder.run(folder.once().env("PROCMON_INTERVAL", "soon"));
    assert_refused(&run, &["PROCMON_INTERVAL: interval: "]);
}

#[test]
fn a_huge_configuration_is_refused() {
    let mut text = String::new();
    for line in 0..200_000 {
        writeln!(text, "# line {line}").unwrap();
    }
    refused(text, &["procmon.yaml: it is larger than 1024 KiB"]);
    let output = output(&Procmon::new("config").args(["check", "/dev/zero"]));
    assert_refused(&output, &["/dev/zero: it is larger than"]);
}

#[test]
fn a_configuration_that_is_not_utf_8_is_refused_with_its_line() {
    refused(b"interval: 1s\n# \xff\n", &["procmon.yaml:2:3: ", "UTF-8"]);
}

#[test]
fn a_directory_is_refused() {
    let folder = Folder::with("");
    fs::create_dir(folder.path("etc")).unwrap();
    let output = folder.config(&["check", "etc"]);
    assert_refused(&output, &["etc: it is a directory: name the file in it"]);
}

#[test]
fn a_missing_configuration_is_refused_with_what_writes_one() {
    let folder = Folder::with("");
    let output = folder.config(&["check", "other.yaml"]);
    assert_refused(
        &output,
        &[
            "other.yaml: there is no such file",
            "procmon config reference --format yaml",
        ],
    );
}

#[test]
fn an_unreadable_configuration_is_refused() {
    let folder = Folder::with("");
    let (file, program) = (folder.path("procmon.yaml"), folder.path("procmon"));
    let check = Procmon::new("config").arg("check").arg(&file);
    let inner = check.command().unwrap();
    fs::copy(inner.get_program(), &program).unwrap();
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&folder.path(""), 0o755);
    allow(&program, 0o755);
    allow(&file, 0o600);
    let mut command = std::process::Command::new(&program);
    command.args(inner.get_args()).uid(65_534).gid(65_534);
    let output = Program::start(&mut command).unwrap().wait(SOON).unwrap();
    assert_refused(
        &output,
        &[
            "procmon.yaml: Permission denied",
            "let procmon's user read it",
        ],
    );
}

#[test]
fn duplicate_keys_are_refused_with_both_lines() {
    refused(
        "interval: 1s\nkernel: {}\ninterval: 2s\n",
        &["procmon.yaml:3:1: \"interval\" is there twice, first at procmon.yaml:1:1"],
    );
}

#[test]
fn aliases_that_explode_are_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..200 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{items}]").unwrap();
    }
    refused(text, &["procmon.yaml:6:", "aliases stand for"]);
}

#[test]
fn what_is_no_yaml_is_refused_with_its_line() {
    refused("interval: 1s\nkernel: {\n", &["procmon.yaml:", "no YAML: "]);
    refused("just words\n", &["procmon.yaml:1:1: ", "keys and values"]);
}
