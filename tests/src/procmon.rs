//! Starting the procmon under test.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::Result;

use crate::{
    collector::Protocol,
    environment,
    program::{Output, Program},
};

/// A procmon about to be started.
///
/// The environment's own `OTEL_*` variables do not reach it, and it serves nothing unless it is
/// told where: there is one default address, which others may have. An empty
/// [`LISTEN`](Self::LISTEN) takes that back.
pub struct Procmon {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    user: Option<u32>,
    folder: Option<OsString>,
}

impl Procmon {
    /// The variable that says where to serve.
    pub const LISTEN: &str = "PROCMON_HTTP_LISTEN";

    /// `procmon SUBCOMMAND`.
    pub fn new(subcommand: &str) -> Self {
        Self {
            arguments: vec![subcommand.into()],
            environment: Vec::new(),
            user: None,
            folder: None,
        }
    }

    /// One argument more.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Several arguments more.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// `--pid PID`.
    #[must_use]
    pub fn pid(self, pid: u32) -> Self {
        self.args(["--pid", &pid.to_string()])
    }

    /// `--otlp URL`, and the protocol spoken there.
    #[must_use]
    pub fn otlp(self, url: &str, protocol: Protocol) -> Self {
        self.args(["--otlp", url])
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name())
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Its working folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// As this user, without privilege.
    #[must_use]
    pub fn user(mut self, uid: u32) -> Self {
        self.user = Some(uid);
        self
    }

    /// The command, for those who want to change more of it.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new(environment::ours(environment::PROCMON, "procmon")?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OTEL_") {
                command.env_remove(name);
            }
        }
        if self.arguments[0] != "config" {
            command.env(Self::LISTEN, "off");
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        Ok(command)
    }

    /// Starts it. Dropped, it is interrupted, again and again, which has it deliver nothing more:
    /// killed, it would not have ended before the kernel has detached its programs one by one,
    /// 2.5 s.
    pub fn start(&self) -> Result<Program> {
        Program::start(&mut self.command()?).map(Program::interruptible)
    }

    /// Starts it, and waits until it says that it watches.
    pub fn start_watching(&self, limit: Duration) -> Result<Program> {
        let procmon = self.start()?;
        procmon.wait_for_stderr(limit, |text| text.contains("watching"))?;
        Ok(procmon)
    }

    /// Starts it with nothing on stdin and waits for its end.
    pub fn output(&self, limit: Duration) -> Result<Output> {
        let mut program = self.start()?;
        program.close_stdin();
        program.wait(limit)
    }
}
