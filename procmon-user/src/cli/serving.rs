//! What is served over HTTP: by default, or because it was asked for.

use log::warn;

use super::arguments::Common;
use super::failure::Failure;
use crate::config::{Loaded, Origin};
use crate::http::{BindError, Bound};

const LISTEN: &str = "http.listen";

/// Whether somebody said where to serve, wherever.
pub fn is_asked_for(loaded: &Loaded) -> bool {
    *loaded.origin(LISTEN) != Origin::Default
        && loaded.config.http.listen != crate::http::Listen::Off
}

/// Takes the address for `run`, before anything else is begun. For a single frame
/// only where the option says so: it is over before anyone could ask.
pub fn of_run(common: &Common, loaded: &Loaded) -> Result<Option<Bound>, Failure> {
    match common.count {
        Some(1) => of_flag(loaded),
        _ => take(loaded),
    }
}

/// The same for `exec`: the address in a configuration file is the agent's.
pub fn of_flag(loaded: &Loaded) -> Result<Option<Bound>, Failure> {
    match loaded.origin(LISTEN) {
        Origin::Flag(_) => take(loaded),
        _ => Ok(None),
    }
}

fn take(loaded: &Loaded) -> Result<Option<Bound>, Failure> {
    let config = &loaded.config;
    match Bound::take(&config.http.settings(&config.compat)) {
        Ok(bound) => {
            if let Some(bound) = bound.as_ref().filter(|bound| bound.is_open_to_all()) {
                warn!(
                    "whoever reaches {} can read all about this host's processes: set \
                     http.token_file",
                    bound.url()
                );
            }
            Ok(bound)
        }
        Err(error @ BindError::Address { .. }) if !is_asked_for(loaded) => {
            warn!("{error}: /metrics is not served; --listen says where else, or off");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
