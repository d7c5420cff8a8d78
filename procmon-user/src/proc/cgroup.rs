//! /proc/PID/cgroup (cgroups(7)): the groups a process is in.

use super::{Malformed, text};

/// One line: `hierarchy:controllers:path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// 0 is the v2 tree.
    pub hierarchy: u64,
    /// Controllers of a v1 hierarchy, separated by commas.
    pub controllers: &'a [u8],
    /// Path from the root of the hierarchy, seen from the reader's cgroup
    /// namespace, without " (deleted)".
    pub path: &'a [u8],
}

impl Entry<'_> {
    /// It is in the v2 tree.
    pub fn is_v2(&self) -> bool {
        self.hierarchy == 0
    }

    /// It is the hierarchy of a v1 controller.
    pub fn has(&self, controller: &str) -> bool {
        !self.is_v2()
            && self
                .controllers
                .split(|&byte| byte == b',')
                .any(|name| name == controller.as_bytes())
    }
}

/// The lines of the file.
pub fn entries(text: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    text::lines(text).filter_map(|line| {
        let mut parts = line.splitn(3, |&byte| byte == b':');
        let hierarchy = text::number(parts.next()?)?;
        let controllers = parts.next()?;
        let path = parts.next()?;
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        path.starts_with(b"/").then_some(Entry {
            hierarchy,
            controllers,
            path,
        })
    })
}

/// The path that stands for the process: the v2 tree's, else that of v1's
/// memory controller. Where both trees are in use and the v2 one says only
/// `/`, v1's says more.
pub fn path(text: &[u8]) -> Result<&[u8], Malformed> {
    let v2 = entries(text).find(Entry::is_v2).map(|entry| entry.path);
    if let Some(path) = v2
        && path != b"/"
    {
        return Ok(path);
    }
    entries(text)
        .find(|entry| entry.has("memory"))
        .map(|entry| entry.path)
        .or(v2)
        .or_else(|| entries(text).next().map(|entry| entry.path))
        .ok_or_else(|| Malformed::new("a line hierarchy:controllers:path", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_v2_tree_comes_first() {
        assert_eq!(path(b"0::/init.scope\n").unwrap(), b"/init.scope");
        let both = b"4:memory:/old\n1:name=systemd:/s\n0::/system.slice/a.service\n";
        assert_eq!(path(both).unwrap(), b"/system.slice/a.service");
    }

    #[test]
    fn then_the_memory_controllers() {
        assert_eq!(path(b"9:cpu:/c\n4:memory:/m\n0::/\n").unwrap(), b"/m");
        assert_eq!(path(b"5:hugetlb,memory:/m:n\n").unwrap(), b"/m:n");
        assert_eq!(path(b"9:cpu:/c\n").unwrap(), b"/c");
        assert_eq!(path(b"9:cpu:/c\n0::/\n").unwrap(), b"/");
    }

    #[test]
    fn a_removed_group_keeps_its_name() {
        assert_eq!(path(b"0::/a.scope (deleted)\n").unwrap(), b"/a.scope");
        assert!(path(b"").is_err());
        assert!(path(b"x:y\n").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = path(&bytes);
            let mut text = b"0::/".to_vec();
            text.extend_from_slice(&bytes);
            text.push(b'\n');
            let _ = path(&text);
        }
    }
}
