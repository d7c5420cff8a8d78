//! Switches parts of the kernel programs off, and on again.

use aya::maps::Array;
use procmon_common::features::FEATURES;
use procmon_common::probes::Hook;
use procmon_common::{Feature, Features};

use super::error::KernelError;
use super::load::Kernel;
use super::probe::{ProbeState, ProbeStatus, named};

impl Kernel {
    /// Switches a part off and says why in [`Kernel::probes`]. What the part
    /// had counted stays where it is.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn switch_off(&mut self, feature: Feature, reason: String) -> Result<(), KernelError> {
        self.write_features(self.features.without(feature))?;
        self.set_state(feature, ProbeState::Detached(reason));
        Ok(())
    }

    /// Switches a part on again. It goes on from what it had counted.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn switch_on(&mut self, feature: Feature) -> Result<(), KernelError> {
        self.write_features(self.features.with(feature))?;
        let whole = self
            .status_of(feature)
            .and_then(|part| match part.probe.hook {
                Hook::Part { of, .. } => named(&self.probes, of),
                _ => None,
            });
        if let Some(state) = whole.map(|whole| whole.state.clone()) {
            self.set_state(feature, state);
        }
        Ok(())
    }

    /// How the probe does that a feature is; `None` when it was not chosen.
    pub fn status_of(&self, feature: Feature) -> Option<&ProbeStatus> {
        self.probes.iter().find(|status| is(status, feature))
    }

    fn set_state(&mut self, feature: Feature, state: ProbeState) {
        let mut statuses = self.probes.iter_mut();
        if let Some(status) = statuses.find(|status| is(status, feature)) {
            status.state = state;
        }
    }

    /// Switches off the parts that nobody asked for.
    pub(super) fn leave_out_parts(&mut self) -> Result<(), KernelError> {
        let parts = Feature::ALL.iter();
        let off = parts.filter(|feature| !self.programs.has_feature(**feature));
        let asked = off.fold(self.features, |features, feature| {
            features.without(*feature)
        });
        match asked == self.features {
            true => Ok(()),
            false => self.write_features(asked),
        }
    }

    fn write_features(&mut self, features: Features) -> Result<(), KernelError> {
        let map = self
            .bpf
            .map_mut(FEATURES)
            .ok_or_else(|| KernelError::map(FEATURES, "not in the object"))?;
        Array::<_, u64>::try_from(map)
            .and_then(|mut map| map.set(0, features.0, 0))
            .map_err(|error| KernelError::map(FEATURES, error))?;
        self.features = features;
        Ok(())
    }
}

fn is(status: &ProbeStatus, feature: Feature) -> bool {
    matches!(status.probe.hook, Hook::Part { feature: own, .. } if own == feature)
}
