//! A cgroup of the test's own, whose CPU time is the kernel's word.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

/// A cgroup with CPU accounting; it is removed when dropped.
pub struct Cgroup {
    path: PathBuf,
    v2: bool,
}

impl Cgroup {
    /// Makes one, in the v1 cpuacct hierarchy or in the v2 tree; the reason why there is none.
    pub fn new(name: &str) -> Result<Self, String> {
        let name = format!("procmon-test-{name}-{}", std::process::id());
        let v1 = PathBuf::from("/sys/fs/cgroup/cpuacct");
        let v2 = !v1.join("cpuacct.usage").exists();
        let parent = if v2 {
            PathBuf::from("/sys/fs/cgroup")
        } else {
            v1
        };
        let path = parent.join(name);
        fs::create_dir(&path).map_err(|error| format!("no cgroup {}: {error}", path.display()))?;
        Ok(Self { path, v2 })
    }

    /// CPU time of all that has run in it, ns.
    pub fn cpu_ns(&self) -> Result<u64> {
        if !self.v2 {
            let file = self.path.join("cpuacct.usage");
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            return text.trim().parse().context("cpuacct.usage is no number");
        }
        let file = self.path.join("cpu.stat");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let usage = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "))
            .context("cpu.stat has no usage_usec")?;
        Ok(usage.parse::<u64>().context("usage_usec is no number")? * 1000)
    }

    /// A command that runs in it from its first instruction on, by way of a shell.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let procs = self.path.join("cgroup.procs").display().to_string();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\"", &procs, program])
            .args(arguments);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It goes when its last process has gone; a moment later at most.
        for _ in 0..50 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
