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

/// The limits of a process that are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// RLIMIT_NOFILE: one more than the largest descriptor it may open.
    pub open_files: Limit,
    /// RLIMIT_AS: bytes its address space may become.
    pub address_space: Limit,
}

/// Parses the file.
///
/// # Errors
/// When one of the limits is not in it.
pub fn parse(text: &[u8]) -> Result<Limits, Malformed> {
    Ok(Limits {
        open_files: limit(text, "Max open files")?,
        address_space: limit(text, "Max address space")?,
    })
}

/// The limit on the line that begins with this name.
fn limit(text: &[u8], name: &'static str) -> Result<Limit, Malformed> {
    let rest = text::lines(text).find_map(|line| line.strip_prefix(name.as_bytes()));
    let rest = rest.ok_or_else(|| Malformed::new(name, text))?;
    let mut values = text::fields(rest);
    let mut value = || match values.next() {
        Some(b"unlimited") => Some(u64::MAX),
        Some(field) => text::number(field),
        None => None,
    };
    match (value(), value()) {
        (Some(soft), Some(hard)) => Ok(Limit { soft, hard }),
        _ => Err(Malformed::new("a soft and a hard limit", rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_unlimited() {
        let text = b"Limit                     Soft Limit           Hard Limit           Units\n\
            Max open files            1024                 unlimited            files     \n\
            Max address space         unlimited            unlimited            bytes     \n";
        let limits = Limits {
            open_files: Limit {
                soft: 1024,
                hard: u64::MAX,
            },
            address_space: Limit {
                soft: u64::MAX,
                hard: u64::MAX,
            },
        };
        assert_eq!(parse(text), Ok(limits));
        assert!(parse(b"Max open files            1024\n").is_err());
        assert!(parse(b"Max open files            1024 1024\n").is_err());
        assert!(parse(b"").is_err());
    }

    #[test]
    fn our_own() {
        use rustix::process::{Resource, getrlimit};
        let text = std::fs::read("/proc/self/limits").unwrap();
        let limits = parse(&text).unwrap();
        for (limit, resource) in [
            (limits.open_files, Resource::Nofile),
            (limits.address_space, Resource::As),
        ] {
            let kernel = getrlimit(resource);
            assert_eq!(limit.soft, kernel.current.unwrap_or(u64::MAX));
            assert_eq!(limit.hard, kernel.maximum.unwrap_or(u64::MAX));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let mut text = b"Max open files ".to_vec();
            text.extend_from_slice(&bytes);
            text.push(b'\n');
            let _ = parse(&text);
        }
    }
}
