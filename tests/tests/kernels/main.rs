//! What must hold under every kernel: here, and in the machines of `cargo xtask vmtest`.

mod containers;
mod counts;
mod document;
mod group_ids;
mod groups;
mod hide;
mod locked_down;
mod oom;
mod payload;
mod reads;
mod totals;

use std::time::Duration;

use procmon_tests::{
    Output, Procmon,
    environment::{hooks_functions, older_than},
};
use serde_json::Value;

/// How long procmon may take in an emulated machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The key of a JSON line for a metric with one attribute.
fn key(metric: &str, attribute: &str, value: &str) -> String {
    format!("{metric}{{{attribute}=\"{value}\"}}")
}

/// What `procmon doctor --json` says.
fn diagnosis(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The probes of a diagnosis that are not in this state, with what is said of them.
fn probes_not(state: &str, diagnosis: &Value) -> Vec<String> {
    let probes = diagnosis["probes"].as_array().expect("no probes");
    assert!(!probes.is_empty(), "no probes: {diagnosis:#}");
    let others = probes.iter().filter(|probe| probe["state"] != state);
    others.map(Value::to_string).collect()
}

#[test]
fn every_probe_is_active_on_this_kernel() {
    let output = Procmon::new("doctor").arg("--json").output(LIMIT).unwrap();
    let diagnosis = diagnosis(&output);
    assert!(output.status.success(), "{diagnosis:#}");
    let mut others = probes_not("active", &diagnosis);
    if older_than((6, 3)) {
        // The tracepoints of sockets are younger: functions stand in, where they can.
        let said = match hooks_functions() {
            true => ["degraded", "exits of"],
            false => ["unsupported", "cannot hook functions"],
        };
        let network = others.extract_if(.., |probe| {
            probe.contains("network") && said.iter().all(|words| probe.contains(words))
        });
        assert_eq!(network.count(), 2, "{diagnosis:#}");
    }
    assert_eq!(others, Vec::<String>::new());
    let losses = diagnosis["losses"].as_object().expect("no losses");
    assert!(losses.values().all(|loss| loss == 0), "{losses:?}");
}
