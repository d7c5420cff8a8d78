//! A cgroup of the test's own, whose numbers are the kernel's word.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::program::{POLL, SOON};

/// What is counted and limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
}

impl Controller {
    /// Its hierarchy of version 1, by a file that is in it.
    fn v1(self) -> (&'static Path, &'static str) {
        let (root, file) = match self {
            Self::Cpu => ("/sys/fs/cgroup/cpuacct", "cpuacct.usage"),
            Self::Memory => ("/sys/fs/cgroup/memory", "memory.stat"),
        };
        (Path::new(root), file)
    }

    /// Whether the groups below the root of version 2 have it; they all have CPU time.
    fn in_v2(self) -> bool {
        let passed = fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control");
        passed.is_ok_and(|passed| {
            self == Self::Cpu || passed.split_whitespace().any(|name| name == "memory")
        })
    }
}

/// A cgroup with some controllers; it is removed when dropped.
pub struct Cgroup {
    /// In version 1 each controller has a tree of its own.
    places: Vec<Place>,
}

struct Place {
    controller: Controller,
    path: PathBuf,
    v2: bool,
}

impl Cgroup {
    /// Makes one, in hierarchies of version 1 or in the tree of version 2; the reason why there is
    /// none.
    pub fn new(name: &str, controllers: &[Controller]) -> Result<Self, String> {
        let name = format!("procmon-test-{name}-{}", std::process::id());
        Self::named(&name, controllers)
    }

    /// The same with a name that says something, as the names of units and containers do.
    pub fn named(name: &str, controllers: &[Controller]) -> Result<Self, String> {
        let mut group = Self { places: Vec::new() };
        for controller in controllers.iter().copied() {
            let (v1, file) = controller.v1();
            let v2 = !v1.join(file).exists();
            if v2 && !controller.in_v2() {
                return Err(format!("no cgroups here with {controller:?}"));
            }
            let path = if v2 { Path::new("/sys/fs/cgroup") } else { v1 }.join(name);
            // Of version 2 all controllers share one.
            if !path.exists() {
                fs::create_dir(&path)
                    .map_err(|error| format!("no cgroup {}: {error}", path.display()))?;
            }
            group.places.push(Place {
                controller,
                path,
                v2,
            });
        }
        Ok(group)
    }

    /// CPU time of all that has run in it, ns.
    pub fn cpu_ns(&self) -> Result<u64> {
        let place = self.place(Controller::Cpu)?;
        if !place.v2 {
            let text = place.read("cpuacct.usage")?;
            return text.trim().parse().context("cpuacct.usage is no number");
        }
        Ok(place.number("cpu.stat", "usage_usec")? * 1000)
    }

    /// Page faults of all that has run in it, those inside of system calls too.
    pub fn page_faults(&self) -> Result<u64> {
        self.place(Controller::Memory)?
            .number("memory.stat", "pgfault")
    }

    /// How many processes in it the kernel has killed for want of memory.
    pub fn oom_kills(&self) -> Result<u64> {
        let place = self.place(Controller::Memory)?;
        let file = if place.v2 {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        place.number(file, "oom_kill")
    }

    /// Its processes shall have no more memory than this, and none on disk.
    pub fn limit_memory(&self, bytes: u64) -> Result<()> {
        let place = self.place(Controller::Memory)?;
        if !place.v2 {
            place.write("memory.swappiness", "0")?;
            return place.write("memory.limit_in_bytes", &bytes.to_string());
        }
        // Not there on a host without swap.
        let _ = place.write("memory.swap.max", "0");
        place.write("memory.max", &bytes.to_string())
    }

    /// Takes a process in, with all its threads.
    pub fn take(&self, pid: u32) -> Result<()> {
        let mut places = self.places.iter();
        places.try_for_each(|place| place.write("cgroup.procs", &pid.to_string()))
    }

    /// A command that runs in it from its first instruction on, by way of a shell.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let enter = "while [ \"$1\" != -- ]; do echo $$ > \"$1\"; shift; done; shift; exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", enter, "sh"]);
        for place in &self.places {
            command.arg(place.path.join("cgroup.procs"));
        }
        command.arg("--").arg(program).args(arguments);
        command
    }

    fn place(&self, controller: Controller) -> Result<&Place> {
        self.places
            .iter()
            .find(|place| place.controller == controller)
            .with_context(|| format!("this cgroup is without {controller:?}"))
    }
}

impl Place {
    fn read(&self, file: &str) -> Result<String> {
        let path = self.path.join(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// The number of a line `name number`.
    fn number(&self, file: &str, name: &str) -> Result<u64> {
        let text = self.read(file)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .with_context(|| format!("{file} has no {name}"))?;
        line.trim()
            .parse()
            .with_context(|| format!("{name} of {file} is no number"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It goes when its last process has gone; a moment later at most.
        let until = std::time::Instant::now() + SOON / 20;
        for place in &self.places {
            while place.path.exists()
                && fs::remove_dir(&place.path).is_err()
                && std::time::Instant::now() < until
            {
                std::thread::sleep(POLL);
            }
        }
    }
}
