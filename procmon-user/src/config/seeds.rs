//! Names that other process monitors give to keys of ours.

use std::rc::Rc;

use super::mistake::Mistake;
use super::tree::{Content, Node};

/// A name of theirs.
pub struct Alias {
    /// Its place in a file.
    pub path: Option<&'static str>,
    /// Its variable.
    pub variable: Option<&'static str>,
    /// What it means.
    pub meaning: Meaning,
}

/// What such a name means.
pub enum Meaning {
    /// That of the key at this path, in seconds.
    Seconds(&'static str),
    /// That of the key at this path.
    Same(&'static str),
    /// Nothing as long as it is true.
    Enabled,
}

/// Every such name.
pub const ALIASES: &[Alias] = &[
    Alias {
        path: Some("general.monitoring.process_metrics.interval_seconds"),
        variable: Some("PROPLET_METRICS_INTERVAL"),
        meaning: Meaning::Seconds("interval"),
    },
    Alias {
        path: Some("general.monitoring.process_metrics.enabled"),
        variable: Some("PROPLET_ENABLE_MONITORING"),
        meaning: Meaning::Enabled,
    },
    variable("PROPLET_CLIENT_ID", "export.mqtt.client_id"),
    variable("DOMAIN_ID", "export.mqtt.domain_id"),
    variable("CHANNEL_ID", "export.mqtt.channel_id"),
    variable("CLIENT_ID", "export.mqtt.username"),
    variable("CLIENT_KEY", "export.mqtt.password"),
    variable("MONITORING_PROCESS_HISTORY_SIZE", "history.size"),
];

/// Another name of a key's variable.
const fn variable(name: &'static str, key: &'static str) -> Alias {
    Alias {
        path: None,
        variable: Some(name),
        meaning: Meaning::Same(key),
    }
}

impl Alias {
    /// The key it stands for and what that key's own value would be; `None`:
    /// there is nothing to set.
    ///
    /// # Errors
    /// When its value means nothing.
    pub fn resolve(&self, node: &Node) -> Result<Option<(&'static str, Rc<Node>)>, Mistake> {
        let text = match &node.content {
            Content::Text { text, .. } => text.as_str(),
            _ => "",
        };
        match self.meaning {
            Meaning::Same(key) => Ok(Some((key, Rc::new(node.clone())))),
            Meaning::Seconds(key) => {
                let seconds = text.parse::<f64>().ok().filter(|s| (0.0..1e9).contains(s));
                let seconds = seconds
                    .ok_or_else(|| Mistake::new(&node.origin, "a number of seconds is wanted"))?;
                let milliseconds = format!("{}ms", (seconds * 1e3).round());
                Ok(Some((
                    key,
                    Rc::new(Node::text(node.origin.clone(), milliseconds)),
                )))
            }
            Meaning::Enabled if text == "true" => Ok(None),
            Meaning::Enabled => Err(Mistake::new(
                &node.origin,
                "only true is in this version: to switch procmon off, do not start it",
            )),
        }
    }
}
