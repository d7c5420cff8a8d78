//! The processes that are watched, or not: a pair pinned to one CPU that plays
//! ping-pong, and calls the system, as often as it is told.

use std::{
    hint::black_box,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

use crate::{affinity, peers::crowd, stats};

/// How long one batch takes, about: shorter than a tick, so that some batches
/// are never interrupted.
const BATCH_NS: f64 = 3e5;

/// What one of the benchmark's own processes does.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Role {
    /// Measures what it is told to on stdin.
    Worker,
    /// Sends back each byte it gets.
    Echo,
    /// Has children that sleep.
    Crowd,
}

/// What a worker can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One switch and one wakeup: half a round of ping-pong.
    Switch,
    /// A munmap that fails: the cheapest traced call.
    MunmapFails,
    /// A dup and a close; one of the two.
    DupClose,
    /// A brk that changes nothing.
    Brk,
    /// A getppid: no probe is on it.
    Getppid,
}

impl Work {
    const ALL: [Self; 5] = [
        Self::Switch,
        Self::MunmapFails,
        Self::DupClose,
        Self::Brk,
        Self::Getppid,
    ];

    fn name(self) -> String {
        format!("{self:?}")
    }
}

/// A worker and its echo.
pub struct Pair {
    worker: Child,
    echo: u32,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Pair {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let mut worker = ourselves("worker")?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a worker")?;
        let orders = worker.stdin.take().context("no stdin")?;
        let mut answers = BufReader::new(worker.stdout.take().context("no stdout")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        Ok(Self {
            worker,
            echo: line.trim().parse().context("no pid of the echo")?,
            orders,
            answers,
        })
    }

    /// The process numbers of both.
    pub fn pids(&self) -> [u32; 2] {
        [self.worker.id(), self.echo]
    }

    /// Nanoseconds of one piece of `work`: a low quantile of many batches.
    pub fn measure(&mut self, work: Work, batches: usize) -> Result<f64> {
        writeln!(self.orders, "{} {batches}", work.name())?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let times: Vec<f64> = line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .context("no times")?;
        ensure!(times.len() == batches, "the worker has gone: {line:?}");
        Ok(stats::quantile(&times, 0.05))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // The echo ends with its pipe. Both fail only when it has ended already.
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// This program in another role.
pub fn ourselves(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--role", role]);
    Ok(command)
}

/// Plays a role until stdin ends.
pub fn run(role: Role) -> Result<()> {
    match role {
        Role::Worker => work(),
        Role::Echo => echo(),
        Role::Crowd => crowd::serve(),
    }
}

fn work() -> Result<()> {
    affinity::pin().context("cannot pin to a CPU")?;
    let mut echo = ourselves("echo")?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut there = echo.stdin.take().context("no stdin")?;
    let mut back = echo.stdout.take().context("no stdout")?;
    let mut exchange = || {
        let mut byte = [0];
        // When the echo has gone, the other side sees too few times.
        let _ = there.write_all(&byte);
        let _ = back.read_exact(&mut byte);
    };
    println!("{}", echo.id());
    for order in io::stdin().lines() {
        let order = order?;
        let (name, batches) = order.split_once(' ').context("not an order")?;
        let work = Work::ALL.into_iter().find(|work| work.name() == name);
        let work = work.with_context(|| format!("unknown work {name}"))?;
        let mut once = || match work {
            Work::Switch => exchange(),
            call => system_call(call),
        };
        let mut probe = || time(50, &mut once);
        let number = (BATCH_NS / probe().min(probe())).ceil() as u64;
        // An exchange is two switches and two wakeups, dup and close two calls.
        let parts = match work {
            Work::Switch | Work::DupClose => 2.0,
            _ => 1.0,
        };
        let times: Vec<String> = (0..batches.parse()?)
            .map(|_| (time(number, &mut once) / parts).to_string())
            .collect();
        println!("{}", times.join(" "));
    }
    drop(there);
    echo.wait()?;
    Ok(())
}

fn system_call(work: Work) {
    // SAFETY: calls that change nothing, or a descriptor that is ours.
    unsafe {
        match work {
            // Address 1 is on no page boundary: EINVAL.
            Work::MunmapFails => black_box(libc::munmap(std::ptr::without_provenance_mut(1), 4096)),
            Work::DupClose => libc::close(libc::dup(0)),
            Work::Brk => black_box(libc::syscall(libc::SYS_brk, 0) as i32),
            Work::Getppid | Work::Switch => black_box(libc::getppid()),
        };
    }
}

/// Nanoseconds each of `number` pieces took.
fn time(number: u64, once: &mut impl FnMut()) -> f64 {
    let begin = Instant::now();
    for _ in 0..number {
        once();
    }
    begin.elapsed().as_nanos() as f64 / number as f64
}

/// Without buffers: one read and one write a byte.
fn echo() -> Result<()> {
    let mut byte = 0u8;
    loop {
        // SAFETY: one byte of ours.
        let done = unsafe {
            libc::read(0, (&raw mut byte).cast(), 1) == 1
                && libc::write(1, (&raw const byte).cast(), 1) == 1
        };
        if !done {
            return Ok(());
        }
    }
}
