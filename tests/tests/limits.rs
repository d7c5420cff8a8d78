//! The limits on speed and size that hold whatever else the machine does; all of them are measured
//! by `cargo xtask bench`.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use procmon_tests::{Procmon, Program, Victim, environment, program::SOON, watching::end};

/// Lines of the benchmark's table, by how they begin.
const ROWS: [&str; 13] = [
    "switch and wakeup, watched process",
    "switch and wakeup, --all",
    "munmap that fails (traced), watched process",
    "dup or close (traced), watched process",
    "brk (traced), watched process",
    "getppid (untraced), watched process",
    "getppid (untraced), another process",
    "one process at 1 s to file: processor",
    "one process at 1 s to file: steady RSS",
    "one process at 1 s to OTLP: processor",
    "one process at 1 s to OTLP: steady RSS",
    "start to first frame",
    "Ctrl-C to prompt",
];

fn watching_one_at_1s(victim: &Victim) -> Program {
    let procmon = Procmon::new("run")
        .pid(victim.pid())
        .args(["--interval", "1s", "--jsonl", "-"])
        .start()
        .unwrap();
    procmon
        .wait_for_stdout(SOON, |text| text.contains('\n'))
        .unwrap();
    procmon
}

fn interrupt(procmon: Program) -> Duration {
    let begin = Instant::now();
    end(procmon);
    begin.elapsed()
}

#[test]
fn watching_one_process_at_1s_takes_at_most_15_mib_steady_rss() {
    let victim = Victim::held_before("").unwrap();
    let procmon = watching_one_at_1s(&victim);
    thread::sleep(Duration::from_secs(5));
    let status = fs::read_to_string(format!("/proc/{}/status", procmon.pid())).unwrap();
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    let kib: u64 = rss.parse().unwrap();
    interrupt(procmon);
    assert!(kib <= 15 << 10, "{kib} KiB");
}

#[test]
fn ctrl_c_to_prompt_takes_at_most_300_ms() {
    let victim = Victim::held_before("").unwrap();
    // The best of three: the machine may be busy with something else.
    let best = (0..3).map(|_| interrupt(watching_one_at_1s(&victim))).min();
    assert!(best.unwrap() <= Duration::from_millis(300), "{best:?}");
}

#[test]
fn the_benchmark_prints_a_row_for_every_limit() {
    let bench = environment::ours("PROCMON_BENCH_BIN", "procmon-bench").unwrap();
    let output = Program::start(Command::new(bench).arg("--quick"))
        .unwrap()
        .wait(Duration::from_secs(600))
        .unwrap();
    for row in ROWS {
        let line = output
            .stdout
            .lines()
            .find(|line| line.trim_start_matches("| ").starts_with(row));
        let line = line.unwrap_or_else(|| panic!("no row {row:?}: {output:?}"));
        assert!(line.contains("at most"), "{line}");
        assert!(!line.contains("NaN"), "{line}");
    }
}
