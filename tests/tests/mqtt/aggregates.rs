//! The aggregates: those of the samples that the messages before have told.

use procmon_tests::{Victim, broker::Broker, need};

use crate::support::*;

/// Whole hundredths.
fn hundredths(value: f64) -> i64 {
    (value * 100.0).round() as i64
}

/// What a message's aggregates have to be, from the metrics of its window.
fn check(window: &[Message]) {
    let last = window.last().unwrap();
    let values = |key: &str| -> Vec<f64> {
        window
            .iter()
            .filter_map(|message| message.metric(key))
            .collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let max = |values: &[f64]| values.iter().copied().fold(f64::MIN, f64::max);
    assert_eq!(last.aggregated("sample_count"), Some(window.len() as f64));
    let cpu = values("cpu_usage_percent");
    match last.aggregated("avg_cpu_usage") {
        None => assert!(cpu.is_empty(), "{cpu:?}"),
        Some(average) => {
            // Half a hundredth is rounded in whole numbers there and in fractions here.
            let apart = hundredths(average) - hundredths(mean(&cpu));
            assert!(apart.abs() <= 1, "{average} of {cpu:?}");
            assert_eq!(last.aggregated("max_cpu_usage"), Some(max(&cpu)));
        }
    }
    let memory = values("memory_usage_bytes");
    let average = last.aggregated("avg_memory_usage").unwrap();
    assert!(
        (average - mean(&memory)).abs() <= 0.5,
        "{average} of {memory:?}"
    );
    assert_eq!(last.aggregated("max_memory_usage"), Some(max(&memory)));
    for (total, key) in [
        ("total_disk_read", "disk_read_bytes"),
        ("total_disk_write", "disk_write_bytes"),
        ("total_network_rx", "network_rx_bytes"),
        ("total_network_tx", "network_tx_bytes"),
    ] {
        let through = window[0]
            .metric(key)
            .map(|first| last.metric(key).unwrap() - first);
        assert_eq!(last.aggregated(total), through, "{total}");
    }
}

#[test]
fn the_aggregates_are_those_of_the_samples_in_the_window() {
    let broker = need!(Broker::open().unwrap());
    let listener = broker.listen(TOPIC).unwrap();
    let mut victim = Victim::held_before("spin=700 touch=20000000 wait spin=300 wait").unwrap();
    let folder = configuration(broker.address(), "", "history: {size: 5}");
    let run = configured(&folder, &["--interval", "100ms", "--count", "20"]);
    let procmon = run.pid(victim.pid()).start().unwrap();
    listener.wait_for(|messages| messages.len() >= 3).unwrap();
    victim.go().unwrap();
    listener.wait_for(|messages| messages.len() >= 13).unwrap();
    victim.go().unwrap();
    assert!(procmon.wait(LIMIT).unwrap().status.success());
    let messages = listener.wait_for(|messages| messages.len() >= 20).unwrap();
    for end in 1..=messages.len() {
        check(&messages[end.saturating_sub(5)..end]);
    }
    // There was something to add up.
    let last = |key| {
        messages
            .iter()
            .filter_map(move |message| message.aggregated(key))
    };
    assert!(last("max_cpu_usage").any(|percent| percent > 0.0));
    let memory: Vec<f64> = last("max_memory_usage").collect();
    assert!(memory.last() > memory.first());
}

#[test]
fn without_a_history_there_are_no_aggregates() {
    let broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    for history in ["history: {retain: false}", "history: {size: 0}"] {
        let listener = broker.listen(TOPIC).unwrap();
        let folder = configuration(broker.address(), "", history);
        let run = configured(&folder, &["--count", "1"]);
        assert!(output(&run.pid(victim.pid())).status.success());
        let messages = listener.wait_for(|messages| !messages.is_empty()).unwrap();
        assert_eq!(
            keys(&messages[0].json),
            ["metrics", "proplet_id", "task_id"]
        );
    }
}

/// The numbers of samples that the messages of a run of three frames tell.
fn counts(broker: &Broker, victim: &Victim, folder: &tempfile::TempDir) -> (Vec<f64>, String) {
    let listener = broker.listen(TOPIC).unwrap();
    let run = configured(folder, &["--interval", "50ms", "--count", "3"]);
    let ended = output(&run.pid(victim.pid()));
    assert!(ended.status.success(), "{ended:?}");
    let messages = listener.wait_for(|messages| messages.len() >= 3).unwrap();
    let counts = messages
        .iter()
        .map(|m| m.aggregated("sample_count").unwrap());
    (counts.collect(), ended.stderr)
}

#[test]
fn the_history_survives_a_restart_and_a_file_that_is_cut_off_is_refused_and_set_aside() {
    let broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("procmon/history");
    let key = format!("state_dir: {}", state.path().join("procmon").display());
    let folder = configuration(broker.address(), "", &key);
    assert_eq!(counts(&broker, &victim, &folder).0, [1.0, 2.0, 3.0]);
    let (again, said) = counts(&broker, &victim, &folder);
    assert_eq!(again, [4.0, 5.0, 6.0]);
    assert!(said.contains("the history goes on"), "{said}");
    // Another process has none of it.
    let other = Victim::held_before("").unwrap();
    assert_eq!(counts(&broker, &other, &folder).0, [1.0, 2.0, 3.0]);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 5]).unwrap();
    let (anew, said) = counts(&broker, &other, &folder);
    assert_eq!(anew, [1.0, 2.0, 3.0]);
    assert!(
        said.contains("damaged") && said.contains("set aside"),
        "{said}"
    );
    let aside = file.with_extension("refused");
    assert_eq!(std::fs::read(aside).unwrap(), whole[..whole.len() - 5]);
}
