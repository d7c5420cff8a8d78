//! A reader of the kernel's own type information, for the offsets of fields.
//!
//! Format: Documentation/bpf/btf.rst and include/uapi/linux/btf.h. It keeps an
//! index of where each type begins and copies nothing.

use std::path::{Path, PathBuf};

use thiserror::Error;

const HEADER_LEN: usize = 24;
const MAGIC: u16 = 0xeb9f;

// Kinds, include/uapi/linux/btf.h.
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// Why type information could not be used.
#[derive(Debug, Error)]
pub enum BtfError {
    /// It could not be read.
    #[error("{path}: {source}: this kernel shows no BTF (CONFIG_DEBUG_INFO_BTF)")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what the format says.
    #[error("malformed BTF: {0}")]
    Malformed(&'static str),
    /// A structure is not there.
    #[error("this kernel has no struct {0}")]
    NoStructure(String),
    /// A field is not there.
    #[error("struct {structure} of this kernel has no field {path}")]
    NoField {
        /// The structure.
        structure: String,
        /// The dotted path looked for.
        path: String,
    },
    /// A field is there with another type.
    #[error("{structure}.{path} of this kernel is {found}, not {expected}")]
    OtherType {
        /// The structure.
        structure: String,
        /// The dotted path.
        path: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
}

/// Index of a type.
pub type TypeId = u32;

/// A field's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the beginning of the structure.
    pub offset: u32,
    /// Its type.
    pub type_id: TypeId,
}

/// Parsed type information.
pub struct Btf {
    data: Vec<u8>,
    types: Vec<u32>,
    strings: usize,
}

impl Btf {
    /// Reads and indexes the type information at `path`.
    pub fn read(path: &Path) -> Result<Self, BtfError> {
        let data = std::fs::read(path).map_err(|source| BtfError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(data)
    }

    /// Indexes type information.
    pub fn parse(data: Vec<u8>) -> Result<Self, BtfError> {
        let word = |at: usize| read_u32(&data, at).map(|value| value as usize);
        if data.len() < HEADER_LEN || data[..2] != MAGIC.to_le_bytes() {
            return Err(BtfError::Malformed("no header"));
        }
        let end = || BtfError::Malformed("truncated");
        let header = word(4).ok_or_else(end)?;
        let begin = header
            .checked_add(word(8).ok_or_else(end)?)
            .ok_or_else(end)?;
        let stop = begin
            .checked_add(word(12).ok_or_else(end)?)
            .ok_or_else(end)?;
        let strings = header
            .checked_add(word(16).ok_or_else(end)?)
            .ok_or_else(end)?;
        if stop > data.len() || strings > data.len() {
            return Err(end());
        }
        // Type 0 is void and stands nowhere.
        let mut types = vec![0];
        let mut at = begin;
        while at < stop {
            let info = read_u32(&data, at + 4).ok_or_else(end)?;
            types.push(at as u32);
            at += 12 + extra(kind_of(info), vlen_of(info)).ok_or(BtfError::Malformed("kind"))?;
        }
        Ok(Self {
            data,
            types,
            strings,
        })
    }

    /// Where a field stands: `path` is dotted, elements of arrays as `name[i]`;
    /// anonymous members are looked through.
    pub fn field(&self, structure: &str, path: &str) -> Result<Place, BtfError> {
        let missing = || BtfError::NoField {
            structure: structure.to_owned(),
            path: path.to_owned(),
        };
        let mut place = Place {
            offset: 0,
            type_id: self.structure(structure)?,
        };
        for part in path.split('.') {
            let (name, index) = split_index(part);
            let found = self
                .member(self.strip(place.type_id), name, 0)
                .ok_or_else(missing)?;
            place = Place {
                offset: place.offset + found.offset,
                type_id: found.type_id,
            };
            if let Some(index) = index {
                let (element, _) = self.array(place.type_id).ok_or_else(missing)?;
                place = Place {
                    offset: place.offset + index * self.size(element).ok_or_else(missing)?,
                    type_id: element,
                };
            }
        }
        Ok(place)
    }

    /// A structure by its name.
    pub fn structure(&self, name: &str) -> Result<TypeId, BtfError> {
        self.find(STRUCT, name)
            .ok_or_else(|| BtfError::NoStructure(name.to_owned()))
    }

    /// Whether the kernel has a tracepoint of this name.
    pub fn has_tracepoint(&self, name: &str) -> bool {
        // include/trace/bpf_probe.h.
        self.find(TYPEDEF, &format!("btf_trace_{name}")).is_some()
    }

    /// Whether the kernel has a function of this name.
    pub fn has_function(&self, name: &str) -> bool {
        self.find(FUNC, name).is_some()
    }

    fn find(&self, kind: u32, name: &str) -> Option<TypeId> {
        (1..self.types.len() as TypeId)
            .find(|id| self.kind(*id) == kind && self.name(*id) == name.as_bytes())
    }

    /// The size of an integer, or of a structure that holds one integer
    /// (atomic_t, kuid_t); `None` for any other type.
    pub fn integer_size(&self, id: TypeId) -> Option<u32> {
        let id = self.strip(id);
        match self.kind(id) {
            INT | ENUM | ENUM64 => self.word(id, 2),
            STRUCT if self.vlen(id) == 1 => self.integer_size(self.word(id, 4)?),
            _ => None,
        }
    }

    /// Whether a type is a pointer.
    pub fn is_pointer(&self, id: TypeId) -> bool {
        self.kind(self.strip(id)) == PTR
    }

    /// An array's element and length.
    pub fn array(&self, id: TypeId) -> Option<(TypeId, u32)> {
        let id = self.strip(id);
        (self.kind(id) == ARRAY).then(|| Some((self.word(id, 3)?, self.word(id, 5)?)))?
    }

    /// Whether a type is a structure.
    pub fn is_structure(&self, id: TypeId) -> bool {
        self.kind(self.strip(id)) == STRUCT
    }

    /// A type's size in bytes.
    pub fn size(&self, id: TypeId) -> Option<u32> {
        let id = self.strip(id);
        match self.kind(id) {
            INT | ENUM | ENUM64 | STRUCT | UNION => self.word(id, 2),
            PTR => Some(8),
            ARRAY => {
                let (element, length) = self.array(id)?;
                self.size(element)?.checked_mul(length)
            }
            _ => None,
        }
    }

    /// The value of one name of an enumeration.
    pub fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        let id = self.find(ENUM, enumeration)?;
        (0..self.vlen(id) as usize)
            .find(|index| {
                let found = self.word(id, 3 + 2 * index).unwrap_or_default();
                self.string(found) == name.as_bytes()
            })
            .and_then(|index| self.word(id, 4 + 2 * index))
    }

