//! Whether socket payload can be counted exactly here.

use std::time::Duration;

use serde_json::Value;

use crate::{
    Procmon,
    environment::{hooks_functions, older_than},
    tracers,
};

/// How long procmon may take in an emulated machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Or the reason why not, to skip with. Before Linux 6.3 another tracer that leaves the functions of
/// the network makes the kernel skip the calls that wait in them, and the procmon of the test before
/// may still be leaving.
///
/// # Panics
/// When `procmon doctor` says nothing of its probes.
pub fn exact() -> Result<(), String> {
    // Which kernels may have a reason, the test of all probes holds procmon to.
    if let (false, Some(reason)) = (hooks_functions(), unsupported()) {
        return Err(reason);
    }
    if older_than((6, 3)) && !tracers::wait_until_gone().unwrap() {
        return Err("another tracer does not go".to_owned());
    }
    Ok(())
}

/// The reason that procmon gives itself.
fn unsupported() -> Option<String> {
    let output = Procmon::new("doctor").arg("--json").output(LIMIT).unwrap();
    let diagnosis: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let mut probes = diagnosis["probes"].as_array().expect("no probes").iter();
    let probe =
        probes.find(|probe| probe["family"] == "network" && probe["state"] == "unsupported")?;
    Some(probe["reason"].as_str().expect("no reason").to_owned())
}
