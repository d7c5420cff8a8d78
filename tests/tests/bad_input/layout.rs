//! Type information that is not what the kernel is: procmon goes on by /proc, and says why.

use procmon_tests::{Victim, altered_btf::AlteredBtf};

use crate::support::*;

const MOUNTS: &[&str] = &["unshare", "--mount", "--propagation", "private"];

/// With this type information the totals come from /proc, and these words say why.
fn assert_falls_back(btf: &AlteredBtf, why: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vmlinux");
    btf.write(&file).unwrap();
    let script = format!(
        "mount --bind {} /sys/kernel/btf/vmlinux && exec \"$@\"",
        file.display()
    );
    let victim = Victim::held_before("").unwrap();
    let run = watch(&[victim.pid()], "100ms").args(["--count", "2"]);
    let output = finish(wrapped(MOUNTS, &script, &run));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(objects(&output.stdout).len(), 2, "{output:?}");
    for word in ["warning", "no eBPF", "/proc"].iter().chain(why) {
        assert!(output.stderr.contains(word), "no {word:?} in: {output:?}");
    }
}

#[test]
fn btf_with_a_field_renamed_falls_back_to_proc_and_names_the_field() {
    let btf = AlteredBtf::of_this_kernel().unwrap();
    let btf = btf.rename("start_boottime");
    assert_falls_back(&btf, &["task_struct", "no field start_boottime"]);
}

#[test]
fn btf_with_a_field_retyped_falls_back_to_proc_and_names_both_types() {
    let btf = AlteredBtf::of_this_kernel().unwrap();
    let btf = btf.retype("task_struct", "tgid", "real_parent");
    assert_falls_back(
        &btf,
        &["task_struct.tgid", "a pointer", "integer of 4 bytes"],
    );
}

#[test]
fn btf_with_fields_of_one_type_exchanged_falls_back_to_proc_and_names_what_differs() {
    let btf = AlteredBtf::of_this_kernel().unwrap();
    let btf = btf.exchange("task_struct", ["min_flt", "nvcsw"]);
    assert_falls_back(&btf, &["by the record", "by /proc", "minor faults"]);
    let btf = AlteredBtf::of_this_kernel().unwrap();
    let btf = btf.exchange("task_struct", ["start_time", "start_boottime"]);
    assert_falls_back(&btf, &["start of process"]);
}

#[test]
fn btf_that_is_cut_off_falls_back_to_proc() {
    let btf = AlteredBtf::of_this_kernel().unwrap().truncate();
    assert_falls_back(&btf, &["malformed BTF"]);
}
