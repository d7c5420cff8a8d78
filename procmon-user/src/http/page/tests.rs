//! Pages, to the byte.

use std::sync::Arc;

use procmon_common::Counter;

use super::*;
use crate::frame::{AgentHealth, HostMemory};
use crate::http::latest::{Latest, Shared};
use crate::process::fixture::{self, SECOND, probes};
use crate::process::{Basics, ProcessSample};
use crate::shape::{GroupBy, Settings, Shaper, View};

fn latest(view: View) -> Arc<Latest> {
    let shared = Shared::default();
    shared.follow(&Arc::new(view));
    shared.get().unwrap()
}

fn view(processes: Vec<ProcessSample>) -> View {
    let frame = fixture::frame(20 * SECOND, processes, vec![]);
    fixture::view(frame, &mut Default::default())
}

/// The page of some parts, in pieces of so many bytes.
fn page(latest: &Arc<Latest>, parts: &[Part], format: Format, piece: usize) -> String {
    let contents = Contents {
        parts: parts.to_vec(),
        ..Contents::default()
    };
    page_of(latest, &contents, format, piece)
}

fn page_of(latest: &Arc<Latest>, contents: &Contents, format: Format, piece: usize) -> String {
    let catalogue = Arc::new(Catalogue::new(contents, format));
    let own = Own {
        loops: vec![("collect", std::time::Duration::from_millis(250))],
        ..Own::default()
    };
    let mut page = Page::new(catalogue, Arc::clone(latest), own);
    let mut text = Vec::new();
    let mut out = Vec::new();
    loop {
        let more = page.write(&mut out, piece);
        text.append(&mut out);
        if !more {
            return String::from_utf8(text).unwrap();
        }
    }
}

fn whole(view: View, parts: &[Part], format: Format) -> String {
    page(&latest(view), parts, format, usize::MAX)
}

fn lines<'a>(page: &'a str, word: &str) -> Vec<&'a str> {
    page.lines().filter(|line| line.contains(word)).collect()
}

fn shell(pid: u32, chosen: bool) -> ProcessSample {
    let mut sample = fixture::sample(pid, "sh");
    sample.chosen = chosen;
    sample.totals.user_ns = Some(1_500_000_000);
    sample.totals.system_ns = Some(0);
    sample.totals.rss = Some(4096);
    sample.totals.page_tables = Some(8192);
    sample.probes = Some(probes(&[(Counter::Forks, 3)]));
    sample
}

const LABELS: &str = r#"process_pid="7",process_creation_time="2023-11-14T22:13:30.000Z",process_executable_name="sh""#;

#[test]
fn a_family_is_its_head_and_its_series() {
    let page = whole(view(vec![shell(7, true)]), &[Part::Processes], Format::Text);
    let expected = format!(
        "# HELP process_cpu_time_seconds_total CPU time of the process, all its threads, since \
         its start.\n\
         # TYPE process_cpu_time_seconds_total counter\n\
         process_cpu_time_seconds_total{{{LABELS},cpu_mode=\"user\"}} 1.5\n\
         process_cpu_time_seconds_total{{{LABELS},cpu_mode=\"system\"}} 0\n"
    );
    assert!(page.starts_with(&expected), "{page}");
    assert!(page.contains(&format!(
        "# TYPE process_memory_usage_bytes gauge\n\
         process_memory_usage_bytes{{{LABELS}}} 4096\n"
    )));
}

#[test]
fn openmetrics_has_families_without_total_units_and_an_end() {
    let view = view(vec![shell(7, true)]);
    let page = whole(view, &[Part::Processes], Format::OpenMetrics);
    let expected = format!(
        "# HELP process_cpu_time_seconds CPU time of the process, all its threads, since its \
         start.\n\
         # TYPE process_cpu_time_seconds counter\n\
         # UNIT process_cpu_time_seconds seconds\n\
         process_cpu_time_seconds_total{{{LABELS},cpu_mode=\"user\"}} 1.5\n"
    );
    assert!(page.starts_with(&expected), "{page}");
    assert!(page.contains("# TYPE process info\nprocess_info{"));
    assert!(page.ends_with("\n# EOF\n"), "{page}");
}

