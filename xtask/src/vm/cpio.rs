//! An initramfs in cpio's `newc` form (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::{
    collections::BTreeSet,
    path::{Component, Path},
};

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// An archive being written. Owners are root, times are 0: equal contents, equal bytes.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    seen: BTreeSet<String>,
}

impl Archive {
    /// A folder, and those above it.
    pub fn folder(&mut self, path: &str) {
        self.parents(path);
        if self.seen.insert(name(path)) {
            self.entry(&name(path), FOLDER | 0o755, (0, 0), &[]);
        }
    }

    /// A file that may be executed; a path that is there already stays as it is.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        self.parents(path);
        if self.seen.insert(name(path)) {
            self.entry(&name(path), FILE | 0o755, (0, 0), contents);
        }
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        if self.seen.insert(name(path)) {
            self.entry(&name(path), LINK | 0o777, (0, 0), target.as_bytes());
        }
    }

    /// A character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parents(path);
        if self.seen.insert(name(path)) {
            self.entry(&name(path), CHARACTER | 0o600, (major, minor), &[]);
        }
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        let parent = Path::new(path).parent().and_then(Path::to_str);
        if let Some(parent) = parent.filter(|parent| !name(parent).is_empty()) {
            self.folder(parent);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        self.entries += 1;
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            u32::try_from(contents.len()).unwrap_or(u32::MAX),
            0,
            0,
            device.0,
            device.1,
            name.len() as u32 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The path as the archive has it: relative, without dots.
fn name(path: &str) -> String {
    let parts = Path::new(path).components().filter_map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", b"xyz");
        archive.link("/a/b/d", "c");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("a\0") < at("a/b\0") && at("a/b\0") < at("a/b/c\0"));
        assert_eq!(text.matches("a/b\0").count(), 1);
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_wants_it() {
        let mut archive = Archive::default();
        archive.file("f", b"12345");
        let bytes = archive.finish();
        // The header is 110 bytes; name and contents are padded to four.
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[14..22], b"000081ed");
        assert_eq!(&bytes[54..62], b"00000005");
        assert_eq!(&bytes[110..112], b"f\0");
        assert_eq!(&bytes[112..120], b"12345\0\0\0");
        assert_eq!(&bytes[120..126], b"070701");
    }
}
