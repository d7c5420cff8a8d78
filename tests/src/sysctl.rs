//! Limits of the kernel that a test needs higher.

use std::{fs, path::PathBuf};

/// A limit that was raised; it is as before when dropped.
pub struct Sysctl {
    path: PathBuf,
    before: Option<String>,
}

impl Sysctl {
    /// Raises a limit below /proc/sys to `least`, if it is lower; the reason why it cannot be.
    pub fn at_least(name: &str, least: u64) -> Result<Self, String> {
        let path = PathBuf::from("/proc/sys").join(name);
        let said = |error: std::io::Error| format!("{}: {error}", path.display());
        let before = fs::read_to_string(&path).map_err(said)?;
        let now: u64 = before
            .trim()
            .parse()
            .map_err(|_| format!("{} is no number: {before:?}", path.display()))?;
        if now >= least {
            return Ok(Self { path, before: None });
        }
        fs::write(&path, least.to_string()).map_err(said)?;
        Ok(Self {
            path,
            before: Some(before),
        })
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = fs::write(&self.path, before)
        {
            eprintln!("{} stays raised: {error}", self.path.display());
        }
    }
}
