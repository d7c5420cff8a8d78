//! What it takes to tell of 200, 2,000, 10,000 and 25,000 processes: procmon
//! from the kernel to the wire, and others.

mod exporter;
mod ours;
mod psutil;
mod scan;

use std::time::Duration;

use anyhow::Result;

use self::{
    exporter::{BY_NAME, BY_PROCESS, Exporter},
    ours::Ours,
    psutil::Psutil,
};
use super::{Report, crowd::Crowd};
use crate::{Effort, document, interrupt, stats, table::Value, usage};

/// Where others are measured too.
const BESIDE: [usize; 3] = [200, 2_000, 10_000];
/// Where a straight line would end.
const FAR: usize = 25_000;
/// A tick may need so many times less CPU than a scrape of process-exporter...
const THAN_EXPORTER: f64 = 35.0;
/// ...where there are so many processes. What a tick costs whatever there is, the
/// host's files and a request, is much of it where they are few.
const THAN_EXPORTER_FROM: usize = 1_000;
/// Kernel's numbers by the task iterator, so many times less than by /proc.
const THAN_PROC: f64 = 12.0;
/// What a process of many may cost, of what one of few does: caches are not
/// endless, everything else is to be a straight line.
const STRAIGHT: f64 = 1.5;
/// RSS without history: so much, and so much a process.
const RSS_MIB: f64 = 20.0;
const RSS_KIB_A_PROCESS: f64 = 1.5;

/// What one tick or one scrape takes.
pub struct Cost {
    /// CPU time, ms.
    pub cpu_ms: f64,
    /// The part of it spent in the kernel, 0 to 1; where one process does it.
    pub system: Option<f64>,
    /// From its beginning until all of it was here.
    pub wall: Option<Duration>,
    /// VmRSS at the end, MiB; procmon's between its ticks.
    pub rss_mib: Option<f64>,
    /// Bytes on the wire.
    pub wire: Option<usize>,
}

/// Something that answers questions about every process.
trait Scraper {
    /// Asks once; the bytes of the answer if it went over a wire.
    fn scrape(&mut self) -> Result<Option<usize>>;
    /// Whose CPU time it takes.
    fn pid(&self) -> u32;
}

/// CPU a tick of procmon, for the straight line.
struct Point {
    processes: usize,
    cpu_ms: f64,
}

/// All rows.
pub fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut crowd = Crowd::start()?;
    let mut line = Vec::new();
    for number in BESIDE {
        let number = effort.pick(number, number / 10);
        if !grow(&mut crowd, number, report)? {
            return Ok(());
        }
        // How fast a shared machine is changes within a minute: before and after
        // the exporter, right beside it.
        let measure = || ours::measure(crowd.pids(), effort, &[]);
        let before = measure();
        interrupt::check()?;
        let exporter = Exporter::start(BY_NAME).and_then(|it| scrapes(it, effort, number));
        interrupt::check()?;
        let ours = before.and_then(|before| Ok(before.with(measure()?)));
        let ours = end_to_end(number, ours, report, &mut line)?;
        let exporter = tell(BY_NAME.name, number, exporter, report)?;
        against_exporter(number, ours.as_ref(), exporter, report);
        let without = ours::measure(crowd.pids(), effort, &["--no-ebpf"]);
        let without = without.map(|ours| ours.cost);
        tell(
            "procmon --no-ebpf: the same from /proc",
            number,
            without,
            report,
        )?;
        others(effort, number, report)?;
        snapshot(effort, number, report)?;
    }
    let far = effort.pick(FAR, FAR / 10);
    if grow(&mut crowd, far, report)? {
        let ours = ours::measure(crowd.pids(), effort, &[]);
        end_to_end(far, ours, report, &mut line)?;
        straight(&line, report);
    }
    Ok(())
}

/// Where the machine does not allow so many, the row says so.
fn grow(crowd: &mut Crowd, number: usize, report: &mut Report) -> Result<bool> {
    eprintln!("  {number} processes");
    let grown = crowd.grow(number);
    if let Err(error) = &grown {
        interrupt::check()?;
        report.cost(number, "all", Err(error));
    }
    Ok(grown.is_ok())
}

/// procmon itself, whose numbers are limited.
fn end_to_end(
    number: usize,
    ours: Result<Ours>,
    report: &mut Report,
    line: &mut Vec<Point>,
) -> Result<Option<Ours>> {
    let ours = match ours {
        Ok(ours) => ours,
        Err(error) => {
            interrupt::check()?;
            report.cost(number, "procmon", Err(&error));
            let never = Value::Count(f64::NAN);
            report.limits.limit(
                &format!("{number} processes: resources that did not arrive"),
                String::new(),
                document::cell(&error),
                never,
                Value::Count(0.0),
            );
            return Ok(None);
        }
    };
    report.cost(number, "procmon: collect, encode, send", Ok(&ours.cost));
    report.limits.limit(
        &format!("{number} processes: resources that did not arrive"),
        String::new(),
        format!("{} ticks of {} at least", ours.ticks, ours.fewest),
        Value::Count((number - ours.fewest) as f64),
        Value::Count(0.0),
    );
    let each = ours.cost.cpu_ms * 1e3 / ours.processes as f64;
    report.limits.tell(
        &format!("{number} processes: collect, encode and send, a process"),
        "8 µs on the design's machine".to_owned(),
        format!("{:.1} ms a tick", ours.cost.cpu_ms),
        Value::Microseconds(each),
    );
    report.limits.limit(
        &format!("{number} processes: RSS between ticks"),
        String::new(),
        format!("{:.1} MiB during one", ours.peak_mib),
        Value::Mebibytes(ours.cost.rss_mib.unwrap_or(f64::NAN)),
        Value::Mebibytes(RSS_MIB + RSS_KIB_A_PROCESS * ours.processes as f64 / 1024.0),
    );
    line.push(Point {
        processes: ours.processes,
        cpu_ms: ours.cost.cpu_ms,
    });
    Ok(Some(ours))
}

