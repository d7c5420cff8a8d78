//! What a command gives up of its capabilities once it is attached.

use std::path::Path;

use log::warn;

use crate::capabilities::{self, Plans, is_for_others_to_write};
use crate::config::Loaded;
use crate::http::Listen;

/// The port below which only the privileged may listen (ip(7)).
const FIRST_FREE_PORT: u16 = 1024;

/// What a command goes on to do as this configuration has it.
pub fn plans(loaded: &Loaded, ebpf: bool, signals: bool) -> Plans {
    let config = &loaded.config;
    let places = [
        config.export.report.place(),
        config.export.jsonl.place(),
        config.logging.place(),
    ];
    let mut files = places.iter().flatten().map(|place| &*place.path);
    let folder = config.state_dir.as_ref().map(|folder| &*folder.0);
    let is_for_others = |path: &Path| path != Path::new("-") && is_for_others_to_write(path);
    Plans {
        ebpf,
        signals,
        writes_for_others: files.any(is_for_others) || folder.is_some_and(is_for_others),
        low_port: match config.http.listen {
            Listen::At { port, .. } => (1..FIRST_FREE_PORT).contains(&port),
            Listen::Off => false,
        },
    }
}

/// Keeps what these plans need, of this thread and of those it starts from now on.
pub fn keep_for(plans: &Plans) {
    if let Err(error) = capabilities::keep_for(plans) {
        warn!("procmon keeps all its capabilities: the kernel takes none away: {error}");
    }
}