#[test]
fn levels_and_zeros_are_those_of_otlp() {
    let processes = vec![shell(7, true), shell(8, false)];
    let page = whole(view(processes), &[Part::Processes], Format::Text);
    // Opted in to, for the chosen one alone.
    let tables = lines(&page, "procmon_memory_page_tables_bytes{");
    assert_eq!(tables.len(), 1);
    assert!(tables[0].contains(r#"process_pid="7""#));
    // A counter of probes that is still 0, for the chosen one alone.
    assert_eq!(lines(&page, "procmon_process_execs_total{").len(), 1);
    assert_eq!(lines(&page, "procmon_process_forks_total{").len(), 2);
    // What is not a counter of probes, for both.
    assert_eq!(lines(&page, r#"cpu_mode="system""#).len(), 2);
}

#[test]
fn a_page_in_pieces_is_the_same_page() {
    let mut processes: Vec<_> = (1..200).map(|pid| shell(pid, pid % 2 == 0)).collect();
    processes[3].metadata = Arc::new(crate::process::Metadata {
        executable: "two\nlines \"quoted\" back\\slash".to_owned(),
        ..Default::default()
    });
    let latest = latest(view(processes));
    for format in [Format::Text, Format::OpenMetrics] {
        let whole = page(&latest, &Part::ALL, format, usize::MAX);
        for piece in [1, 1000, 65536] {
            assert_eq!(page(&latest, &Part::ALL, format, piece), whole);
        }
        assert!(whole.contains(r#"process_executable_name="two\nlines \"quoted\" back\\slash""#));
    }
}

#[test]
fn no_family_comes_twice_and_no_series() {
    let processes = vec![shell(7, true), shell(8, false)];
    let page = whole(view(processes), &Part::ALL, Format::Text);
    for word in ["# TYPE ", "# HELP "] {
        let heads = page.lines().filter_map(|line| line.strip_prefix(word));
        let mut names: Vec<_> = heads.filter_map(|rest| rest.split(' ').next()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{page}");
    }
    let series = page.lines().filter(|line| !line.starts_with('#'));
    let mut series: Vec<_> = series.filter_map(|line| line.rsplit_once(' ')).collect();
    let count = series.len();
    series.sort_unstable();
    series.dedup_by_key(|(series, _)| *series);
    assert_eq!(series.len(), count);
}

#[test]
fn a_histogram_is_a_classic_one_with_bounds_at_powers_of_two() {
    let mut sample = shell(7, true);
    let probes = sample.probes.as_mut().unwrap();
    probes.waits.record(SECOND / 10 * 9);
    probes.waits.record(SECOND / 10 * 4);
    probes.waits.record(SECOND / 10);
    let page = whole(view(vec![sample]), &[Part::Processes], Format::Text);
    let name = "procmon_cpu_run_queue_duration_seconds";
    let expected = [
        format!(
            "# HELP {name} How long the process's threads waited for a CPU each time they were runnable."
        ),
        format!("# TYPE {name} histogram"),
        format!(r#"{name}_bucket{{{LABELS},le="0.125"}} 1"#),
        format!(r#"{name}_bucket{{{LABELS},le="0.25"}} 1"#),
        format!(r#"{name}_bucket{{{LABELS},le="0.5"}} 2"#),
        format!(r#"{name}_bucket{{{LABELS},le="1.0"}} 3"#),
        format!(r#"{name}_bucket{{{LABELS},le="+Inf"}} 3"#),
        format!("{name}_sum{{{LABELS}}} 1.4"),
        format!("{name}_count{{{LABELS}}} 3"),
    ];
    assert_eq!(lines(&page, name), expected);
}

#[test]
fn groups_are_series_of_the_same_families() {
    let settings = Settings {
        group_by: Some(GroupBy::Executable),
        ..Settings::default()
    };
    let mut shaper = Shaper::new(settings);
    let frame = fixture::frame(20 * SECOND, vec![shell(7, false), shell(8, false)], vec![]);
    let derived = crate::analysis::Rates::default().derive(&frame);
    let view = shaper.shape(Arc::new(frame), derived);
    let page = whole(view, &[Part::Processes], Format::Text);
    let group = r#"procmon_group_by="executable",procmon_group_name="sh""#;
    assert_eq!(
        lines(&page, "process_memory_usage_bytes{"),
        [format!("process_memory_usage_bytes{{{group}}} 8192")]
    );
    assert_eq!(
        lines(&page, "procmon_group_members{"),
        [format!("procmon_group_members{{{group}}} 2")]
    );
    assert_eq!(lines(&page, "process_info"), [""; 0]);
}

#[test]
fn parts_are_left_out() {
    let mut frame = fixture::frame(20 * SECOND, vec![shell(7, true)], vec![]);
    frame.agent = Arc::new(AgentHealth {
        tick_duration: std::time::Duration::from_millis(3),
        ..AgentHealth::default()
    });
    let latest = latest(fixture::view(frame, &mut Default::default()));
    let page = |part| page(&latest, &[part], Format::Text, usize::MAX);
    let agent = page(Part::Agent);
    assert!(agent.contains("procmon_agent_heartbeat_age_seconds{procmon_loop=\"collect\"} 0.25\n"));
    assert!(
        agent.contains("procmon_agent_tick_duration_seconds_count{procmon_stage=\"collect\"} 1\n")
    );
    assert!(!agent.contains("process_memory_usage_bytes") && !agent.contains("system_"));
    let host = page(Part::Host);
    assert!(host.contains("system_cpu_logical_count 2\n") && host.contains("target_info{"));
    assert!(!host.contains("agent") && !host.contains("process_memory_usage_bytes"));
    assert!(!page(Part::Processes).contains("agent"));
}

#[test]
fn the_set_of_client_libraries_is_that_of_one_process_without_labels() {
    let mut sample = shell(7, false);
    sample.totals.virtual_memory_limit = Some(u64::MAX);
    let contents = Contents {
        naming: Naming::Plain,
        ..Contents::default()
    };
    let catalogue = Catalogue::new(&contents, Format::Text);
    let page = String::from_utf8(of_client(&catalogue, &Basics::of(&sample))).unwrap();
    let values: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        values,
        [
            "process_cpu_seconds_total 1.5",
            "process_resident_memory_bytes 4096",
            "process_virtual_memory_max_bytes 18446744073709552000",
            "process_start_time_seconds 1700000010",
            "process_network_receive_bytes_total 0",
            "process_network_transmit_bytes_total 0",
        ]
    );
    assert!(page.contains("# TYPE process_cpu_seconds_total counter\n"));
}

#[test]
fn the_names_of_vertex_ar_stand_beside_ours_when_they_are_asked_for() {
    let mut processes = view(vec![shell(7, true)]);
    let frame = Arc::get_mut(&mut processes.frame).unwrap();
    frame.host.memory = Some(HostMemory {
        total: 1000,
        available: 250,
        swap_total: 50,
        swap_free: 20,
        ..HostMemory::default()
    });
    let latest = latest(processes);
    let asked = Contents {
        compat: vec![Compat::VertexAr],
        ..Contents::default()
    };
    let page = |contents: &Contents| page_of(&latest, contents, Format::Text, usize::MAX);
    let with = page(&asked);
    let told: Vec<_> = with
        .lines()
        .filter(|line| line.starts_with("vertex_ar"))
        .collect();
    let of_process = format!("vertex_ar_process_memory_bytes{{{LABELS},type=\"rss\"}} 4096");
    assert_eq!(
        told,
        [
            of_process.as_str(),
            "vertex_ar_memory_usage_bytes{type=\"used\"} 750",
            "vertex_ar_memory_usage_bytes{type=\"available\"} 250",
            "vertex_ar_memory_usage_bytes{type=\"total\"} 1000",
            "vertex_ar_memory_usage_percent 75",
            "vertex_ar_swap_usage_bytes{type=\"used\"} 30",
            "vertex_ar_swap_usage_bytes{type=\"total\"} 50",
        ]
    );
    let others = |page: &str| -> Vec<String> {
        let ours = page.lines().filter(|line| !line.contains("vertex_ar"));
        ours.map(str::to_owned).collect()
    };
    let without = page(&Contents::default());
    assert_eq!(without.lines().collect::<Vec<_>>(), others(&with));
}
