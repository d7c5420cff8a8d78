//! What is mounted: /proc/PID/mountinfo (proc_pid_mountinfo(5)) and
//! /proc/filesystems (filesystems(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::text;

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

/// Types that live on no device of this host and yet hold files: pools of
/// devices, and what other hosts serve. A full share stops work as a full disk
/// does; that one of them may hang is the affair of [`super::filesystems`].
const WITHOUT_DEVICE: [&str; 14] = [
    "zfs", "nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "afs", "lustre", "gpfs",
    "beegfs", "orangefs", "fuse",
];
/// Images, which are always full.
const IMAGES: [&str; 5] = ["squashfs", "erofs", "iso9660", "cramfs", "romfs"];

/// True for types that live on a device, by the text of /proc/filesystems, or
/// are known to hold files without one, and are no images. FUSE has a type for
/// each of its programs: `fuse.sshfs`.
fn holds_files(kind: &str, known: &[u8]) -> bool {
    if WITHOUT_DEVICE.contains(&kind) || kind.starts_with("fuse.") {
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
            38 27 0:50 / /merged rw - overlay overlay rw\n\
             39 27 0:51 / /far rw - fuse.sshfs host:/x rw\nbroken\n";
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
                (Path::new("/net"), "server:/x"),
                (Path::new("/pool"), "tank"),
                (Path::new("/top"), "/dev/above"),
                (Path::new("/far"), "host:/x"),
            ]
        );
    }

    #[test]
    fn a_containers_root_is_shown() {
        let text = b"1 0 0:50 / / rw - overlay overlay rw,lowerdir=/x\n";
        assert_eq!(choose(text, KNOWN).len(), 1);
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
