//! psutil: Python that reads /proc.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result};

use super::Scraper;
use crate::peers::tool::Tool;

const SCRIPT: &str = include_str!("../psutil.py");

/// The script, which reads all processes when it is told to.
pub struct Psutil {
    python: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Psutil {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let mut python = Tool::Psutil
            .command("bin/python3")?
            .args(["-c", SCRIPT])
            // Of Debian's libraries it needs none.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Python")?;
        let orders = python.stdin.take();
        let answers = BufReader::new(python.stdout.take().context("no stdout")?);
        Ok(Self {
            python,
            orders,
            answers,
        })
    }
}

impl Scraper for Psutil {
    fn scrape(&mut self) -> Result<Option<usize>> {
        let orders = self.orders.as_mut().context("no stdin")?;
        writeln!(orders).context("Python has ended")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim()
            .parse::<usize>()
            .with_context(|| format!("psutil counted no processes: {line:?}"))?;
        Ok(None)
    }

    fn pid(&self) -> u32 {
        self.python.id()
    }
}

impl Drop for Psutil {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.python.wait();
    }
}