    /// A type in words, for messages.
    pub fn describe(&self, id: TypeId) -> String {
        let id = self.strip(id);
        let name = || String::from_utf8_lossy(self.name(id)).into_owned();
        match self.kind(id) {
            INT => format!("an integer of {} bytes", self.size(id).unwrap_or(0)),
            PTR => "a pointer".to_owned(),
            ARRAY => match self.array(id) {
                Some((element, length)) => {
                    format!("an array of {length} of {}", self.describe(element))
                }
                None => "an array".to_owned(),
            },
            STRUCT => format!("struct {}", name()),
            UNION => format!("union {}", name()),
            kind => format!("of kind {kind}"),
        }
    }

    fn member(&self, id: TypeId, name: &str, depth: u32) -> Option<Place> {
        if !matches!(self.kind(id), STRUCT | UNION) || depth > 8 {
            return None;
        }
        let bitfields = self.word(id, 1)? >> 31 == 1;
        for index in 0..self.vlen(id) as usize {
            let type_id = self.word(id, 4 + 3 * index)?;
            let bits = self.word(id, 5 + 3 * index)?;
            let offset = if bitfields { bits & 0x00ff_ffff } else { bits } / 8;
            let found = self.string(self.word(id, 3 + 3 * index)?);
            if found == name.as_bytes() {
                return Some(Place { offset, type_id });
            }
            if found.is_empty()
                && let Some(inner) = self.member(self.strip(type_id), name, depth + 1)
            {
                return Some(Place {
                    offset: offset + inner.offset,
                    type_id: inner.type_id,
                });
            }
        }
        None
    }

    /// Looks through typedefs and qualifiers.
    fn strip(&self, mut id: TypeId) -> TypeId {
        // A chain longer than this is a loop.
        for _ in 0..32 {
            match self.kind(id) {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => match self.word(id, 2) {
                    Some(next) => id = next,
                    None => return 0,
                },
                _ => break,
            }
        }
        id
    }

    fn word(&self, id: TypeId, index: usize) -> Option<u32> {
        let at = *self.types.get(id as usize)? as usize;
        read_u32(&self.data, at + 4 * index)
    }

    /// The kind of a type; 0 for void and for one that is not there.
    fn kind(&self, id: TypeId) -> u32 {
        match id {
            0 => 0,
            _ => self.word(id, 1).map_or(0, kind_of),
        }
    }

    fn vlen(&self, id: TypeId) -> u32 {
        self.word(id, 1).map_or(0, vlen_of)
    }

    fn name(&self, id: TypeId) -> &[u8] {
        self.word(id, 0).map_or(&[], |offset| self.string(offset))
    }

