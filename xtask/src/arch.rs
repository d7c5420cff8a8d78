//! The architectures procmon is built for and tested on, under Debian's names.

use std::{env, fmt};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arch {
    /// x86-64
    Amd64,
    /// AArch64
    Arm64,
}

impl Arch {
    /// This host's; none if it is another.
    pub fn host() -> Option<Self> {
        [Self::Amd64, Self::Arm64]
            .into_iter()
            .find(|arch| arch.rust() == env::consts::ARCH)
    }

    /// Rust's name.
    pub fn rust(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}
