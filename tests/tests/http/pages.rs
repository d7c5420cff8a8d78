//! The pages themselves.

use std::{collections::BTreeSet, fs, process::Command};

use procmon_tests::{Program, Victim, ground, http, need, prometheus, skip, victim};

use crate::support::{Serving, assert_resident, of, run, wait_asleep};

/// The remarks of promtool that are expected: of the names that end in `.count`.
fn expected_remarks(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let gauges = types.filter_map(|rest| rest.strip_suffix(" gauge"));
    gauges
        .filter(|name| name.ends_with("_count"))
        .map(|name| {
            format!(
                "{name} non-histogram and non-summary metrics should not have \"_count\" suffix"
            )
        })
        .collect()
}

#[test]
fn promtool_check_metrics_says_nothing_on_a_busy_host_but_the_expected_remark() {
    let folder = tempfile::tempdir().unwrap();
    // A name with all that has to be escaped.
    let odd = folder.path().join("o\\d\"d\nname");
    fs::copy(victim::path().unwrap(), &odd).unwrap();
    let mut command = Command::new(&odd);
    let operations = "mmap=100:8192 open=70 open-fail=30 spin=300 print-ready wait";
    let odd = Program::start(command.args(operations.split(' '))).unwrap();
    odd.wait_for_stdout(procmon_tests::program::SOON, |text| text.contains("ready"))
        .unwrap();
    let config = folder.path().join("procmon.yaml");
    // The chosen one has every metric.
    fs::write(
        &config,
        format!("select: {{rules: [{{match: pid == {}}}]}}\n", odd.pid()),
    )
    .unwrap();
    let config = config.to_str().unwrap();
    let _busy = Victim::start("spin=60000").unwrap();
    for options in [
        &["--all", "--config", config][..],
        &[
            "--all",
            "--config",
            config,
            "--group-by",
            "executable",
            "--top",
            "3",
        ],
        &["--all", "--no-ebpf"],
    ] {
        let serving = Serving::start(run(options));
        let page = serving.wait_for(|page| page.contains("procmon_system_pressure_seconds"));
        let said = need!(prometheus::check(&page).unwrap());
        let said: BTreeSet<String> = said.into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(said, expected_remarks(&page), "{options:?}");
        if options.contains(&config) {
            let remark = "process_unix_file_descriptor_count non-histogram";
            assert!(said.iter().any(|line| line.starts_with(remark)), "{said:?}");
            assert!(page.contains(r#"process_executable_name="o\\d\"d\nname""#));
            assert!(page.contains("procmon_cpu_run_queue_duration_seconds_bucket{"));
        }
    }
}

#[test]
fn values_are_those_of_proc_and_the_probes() {
    let mut victim =
        Victim::held_before("mmap=100:8192 open=70 open-fail=30 print-ready wait").unwrap();
    let pid = victim.pid();
    let serving = Serving::start(run(&["--pid", &pid.to_string()]));
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    wait_asleep(pid);
    let own = of(pid);
    let operations = |page: &str, words: &[&str]| {
        let mut all = vec![own.as_str()];
        all.extend(words);
        http::value(page, &all)
    };
    let mmaps = &["procmon_memory_mapping_operations_total{", "\"mmap\""][..];
    let page = serving.wait_for(|page| operations(page, mmaps) >= Some(100.0));
    assert_eq!(operations(&page, mmaps), Some(100.0));
    let name = "procmon_file_descriptor_operations_total{";
    assert_eq!(operations(&page, &[name, "\"open\"", "ENOENT"]), Some(30.0));
    // Asleep, it stays what it is.
    let page = serving.wait_for(|page| page.contains("process_memory_usage_bytes"));
    let rss = operations(&page, &["process_memory_usage_bytes{"]);
    assert_resident(rss.unwrap(), pid, false);
    let descriptors = ground::entries(pid, "fd").unwrap() as f64;
    let count = operations(&page, &["process_unix_file_descriptor_count{"]);
    assert_eq!(count, Some(descriptors));
}

#[test]
fn gone_processes_vanish_from_the_next_page() {
    let victim = Victim::held_before("").unwrap();
    let pid = of(victim.pid());
    let serving = Serving::start(run(&["--all"]));
    assert!(serving.page().contains(&pid));
    victim.finish().unwrap();
    serving.wait_for(|page| !page.contains(&pid));
}

#[test]
fn openmetrics_and_gzip_come_when_they_are_asked_for() {
    let serving = Serving::start(run(&["--pid", &std::process::id().to_string()]));
    let text = http::get(&serving.address, "/metrics", &[]).unwrap();
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let accept = ("Accept", "application/openmetrics-text;version=1.0.0");
    let open = http::get(&serving.address, "/metrics", &[accept]).unwrap();
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.text().ends_with("\n# EOF\n"));
    let gzip = ("Accept-Encoding", "gzip");
    let small = http::get(&serving.address, "/metrics", &[accept, gzip]).unwrap();
    assert_eq!(small.header("content-encoding"), Some("gzip"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &small.body).unwrap();
    let Ok(unzipped) = Command::new("gzip").arg("-dc").arg(file.path()).output() else {
        skip!("there is no gzip to read it with");
    };
    assert!(unzipped.status.success(), "{unzipped:?}");
    let text = String::from_utf8(unzipped.stdout).unwrap();
    assert!(text.starts_with("# HELP ") && text.ends_with("\n# EOF\n"));
}

#[test]
fn parts_and_plain_names_are_configured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("procmon.yaml");
    fs::write(
        &file,
        "http: {metrics: {naming: plain, parts: [processes]}}\n",
    )
    .unwrap();
    let pid = std::process::id().to_string();
    let options = ["--pid", &pid, "--config", file.to_str().unwrap()];
    let serving = Serving::start(run(&options));
    let accept = ("Accept", "application/openmetrics-text");
    let page = http::get(&serving.address, "/metrics", &[accept]).unwrap();
    // Its counters would have to end in _total.
    assert_eq!(
        page.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(page.text().contains("\nprocess_cpu_time{"), "{page:?}");
    assert!(page.text().contains("\nprocess_memory_usage{"));
    assert!(!page.text().contains("\nsystem_") && !page.text().contains("\nprocmon_agent"));
}

#[test]
fn a_target_that_is_not_watched_is_not_found() {
    let serving = Serving::start(run(&["--pid", &std::process::id().to_string()]));
    let status = |target: &str| {
        let path = format!("/metrics?target={target}");
        http::get(&serving.address, &path, &[]).unwrap().status
    };
    assert_eq!(status("1"), 404);
    assert_eq!(status("many"), 400);
    assert_eq!(status(""), 400);
    assert_eq!(status(&std::process::id().to_string()), 200);
}
