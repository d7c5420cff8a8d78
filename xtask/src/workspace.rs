//! Where things are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace's root folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// What we unpack and install for ourselves lives here, whatever `CARGO_TARGET_DIR` says:
/// `procmon-user/build.rs` looks for the linker in the same place.
pub fn tools() -> PathBuf {
    root().join("target/tools")
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => root().join(folder),
        _ => root().join("target"),
    }
}

/// The cargo that runs us, in the workspace's root.
///
/// `cargo run` tells us about our own package. Some build scripts watch those variables (ring's
/// does), and would run again whenever a build by us follows one by hand.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("CARGO_PKG_") || shown.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The rustc that cargo uses for this workspace.
pub fn rustc() -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(root());
    command
}
