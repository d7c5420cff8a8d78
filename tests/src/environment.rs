//! Where the programs under test and their tools are.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The procmon to test, when not target/release/procmon.
pub const PROCMON: &str = "PROCMON_BIN";
/// The victim, when not target/release/victim.
pub const VICTIM: &str = "VICTIM_BIN";
/// rotel-agent; `missing: reason` where it could not be had.
pub const ROTEL: &str = "ROTEL_BIN";
/// mockotlpserver; `missing: reason` where it could not be had.
pub const MOCK: &str = "MOCKOTLP_BIN";
/// The root folder of Debian's prometheus; `missing: reason` where it could not be had.
pub const PROMETHEUS: &str = "PROMETHEUS_ROOT";
/// victoria-metrics; `missing: reason` where it could not be had.
pub const VICTORIA_METRICS: &str = "VICTORIAMETRICS_BIN";
/// The folder mosquitto was unpacked into; `missing: reason` where it could not be had.
pub const MOSQUITTO: &str = "MOSQUITTO_ROOT";
/// strace; `missing: reason` where it could not be had.
pub const STRACE: &str = "STRACE_BIN";
/// The file that skipped tests are listed in.
pub const SKIP_LOG: &str = "PROCMON_SKIP_LOG";
/// Set in the machines of `cargo xtask vmtest`.
pub const EMULATED: &str = "PROCMON_EMULATED";

/// How a variable says that a tool could not be had.
pub const MISSING: &str = "missing: ";

/// A program of ours, which must be there.
pub fn ours(variable: &str, name: &str) -> Result<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/release")
        .join(name);
    let path = env::var_os(variable).map_or(built, PathBuf::from);
    path.canonicalize().with_context(|| {
        format!(
            "no {name} at {}: these tests are run by `cargo xtask test`",
            path.display()
        )
    })
}

/// A tool of others; the error is the reason to skip.
pub fn tool(variable: &str) -> Result<PathBuf, String> {
    let value = env::var_os(variable)
        .ok_or_else(|| format!("{variable} is not set: `cargo xtask test` sets it"))?;
    match value.to_str().and_then(|value| value.strip_prefix(MISSING)) {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(PathBuf::from(value)),
    }
}

/// Whether this is a machine of `cargo xtask vmtest`.
pub fn is_emulated() -> bool {
    env::var_os(EMULATED).is_some()
}

/// Whether this kernel is older than a version.
///
/// # Panics
/// When it does not say its version.
pub fn older_than(version: (u32, u32)) -> bool {
    kernel() < version
}

/// Whether programs can hang on the exits of functions: on arm64 since Linux 6.4.
pub fn hooks_functions() -> bool {
    !cfg!(target_arch = "aarch64") || !older_than((6, 4))
}

/// This kernel's version, to the series.
///
/// # Panics
/// When it does not say it.
pub fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("no version");
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    )
}
