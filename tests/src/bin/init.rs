//! PID 1 of the emulated machines of `cargo xtask vmtest`: makes the file system what a host's
//! is, does its job, powers off.
//!
//! The job is `/job`, one task a line, its words separated by tabs: `env NAME=VALUE`,
//! `lockdown MODE`, `run PROGRAM ARGUMENT...`. What the programs say goes to the second serial
//! port; lines that begin with `vm: ` are init's own.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    process::{Command, ExitCode, Stdio},
    ptr,
};

use anyhow::{Context as _, Result, ensure};

/// Where tests note that they were skipped.
const SKIP_LOG: &str = "/run/skipped";

/// The serial port that the host listens to: arm64's machine has one less of its own, so there it
/// is the first on the PCI bus.
const PORT: &str = if cfg!(target_arch = "aarch64") {
    "/dev/ttyS0"
} else {
    "/dev/ttyS1"
};

/// What is mounted where, in order.
const MOUNTS: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("securityfs", "/sys/kernel/security"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("init: this is PID 1 of a test machine, and nothing else");
        return ExitCode::from(2);
    }
    match work() {
        Ok(()) => {}
        // The console is all there is to say it on.
        Err(error) => eprintln!("init: {error:#}"),
    }
    // SAFETY: flushes, then ends the machine.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
    ExitCode::FAILURE
}

fn work() -> Result<()> {
    for (kind, place) in MOUNTS {
        // What this kernel lacks, the tests find out by themselves.
        if let Err(error) = mount(kind, place) {
            eprintln!("init: no {kind} on {place}: {error}");
        }
    }
    let mut port = Port::open(PORT)?;
    enable_controllers()?;
    loopback_up()?;
    allow_descriptors()?;
    run(Command::new("/bin/busybox").args(["--install", "-s", "/bin"]))?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    port.say(&format!("ready {}", release.trim()))?;
    let status = job(&mut port);
    if let Err(error) = &status {
        port.say(&format!("failed: {error:#}"))?;
    }
    let skipped = fs::read_to_string(SKIP_LOG).unwrap_or_default();
    for line in skipped.lines() {
        port.say(&format!("skipped {line}"))?;
    }
    port.say(&format!("status {}", status.unwrap_or(125)))?;
    port.drain();
    Ok(())
}

/// Does the job; the status of the first program that failed.
fn job(port: &mut Port) -> Result<i32> {
    let job = fs::read_to_string("/job").context("cannot read /job")?;
    let mut environment = vec![
        ("PATH", "/programs:/bin"),
        ("HOME", "/root"),
        ("RUST_BACKTRACE", "0"),
        ("PROCMON_SKIP_LOG", SKIP_LOG),
    ];
    let mut first_failure = 0;
    for line in job.lines() {
        let words: Vec<&str> = line.split('\t').filter(|word| !word.is_empty()).collect();
        match words[..] {
            ["env", variable] => {
                environment.push(variable.split_once('=').context("env without `=`")?);
            }
            ["lockdown", mode] => fs::write("/sys/kernel/security/lockdown", mode)
                .context("cannot lock the kernel down")?,
            ["run", program, ref arguments @ ..] => {
                let mut command = Command::new(program);
                command
                    .args(arguments)
                    .env_clear()
                    .envs(environment.iter().copied())
                    .current_dir("/root")
                    .stdin(Stdio::null())
                    .stdout(port.file.try_clone()?)
                    .stderr(port.file.try_clone()?);
                let status = run(&mut command)?;
                if first_failure == 0 {
                    first_failure = status;
                }
            }
            _ => anyhow::bail!("no such task: {line:?}"),
        }
    }
    Ok(first_failure)
}

/// Runs a program to its end, and buries whoever dies meanwhile: orphans are PID 1's.
fn run(command: &mut Command) -> Result<i32> {
    let child = command
        .spawn()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let wanted = libc::pid_t::try_from(child.id())?;
    loop {
        let mut status = 0;
        // SAFETY: waitpid(2) with a place for the status.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        ensure!(pid > 0, "waitpid: {}", io::Error::last_os_error());
        if pid == wanted {
            return Ok(if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                128 + libc::WTERMSIG(status)
            });
        }
    }
}

fn mount(kind: &str, place: &str) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {place}"))?;
    let (kind, place) = (CString::new(kind)?, CString::new(place)?);
    // SAFETY: mount(2) with C strings that live through the call; no data.
    let failed =
        unsafe { libc::mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), 0, ptr::null()) };
    ensure!(failed == 0, "{}", io::Error::last_os_error());
    Ok(())
}

/// Passes every controller on to the groups below the root.
fn enable_controllers() -> Result<()> {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")
        .context("cannot read the cgroup controllers")?;
    for controller in controllers.split_whitespace() {
        fs::write(
            "/sys/fs/cgroup/cgroup.subtree_control",
            format!("+{controller}"),
        )
        .with_context(|| format!("cannot enable the controller {controller}"))?;
    }
    Ok(())
}

/// Brings `lo` up, by SIOCSIFFLAGS (netdevice(7)).
fn loopback_up() -> Result<()> {
    // SAFETY: an all-zero ifreq is one; the ioctl reads it while it lives, and the descriptor is ours.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        ensure!(socket >= 0, "socket: {}", io::Error::last_os_error());
        let failed = libc::ioctl(socket, libc::SIOCSIFFLAGS as libc::Ioctl, &raw mut request);
        let error = io::Error::last_os_error();
        libc::close(socket);
        ensure!(failed == 0, "cannot bring lo up: {error}");
    }
    Ok(())
}

/// As many descriptors as a host allows a service: the kernel's own limit is 4,096.
fn allow_descriptors() -> Result<()> {
    let limit = libc::rlimit {
        rlim_cur: 20_000,
        rlim_max: 20_000,
    };
    // SAFETY: reads the limit, which lives.
    let failed = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    ensure!(failed == 0, "setrlimit: {}", io::Error::last_os_error());
    Ok(())
}

/// The serial port that the host listens to.
struct Port {
    file: File,
}

impl Port {
    /// Opens it, and turns off all that a terminal does to what is written to it.
    fn open(path: &str) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(path)
            .with_context(|| format!("cannot open {path}"))?;
        // SAFETY: an all-zero termios is one, and tcgetattr fills it in; the descriptor is open.
        unsafe {
            let mut settings: libc::termios = std::mem::zeroed();
            libc::tcgetattr(file.as_raw_fd(), &raw mut settings);
            libc::cfmakeraw(&raw mut settings);
            libc::tcsetattr(file.as_raw_fd(), libc::TCSANOW, &raw const settings);
        }
        Ok(Self { file })
    }

    fn say(&mut self, what: &str) -> Result<()> {
        writeln!(self.file, "vm: {}", what.replace('\n', " "))
            .context("cannot write to the serial port")
    }

    /// Waits until all has been sent.
    fn drain(&self) {
        // SAFETY: the descriptor is open.
        unsafe { libc::tcdrain(self.file.as_raw_fd()) };
    }
}
