//! What a real Prometheus makes of the pages.

use procmon_tests::{Victim, ground, http, need, prometheus::Prometheus};

use crate::support::{ROADS, Serving, assert_resident, of, run, wait_asleep};

#[test]
fn prometheus_scrapes_it_and_promql_returns_procs_rss() {
    let mut victim = Victim::held_before("mmap=10:1048576 print-ready wait").unwrap();
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    let pid = victim.pid();
    wait_asleep(pid);
    // Each begins to scrape after five seconds.
    let mut scraped = Vec::new();
    for road in ROADS {
        let serving = Serving::start(run(&[&["--all"], road].concat()));
        let prometheus = need!(Prometheus::scraping(&serving.address, None).unwrap());
        scraped.push((road, serving, prometheus));
    }
    for (road, _serving, prometheus) in scraped {
        let own = format!("{{process_pid=\"{pid}\"}}");
        let usage = format!("process_memory_usage_bytes{own}");
        let values = prometheus.wait_for(&usage, 1).unwrap();
        let (labels, rss) = &values[0];
        assert_eq!(labels["process_executable_name"], "victim");
        assert_resident(*rss, pid, !road.is_empty());
        // The same by what is known of it beside numbers.
        let joined = format!(
            "{usage} * on (process_pid, process_creation_time) group_left (service_name) \
             process_info{{service_name=\"victim\"}}"
        );
        let values = prometheus.wait_for(&joined, 1).unwrap();
        assert_eq!(values[0].0["service_name"], "victim");
        assert_eq!(values[0].1, *rss);
        let up = prometheus.query("up{job=\"procmon\"}").unwrap();
        assert_eq!(up[0].1, 1.0);
    }
}

/// What dashboards for client libraries ask: of the process, one value each.
const QUERIES: &[&str] = &[
    "rate(process_cpu_seconds_total[10s])",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes / process_virtual_memory_max_bytes",
    "process_open_fds",
    "process_open_fds / process_max_fds",
    "time() - process_start_time_seconds",
    "changes(process_start_time_seconds[1m])",
    "rate(process_network_receive_bytes_total[10s])",
    "rate(process_network_transmit_bytes_total[10s])",
    "deriv(process_resident_memory_bytes[10s])",
];

#[test]
fn metrics_of_a_target_satisfy_a_dashboard_query_set_for_client_libraries() {
    let mut victim = Victim::held_before("open=7 print-ready wait").unwrap();
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    let pid = victim.pid();
    wait_asleep(pid);
    let serving = Serving::start(run(&["--all"]));
    let prometheus = need!(Prometheus::scraping(&serving.address, Some(pid)).unwrap());
    for query in QUERIES {
        prometheus.wait_for(query, 1).unwrap();
    }
    let value = |query: &str| prometheus.query(query).unwrap()[0].1;
    let line = |key| ground::line(pid, "status", key).unwrap() as f64;
    assert_resident(value("process_resident_memory_bytes"), pid, false);
    assert_eq!(value("process_virtual_memory_bytes"), line("VmSize"));
    let descriptors = ground::entries(pid, "fd").unwrap() as f64;
    assert_eq!(value("process_open_fds"), descriptors);
    let cpu = ground::cpu_ns_at_rest(pid).unwrap() as f64 / 1e9;
    let own = value("process_cpu_seconds_total");
    assert!((own - cpu).abs() < 0.011, "{own} and {cpu}");
    let page = http::page(&serving.address, &format!("/metrics?target={pid}")).unwrap();
    let samples = page.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples, 9, "{page}");
}

#[test]
fn the_scrape_configuration_that_is_shipped_scrapes_procmon() {
    let serving = Serving::start(run(&["--all"]));
    let shipped = include_str!("../../../deploy/prometheus/prometheus.yml");
    let text = shipped.replace("127.0.0.1:9464", &serving.address);
    assert_ne!(text, shipped);
    let prometheus = need!(Prometheus::configured(&text).unwrap());
    // It is scraped every ten seconds.
    let up = prometheus.wait_for("up{job=\"procmon\"} == 1", 1).unwrap();
    assert_eq!(up[0].0["instance"], serving.address);
    let own = of(serving.procmon.pid());
    let own = format!("process_uptime_seconds{{{own}}}");
    assert_eq!(prometheus.wait_for(&own, 1).unwrap().len(), 1);
}
