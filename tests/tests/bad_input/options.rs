//! Options that make no sense: status 2, and what would.

use procmon_tests::Procmon;

use crate::support::*;

fn run(more: &[&str]) -> Procmon {
    Procmon::new("run").pid(std::process::id()).args(more)
}

#[test]
fn an_interval_out_of_range_names_the_range() {
    for interval in ["9ms", "25h", "0", "0s", "24h 1ns", "soon", "", "5", "1e3s"] {
        assert_refused(
            &run(&["--interval", interval]),
            2,
            &["--interval", "10ms to 24h"],
        );
    }
}

#[test]
fn a_count_of_0_and_a_duration_of_0_are_refused() {
    assert_refused(&run(&["--count", "0"]), 2, &["--count", "1.."]);
    assert_refused(
        &run(&["--duration", "0s"]),
        2,
        &["--duration", "more than 0"],
    );
}

#[test]
fn a_misspelt_option_is_told_the_right_one() {
    assert_refused(
        &run(&["--intervall", "1s"]),
        2,
        &["--intervall", "'--interval'"],
    );
}

#[test]
fn pid_with_all_is_refused() {
    assert_refused(&run(&["--all"]), 2, &["--pid", "--all"]);
}

#[test]
fn options_that_need_another_one_say_so() {
    let all = Procmon::new("run").arg("--all");
    assert_refused(&all.arg("--children"), 2, &["--all", "--children"]);
    assert_refused(&run(&["--kernel-threads"]), 2, &["--kernel-threads"]);
    for lonely in ["--children", "--kernel-threads"] {
        assert_refused(&Procmon::new("run").arg(lonely), 2, &["--"]);
    }
}

#[test]
fn what_cannot_be_folded_by_is_told_what_can() {
    for (option, wrong, hint) in [
        ("--top", "many", "--top <N>"),
        ("--top", "-1", "--top <N>"),
        (
            "--group-by",
            "colour",
            "executable, container, pod, unit, user, tree, rule",
        ),
        ("--max-series", "99", "at least 100"),
        ("--max-series", "few", "at least 100"),
    ] {
        assert_refused(&run(&[&format!("{option}={wrong}")]), 2, &[option, hint]);
    }
}

#[test]
fn nothing_selected_is_refused_with_a_hint() {
    assert_refused(&Procmon::new("run"), 2, &["--pid PID", "--all"]);
    assert_refused(&Procmon::new("exec"), 2, &["COMMAND"]);
}

#[test]
fn a_pid_that_is_no_number_is_refused() {
    for pid in ["self", "-1", "4294967296", ""] {
        let output = output(&Procmon::new("run").arg(format!("--pid={pid}")));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stderr.contains("--pid"), "{output:?}");
    }
}

#[test]
fn report_and_jsonl_both_on_stdout_are_refused() {
    let said = &["--report -", "--jsonl -", "a file"];
    assert_refused(&run(&["--report", "-", "--jsonl", "-"]), 2, said);
}

#[test]
fn exec_refuses_stdout_for_its_own_output() {
    for flag in ["--jsonl", "--report"] {
        let exec = Procmon::new("exec").args([flag, "-", "--", "echo", "ran"]);
        assert_refused(&exec, 2, &[flag, "stdout is the command's"]);
    }
}

#[test]
fn bad_otlp_flags_are_named() {
    for url in [
        "ftp://host",
        "http://127.0.0.1:99999",
        "http://",
        "http://a b",
        "://",
    ] {
        assert_refused(&run(&["--otlp", url]), 2, &["--otlp", url]);
    }
}

#[test]
fn bad_otlp_variables_are_named() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://host"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://host:x"),
    ] {
        assert_refused(&run(&[]).env(name, value), 2, &[name, value]);
    }
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no equals sign"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "bad name=x"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "rar"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent/ca.pem"),
    ] {
        let output = assert_refused(&run(&["--otlp"]).env(name, value), 2, &[]);
        let file = value.starts_with('/') && output.stderr.contains(value);
        assert!(output.stderr.contains(name) || file, "{name}: {output:?}");
    }
}

#[test]
fn a_secret_in_a_bad_header_is_not_said() {
    let run = run(&["--otlp"]).env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2\n");
    let output = output(&run.args(["--count", "1"]));
    assert!(!output.stderr.contains("hunter2"), "{output:?}");
}
