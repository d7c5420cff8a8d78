//! Which host this is.

use std::fs;
use std::path::Path;

/// The host in every resource. What could not be read is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostIdentity {
    /// `host.name`.
    pub name: Option<String>,
    /// `host.id`: the machine id.
    pub id: Option<String>,
    /// `host.arch`, as OpenTelemetry spells it.
    pub arch: &'static str,
}

impl HostIdentity {
    /// Reads it below `root`, `/` but for tests.
    pub fn read(root: &Path) -> Self {
        let line = |path| {
            let text = fs::read_to_string(root.join(path)).ok()?;
            let line = text.lines().next()?.trim();
            // systemd writes "uninitialized" while the first boot goes on.
            (!line.is_empty() && line != "uninitialized").then(|| line.to_owned())
        };
        Self {
            // What gethostname(2) says.
            name: line("proc/sys/kernel/hostname"),
            id: line("etc/machine-id").or_else(|| line("var/lib/dbus/machine-id")),
            arch: arch(std::env::consts::ARCH),
        }
    }
}

/// OpenTelemetry's name of an architecture.
const fn arch(rust: &'static str) -> &'static str {
    match rust.as_bytes() {
        b"x86_64" => "amd64",
        b"aarch64" => "arm64",
        b"arm" => "arm32",
        b"powerpc" => "ppc32",
        b"powerpc64" => "ppc64",
        _ => rust,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        root
    }

    #[test]
    fn name_and_id_are_those_of_the_files() {
        let root = tree(&[
            ("proc/sys/kernel/hostname", "db1\n"),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            (
                "var/lib/dbus/machine-id",
                "ffffffffffffffffffffffffffffffff\n",
            ),
        ]);
        let host = HostIdentity::read(root.path());
        assert_eq!(host.name.as_deref(), Some("db1"));
        assert_eq!(host.id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn the_id_of_dbus_stands_in_for_an_empty_or_unfinished_one() {
        for machine_id in ["", "\n", "uninitialized\n"] {
            let root = tree(&[
                ("etc/machine-id", machine_id),
                (
                    "var/lib/dbus/machine-id",
                    "ffffffffffffffffffffffffffffffff\n",
                ),
            ]);
            let host = HostIdentity::read(root.path());
            assert_eq!(host.id.as_deref(), Some("ffffffffffffffffffffffffffffffff"));
            assert_eq!(host.name, None);
        }
    }

    #[test]
    fn architectures_are_spelt_as_the_conventions_do() {
        assert_eq!(arch("x86_64"), "amd64");
        assert_eq!(arch("aarch64"), "arm64");
        assert_eq!(arch("riscv64"), "riscv64");
    }
}
