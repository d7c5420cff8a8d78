//! Container id and pod uid from a cgroup's path: how container runtimes and
//! the kubelet name their groups, with the cgroupfs and the systemd driver.

/// Hexadecimal digits of a container id.
const ID: usize = 64;

/// The innermost container of a cgroup path: 64 hexadecimal digits that are a
/// group's name (docker, containerd) or its end (`docker-ID.scope`,
/// `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`,
/// `slice:cri-containerd:ID`); or a machine of systemd-nspawn. The monitor of a
/// container (conmon) is not in it.
pub fn container_id(path: &str) -> Option<String> {
    let mut groups = path.split('/').rev().peekable();
    while let Some(group) = groups.next() {
        let above = groups.peek().copied().unwrap_or_default();
        if let Some(id) = digits(group) {
            return Some(id.to_owned());
        }
        if let Some(machine) = machine(group, above) {
            return Some(machine);
        }
    }
    None
}

/// The 64 digits of a group's name.
fn digits(group: &str) -> Option<&str> {
    let name = group.strip_suffix(".scope").unwrap_or(group);
    let start = name.len().checked_sub(ID)?;
    let id = name.get(start..)?;
    let prefix = &name[..start];
    let hex = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let ends = prefix.is_empty() || prefix.ends_with(['-', ':']);
    (hex && ends && !prefix.contains("conmon")).then_some(id)
}

/// The name of a systemd-nspawn machine (systemd-nspawn(1),
/// systemd-machined(8)): its service's instance, or what machined calls its
/// scope after. It is what `machinectl` takes and one of its kind on the host,
/// so it stands where a container's id does, and `--container` takes it; an id
/// of digits it has none. A virtual machine of libvirt is no container.
fn machine(group: &str, above: &str) -> Option<String> {
    let service = group
        .strip_prefix("systemd-nspawn@")
        .and_then(|rest| rest.strip_suffix(".service"));
    let scope = || {
        let name = group.strip_prefix("machine-")?.strip_suffix(".scope")?;
        (above == "machine.slice" && !name.starts_with(r"qemu\x2d")).then_some(name)
    };
    let name = unescape(service.or_else(scope)?);
    (!name.is_empty()).then_some(name)
}

/// A part of a unit's name as what it stands for: `\xNN` is a byte
/// (systemd.unit(5)).
fn unescape(name: &str) -> String {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = rest
            .strip_prefix(br"\x")
            .and_then(|rest| std::str::from_utf8(rest.get(..2)?).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &rest[4..] } else { after };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The Kubernetes pod of a cgroup path: `podUID`, or
/// `kubepods-burstable-podUID.slice` with `_` for `-`. The hash that stands
/// there for a static pod is not its uid in the API, and is left out.
pub fn pod_uid(path: &str) -> Option<String> {
    if !path.contains("kubepods") {
        return None;
    }
    path.split('/').rev().find_map(|group| {
        let name = group.split(".slice").next().unwrap_or(group);
        let uid = &name[name.rfind("pod")? + 3..];
        is_uuid(uid.as_bytes()).then(|| uid.replace('_', "-"))
    })
}

/// 8-4-4-4-12 hexadecimal digits, with `-` or `_` between them.
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => matches!(byte, b'-' | b'_'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e";
    const B: &str = "00000000000000000000000000000000000000000000000000000000000000ff";
    const POD: &str = "3a2f7e6c-8f3b-4c55-9d3e-0a1b2c3d4e5f";

    #[test]
    fn every_runtimes_way_of_writing_it() {
        let under = POD.replace('-', "_");
        for path in [
            format!("/docker/{A}"),
            format!("/system.slice/docker-{A}.scope"),
            format!("/system.slice/docker-{A}.scope/init.scope"),
            format!("/default/{A}"),
            format!("/kubepods/burstable/pod{POD}/{A}"),
            format!("/kubepods.slice/kubepods-pod{under}.slice/cri-containerd-{A}.scope"),
            format!("/kubepods.slice/kubepods-pod{under}.slice/crio-{A}.scope"),
            format!(
                "/system.slice/containerd.service/kubepods-pod{under}.slice:cri-containerd:{A}"
            ),
            format!("/machine.slice/libpod-{A}.scope/container"),
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope"),
            format!("/docker/{B}/kubelet/kubepods/pod{POD}/{A}"),
        ] {
            assert_eq!(container_id(&path).as_deref(), Some(A), "{path}");
            let pod = path.contains("kubepods").then(|| POD.to_owned());
            assert_eq!(pod_uid(&path), pod, "{path}");
        }
    }

    #[test]
    fn a_machine_of_systemd_nspawn_is_its_name() {
        for (path, name) in [
            (
                "/machine.slice/systemd-nspawn@web-1.service/payload",
                "web-1",
            ),
            (
                "/machine.slice/systemd-nspawn@web.service/payload/system.slice/x.service",
                "web",
            ),
            (r"/machine.slice/machine-web\x2d1.scope", "web-1"),
            (
                r"/machine.slice/machine-lxc\x2d7\x2ddb.scope/init",
                "lxc-7-db",
            ),
            (r"/machine.slice/systemd-nspawn@a\x2.service", r"a\x2"),
        ] {
            assert_eq!(container_id(path).as_deref(), Some(name), "{path}");
        }
        let inner = format!("/machine.slice/systemd-nspawn@web.service/payload/docker/{A}");
        assert_eq!(container_id(&inner).as_deref(), Some(A));
    }

    #[test]
    fn what_only_looks_like_one() {
        for path in [
            "/",
            "/user.slice/session-1.scope",
            &format!("/machine.slice/libpod-conmon-{A}.scope"),
            &format!("/crio-conmon-{A}.scope"),
            &format!("/docker/{A}0"),
            &format!("/docker/x{A}"),
            &format!("/docker/{}", A.to_uppercase()),
            &format!("/é{}", &A[1..]),
            "/system.slice/systemd-nspawn@.service",
            "/system.slice/machine-web.scope",
            r"/machine.slice/machine-qemu\x2d1\x2dweb.scope",
            "/machine.slice/machine-.scope",
        ] {
            assert_eq!(container_id(path), None, "{path}");
        }
        assert_eq!(pod_uid(&format!("/elsewhere/pod{POD}")), None);
        assert_eq!(
            pod_uid("/kubepods/pod3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e"),
            None
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = container_id(&text);
            let _ = container_id(&format!("/{text}{A}.scope"));
            let _ = pod_uid(&format!("/kubepods/{text}pod{text}"));
            let _ = container_id(&format!("/systemd-nspawn@{text}.service"));
        }
    }
}
