//! What the agent takes for itself, as people run it: processor, memory, and
//! the time until the first frame and back to the prompt.

mod running;

use std::{thread, time::Duration};

use anyhow::Result;
use procmon_tests::Victim;

use self::running::Running;
use crate::{
    Effort,
    collector::Sink,
    stats,
    table::{Table, Value},
};

/// The rows of `procmon run --pid N --interval 1s`.
pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    let victim = Victim::held_before("")?;
    let pid = victim.pid();
    let steady = Duration::from_secs(effort.pick(20, 3));
    let sink = Sink::start(drop)?;
    watch(table, "file", &["--jsonl", "/dev/null"], pid, steady)?;
    watch(table, "OTLP", &["--otlp", &sink.url()], pid, steady)?;
    let mut starts = Vec::new();
    let mut stops = Vec::new();
    for _ in 0..effort.pick(5, 1) {
        let running = Running::start(&["--jsonl", "-"], pid)?;
        starts.push(running.first_line()?);
        thread::sleep(Duration::from_millis(500));
        stops.push(running.interrupt()?);
        // The hooks are let go of in the background; who starts while that
        // goes on, waits for the kernel.
        thread::sleep(Duration::from_secs(4));
    }
    let mut row = |what: &str, times: &[f64], limit: f64| {
        table.limit(
            what,
            String::new(),
            format!("longest {:.3} s", stats::quantile(times, 1.0)),
            Value::Seconds(stats::median(times)),
            Value::Seconds(limit),
        );
    };
    row("start to first frame", &starts, 0.5);
    row("Ctrl-C to prompt", &stops, 0.3);
    Ok(())
}

fn watch(table: &mut Table, to: &str, outputs: &[&str], pid: u32, steady: Duration) -> Result<()> {
    let running = Running::start(outputs, pid)?;
    thread::sleep(Duration::from_secs(5));
    let before = running.cpu_ns()?;
    thread::sleep(steady);
    let used = running.cpu_ns()? - before;
    let rss = running.rss_mib()?;
    running.interrupt()?;
    thread::sleep(Duration::from_secs(4));
    let share = used as f64 / steady.as_nanos() as f64;
    table.limit(
        &format!("one process at 1 s to {to}: processor"),
        String::new(),
        format!("{:.2} ms a tick", share * 1e3),
        Value::CorePercent(share * 100.0),
        Value::CorePercent(0.1),
    );
    table.limit(
        &format!("one process at 1 s to {to}: steady RSS"),
        String::new(),
        String::new(),
        Value::Mebibytes(rss),
        Value::Mebibytes(15.0),
    );
    Ok(())
}
