//! What `export.otlp.spool` may say.

use std::fmt;
use std::str::FromStr;

use crate::size;

/// The keys of `export.otlp.spool` in the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolKeys {
    /// How large it may become.
    pub max_size: SpoolSize,
}

/// Bytes of the spool on disk, at least 64 KiB: a batch of a thousand
/// processes takes about as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolSize(pub u64);

impl SpoolSize {
    /// The least.
    pub const LEAST: u64 = 64 << 10;
    /// What is accepted.
    pub const WANTED: &str = "a size of at least 64KiB, as in 64MiB or 1GB";
}

impl Default for SpoolSize {
    fn default() -> Self {
        Self(64 << 20)
    }
}

impl FromStr for SpoolSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        size::at_least(text, Self::LEAST, Self::WANTED).map(Self)
    }
}

impl fmt::Display for SpoolSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&size::shown(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_at_least_64_kib() {
        assert_eq!("1GB".parse(), Ok(SpoolSize(1_000_000_000)));
        assert_eq!("64KiB".parse(), Ok(SpoolSize(65_536)));
        assert_eq!(SpoolSize::default().to_string(), "64MiB");
        for wrong in ["65535", "0", "off", "-1MiB", ""] {
            let error = wrong.parse::<SpoolSize>().unwrap_err();
            assert!(error.contains("64MiB"), "{wrong}: {error}");
        }
    }
}
