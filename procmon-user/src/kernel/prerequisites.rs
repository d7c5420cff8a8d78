//! What the kernel half needs of the host, looked at before anything is
//! loaded, so that a refusal can say what to do.

use std::path::Path;

use super::tracefs;

/// Where the kernel shows its own type information.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
/// The inode of the initial PID namespace (include/linux/proc_ns.h,
/// PROC_PID_INIT_INO).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
// include/uapi/linux/capability.h.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// One prerequisite and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as needed.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do about it, when it is not as needed.
    pub advice: Option<&'static str>,
}

/// What was found of every prerequisite.
#[derive(Clone, Debug)]
pub struct Prerequisites {
    /// May programs be loaded and attached?
    pub privileges: Finding,
    /// Is there BTF?
    pub btf: Finding,
    /// Is there tracefs that may be read? Without it some probes have fallbacks, others none.
    pub tracefs: Finding,
    /// Is the kernel locked down?
    pub lockdown: Finding,
    /// Are pids here those of the kernel?
    pub pid_namespace: Finding,
    /// The kernel's release.
    pub release: String,
}

impl Prerequisites {
    /// Looks at the host. Mounts tracefs where it belongs if it is not there
    /// and may be mounted.
    pub fn look() -> Self {
        Self {
            privileges: privileges(),
            btf: btf(Path::new(BTF_PATH)),
            tracefs: tracefs::finding(),
            lockdown: lockdown(Path::new("/sys/kernel/security/lockdown")),
            pid_namespace: pid_namespace(),
            release: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        }
    }

    /// Every finding, in the order in which `doctor` shows them.
    pub fn findings(&self) -> [&Finding; 5] {
        [
            &self.privileges,
            &self.btf,
            &self.tracefs,
            &self.lockdown,
            &self.pid_namespace,
        ]
    }

    /// The first finding without which no program can run.
    pub fn obstacle(&self) -> Option<&Finding> {
        [
            &self.privileges,
            &self.btf,
            &self.lockdown,
            &self.pid_namespace,
        ]
        .into_iter()
        .find(|finding| !finding.ok)
    }
}

fn read(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

fn privileges() -> Finding {
    let effective = read("/proc/self/status")
        .and_then(|status| {
            let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(0);
    let has = |capability: u32| effective >> capability & 1 == 1;
    let ok = has(CAP_SYS_ADMIN) || has(CAP_BPF) && has(CAP_PERFMON);
    // SAFETY: geteuid(2) cannot fail.
    let user = unsafe { libc::geteuid() };
    Finding {
        name: "privileges",
        ok,
        found: if ok {
            format!("uid {user} may load programs")
        } else {
            format!("uid {user} lacks CAP_BPF and CAP_PERFMON")
        },
        advice: (!ok).then_some(
            "run it as root (sudo procmon ...), or give it CAP_BPF and CAP_PERFMON; \
             --no-ebpf works from /proc without",
        ),
    }
}

fn btf(path: &Path) -> Finding {
    let ok = std::fs::File::open(path);
    Finding {
        name: "BTF",
        ok: ok.is_ok(),
        found: match &ok {
            Ok(_) => path.display().to_string(),
            Err(error) => format!("{}: {error}", path.display()),
        },
        advice: ok.is_err().then_some(
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every current distribution's is); \
             --no-ebpf works from /proc without",
        ),
    }
}

/// The mode in brackets (Documentation/admin-guide/LSM/... kernel_lockdown(7)).
fn lockdown(path: &Path) -> Finding {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mode = text
        .split('[')
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap_or("not built in");
    let ok = mode != "confidentiality";
    Finding {
        name: "lockdown",
        ok,
        found: mode.to_owned(),
        advice: (!ok).then_some(
            "lockdown=confidentiality forbids programs to read kernel memory: boot with \
             lockdown=integrity, or use --no-ebpf",
        ),
    }
}

fn pid_namespace() -> Finding {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata("/proc/self/ns/pid").map(|meta| meta.ino());
    let ok = matches!(inode, Ok(INITIAL_PID_NAMESPACE));
    Finding {
        name: "PID namespace",
        ok,
        found: match inode {
            Ok(INITIAL_PID_NAMESPACE) => "the initial one".to_owned(),
            Ok(inode) => format!("an inner one ({inode})"),
            Err(error) => format!("/proc/self/ns/pid: {error}"),
        },
        advice: (!ok).then_some(
            "the kernel's pids are not those seen here: run procmon in the host's PID \
             namespace (docker run --pid=host), or use --no-ebpf",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockdown_of(text: &str) -> Finding {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        lockdown(file.path())
    }

    #[test]
    fn lockdown_is_the_mode_in_brackets() {
        assert_eq!(
            lockdown_of("none [integrity] confidentiality\n").found,
            "integrity"
        );
        assert!(lockdown_of("[none] integrity confidentiality\n").ok);
        assert!(!lockdown_of("none integrity [confidentiality]\n").ok);
        assert_eq!(lockdown(Path::new("/nonexistent")).found, "not built in");
    }

    #[test]
    fn missing_btf_says_what_to_do() {
        let finding = btf(Path::new("/nonexistent/vmlinux"));
        assert!(!finding.ok && finding.advice.unwrap().contains("CONFIG_DEBUG_INFO_BTF"));
    }
}
