//! The work that is watched. Each runs in a cgroup of its own, whose CPU time
//! is that of all its processes, dead ones too, in ns.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use procmon_tests::{
    Program,
    cgroup::{Cgroup, Controller},
};
use tempfile::TempDir;

use crate::{
    Effort, interrupt,
    peers::tool::{Tool, library_path},
};

const SOON: Duration = Duration::from_secs(60);
/// Of Debian; PostgreSQL refuses to run as root.
const NOBODY: &str = "65534";

/// What one portion of work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// CPU time, s.
    pub cpu: f64,
    /// From begin to end, s.
    pub wall: f64,
}

/// Something to watch.
pub struct Work {
    /// For the table.
    pub name: &'static str,
    // The order is that of dropping: first who runs, then where.
    server: Option<Program>,
    portion: Vec<String>,
    libraries: Option<PathBuf>,
    cgroup: Cgroup,
    _folder: TempDir,
}

/// Sets up one kind of work, or says why it cannot run here.
pub type Setup = fn(Effort) -> Result<Work>;

/// All of them.
pub const WORKS: [(&str, Setup); 3] = [
    ("redis-benchmark", redis),
    ("pgbench", pgbench),
    ("make: many small runs of cc", build),
];

impl Work {
    /// Does one portion of it.
    pub fn run(&mut self) -> Result<Took> {
        interrupt::check()?;
        let before = self.cgroup.cpu_ns()?;
        let begin = Instant::now();
        let words: Vec<&str> = self.portion.iter().map(String::as_str).collect();
        finish(&mut command(
            &self.cgroup,
            self.libraries.as_deref(),
            &words,
        )?)?;
        let wall = begin.elapsed().as_secs_f64();
        Ok(Took {
            cpu: (self.cgroup.cpu_ns()? - before) as f64 / 1e9,
            wall,
        })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // Fast shutdown of PostgreSQL, an orderly one of redis; if not,
            // they are killed.
            let _ = server.signal(libc::SIGINT);
            let _ = server.wait(SOON / 6);
        }
    }
}

fn redis(effort: Effort) -> Result<Work> {
    let (cgroup, folder) = place("redis")?;
    let root = Tool::Redis.root()?;
    let port = free_port()?;
    let program = |name: &str| root.join("usr/bin").join(name).display().to_string();
    let server = [program("redis-server"), "--port".into(), port.clone()];
    let settings = ["--bind 127.0.0.1", "--appendonly no"].map(|words| words.split(' '));
    let mut words: Vec<&str> = server.iter().map(String::as_str).collect();
    words.extend(settings.into_iter().flatten());
    // No snapshots: they would fork at times of their own.
    words.extend(["--save", ""]);
    let mut command = command(&cgroup, Some(&root), &words)?;
    let server = serve(command.current_dir(&folder), &port)?;
    let number = effort.pick("50000", "5000");
    let portion = [
        &program("redis-benchmark"),
        "-p",
        &port,
        "-t",
        "set,get",
        "-c",
        "20",
        "-n",
        number,
        "-q",
    ];
    Ok(Work {
        name: "redis-benchmark",
        server: Some(server),
        portion: portion.map(str::to_owned).to_vec(),
        libraries: Some(root),
        cgroup,
        _folder: folder,
    })
}

