//! procmon's own words, on stderr.

use std::io::Write as _;

use log::{Level, LevelFilter, Record};

use crate::export::report::printable;

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
    // What others have named cannot forge a line.
    let line = |record: &Record<'_>| printable(&record.args().to_string()).into_owned();
    builder.format(move |out, record| match record.level() {
        Level::Info => writeln!(out, "procmon: {}", line(record)),
        Level::Warn => writeln!(out, "procmon: warning: {}", line(record)),
        Level::Error => writeln!(out, "procmon: error: {}", line(record)),
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
