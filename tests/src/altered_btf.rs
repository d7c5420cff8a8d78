//! The kernel's type information, altered: what another kernel might say.
//!
//! Format: Documentation/bpf/btf.rst and include/uapi/linux/btf.h.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Where the kernel shows it.
pub const PLACE: &str = "/sys/kernel/btf/vmlinux";

const STRUCT: u32 = 4;

/// A copy to alter.
pub struct AlteredBtf(Vec<u8>);

impl AlteredBtf {
    /// A copy of the running kernel's.
    pub fn of_this_kernel() -> Result<Self> {
        fs::read(PLACE).map(Self).context(PLACE)
    }

    /// Gives every field of this name another one.
    #[must_use]
    pub fn rename(mut self, field: &str) -> Self {
        let name = [b"\0", field.as_bytes(), b"\0"].concat();
        let place = self.0.windows(name.len()).position(|part| part == name);
        self.0[place.expect("no such name") + 1] = b'X';
        self
    }

    /// Says of a field of a structure that it is of the type of another one.
    #[must_use]
    pub fn retype(mut self, structure: &str, field: &str, other: &str) -> Self {
        let [of, to] = [other, field].map(|name| self.member(structure, name) + 4);
        let other = self.word(of).to_le_bytes();
        self.0[to..to + 4].copy_from_slice(&other);
        self
    }

    /// Says of two fields of a structure that each stands where the other does.
    #[must_use]
    pub fn exchange(mut self, structure: &str, fields: [&str; 2]) -> Self {
        let [one, other] = fields.map(|name| self.member(structure, name) + 8);
        for byte in 0..4 {
            self.0.swap(one + byte, other + byte);
        }
        self
    }

    /// Cuts it off in the middle.
    #[must_use]
    pub fn truncate(mut self) -> Self {
        self.0.truncate(self.0.len() / 2);
        self
    }

    /// Writes it to a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, &self.0).with_context(|| path.display().to_string())
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }

    fn name_at(&self, offset: u32) -> &[u8] {
        let strings = (self.word(4) + self.word(16)) as usize;
        let rest = &self.0[strings + offset as usize..];
        let end = rest.iter().position(|byte| *byte == 0);
        &rest[..end.expect("a string that ends")]
    }

    /// Where a member of a structure is described: its name, type and offset.
    fn member(&self, structure: &str, member: &str) -> usize {
        let begin = (self.word(4) + self.word(8)) as usize;
        let end = begin + self.word(12) as usize;
        let mut at = begin;
        while at < end {
            let info = self.word(at + 4);
            let (kind, length) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            if kind == STRUCT && self.name_at(self.word(at)) == structure.as_bytes() {
                let mut members = (0..length).map(|index| at + 12 + 12 * index);
                let found = members.find(|at| self.name_at(self.word(*at)) == member.as_bytes());
                return found.unwrap_or_else(|| panic!("no {structure}.{member}"));
            }
            at += 12 + following(kind, length);
        }
        panic!("no struct {structure}");
    }
}

/// Bytes that follow the head of a type.
fn following(kind: u32, length: usize) -> usize {
    match kind {
        // INT, VAR, DECL_TAG.
        1 | 14 | 17 => 4,
        // ARRAY.
        3 => 12,
        // STRUCT, UNION, DATASEC, ENUM64.
        4 | 5 | 15 | 19 => 12 * length,
        // ENUM, FUNC_PROTO.
        6 | 13 => 8 * length,
        _ => 0,
    }
}