fn pgbench(effort: Effort) -> Result<Work> {
    let (cgroup, folder) = place("postgres")?;
    let root = Tool::Postgres.root()?;
    let port = free_port()?;
    let bin = only(&root.join("usr/lib/postgresql"))?.join("bin");
    let program = |name: &str| bin.join(name).display().to_string();
    let data = folder.path().join("data").display().to_string();
    let sockets = folder.path().display().to_string();
    std::os::unix::fs::chown(&folder, Some(NOBODY.parse()?), None)?;
    let run = |words: &[&str]| -> Result<Command> {
        let nobody = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
        let mut all = vec!["setpriv"];
        all.extend(nobody);
        // The tie to us is cut when the user changes.
        all.extend(["--pdeathsig", "KILL", "--"]);
        all.extend(words);
        let mut command = command(&cgroup, Some(&root), &all)?;
        command.current_dir(&folder);
        Ok(command)
    };
    let initdb = program("initdb");
    finish(&mut run(&[
        &initdb,
        "-D",
        &data,
        "-U",
        "bench",
        "-A",
        "trust",
        "--no-sync",
    ])?)?;
    let mut server = run(&[
        &program("postgres"),
        "-D",
        &data,
        "-p",
        &port,
        "-k",
        &sockets,
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "fsync=off",
        // It would work at times of its own.
        "-c",
        "autovacuum=off",
    ])?;
    let server = serve(&mut server, &port)?;
    let to = ["-h", "127.0.0.1", "-p", &port, "-U", "bench"];
    let pgbench = program("pgbench");
    let mut fill = vec![pgbench.as_str(), "-i", "-q", "-s", "2"];
    fill.extend(to);
    fill.push("postgres");
    let filled = interrupt::wait(SOON, || {
        run(&fill).and_then(|mut fill| finish(&mut fill)).is_ok()
    })?;
    ensure!(
        filled,
        "pgbench cannot fill its tables: {}",
        server.stderr()
    );
    let number = effort.pick("4000", "400");
    // Reads only: what writes leave behind would slow later rounds.
    let mut portion = vec![
        "setpriv",
        "--reuid",
        NOBODY,
        "--regid",
        NOBODY,
        "--clear-groups",
        "--",
    ];
    portion.extend([pgbench.as_str(), "-n", "-S", "-c", "4", "-t", number]);
    portion.extend(to);
    portion.push("postgres");
    Ok(Work {
        name: "pgbench",
        server: Some(server),
        portion: portion.into_iter().map(str::to_owned).collect(),
        libraries: Some(root),
        cgroup,
        _folder: folder,
    })
}

fn build(effort: Effort) -> Result<Work> {
    for program in ["make", "cc"] {
        ensure!(is_there(program), "there is no {program} on PATH");
    }
    let (cgroup, folder) = place("build")?;
    let number = effort.pick(40, 5);
    let mut makefile = "all:".to_owned();
    for i in 0..number {
        makefile += &format!(" {i}.o");
        let source = folder.path().join(format!("{i}.c"));
        fs::write(source, format!("int f{i}(void) {{ return {i}; }}\n"))?;
    }
    // make runs a line without special characters itself; the shell of this
    // one has a child more.
    makefile += "\n%.o: %.c\n\t@true; cc -c -o $@ $<; true\n";
    fs::write(folder.path().join("Makefile"), makefile)?;
    let folder_name = folder.path().display().to_string();
    let portion = [
        "make",
        "--no-print-directory",
        "-s",
        "-B",
        "-j2",
        "-C",
        &folder_name,
    ];
    Ok(Work {
        name: "make: many small runs of cc",
        server: None,
        portion: portion.map(str::to_owned).to_vec(),
        libraries: None,
        cgroup,
        _folder: folder,
    })
}

fn place(name: &str) -> Result<(Cgroup, TempDir)> {
    let cgroup = Cgroup::new(name, &[Controller::Cpu]).map_err(|error| anyhow!("{error}"))?;
    Ok((cgroup, TempDir::new()?))
}

/// Words as a command in a cgroup, with the libraries of this folder; it ends
/// with us.
fn command(cgroup: &Cgroup, root: Option<&Path>, words: &[&str]) -> Result<Command> {
    let (program, arguments) = words.split_first().context("no command")?;
    let mut command = interrupt::bound(cgroup.command(program, arguments));
    if let Some(root) = root {
        command.env("LD_LIBRARY_PATH", library_path(root)?);
    }
    Ok(command)
}

/// Runs it to its end.
fn finish(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "{:?} ended with {}: {}",
        command.get_args().collect::<Vec<_>>(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Starts a server and waits until it takes connections.
fn serve(command: &mut Command, port: &str) -> Result<Program> {
    let mut server = Program::start(command)?;
    let address = format!("127.0.0.1:{port}");
    let there = interrupt::wait(SOON, || {
        TcpStream::connect(&address).is_ok() || !server.is_running()
    })?;
    ensure!(
        there && server.is_running(),
        "the server does not listen on {address}: {}{}",
        server.stdout(),
        server.stderr()
    );
    Ok(server)
}

fn free_port() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port().to_string())
}

/// The one entry of a folder.
fn only(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let entry = entries.next().context("an empty folder")??;
    Ok(entry.path())
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
