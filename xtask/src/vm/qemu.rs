//! qemu: unpacked if it is not installed, and one boot of it. Emulation always: under the
//! nested virtualization of cloud machines stock kernels do not start.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::packages;
use crate::shell;

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
/// `tsc=reliable`: with two CPUs Linux 6.1 else takes the emulated TSC for unstable, and every
/// read of the clock becomes a system call.
const COMMAND_LINE: &str =
    "console=ttyS0 panic=-1 loglevel=4 tsc=reliable rcupdate.rcu_expedited=1";

/// qemu's command, without what to boot.
pub fn command() -> Result<Command> {
    if let Some(installed) = shell::which(PROGRAM) {
        return Ok(Command::new(installed));
    }
    let root = packages::cache().join("qemu");
    if !root.exists() {
        packages::unpack(&packages::missing_for(PACKAGE)?, &root)?;
    }
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let mut paths = vec![
        libraries.clone(),
        root.join("lib/x86_64-linux-gnu"),
        libraries.join("pulseaudio"),
    ];
    if let Some(existing) = env::var_os("LD_LIBRARY_PATH") {
        paths.extend(env::split_paths(&existing));
    }
    let mut command = Command::new(root.join("usr/bin").join(PROGRAM));
    command
        .env("LD_LIBRARY_PATH", env::join_paths(paths)?)
        .env("QEMU_MODULE_DIR", libraries.join("qemu"));
    for data in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
        command.arg("-L").arg(root.join(data));
    }
    Ok(command)
}

/// What to boot.
pub struct Boot<'a> {
    /// The kernel's image.
    pub kernel: &'a Path,
    /// The file system.
    pub initramfs: &'a [u8],
    /// Parameters added to the kernel's command line.
    pub append: &'a str,
    /// When to give up.
    pub limit: Duration,
    /// A folder for what the boot leaves.
    pub folder: &'a Path,
}

/// Boots and hands over each line that the machine's second serial port says, until it powers
/// off. The first port is the kernel's; what it said is in the folder's `console.txt`.
pub fn boot(boot: &Boot<'_>, mut line: impl FnMut(&str)) -> Result<()> {
    let console = boot.folder.join("console.txt");
    let initramfs = boot.folder.join("initramfs");
    fs::write(&initramfs, boot.initramfs)
        .with_context(|| format!("cannot write {}", initramfs.display()))?;
    let mut command = command()?;
    command
        .args([
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "max",
        ])
        .args(["-smp", "2", "-m", "1024", "-nodefaults", "-no-user-config"])
        .args(["-display", "none", "-monitor", "none", "-no-reboot"])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-serial", "stdio", "-kernel"])
        .arg(boot.kernel)
        .arg("-initrd")
        .arg(&initramfs)
        .arg("-append")
        .arg(format!("{COMMAND_LINE} {}", boot.append));
    let mut machine = Machine(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {PROGRAM}"))?,
    );
    let output = machine.0.stdout.take().context("qemu has no stdout")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if sender.send(line.trim_end_matches('\r').to_owned()).is_err() {
                break;
            }
        }
    });
    let until = Instant::now() + boot.limit;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(said) => line(&said),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => bail!(
                "the machine did not power off within {:?}; its console said last:\n{}",
                boot.limit,
                tail(&console)
            ),
        }
    }
    let status = machine.0.wait().context("cannot wait for qemu")?;
    ensure!(
        status.success(),
        "{PROGRAM} ended with {status}\n{}",
        tail(&console)
    );
    Ok(())
}

/// The last lines of a console.
pub fn tail(console: &Path) -> String {
    let bytes = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// A running qemu; it does not outlive us, whatever happens.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder for a boot, of this process alone, removed with its value.
pub struct BootFolder(PathBuf);

impl BootFolder {
    /// Makes it.
    pub fn new(name: &str) -> Result<Self> {
        let path = packages::cache().join(format!("boot-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for BootFolder {
    fn drop(&mut self) {
        // What is left over is in target/.
        let _ = fs::remove_dir_all(&self.0);
    }
}
