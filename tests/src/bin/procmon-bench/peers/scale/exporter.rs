//! prometheus-process-exporter, which reads /proc when it is scraped.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Result, ensure};
use procmon_tests::{Program, address};
use tempfile::NamedTempFile;

use super::Scraper;
use crate::{interrupt, peers::tool::Tool};

/// A way to run it.
#[derive(Clone, Copy)]
pub struct Way {
    /// For the table.
    pub name: &'static str,
    /// The template of a group's name.
    group: &'static str,
    options: &'static [&'static str],
}

/// As its manual begins: every process, in groups of the same name.
pub const BY_NAME: Way = Way {
    name: "process-exporter, groups by name",
    group: "{{.Comm}}",
    options: &[],
};
/// A group a process, and without what costs it most.
pub const BY_PROCESS: Way = Way {
    name: "process-exporter, by process, no smaps, no threads",
    group: "{{.Comm}} {{.PID}}",
    options: &["-gather-smaps=false", "-threads=false"],
};

/// A running one.
pub struct Exporter {
    program: Program,
    address: String,
    _config: NamedTempFile,
}

impl Exporter {
    /// Starts it and waits until it listens.
    pub fn start(way: Way) -> Result<Self> {
        let mut config = NamedTempFile::new()?;
        let group = way.group;
        write!(
            config,
            "process_names:\n- name: \"{group}\"\n  cmdline: ['.+']\n"
        )?;
        let address = address::free();
        let mut command = Tool::ProcessExporter.command("usr/bin/prometheus-process-exporter")?;
        command
            .args(["-web.listen-address", &address])
            .arg("-config.path")
            .arg(config.path())
            .args(way.options);
        let mut program = Program::start(&mut command)?;
        let there = interrupt::wait(Duration::from_secs(10), || {
            TcpStream::connect(&address).is_ok() || !program.is_running()
        })?;
        ensure!(
            there && program.is_running(),
            "it does not listen on {address}: {}{}",
            program.stdout(),
            program.stderr()
        );
        Ok(Self {
            program,
            address,
            _config: config,
        })
    }
}

impl Scraper for Exporter {
    fn scrape(&mut self) -> Result<Option<usize>> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(
            text.starts_with("HTTP/1.1 200") && processes(&text) > 0.0,
            "it answered {:?}",
            text.lines().next().unwrap_or_default()
        );
        Ok(Some(answer.len()))
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }
}

/// How many processes its groups have.
fn processes(text: &str) -> f64 {
    let of_group = |line: &str| {
        let rest = line.strip_prefix("namedprocess_namegroup_num_procs{")?;
        rest.rsplit_once(' ')?.1.parse::<f64>().ok()
    };
    text.lines().filter_map(of_group).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_summed_over_groups() {
        let text = "# TYPE namedprocess_namegroup_num_procs gauge\n\
            namedprocess_namegroup_num_procs{groupname=\"a b\"} 2\n\
            namedprocess_namegroup_num_procs{groupname=\"c\"} 3\n\
            namedprocess_namegroup_num_threads{groupname=\"c\"} 9\n";
        assert_eq!(processes(text), 5.0);
    }
}
