//! A server of others that is killed and started again where it was.

use std::{
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::program::{Program, SOON};

/// A started server.
pub struct Daemon {
    program: Program,
    command: Command,
    addresses: Vec<String>,
}

impl Daemon {
    /// Starts it, and waits until it listens on all of these addresses.
    pub fn start(mut command: Command, addresses: &[&str]) -> Result<Self> {
        let daemon = Self {
            program: Program::start(&mut command)?,
            command,
            addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
        };
        daemon.opened()
    }

    /// Its process.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Ends it by a signal.
    pub fn stop(&mut self, signal: i32) -> Result<()> {
        self.program.signal(signal)?;
        let until = Instant::now() + SOON;
        while self.program.is_running() {
            if Instant::now() > until {
                bail!("it does not end: {}", self.program.stderr());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Starts it again at the same addresses.
    pub fn start_again(&mut self) -> Result<()> {
        self.program = Program::start(&mut self.command)?;
        self.await_open()
    }

    fn opened(mut self) -> Result<Self> {
        self.await_open()?;
        Ok(self)
    }

    fn await_open(&mut self) -> Result<()> {
        let until = Instant::now() + SOON;
        for address in &self.addresses {
            while TcpStream::connect(address).is_err() {
                if !self.program.is_running() || Instant::now() > until {
                    bail!("nobody listens on {address}: {}", self.program.stderr());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}
