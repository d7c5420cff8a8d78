//! Variables that look as if they were procmon's and are not.

use super::keys::KEYS;
use crate::nearest::nearest;

const PREFIX: &str = "PROCMON_";

/// procmon's variable that was meant by `name`, if that is like one and is none.
/// What is like none is not ours to judge: for a service called procmon Kubernetes
/// sets `PROCMON_SERVICE_HOST`, `PROCMON_PORT` and more
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
pub fn meant_by(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    let known: Vec<_> = KEYS.iter().map(|key| key.variable()).collect();
    if known.iter().any(|known| known == name) {
        return None;
    }
    let lower = |known: &String| known[PREFIX.len()..].to_lowercase();
    let whole: Vec<_> = known.iter().map(lower).collect();
    let found = nearest(rest, whole.iter().map(String::as_str))
        .map(|meant| format!("{PREFIX}{}", meant.to_uppercase()));
    // The section may have been left out.
    found.or_else(|| {
        let key = KEYS.iter().find(|key| {
            let last = key.path.rsplit('.').next();
            last == Some(&rest.to_lowercase())
        });
        key.map(|key| key.variable())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_that_was_meant_is_told() {
        for (name, meant) in [
            ("PROCMON_INTERVALL", "PROCMON_INTERVAL"),
            ("PROCMON_SELECT_TOPP", "PROCMON_SELECT_TOP"),
            ("PROCMON_TOP", "PROCMON_SELECT_TOP"),
            ("PROCMON_max_series", "PROCMON_SELECT_MAX_SERIES"),
        ] {
            assert_eq!(meant_by(name).as_deref(), Some(meant), "{name}");
        }
    }

    #[test]
    fn of_every_key_the_variable_is_right() {
        for key in KEYS {
            assert_eq!(meant_by(&key.variable()), None, "{}", key.path);
        }
    }

    #[test]
    fn variables_of_others_are_none_of_ours() {
        for name in [
            "HOME",
            "PROCMON_",
            "PROCMON_LOG",
            "PROCMON_PORT",
            "PROCMON_PORT_9464_TCP",
            "PROCMON_PORT_9464_TCP_ADDR",
            "PROCMON_PORT_9464_TCP_PORT",
            "PROCMON_PORT_9464_TCP_PROTO",
            "PROCMON_SERVICE_HOST",
            "PROCMON_SERVICE_PORT",
            "PROCMON_SERVICE_PORT_METRICS",
            "PROCMON_VERSION",
        ] {
            assert_eq!(meant_by(name), None, "{name}");
        }
    }
}
