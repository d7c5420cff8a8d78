//! Variables that look as if they were procmon's and are not.

use super::keys::{KEYS, PREFIX};
use crate::nearest::nearest;

/// procmon's variable that was meant by `name`, if that is like one and is none.
/// What is like none is not ours to judge: for a service called procmon Kubernetes
/// sets `PROCMON_SERVICE_HOST`, `PROCMON_PORT` and more
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
pub fn meant_by(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?.to_lowercase();
    let flat: Vec<_> = KEYS.iter().map(|key| key.path.replace('.', "_")).collect();
    let near = nearest(&rest, flat.iter().map(String::as_str));
    let place = match near {
        Some(near) => flat.iter().position(|path| path == near),
        // The section may have been left out.
        None => KEYS
            .iter()
            .position(|key| key.path.rsplit('.').next() == Some(&rest)),
    };
    let variable = KEYS[place?].variable();
    (variable != name).then_some(variable)
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
