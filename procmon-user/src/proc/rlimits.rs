//! /proc/PID/limits (proc_pid_limits(5); lnames of fs/proc/base.c).

use super::{Malformed, text};

/// Soft and hard limit; `u64::MAX` when unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// RLIMIT_NOFILE: one more than the largest descriptor it may open.
pub fn open_files(text: &[u8]) -> Result<Limit, Malformed> {
    const NAME: &[u8] = b"Max open files";
    let line = text::lines(text)
        .find(|line| line.starts_with(NAME))
        .ok_or_else(|| Malformed::new("a line Max open files", text))?;
    let mut values = text::fields(&line[NAME.len()..]);
    let mut value = || match values.next() {
        Some(b"unlimited") => Some(u64::MAX),
        Some(field) => text::number(field),
        None => None,
    };
    match (value(), value()) {
        (Some(soft), Some(hard)) => Ok(Limit { soft, hard }),
        _ => Err(Malformed::new("a soft and a hard limit", line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_unlimited() {
        let text = b"Limit                     Soft Limit           Hard Limit           Units\n\
            Max processes             96365                96365                processes\n\
            Max open files            1024                 unlimited            files     \n";
        let limit = Limit {
            soft: 1024,
            hard: u64::MAX,
        };
        assert_eq!(open_files(text), Ok(limit));
        assert!(open_files(b"Max open files            1024\n").is_err());
        assert!(open_files(b"").is_err());
    }

    #[test]
    fn our_own() {
        let text = std::fs::read("/proc/self/limits").unwrap();
        let limit = open_files(&text).unwrap();
        let kernel = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(limit.soft, kernel.current.unwrap_or(u64::MAX));
        assert_eq!(limit.hard, kernel.maximum.unwrap_or(u64::MAX));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = open_files(&bytes);
            let mut text = b"Max open files ".to_vec();
            text.extend_from_slice(&bytes);
            text.push(b'\n');
            let _ = open_files(&text);
        }
    }
}
