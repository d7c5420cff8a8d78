//! Limits of fixture trees, v1 and v2.

use std::fs;

use super::*;
use proptest::prelude::*;

fn write(tree: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn host(tree: &Path, mountinfo: &str, cgroup: &str, allowed: &str) {
    let status = format!("Tgid:\t7\nCpus_allowed_list:\t{allowed}\n");
    write(
        tree,
        &[
            ("proc/1/mountinfo", mountinfo),
            ("proc/7/stat", ""),
            ("proc/7/cgroup", cgroup),
            ("proc/7/status", &status),
            ("sys/devices/system/cpu/online", "0-7\n"),
        ],
    );
}

const V2: &str = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

fn limits(tree: &Path) -> (Totals, ReadErrors) {
    let (mut totals, mut errors) = (Totals::default(), ReadErrors::default());
    LimitReader::default()
        .fill(&ProcRoot::under(tree), 7, &mut totals, &mut errors)
        .unwrap();
    (totals, errors)
}

#[test]
fn the_tightest_of_v2_wins() {
    let tree = tempfile::tempdir().unwrap();
    host(tree.path(), V2, "0::/pod/app\n", "0-3");
    write(
        tree.path(),
        &[
            ("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n"),
            (
                "sys/fs/cgroup/pod/app/cpu.stat",
                "usage_usec 1\nthrottled_usec 0\n",
            ),
            ("sys/fs/cgroup/pod/app/memory.max", "4096\n"),
            ("sys/fs/cgroup/pod/cpu.max", "150000 100000\n"),
            (
                "sys/fs/cgroup/pod/cpu.stat",
                "usage_usec 1\nthrottled_usec 9\n",
            ),
            ("sys/fs/cgroup/pod/memory.max", "max\n"),
        ],
    );
    let (totals, errors) = limits(tree.path());
    assert_eq!(totals.cpu_limit_milli, Some(1500));
    assert_eq!(totals.throttled_ns, Some(9000));
    assert_eq!(totals.memory_limit, Some(4096));
    assert_eq!(errors.as_slice(), []);
}

#[test]
fn affinity_is_a_limit_too() {
    let tree = tempfile::tempdir().unwrap();
    host(tree.path(), V2, "0::/a\n", "2-2,6,100-120");
    write(
        tree.path(),
        &[
            ("sys/fs/cgroup/a/cpu.max", "900000 100000\n"),
            ("sys/fs/cgroup/a/cpu.stat", "throttled_usec 5\n"),
        ],
    );
    let (totals, _) = limits(tree.path());
    assert_eq!(totals.cpu_limit_milli, Some(2000));
    assert_eq!(totals.throttled_ns, Some(5000));
    assert_eq!(totals.memory_limit, None);
}

#[test]
fn v1_has_its_own_files() {
    let tree = tempfile::tempdir().unwrap();
    let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
        33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    host(
        tree.path(),
        mounts,
        "4:memory:/m/n\n1:cpu:/c\n0::/\n",
        "0-7",
    );
    write(
        tree.path(),
        &[
            ("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "25000\n"),
            ("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n"),
            (
                "sys/fs/cgroup/cpu/c/cpu.stat",
                "nr_periods 1\nthrottled_time 77\n",
            ),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            (
                "sys/fs/cgroup/memory/m/n/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "1048576\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ],
    );
    let (totals, errors) = limits(tree.path());
    assert_eq!(totals.cpu_limit_milli, Some(250));
    assert_eq!(totals.throttled_ns, Some(77));
    assert_eq!(totals.memory_limit, Some(1 << 20));
    assert_eq!(errors.as_slice(), []);
}

#[test]
fn without_a_limit_there_is_none() {
    let tree = tempfile::tempdir().unwrap();
    host(tree.path(), V2, "0::/\n", "0-7");
    write(tree.path(), &[("sys/fs/cgroup/cpu.stat", "usage_usec 1\n")]);
    let (totals, errors) = limits(tree.path());
    assert_eq!(totals.cpu_limit_milli, Some(8000));
    assert_eq!((totals.memory_limit, totals.throttled_ns), (None, None));
    assert_eq!(errors.as_slice(), []);
}

#[test]
fn a_value_is_read_anew_on_each_tick() {
    let tree = tempfile::tempdir().unwrap();
    host(tree.path(), V2, "0::/a\n", "0-7");
    let root = ProcRoot::under(tree.path());
    let (mut totals, mut errors) = (Totals::default(), ReadErrors::default());
    let mut reader = LimitReader::default();
    let mut limit = |text: &str, next: bool| {
        write(tree.path(), &[("sys/fs/cgroup/a/memory.max", text)]);
        if next {
            reader.next_tick();
        }
        reader.fill(&root, 7, &mut totals, &mut errors).unwrap();
        totals.memory_limit
    };
    assert_eq!(limit("1\n", true), Some(1));
    assert_eq!(limit("2\n", false), Some(1));
    assert_eq!(limit("2\n", true), Some(2));
}

#[test]
fn this_process_may_use_what_the_kernel_says() {
    let (mut totals, mut errors) = (Totals::default(), ReadErrors::default());
    LimitReader::default()
        .fill(
            &ProcRoot::system(),
            std::process::id(),
            &mut totals,
            &mut errors,
        )
        .unwrap();
    let affinity = rustix::thread::sched_getaffinity(None).unwrap().count();
    assert!(totals.cpu_limit_milli.unwrap() <= u64::from(affinity) * 1000);
    assert_eq!(errors.as_slice(), []);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (parse_cpu_max(&bytes), parse_quota_v1(&bytes), parse_memory_v1(&bytes));
        let mut text = b"throttled_usec ".to_vec();
        text.extend_from_slice(&bytes);
        text.push(b'\n');
        let _ = throttled(&text, b"throttled_usec", 1000);
    }

    #[test]
    fn a_quota_is_never_nothing(quota: u64, period: u64) {
        let text = format!("{quota} {period}\n");
        if let Ok(value) = parse_cpu_max(text.as_bytes()) {
            prop_assert!(value.unwrap() >= 1);
        }
    }
}
