//! Profiles: how often, and what, in one word.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use serde_json::json;

use super::history::Samples;
use super::mistake::Mistake;
use super::quantity::Interval;
use super::suggest;
use super::tree::{Content, Name, Node};
use super::value::{Form, Scalar, Value};
use crate::process::{Switch, Switches};

/// The name of the choice that procmon makes itself.
pub const AUTO: &str = "auto";
/// What [`AUTO`] is for a run that ends by itself, and for one that does not.
pub const AUTOMATIC: [&str; 2] = ["standard", "daemon"];

/// What a profile says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whether anything is collected at all.
    pub enabled: bool,
    /// Time between two frames.
    pub interval: Interval,
    /// What is collected.
    pub switches: Switches,
    /// Whether it is published over MQTT, where there is a broker.
    pub export_to_mqtt: bool,
    /// Whether a history of each process is kept.
    pub retain_history: bool,
    /// Samples of that history.
    pub history_size: Samples,
}

const fn profile(seconds: u64, history_size: u32) -> Profile {
    Profile {
        enabled: true,
        interval: Interval(Duration::from_secs(seconds)),
        switches: Switches::ALL,
        export_to_mqtt: true,
        retain_history: history_size > 0,
        history_size: Samples(history_size),
    }
}

/// The profiles that procmon brings along.
pub const PRESETS: [(&str, Profile); 8] = [
    ("standard", profile(10, 100)),
    (
        "minimal",
        Profile {
            switches: Switches::NONE.with(Switch::Cpu).with(Switch::Memory),
            export_to_mqtt: false,
            ..profile(60, 0)
        },
    ),
    ("intensive", profile(1, 1000)),
    (
        "batch",
        Profile {
            switches: Switches::NONE
                .with(Switch::Cpu)
                .with(Switch::Memory)
                .with(Switch::DiskIo),
            ..profile(30, 200)
        },
    ),
    (
        "realtime-api",
        Profile {
            switches: Switches::ALL.without(Switch::DiskIo),
            ..profile(5, 500)
        },
    ),
    ("daemon", profile(120, 500)),
    ("development", profile(5, 100)),
    ("production", profile(60, 100)),
];

impl Default for Profile {
    /// Without a profile everything is collected, every second.
    fn default() -> Self {
        profile(1, 100)
    }
}

/// The fields of a profile that are switches.
const SWITCHES: [(&str, Switch); 6] = [
    ("collect_cpu", Switch::Cpu),
    ("collect_memory", Switch::Memory),
    ("collect_disk_io", Switch::DiskIo),
    ("collect_network_io", Switch::NetworkIo),
    ("collect_threads", Switch::Threads),
    ("collect_file_descriptors", Switch::FileDescriptors),
];

const ENABLED: &str = "enabled";
const INTERVAL: &str = "interval";
const EXPORT_TO_MQTT: &str = "export_to_mqtt";
const RETAIN_HISTORY: &str = "retain_history";
const HISTORY_SIZE: &str = "history_size";

/// The fields, in the order of a profile.
fn fields() -> impl Iterator<Item = &'static str> {
    let first = [ENABLED, INTERVAL].into_iter();
    let switches = SWITCHES.iter().map(|(name, _)| *name);
    let last = [EXPORT_TO_MQTT, RETAIN_HISTORY, HISTORY_SIZE];
    first.chain(switches).chain(last)
}

impl Profile {
    fn set(&mut self, name: &Name, value: &Node) -> Result<(), Vec<Mistake>> {
        let field = name.text.as_str();
        if let Some((_, switch)) = SWITCHES.iter().find(|(name, _)| *name == field) {
            self.switches = match bool::read(value)? {
                true => self.switches.with(*switch),
                false => self.switches.without(*switch),
            };
            return Ok(());
        }
        match field {
            ENABLED => self.enabled = bool::read(value)?,
            INTERVAL => self.interval = Seconds::read(value)?.0,
            EXPORT_TO_MQTT => self.export_to_mqtt = bool::read(value)?,
            RETAIN_HISTORY => self.retain_history = bool::read(value)?,
            HISTORY_SIZE => self.history_size = Samples::read(value)?,
            unknown => {
                let here: Vec<_> = fields().collect();
                let problem = suggest::unknown(unknown, &here, std::iter::empty());
                return Err(vec![Mistake::new(&name.origin, problem)]);
            }
        }
        Ok(())
    }
}

impl Value for Profile {
    /// What a profile does not say is as in `standard`.
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let Content::Map(entries) = &node.content else {
            let problem = format!("{} is not {}", node.kind(), Self::form().words);
            return Err(vec![Mistake::new(&node.origin, problem)]);
        };
        let (_, mut profile) = PRESETS[0];
        let mut mistakes = Vec::new();
        for (name, value) in entries {
            if matches!(value.content, Content::Null) {
                continue;
            }
            if let Err(more) = profile.set(name, value) {
                mistakes.extend(more.into_iter().map(|mistake| mistake.of(&name.text)));
            }
        }
        match mistakes.is_empty() {
            true => Ok(profile),
            false => Err(mistakes),
        }
    }

    fn show(&self) -> String {
        let mut text = format!(
            "{{{ENABLED}: {}, {INTERVAL}: {}",
            self.enabled, self.interval
        );
        for (name, switch) in SWITCHES {
            let _ = write!(text, ", {name}: {}", self.switches.has(switch));
        }
        let _ = write!(
            text,
            ", {EXPORT_TO_MQTT}: {}, {RETAIN_HISTORY}: {}, {HISTORY_SIZE}: {}}}",
            self.export_to_mqtt, self.retain_history, self.history_size
        );
        text
    }

    fn form() -> Form {
        let field = |name: &'static str| {
            let schema = match name {
                INTERVAL => <Seconds as Scalar>::form().schema,
                HISTORY_SIZE => <Samples as Scalar>::form().schema,
                _ => json!({"type": "boolean"}),
            };
            (name.to_owned(), schema)
        };
        let names: Vec<_> = fields().collect();
        Form {
            words: format!("a profile with {}", names.join(", ")),
            schema: json!({
                "type": "object",
                "additionalProperties": false,
                "properties": fields().map(field).collect::<serde_json::Map<_, _>>(),
            }),
        }
    }
}

/// The time of a profile: a number is one of seconds.
struct Seconds(Interval);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let with_unit = match text.parse::<f64>() {
            Ok(_) => format!("{text}s"),
            Err(_) => text.to_owned(),
        };
        with_unit.parse().map(Self)
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for Seconds {
    fn form() -> Form {
        let Form { words, schema } = <Interval as Scalar>::form();
        Form {
            words: format!("{words}; or whole seconds"),
            schema: json!({"anyOf": [{"type": "integer", "minimum": 1}, schema]}),
        }
    }
}