/// What others take for it.
fn others(effort: Effort, number: usize, report: &mut Report) -> Result<()> {
    let lean = Exporter::start(BY_PROCESS).and_then(|it| scrapes(it, effort, number));
    tell(BY_PROCESS.name, number, lean, report)?;
    let psutil = Psutil::start().and_then(|it| scrapes(it, effort, number));
    tell("psutil", number, psutil, report)?;
    Ok(())
}

/// What one of them takes, ms of CPU. One that cannot run here has a row that says
/// why.
fn tell(what: &str, number: usize, cost: Result<Cost>, report: &mut Report) -> Result<Option<f64>> {
    interrupt::check()?;
    report.cost(number, what, cost.as_ref());
    Ok(cost.ok().map(|cost| cost.cpu_ms))
}

fn against_exporter(
    number: usize,
    ours: Option<&Ours>,
    exporter: Option<f64>,
    report: &mut Report,
) {
    let (Some(ours), Some(exporter)) = (ours, exporter) else {
        return;
    };
    let what = format!("{number} processes: a tick against a scrape of process-exporter");
    let (theirs, own) = (format!("{exporter:.1} ms"), ours.cost.cpu_ms);
    let (with, ratio) = (format!("{own:.1} ms"), Value::Ratio(exporter / own));
    let limits = &mut report.limits;
    match number >= THAN_EXPORTER_FROM {
        true => limits.at_least(&what, theirs, with, ratio, Value::Ratio(THAN_EXPORTER)),
        false => limits.tell(&what, theirs, with, ratio),
    }
}

/// The same numbers by /proc, end to end and alone, against the iterator's.
fn snapshot(effort: Effort, number: usize, report: &mut Report) -> Result<()> {
    let proc = scan::by_proc(effort.pick(5, 2))?;
    let kernel = scan::by_kernel(effort.pick(9, 2))?;
    interrupt::check()?;
    let cost = |(cpu_ms, _): (f64, usize)| Cost {
        cpu_ms,
        system: None,
        wall: None,
        rss_mib: None,
        wire: None,
    };
    report.cost(
        number,
        "read only: stat, statm, io, status, fd of /proc",
        Ok(&cost(proc)),
    );
    report.cost(
        number,
        "read only: procmon's task iterator",
        Ok(&cost(kernel)),
    );
    let ((proc, _), (kernel, processes)) = (proc, kernel);
    report.limits.at_least(
        &format!("{number} processes: kernel's numbers against those of /proc"),
        format!("/proc: {proc:.1} ms"),
        format!("{kernel:.2} ms"),
        Value::Ratio(proc / kernel),
        Value::Ratio(THAN_PROC),
    );
    report.limits.tell(
        &format!("{number} processes: kernel's numbers, a process"),
        "2 µs on the design's machine".to_owned(),
        format!("{kernel:.2} ms"),
        Value::Microseconds(kernel * 1e3 / processes as f64),
    );
    Ok(())
}

/// A process of the most against a process of the second fewest: at the fewest
/// what a tick costs by itself shows.
fn straight(line: &[Point], report: &mut Report) {
    let [_, few, .., many] = line else { return };
    let each = |point: &Point| point.cpu_ms * 1e3 / point.processes as f64;
    let told = |point: &Point| format!("{}: {:.2} µs each", point.processes, each(point));
    report.limits.limit(
        "a straight line: a process of many against one of few",
        told(few),
        told(many),
        Value::Ratio(each(many) / each(few)),
        Value::Ratio(STRAIGHT),
    );
}

/// How often procmon ticks, and the others are scraped: what comes right after
/// the last finds caches that nothing else has used.
const RHYTHM: Duration = Duration::from_secs(1);

/// Means of some scrapes, after two that fill what is kept.
fn scrapes(mut of: impl Scraper, effort: Effort, processes: usize) -> Result<Cost> {
    let times = effort.pick(if processes > 5_000 { 3 } else { 10 }, 1);
    of.scrape()?;
    of.scrape()?;
    let before = usage::cpu_ns(of.pid())?;
    let mut walls = Vec::new();
    let mut wire = None;
    for _ in 0..times {
        interrupt::check()?;
        let begin = std::time::Instant::now();
        wire = of.scrape()?;
        let took = begin.elapsed();
        walls.push(took.as_secs_f64());
        std::thread::sleep(RHYTHM.saturating_sub(took));
    }
    let used = usage::cpu_ns(of.pid())? - before;
    Ok(Cost {
        cpu_ms: used as f64 / 1e6 / f64::from(times),
        system: Some(usage::system_part(of.pid())?),
        wall: Some(Duration::from_secs_f64(stats::median(&walls))),
        rss_mib: Some(usage::rss_mib(of.pid())?),
        wire,
    })
}
