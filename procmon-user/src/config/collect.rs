//! What the profile, the switches and the list of metrics come to.

use super::mistake::{ConfigError, Mistake, Origin};
use super::profile::{AUTO, AUTOMATIC, Profile};
use super::profiles::ProfileChoice;
use super::{Config, Loaded};
use crate::collector::Collect;
use crate::metrics;
use crate::process::select::Rules;
use crate::process::{Rows, Switches, Wanted};

const PROFILE: &str = "profile";

/// A key that a profile gives a value, and how.
type Brought = (&'static str, fn(&mut Config, &Profile));
/// Those there are.
const BROUGHT: &[Brought] = &[
    ("interval", |config, profile| {
        config.interval = profile.interval;
    }),
    ("history.retain", |config, profile| {
        config.history.retain = Some(profile.retain_history);
    }),
    ("history.size", |config, profile| {
        config.history.size = profile.history_size;
    }),
];

impl Config {
    /// Whether anything is collected.
    pub fn is_enabled(&self) -> bool {
        self.enabled && self.in_force.enabled
    }

    /// Whether anything goes out over MQTT.
    pub fn publishes(&self) -> bool {
        self.export.mqtt.url.is_some() && self.in_force.export_to_mqtt
    }

    /// The key that has it switched off.
    pub fn switched_off_by(&self) -> &'static str {
        if self.enabled { PROFILE } else { "enabled" }
    }

    /// What is collected, and by which programs.
    pub fn collect(&self) -> Collect {
        let wanted = self.wanted(self.in_force);
        let of_rules = self.select.rules.0.iter();
        let of_rules = of_rules.filter_map(|rule| self.wanted_by(rule.profile.as_deref()?));
        let nothing = Collect {
            wanted,
            any: Switches::NONE,
            programs: metrics::programs(Rows::NONE),
        };
        [wanted]
            .into_iter()
            .chain(of_rules)
            .fold(nothing, |all, one| Collect {
                any: all.any.or(one.switches),
                programs: all.programs.or(metrics::programs(one.rows)),
                ..all
            })
    }

    /// The rules, to be asked about processes.
    pub fn rules(&self) -> Rules {
        self.select.rules().wanting(|name| self.wanted_by(name))
    }

    fn wanted_by(&self, profile: &str) -> Option<Wanted> {
        self.profiles
            .find(profile)
            .map(|profile| self.wanted(profile))
    }

    fn wanted(&self, profile: Profile) -> Wanted {
        match profile.enabled {
            true => metrics::wanted(&self.metrics.0, profile.switches),
            false => Wanted::new(Switches::NONE, Rows::NONE, false),
        }
    }
}

impl Loaded {
    /// Puts the profile in force. What it says of a key holds unless that was
    /// given in as strong a place; `auto` is another profile for a run that
    /// `ends` by itself.
    ///
    /// # Errors
    /// Names that are no profile's.
    pub fn settle(&mut self, ends: bool) -> Result<(), ConfigError> {
        let mistakes = self.unknown_profiles();
        if !mistakes.is_empty() {
            return Err(ConfigError(mistakes));
        }
        let Some(choice) = &self.config.profile else {
            return Ok(());
        };
        let (name, profile) = match choice {
            ProfileChoice::Own(profile) => (choice.name(), Some(*profile)),
            ProfileChoice::Named(name) => {
                let name = match name.as_str() {
                    AUTO => AUTOMATIC[usize::from(!ends)],
                    name => name,
                };
                (name, self.config.profiles.find(name))
            }
        };
        let Some(profile) = profile else {
            return Ok(());
        };
        let origin = Origin::Profile(name.into());
        self.config.in_force = profile;
        let strength = self.origin(PROFILE).strength();
        for (key, bring) in BROUGHT {
            if strength > self.origin(key).strength() {
                bring(&mut self.config, &profile);
                self.origins.insert(key, origin.clone());
            }
        }
        Ok(())
    }

    fn unknown_profiles(&self) -> Vec<Mistake> {
        let profiles = &self.config.profiles;
        let known = |name: &str| profiles.find(name).is_some();
        let mut mistakes = Vec::new();
        if let Some(ProfileChoice::Named(name)) = &self.config.profile
            && name != AUTO
            && !known(name)
        {
            let problem = profiles.unknown(name);
            mistakes.push(Mistake::new(self.origin(PROFILE), problem).of(PROFILE));
        }
        for (number, rule) in (1..).zip(&self.config.select.rules.0) {
            if let Some(name) = rule.profile.as_deref().filter(|name| !known(name)) {
                let problem = format!("rule {number}: profile: {}", profiles.unknown(name));
                let at = self.origin("select.rules");
                mistakes.push(Mistake::new(at, problem).of("select.rules"));
            }
        }
        mistakes
    }
}
