//! What the control groups of a process tell of it.

use crate::proc::{Malformed, cgroup, container, unit};

/// The group that stands for a process, and what its groups are named after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Path in the cgroup v2 tree, else in the v1 memory controller's.
    pub path: String,
    /// The innermost container's id, a machine of systemd-nspawn's name.
    pub container_id: Option<String>,
    /// Kubernetes pod uid.
    pub pod_uid: Option<String>,
    /// systemd unit.
    pub unit: Option<String>,
}

impl Groups {
    /// By the text of /proc/PID/cgroup. Where v1 and v2 trees are both in use,
    /// a runtime may have made its groups in some v1 trees only: every line may
    /// name the container.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let path = String::from_utf8_lossy(cgroup::path(text)?).into_owned();
        let others = cgroup::entries(text).map(|entry| String::from_utf8_lossy(entry.path));
        let mut groups = Self::default();
        groups.look_at(&path);
        others.for_each(|other| groups.look_at(&other));
        Ok(Self { path, ..groups })
    }

    /// By the paths in the v2 tree and in the v1 memory controller's, if there
    /// is one; chosen between as [`cgroup::path`] does.
    pub fn of_paths(v2: String, memory: Option<String>) -> Self {
        let (path, other) = match memory {
            Some(memory) if v2 == "/" => (memory, Some(v2)),
            memory => (v2, memory),
        };
        let mut groups = Self::default();
        groups.look_at(&path);
        if let Some(other) = other {
            groups.look_at(&other);
        }
        Self { path, ..groups }
    }

    /// Takes what is not known yet from one path.
    fn look_at(&mut self, path: &str) {
        if self.container_id.is_none() {
            self.container_id = container::container_id(path);
        }
        if self.pod_uid.is_none() {
            self.pod_uid = container::pod_uid(path);
        }
        if self.unit.is_none() {
            self.unit = unit::unit(path).map(str::to_owned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e";

    /// The same by the file and by the paths.
    fn both(v2: &str, memory: Option<&str>) -> Groups {
        let mut text = format!("0::{v2}\n");
        if let Some(memory) = memory {
            text = format!("4:memory:{memory}\n{text}");
        }
        let groups = Groups::parse(text.as_bytes()).unwrap();
        let by_paths = Groups::of_paths(v2.to_owned(), memory.map(str::to_owned));
        assert_eq!(groups, by_paths, "{v2} {memory:?}");
        groups
    }

    #[test]
    fn the_file_and_the_paths_say_the_same() {
        assert_eq!(both("/", None).path, "/");
        assert_eq!(both("/", Some("/a")).path, "/a");
        assert_eq!(both("/b", Some("/a")).path, "/b");
        let hybrid = both(
            "/system.slice/docker.service",
            Some(&format!("/docker/{ID}")),
        );
        assert_eq!(hybrid.container_id.as_deref(), Some(ID));
        assert_eq!(hybrid.unit.as_deref(), Some("docker.service"));
    }
}