    fn string(&self, offset: u32) -> &[u8] {
        let rest = self
            .data
            .get(self.strings + offset as usize..)
            .unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
        &rest[..end]
    }
}

fn read_u32(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn kind_of(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

fn vlen_of(info: u32) -> u32 {
    info & 0xffff
}

/// Bytes that follow a type's first twelve; `None` for an unknown kind, whose
/// length nobody knows.
fn extra(kind: u32, vlen: u32) -> Option<usize> {
    let vlen = vlen as usize;
    Some(match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * vlen,
        ENUM | FUNC_PROTO => 8 * vlen,
        2 | 7..=12 | 16 | TYPE_TAG => 0,
        _ => return None,
    })
}

/// Splits `name[3]` into its parts.
fn split_index(part: &str) -> (&str, Option<u32>) {
    match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
        Some((name, index)) => (name, index.parse().ok()),
        None => (part, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds BTF from (name, info, size_or_type, extra words) rows.
    struct Builder {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Builder {
        fn new() -> Self {
            Self {
                types: Vec::new(),
                strings: vec![0],
            }
        }
        fn string(&mut self, text: &str) -> u32 {
            if text.is_empty() {
                return 0;
            }
            let at = self.strings.len() as u32;
            self.strings.extend(text.as_bytes());
            self.strings.push(0);
            at
        }
        fn row(&mut self, name: &str, kind: u32, vlen: u32, size: u32, extra: &[u32]) {
            let name = self.string(name);
            for word in [name, kind << 24 | vlen, size].iter().chain(extra) {
                self.types.extend(word.to_le_bytes());
            }
        }
        fn finish(self) -> Vec<u8> {
            let mut out = Vec::new();
            out.extend(MAGIC.to_le_bytes());
            out.extend([1, 0]);
            let types = self.types.len() as u32;
            for word in [24, 0, types, types, self.strings.len() as u32] {
                out.extend(word.to_le_bytes());
            }
            out.extend(self.types);
            out.extend(self.strings);
            out
        }
    }

    /// struct outer { int a; struct { u64 deep; }; char name[16]; struct outer *next; }
    fn sample() -> Vec<u8> {
        let mut b = Builder::new();
        b.row("int", INT, 0, 4, &[32]); // 1
        b.row("u64", INT, 0, 8, &[64]); // 2
        b.row("char", INT, 0, 1, &[8]); // 3
        let deep = b.string("deep");
        b.row("", STRUCT, 1, 8, &[deep, 2, 0]); // 4
        b.row("", ARRAY, 0, 0, &[3, 1, 16]); // 5
        b.row("", PTR, 0, 7, &[]); // 6
        let names = ["a", "name", "next"].map(|name| b.string(name));
        b.row(
            "outer",
            STRUCT,
            4,
            40,
            &[names[0], 1, 0, 0, 4, 64, names[1], 5, 128, names[2], 6, 256],
        ); // 7
        b.finish()
    }

    #[test]
    fn finds_fields_through_anonymous_members_and_arrays() {
        let btf = Btf::parse(sample()).unwrap();
        let at = |path| btf.field("outer", path).unwrap().offset;
        assert_eq!(
            [at("a"), at("deep"), at("name"), at("name[3]"), at("next")],
            [0, 8, 16, 19, 32]
        );
    }

    #[test]
    fn types_are_told_apart() {
        let btf = Btf::parse(sample()).unwrap();
        let id = |path| btf.field("outer", path).unwrap().type_id;
        assert_eq!(btf.integer_size(id("a")), Some(4));
        assert_eq!(btf.integer_size(id("deep")), Some(8));
        assert_eq!(btf.integer_size(id("name")), None);
        assert_eq!(btf.array(id("name")), Some((3, 16)));
        assert!(btf.is_pointer(id("next")) && !btf.is_pointer(id("a")));
    }

    #[test]
    fn the_values_of_an_enumeration_have_names() {
        let mut b = Builder::new();
        let names = ["cpu_cgrp_id", "memory_cgrp_id"].map(|name| b.string(name));
        b.row("cgroup_subsys_id", ENUM, 2, 4, &[names[0], 1, names[1], 4]);
        let btf = Btf::parse(b.finish()).unwrap();
        let value = |name| btf.enumerator("cgroup_subsys_id", name);
        assert_eq!(value("memory_cgrp_id"), Some(4));
        assert_eq!(value("cpu_cgrp_id"), Some(1));
        assert_eq!(value("rdma_cgrp_id"), None);
        assert_eq!(btf.enumerator("pid_type", "PIDTYPE_PID"), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(
            btf.field("outer", "none").unwrap_err().to_string(),
            "struct outer of this kernel has no field none"
        );
        assert_eq!(
            btf.field("inner", "a").unwrap_err().to_string(),
            "this kernel has no struct inner"
        );
    }

    #[test]
    fn no_truncation_panics() {
        let whole = sample();
        for length in 0..whole.len() {
            if let Ok(btf) = Btf::parse(whole[..length].to_vec()) {
                let _ = btf
                    .field("outer", "name[3]")
                    .map(|f| btf.describe(f.type_id));
            }
        }
    }
}
