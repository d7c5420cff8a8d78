//! SIGHUP: the configuration is read again.

use std::sync::Arc;

use log::{info, warn};
use procmon_common::probes::PROBES;

use super::failure::Failure;
use crate::agent::Change;
use crate::config::{Changes, Loaded};
use crate::kernel::Programs;

/// What came of reading a configuration again.
pub enum Reloaded {
    /// It is as it was, or it is wrong.
    AsBefore,
    /// Something of it applies now.
    Changed(Changes),
}

/// Takes over into `running` what the configuration says now, and says what
/// became of it. One with a mistake changes nothing.
pub fn reload(running: &mut Loaded, read: Result<Loaded, Failure>) -> Reloaded {
    let new = match read {
        Ok(new) => new,
        Err(failure) => {
            let mistakes = failure.message();
            warn!("SIGHUP: the configuration stays as it was: {mistakes}");
            return Reloaded::AsBefore;
        }
    };
    let published = running.config.publishes();
    let changes = running.take_over(new);
    if running.config.publishes() != published {
        warn!("SIGHUP: the profile's export_to_mqtt needs a restart, and stays as it was");
    }
    if !changes.kept.is_empty() {
        let kept = changes.kept.join(", ");
        warn!("SIGHUP: what needs a restart stays as it was: {kept}");
    }
    if changes.applied.is_empty() {
        info!("SIGHUP: the configuration was read again: nothing to change");
        return Reloaded::AsBefore;
    }
    let applied = changes.applied.join(", ");
    info!("SIGHUP: the configuration was read again; changed: {applied}");
    Reloaded::Changed(changes)
}

/// What the collector's thread is told. `loaded` are the programs that are;
/// `by_rules`: rules say whom to watch.
pub fn change(running: &Loaded, changes: &Changes, loaded: Programs, by_rules: bool) -> Change {
    let config = &running.config;
    let collect = config.collect();
    let missing: Vec<&str> = PROBES
        .iter()
        .filter(|probe| collect.programs.has(probe) && !loaded.has(probe))
        .map(|probe| probe.name)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        warn!("SIGHUP: these probes were switched off at the start and need a restart: {missing}");
    }
    // What a rule's profile wants is in the rules.
    let of_rules = ["select.rules", "metrics", "profiles"];
    let new_rules = changes.applied.iter().any(|key| of_rules.contains(key));
    let rules = new_rules.then(|| config.rules());
    Change {
        interval: config.interval.0,
        contract: config.contract(),
        collect,
        shape: config.select.shape(),
        watched: rules.clone().filter(|_| by_rules).map(Arc::new),
        rules,
    }
}
