//! `procmon config`.

use crate::support::*;

#[test]
fn print_shows_what_holds_and_where_it_came_from() {
    let folder = Folder::with("kernel:\n  max_processes: 1000\n");
    let print = procmon_tests::Procmon::new("config")
        .args(["print", "procmon.yaml"])
        .env("PROCMON_INTERVAL", "10s");
    let output = folder.run(print);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (value, origin) in [
        ("interval: 10s ", "# PROCMON_INTERVAL"),
        ("overhead_budget: 2% ", "# default"),
        ("  max_processes: 1000 ", "# procmon.yaml:2:18"),
    ] {
        let line = output.stdout.lines().find(|line| line.starts_with(value));
        assert!(
            line.is_some_and(|line| line.ends_with(origin)),
            "{value}: {output:?}"
        );
    }
}

#[test]
fn what_print_shows_and_the_reference_writes_are_good_files() {
    let folder = Folder::with("interval: 2s\n");
    for (name, arguments) in [
        ("printed.yaml", ["print", "procmon.yaml"].as_slice()),
        ("reference.yaml", &["reference", "--format", "yaml"]),
    ] {
        let output = folder.config(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        std::fs::write(folder.path(name), &output.stdout).unwrap();
        let check = folder.config(&["check", name]);
        assert_eq!(check.stdout, format!("{name}: ok\n"), "{check:?}");
    }
    let wanted = |line: &&str| line.starts_with("interval: 2s ");
    let again = folder.config(&["print", "printed.yaml"]).stdout;
    assert_eq!(again.lines().filter(wanted).count(), 1, "{again}");
}
