//! From the tables of fields to the offsets of the running kernel.

use procmon_common::config::ABSENT;
use procmon_common::fields::FieldType;
use procmon_common::{Field, OomStat, ThreadStat};

use super::btf::{Btf, BtfError, Place};

/// What the kernel programs need to know of this kernel's structures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// By [`Field`].
    pub fields: [u32; Field::COUNT],
    /// By [`ThreadStat`], in task_struct; [`ABSENT`] where it is not kept.
    pub task_stats: [u32; ThreadStat::COUNT],
    /// By [`ThreadStat`], in signal_struct.
    pub signal_stats: [u32; ThreadStat::COUNT],
    /// By [`OomStat`], in the record of its tracepoint.
    pub oom_stats: [u32; OomStat::COUNT],
    /// Where `mm_struct.rss_stat`'s first counter stands.
    pub rss_offset: u32,
    /// Bytes from one of its counters to the next.
    pub rss_stride: u32,
    /// Why the processes' control groups cannot be read, if they cannot.
    pub cgroups: Result<(), String>,
    /// Where `css_set.subsys` has the memory controller's state; [`ABSENT`]
    /// where there is no such controller.
    pub memory_state: u32,
}

impl Offsets {
    /// Finds every field and checks its type.
    pub fn find(btf: &Btf) -> Result<Self, BtfError> {
        let mut fields = [0; Field::COUNT];
        let mut cgroups = Ok(());
        for field in Field::ALL {
            let (structure, path, expected) = field.place();
            match checked(btf, structure, path, expected) {
                Ok(offset) => fields[field.index()] = offset,
                // All else does without.
                Err(error) if field.is_of_cgroups() => {
                    cgroups = cgroups.and_then(|()| Err(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        let mut task_stats = [ABSENT; ThreadStat::COUNT];
        let mut signal_stats = [ABSENT; ThreadStat::COUNT];
        for stat in ThreadStat::ALL {
            let i = stat.index();
            task_stats[i] = optional(btf, "task_struct", Some(stat.task_path()))?;
            signal_stats[i] = optional(btf, "signal_struct", stat.signal_path())?;
        }
        let mut oom_stats = [ABSENT; OomStat::COUNT];
        for stat in OomStat::ALL {
            oom_stats[stat.index()] = optional(btf, OomStat::STRUCTURE, Some(stat.path()))?;
        }
        let (rss_offset, rss_stride) = rss(btf)?;
        Ok(Self {
            fields,
            task_stats,
            signal_stats,
            oom_stats,
            rss_offset,
            rss_stride,
            cgroups,
            memory_state: memory_state(btf),
        })
    }
}

/// The controllers' order is the kernel's configuration
/// (include/linux/cgroup_subsys.h).
fn memory_state(btf: &Btf) -> u32 {
    btf.enumerator("cgroup_subsys_id", "memory_cgrp_id")
        .and_then(|index| {
            let path = format!("subsys[{index}]");
            checked(btf, "css_set", &path, FieldType::Pointer).ok()
        })
        .unwrap_or(ABSENT)
}

/// A number this kernel may be built without (CONFIG_TASK_IO_ACCOUNTING,
/// CONFIG_SCHED_INFO) or be too old for: absent is fine, another type is not.
fn optional(btf: &Btf, structure: &str, path: Option<&str>) -> Result<u32, BtfError> {
    let Some(path) = path else {
        return Ok(ABSENT);
    };
    match checked(btf, structure, path, FieldType::Integer(8)) {
        Err(BtfError::NoField { .. } | BtfError::NoStructure { .. }) => Ok(ABSENT),
        other => other,
    }
}

fn checked(btf: &Btf, structure: &str, path: &str, expected: FieldType) -> Result<u32, BtfError> {
    let place = btf.field(structure, path)?;
    if fits(btf, place, expected) {
        return Ok(place.offset);
    }
    Err(BtfError::OtherType {
        structure: structure.to_owned(),
        path: path.to_owned(),
        found: btf.describe(place.type_id),
        expected: match expected {
            FieldType::Integer(size) => format!("an integer of {size} bytes"),
            FieldType::Pointer => "a pointer".to_owned(),
            FieldType::Bytes(length) => format!("an array of {length} bytes"),
            FieldType::Structures => "an array of structures".to_owned(),
        },
    })
}

fn fits(btf: &Btf, place: Place, expected: FieldType) -> bool {
    match expected {
        FieldType::Integer(size) => btf.integer_size(place.type_id) == Some(size),
        FieldType::Pointer => btf.is_pointer(place.type_id),
        FieldType::Bytes(least) => btf.array(place.type_id).is_some_and(|(element, length)| {
            btf.integer_size(element) == Some(1) && length >= least
        }),
        FieldType::Structures => btf
            .array(place.type_id)
            .is_some_and(|(element, _)| btf.is_structure(element)),
    }
}

/// `mm_struct.rss_stat` is an array of percpu_counter since Linux 6.2 and was
/// a struct mm_rss_stat { atomic_long_t count[4] } before.
fn rss(btf: &Btf) -> Result<(u32, u32), BtfError> {
    let place = btf.field("mm_struct", "rss_stat")?;
    if let Some((element, _)) = btf.array(place.type_id) {
        let count = checked(btf, "percpu_counter", "count", FieldType::Integer(8))?;
        let stride = btf.size(element).unwrap_or_default();
        return Ok((place.offset + count, stride));
    }
    let first = btf.field("mm_struct", "rss_stat.count[0]")?;
    if btf.integer_size(first.type_id) == Some(8) {
        return Ok((first.offset, 8));
    }
    Err(BtfError::OtherType {
        structure: "mm_struct".to_owned(),
        path: "rss_stat".to_owned(),
        found: btf.describe(place.type_id),
        expected: "an array of four counters".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::prerequisites::BTF_PATH;

    /// This kernel's type information, with one name changed wherever it stands.
    fn altered(name: &str, to: &str) -> Btf {
        let mut data = std::fs::read(BTF_PATH).expect("this kernel's type information");
        let [name, to] = [name, to].map(|name| format!("\0{name}\0").into_bytes());
        assert_eq!(name.len(), to.len());
        let at = data.windows(name.len()).position(|bytes| bytes == name);
        let at = at.expect("the name");
        data[at..at + to.len()].copy_from_slice(&to);
        Btf::parse(data).unwrap()
    }

    #[test]
    fn without_a_field_of_the_control_groups_all_else_goes_on() {
        let offsets = Offsets::find(&altered("dfl_cgrp", "dfl_grp_")).unwrap();
        assert_eq!(
            offsets.cgroups,
            Err("struct css_set of this kernel has no field dfl_cgrp".to_owned())
        );
        let whole = Offsets::find(&altered("memory_cgrp_id", "memory_group__")).unwrap();
        assert_eq!((whole.cgroups, whole.memory_state), (Ok(()), ABSENT));
    }

    #[test]
    fn without_any_other_there_is_an_error_that_names_it() {
        let error = Offsets::find(&altered("start_boottime", "begin_boottime")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "struct task_struct of this kernel has no field start_boottime"
        );
    }
}
