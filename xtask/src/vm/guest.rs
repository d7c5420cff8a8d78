//! Which machines there are.

use std::fmt;

use super::kernel::Series;
use crate::arch::Arch;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Its kernel.
    pub series: Series,
    /// Its architecture.
    pub arch: Arch,
    /// Whether no program may read kernel memory, from the first moment.
    pub lockdown: bool,
    /// How many CPUs it has.
    pub cpus: u8,
}

impl Guest {
    /// Those of `cargo xtask test`, the longest first.
    pub const TESTED: [Self; 6] = [
        Self::new(Series::V6_12, Arch::Arm64),
        Self::new(Series::V6_1, Arch::Arm64),
        Self::new(Series::V6_1, Arch::Amd64),
        Self::new(Series::V6_12, Arch::Amd64),
        Self {
            lockdown: true,
            ..Self::new(Series::V6_12, Arch::Amd64)
        },
        Self {
            cpus: 1,
            ..Self::new(Series::V6_12, Arch::Amd64)
        },
    ];

    /// The CPUs of most.
    pub const CPUS: u8 = 2;

    const fn new(series: Series, arch: Arch) -> Self {
        Self {
            series,
            arch,
            lockdown: false,
            cpus: Self::CPUS,
        }
    }

    /// The options of `cargo xtask vmtest` for this one.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--kernel".to_owned(),
            self.series.to_string(),
            "--arch".to_owned(),
            self.arch.to_string(),
        ];
        if self.lockdown {
            arguments.push("--lockdown".to_owned());
        }
        arguments.extend(["--cpus".to_owned(), self.cpus.to_string()]);
        arguments
    }

    /// Its name in the names of files.
    pub fn slug(&self) -> String {
        let lockdown = if self.lockdown { "-lockdown" } else { "" };
        format!("{}-{}{lockdown}-{}", self.series, self.arch, self.cpus)
    }
}

/// The oldest kernel of the most common architecture.
impl Default for Guest {
    fn default() -> Self {
        Self::new(Series::V6_1, Arch::Amd64)
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lockdown = if self.lockdown { ", locked down" } else { "" };
        let cpus = if self.cpus == 1 { ", one CPU" } else { "" };
        write!(f, "Linux {} {}{lockdown}{cpus}", self.series, self.arch)
    }
}
