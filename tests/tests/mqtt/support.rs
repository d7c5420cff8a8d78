//! What the tests of this binary share.

use std::fs;

use procmon_tests::{Procmon, broker::Broker};
pub use procmon_tests::{broker::Message, watching::*};
use tempfile::TempDir;

/// The two topics that Propeller's agents use.
pub const TOPICS: [&str; 2] = [
    "m/{domain_id}/c/{channel_id}/metrics/proplet",
    "m/{domain_id}/c/{channel_id}/control/proplet/task_metrics",
];
/// The topic of [`configured`] runs.
pub const TOPIC: &str = "m/domain-123/c/channel-456/metrics/proplet";

/// A folder with a configuration for this broker, and more keys of `export.mqtt` and of the top.
pub fn configuration(address: &str, mqtt: &str, top: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{top}\nexport:\n  mqtt: {{domain_id: domain-123, channel_id: channel-456, \
         client_id: proplet-1, url: 'mqtt://{address}'{mqtt}}}\n"
    )
    .replace("mqtt://mqtts", "mqtts");
    fs::write(folder.path().join("procmon.yaml"), text).unwrap();
    folder
}

/// `procmon run --config` of that.
pub fn configured(folder: &TempDir, arguments: &[&str]) -> Procmon {
    let run = Procmon::new("run").arg("--config");
    run.arg(folder.path().join("procmon.yaml")).args(arguments)
}

/// Runs procmon with this process watched, for so many frames 100 ms apart, and returns what the
/// broker passed on.
pub fn frames(broker: &Broker, pid: u32, count: usize, road: &[&str]) -> Vec<Message> {
    let listener = broker.listen(TOPIC).unwrap();
    let folder = configuration(broker.address(), "", "");
    let count_text = count.to_string();
    let run = configured(&folder, &["--interval", "100ms", "--count", &count_text]);
    let ended = output(&run.args(road).pid(pid));
    assert!(ended.status.success(), "{ended:?}");
    listener
        .wait_for(|messages| messages.len() >= count)
        .unwrap()
}

/// The keys of an object.
pub fn keys(json: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = json.as_object().unwrap().keys().map(|key| &**key).collect();
    keys.sort_unstable();
    keys
}
