//! From one configuration to another while procmon runs.

use super::Loaded;
use super::keys::KEYS;

/// What a new configuration changes, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What applies.
    pub applied: Vec<&'static str>,
    /// What needs a restart, and stays as it was.
    pub kept: Vec<&'static str>,
}

impl Loaded {
    /// Takes over from `new` what can change while procmon runs.
    pub fn take_over(&mut self, mut new: Self) -> Changes {
        let mut changes = Changes::default();
        for key in KEYS {
            if key.show(&self.config) == key.show(&new.config) {
                continue;
            }
            if key.live {
                changes.applied.push(key.path);
                continue;
            }
            changes.kept.push(key.path);
            key.copy(&mut new.config, &self.config);
            match self.origins.remove(key.path) {
                Some(origin) => new.origins.insert(key.path, origin),
                None => new.origins.remove(key.path),
            };
        }
        *self = new;
        changes
    }
}
