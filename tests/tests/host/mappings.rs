//! Memory of a process by kind of mapping.

use std::{collections::BTreeMap, fs};

use procmon_tests::{
    Victim,
    watching::{ROADS, once, wait_asleep},
};

const METRIC: &str = "procmon.memory.mapping.usage";
const MIB: f64 = 1_048_576.0;

/// By kind, bytes.
fn usage(pid: u32, road: &[&str]) -> BTreeMap<String, f64> {
    let object = once(pid, road);
    let kinds = object.metrics.iter().filter_map(|(key, value)| {
        let kind = key
            .strip_prefix(METRIC)?
            .strip_prefix("{procmon.mapping.kind=\"")?;
        Some((kind.strip_suffix("\"}")?.to_owned(), *value))
    });
    kinds.collect()
}

/// The same by the whole lines of the kernel's file.
fn truth(pid: u32) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut kinds: BTreeMap<String, f64> = ["anonymous", "file", "heap", "shared", "stack"]
        .map(|kind| (kind.to_owned(), 0.0))
        .into();
    let mut kind = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0].contains('-') {
            let name = words[5..].join(" ");
            kind = match name.as_str() {
                _ if words[1].ends_with('s') => Some("shared"),
                "[heap]" => Some("heap"),
                "[stack]" => Some("stack"),
                "[vdso]" | "[vvar]" | "[vvar_vclock]" | "[vsyscall]" => None,
                name if name.starts_with('/') => Some("file"),
                _ => Some("anonymous"),
            };
        } else if words[0] == "Rss:"
            && let Some(kind) = kind
        {
            *kinds.get_mut(kind).unwrap() += words[1].parse::<f64>().unwrap() * 1024.0;
        }
    }
    kinds
}

#[test]
fn mappings_of_each_kind_hold_what_was_put_into_them() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), vec![1; 5 << 20]).unwrap();
    let operations = format!(
        "share=1048576 touch=2097152 heap=3145728 stack=4194304 map-file=5242880:{} print-ready wait",
        file.path().display()
    );
    let mut victim = Victim::held_before(&operations).unwrap();
    wait_asleep(victim.pid());
    let before = usage(victim.pid(), ROADS[0]);
    assert_eq!(before, truth(victim.pid()));
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    wait_asleep(victim.pid());
    for road in ROADS {
        let after = usage(victim.pid(), road);
        assert_eq!(after, truth(victim.pid()));
        let grown = |kind: &str| (after[kind] - before[kind]) / MIB;
        assert_eq!(
            [grown("shared"), grown("anonymous"), grown("heap")],
            [1.0, 2.0, 3.0]
        );
        // Frames have more than their pages, and running reads more of the program.
        assert!((3.9..4.5).contains(&grown("stack")), "{after:?}");
        assert!((5.0..6.0).contains(&grown("file")), "{after:?}");
    }
}
