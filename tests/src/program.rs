//! A running program: its output is collected as it comes, every wait has an end, and it is
//! killed when the test is done with it.

use std::{
    io::{Read, Write as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long a test waits for what should be at once.
pub const SOON: Duration = Duration::from_secs(20);

pub(crate) const POLL: Duration = Duration::from_millis(5);

/// How long a dropped program has for its own end, and how often it is asked for that.
const OWN_END: Duration = Duration::from_secs(1);
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// What a program left behind.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
    /// From its start to its end as we saw it.
    pub took: Duration,
}

/// A started program.
pub struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Gathered,
    stderr: Gathered,
    started: Instant,
    interruptible: bool,
}

/// What a program's file is called, which a link to it need not be.
///
/// # Panics
/// When it is not there.
pub fn file_name(program: &str) -> String {
    let file = std::fs::canonicalize(program).expect("no such program");
    let name = file.file_name().expect("a program without a name");
    name.to_string_lossy().into_owned()
}

impl Program {
    /// Starts it with all three streams held by us.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("the child has no stdout")?;
        let stderr = child.stderr.take().context("the child has no stderr")?;
        Ok(Self {
            name,
            stdin: child.stdin.take(),
            stdout: Gathered::from(stdout),
            stderr: Gathered::from(stderr),
            child,
            started,
            interruptible: false,
        })
    }

    /// It ends by itself when it is interrupted: dropped, it is asked for that before it is killed.
    #[must_use]
    pub(crate) fn interruptible(mut self) -> Self {
        self.interruptible = true;
        self
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// stdout up to now; what is not UTF-8 is replaced.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// stderr up to now.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Writes to its stdin.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let stdin = self.stdin.as_mut().context("its stdin is closed")?;
        stdin
            .write_all(bytes)
            .with_context(|| format!("cannot write to {}", self.name))
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let pid = i32::try_from(self.pid()).context("its pid is out of range")?;
        // SAFETY: the child has not been waited for without our knowledge, so the pid is its own.
        match unsafe { libc::kill(pid, signal) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error())
                .with_context(|| format!("cannot signal {}", self.name)),
        }
    }

    /// Waits until this holds of what it wrote to stdout.
    pub fn wait_for_stdout(&self, limit: Duration, holds: impl Fn(&str) -> bool) -> Result<String> {
        self.wait_for(limit, "stdout", || self.stdout(), holds)
    }

    /// Waits until this holds of what it wrote to stderr.
    pub fn wait_for_stderr(&self, limit: Duration, holds: impl Fn(&str) -> bool) -> Result<String> {
        self.wait_for(limit, "stderr", || self.stderr(), holds)
    }

    fn wait_for(
        &self,
        limit: Duration,
        stream: &str,
        read: impl Fn() -> String,
        holds: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let until = Instant::now() + limit;
        loop {
            let text = read();
            if holds(&text) {
                return Ok(text);
            }
            if Instant::now() > until {
                bail!(
                    "{} did not write what was awaited on its {stream} within {limit:?}\n{}",
                    self.name,
                    self.story()
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end, which must come in time.
    pub fn wait(mut self, limit: Duration) -> Result<Output> {
        let until = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self
                .child
                .try_wait()
                .with_context(|| format!("cannot wait for {}", self.name))?
            {
                break status;
            }
            if Instant::now() > until {
                bail!(
                    "{} did not end within {limit:?}\n{}",
                    self.name,
                    self.story()
                );
            }
            thread::sleep(POLL);
        };
        let took = self.started.elapsed();
        self.stdin = None;
        self.stdout.finish();
        self.stderr.finish();
        Ok(Output {
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
            took,
        })
    }

    fn story(&self) -> String {
        format!(
            "--- stdout\n{}\n--- stderr\n{}",
            self.stdout(),
            self.stderr()
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let until = Instant::now() + OWN_END;
        while self.interruptible && self.is_running() && Instant::now() < until {
            if self.signal(libc::SIGINT).is_err() {
                break;
            }
            thread::sleep(ASKED_EVERY);
        }
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a thread of ours reads from one stream.
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Gathered {
    fn from(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let ours = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut part = [0; 16 << 10];
            while let Ok(length @ 1..) = stream.read(&mut part) {
                ours.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(&part[..length]);
            }
        });
        Self {
            bytes,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for the end of the stream, but not for a grandchild that holds it open.
    fn finish(&mut self) {
        let until = Instant::now() + Duration::from_secs(2);
        if let Some(reader) = self.reader.take() {
            while !reader.is_finished() && Instant::now() < until {
                thread::sleep(POLL);
            }
        }
    }
}
