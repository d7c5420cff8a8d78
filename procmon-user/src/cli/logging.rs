//! procmon's own words, on stderr.

use std::io::Write as _;

use log::{Level, LevelFilter};

/// The variable that sets how much is said: error, warn, info (the default),
/// debug or trace, also by module as env_logger has it.
const VARIABLE: &str = "PROCMON_LOG";

/// Starts logging. Libraries speak up only when something is wrong with them.
pub fn start() {
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(LevelFilter::Error)
        .filter_module("procmon", LevelFilter::Info);
    if let Ok(filters) = std::env::var(VARIABLE) {
        builder.parse_filters(&filters);
    }
    builder.format(|out, record| match record.level() {
        Level::Info => writeln!(out, "procmon: {}", record.args()),
        Level::Warn => writeln!(out, "procmon: warning: {}", record.args()),
        Level::Error => writeln!(out, "procmon: error: {}", record.args()),
        level => writeln!(
            out,
            "procmon: {}: {}: {}",
            level.as_str().to_lowercase(),
            record.target(),
            record.args()
        ),
    });
    builder.init();
}
