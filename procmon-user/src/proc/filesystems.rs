//! Mounted file systems that hold files: /proc/PID/mountinfo
//! (proc_pid_mountinfo(5)), /proc/filesystems (filesystems(5)) and statvfs(3).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::dir::read_file;
use super::{Error, ProcRoot, text};
use crate::frame::Filesystem;

/// One line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// `major:minor` of the file system.
    pub device_number: String,
    /// What of the file system is mounted: `/` for all of it.
    pub root: PathBuf,
    /// Where.
    pub mountpoint: PathBuf,
    /// Type of file system.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Options of the file system, such as the controllers of a cgroup tree.
    pub options: String,
}

/// The lines of mountinfo; what does not parse is left out.
pub fn mounts(text: &[u8]) -> impl Iterator<Item = Mount> {
    text::lines(text).filter_map(|line| {
        let mut fields = text::fields(line).skip(2);
        let device_number = text::lossy(fields.next()?);
        let root = path(fields.next()?);
        let mountpoint = path(fields.next()?);
        // Optional fields end with a single hyphen.
        fields.find(|field| *field == b"-")?;
        Some(Mount {
            device_number,
            root,
            mountpoint,
            kind: text::lossy(fields.next()?),
            source: text::lossy(&unescape(fields.next()?)),
            options: text::lossy(fields.next().unwrap_or_default()),
        })
    })
}

/// Space, tab, newline and backslash stand as `\` and three octal digits
/// (mangle of fs/proc_namespace.c).
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'\\'
            && let Some(&[a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7']) = after.get(..3)
        {
            plain.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
            rest = &after[3..];
        } else {
            plain.push(byte);
            rest = after;
        }
    }
    plain
}

fn path(text: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(text)))
}

/// True for types that live on a device, by the text of /proc/filesystems, and
/// are not images that are always full. Network file systems are left out:
/// statvfs of one whose server is away does not return.
fn holds_files(kind: &str, known: &[u8]) -> bool {
    const IMAGES: [&str; 5] = ["squashfs", "erofs", "iso9660", "cramfs", "romfs"];
    const POOLS: [&str; 1] = ["zfs"];
    if POOLS.contains(&kind) {
        return true;
    }
    !IMAGES.contains(&kind)
        && text::lines(known).any(|line| {
            let mut fields = text::fields(line);
            fields.next() == Some(kind.as_bytes()) && fields.next().is_none()
        })
}

/// The mounts to show: one of each file system, its root if that is mounted,
/// and of mounts on the same place the one on top. A container's `/` is an
/// overlay, and is shown.
pub fn choose(mountinfo: &[u8], known: &[u8]) -> Vec<Mount> {
    let mut chosen: Vec<Mount> = Vec::new();
    let mut all: Vec<Mount> = Vec::new();
    for mount in mounts(mountinfo) {
        all.retain(|below| below.mountpoint != mount.mountpoint);
        all.push(mount);
    }
    for mount in all {
        let container_root = mount.kind == "overlay" && mount.mountpoint.as_os_str() == "/";
        if !container_root && !holds_files(&mount.kind, known) {
            continue;
        }
        match chosen
            .iter_mut()
            .find(|other| other.device_number == mount.device_number)
        {
            None => chosen.push(mount),
            Some(other) => {
                let whole = |mount: &Mount| mount.root.as_os_str() == "/";
                if whole(&mount) && !whole(other) {
                    *other = mount;
                }
            }
        }
    }
    chosen
}

/// Mounted file systems and their room.
pub fn read(root: &ProcRoot, buf: &mut Vec<u8>) -> Result<Vec<Filesystem>, Error> {
    let mut known = Vec::new();
    read_file(&root.proc.join("filesystems"), &mut known)?;
    read_file(&root.mountinfo(), buf)?;
    let mut filesystems = Vec::new();
    for mount in choose(buf, &known) {
        // A mount we may not see into is not ours to report.
        let Ok(room) = rustix::fs::statvfs(root.locate(&mount.mountpoint)) else {
            continue;
        };
        if room.f_blocks == 0 {
            continue;
        }
        let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
        filesystems.push(Filesystem {
            device: mount.source,
            mountpoint: mount.mountpoint.to_string_lossy().into_owned(),
            used: bytes(room.f_blocks.saturating_sub(room.f_bfree)),
            free: bytes(room.f_bavail),
            reserved: bytes(room.f_bfree.saturating_sub(room.f_bavail)),
        });
    }
    Ok(filesystems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const KNOWN: &[u8] = b"nodev\tproc\nnodev\toverlay\nnodev\ttmpfs\n\text4\n\tsquashfs\n";

    #[test]
    fn one_mount_of_each_real_file_system() {
        let text = b"22 27 0:21 / /proc rw - proc proc rw\n\
            30 27 254:0 /sub /bind rw shared:1 - ext4 /dev/vda rw\n\
            27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
            31 27 0:30 / /tmp rw - tmpfs tmpfs rw\n\
            32 27 7:0 / /snap/core ro - squashfs /dev/loop0 ro\n\
            33 27 8:1 / /data\\040\\134 rw master:2 propagate_from:1 - ext4 /dev/sda\\040x rw\n\
            34 27 0:40 / /net rw - nfs4 server:/x rw\n\
            35 27 0:41 / /pool rw - zfs tank rw\n\
            36 27 8:2 / /top rw - ext4 /dev/below rw\n\
            37 27 8:3 / /top rw - ext4 /dev/above rw\n\
            38 27 0:50 / /merged rw - overlay overlay rw\nbroken\n";
        let chosen = choose(text, KNOWN);
        let names: Vec<_> = chosen
            .iter()
            .map(|mount| (mount.mountpoint.as_path(), mount.source.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                (Path::new("/"), "/dev/vda"),
                (Path::new("/data \\"), "/dev/sda x"),
                (Path::new("/pool"), "tank"),
                (Path::new("/top"), "/dev/above"),
            ]
        );
    }

    #[test]
    fn a_containers_root_is_shown() {
        let text = b"1 0 0:50 / / rw - overlay overlay rw,lowerdir=/x\n";
        assert_eq!(choose(text, KNOWN).len(), 1);
    }

    #[test]
    fn room_is_that_of_statvfs() {
        let tree = tempfile::tempdir().unwrap();
        let proc = tree.path().join("proc");
        std::fs::create_dir_all(proc.join("1")).unwrap();
        std::fs::write(proc.join("filesystems"), KNOWN).unwrap();
        std::fs::write(
            proc.join("1/mountinfo"),
            "27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 254:1 / /gone rw - ext4 /dev/vdb rw\n",
        )
        .unwrap();
        let root = ProcRoot::under(tree.path());
        let filesystems = read(&root, &mut Vec::new()).unwrap();
        assert_eq!(filesystems.len(), 1);
        let room = rustix::fs::statvfs(tree.path()).unwrap();
        let shown = &filesystems[0];
        assert_eq!(
            shown.used + shown.free + shown.reserved,
            room.f_blocks * room.f_frsize
        );
        assert_eq!(
            (shown.device.as_str(), shown.mountpoint.as_str()),
            ("/dev/vda", "/")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            prop_assert!(unescape(&bytes).len() <= bytes.len());
            let _ = choose(&bytes, &bytes);
            let mut line = b"1 0 0:50 / /".to_vec();
            line.extend_from_slice(&bytes);
            line.extend_from_slice(b" - ext4 x rw\n");
            let _ = choose(&line, KNOWN);
        }
    }
}
