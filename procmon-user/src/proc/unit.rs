//! The systemd unit of a cgroup's path (systemd.unit(5), and cg_path_get_unit
//! and cg_path_get_user_unit of systemd's src/basic/cgroup-util.c).
//!
//! systemd names the cgroup of a unit as the unit, below those of its slices.
//! What is below a unit is the unit's own affair: a container's systemd has
//! units there, which are none of the host's. A user manager is the exception:
//! it is asked by `systemctl --user` on this host, so its units count.

/// Most bytes of a unit's name with the NUL that ends it (UNIT_NAME_MAX).
const LONGEST: usize = 256;

/// The unit that a cgroup belongs to, as systemctl shows it: `nginx.service`,
/// `session-2.scope`; of a user manager's the innermost. Slices are no such
/// units: they hold them.
pub fn unit(path: &str) -> Option<&str> {
    let mut groups = path.split('/').filter(|group| !group.is_empty());
    let unit = below_slices(&mut groups)?;
    if is_user_manager(unit)
        && let Some(inner) = below_slices(&mut groups)
    {
        return Some(inner);
    }
    Some(unit)
}

/// The first group that is no slice, if it is a unit.
fn below_slices<'p>(groups: &mut impl Iterator<Item = &'p str>) -> Option<&'p str> {
    let group = groups.find(|group| kind(group) != Some("slice"))?;
    // Escaped where it would else be the name of a controller's file.
    let name = group.strip_prefix('_').unwrap_or(group);
    kind(name).map(|_| name)
}

/// `user@UID.service`.
fn is_user_manager(unit: &str) -> bool {
    let uid = unit
        .strip_prefix("user@")
        .and_then(|rest| rest.strip_suffix(".service"));
    uid.is_some_and(|uid| uid.parse::<u32>().is_ok())
}

/// What comes after the last dot, if this is the name of a unit that may have
/// a cgroup; a template has none.
fn kind(name: &str) -> Option<&str> {
    let (stem, kind) = name.rsplit_once('.')?;
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'.' | b'\\' | b'@')
    };
    let known = matches!(
        kind,
        "service" | "scope" | "slice" | "socket" | "mount" | "swap"
    );
    let named = !stem.is_empty() && !stem.starts_with('@') && !stem.ends_with('@');
    (known && named && name.len() < LONGEST && stem.bytes().all(allowed)).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_unit_below_its_slices() {
        for (path, expected) in [
            ("/init.scope", "init.scope"),
            ("/system.slice/nginx.service", "nginx.service"),
            ("/system.slice/nginx.service/worker/1", "nginx.service"),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                "getty@tty1.service",
            ),
            (
                r"/system.slice/dev-disk-by\x2duuid-1.swap",
                r"dev-disk-by\x2duuid-1.swap",
            ),
            ("/system.slice/_cpu.service", "cpu.service"),
            (
                "/user.slice/user-1000.slice/session-2.scope",
                "session-2.scope",
            ),
        ] {
            assert_eq!(unit(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_user_managers_units_are_units() {
        let manager = "/user.slice/user-1000.slice/user@1000.service";
        for (below, expected) in [
            ("", "user@1000.service"),
            ("/init.scope", "init.scope"),
            ("/app.slice/app-editor@1.service", "app-editor@1.service"),
            ("/user.slice/libpod-1.scope/x.service", "libpod-1.scope"),
            ("/app.slice", "user@1000.service"),
        ] {
            let path = format!("{manager}{below}");
            assert_eq!(unit(&path), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_containers_units_are_none_of_the_hosts() {
        let path = "/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service";
        assert_eq!(unit(path), Some("systemd-nspawn@web.service"));
        let path = "/system.slice/docker-ab.scope/init.scope";
        assert_eq!(unit(path), Some("docker-ab.scope"));
    }

    #[test]
    fn what_is_no_unit() {
        let long = format!("/{}.service", "x".repeat(248));
        for path in [
            "",
            "/",
            "/user.slice",
            "/docker/3b1f",
            "/docker/nginx.service",
            "/.service",
            "/@x.service",
            "/getty@.service",
            "/a b.service",
            "/x.target.d",
            &long,
        ] {
            assert_eq!(unit(path), None, "{path}");
        }
        assert!(unit(&format!("/{}.service", "x".repeat(247))).is_some());
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = unit(&text);
            let _ = unit(&format!("/user@0.service/{text}.scope"));
        }
    }
}
