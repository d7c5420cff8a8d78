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

use super::{Guest, kernel::Series};
use crate::{arch::Arch, packages, shell};

/// `rcu_expedited`: else detaching forty programs takes seconds of grace periods.
const COMMAND_LINE: &str = "panic=-1 loglevel=4 rcupdate.rcu_expedited=1";

/// What the kernel says, in the folder of a boot.
const CONSOLE: &str = "console.txt";
/// What a panic begins with (panic() of kernel/panic.c).
const PANIC: &str = "Kernel panic - not syncing: ";

/// What differs by the architecture.
struct Machine {
    program: &'static str,
    package: &'static str,
    kind: &'static str,
    processor: &'static str,
    /// The second serial port, the first being the kernel's.
    port: &'static [&'static str],
    command_line: &'static str,
}

/// `tsc=reliable`: with two CPUs Linux 6.1 else takes the emulated TSC for unstable, and every
/// read of the clock becomes a system call.
const AMD64: Machine = Machine {
    program: "qemu-system-x86_64",
    package: "qemu-system-x86",
    kind: "q35",
    processor: "max",
    port: &["-serial", "stdio"],
    command_line: "console=ttyS0 tsc=reliable",
};

/// The machine has one serial port of its own: the second is a PCI card.
const ARM64: Machine = Machine {
    program: "qemu-system-aarch64",
    package: "qemu-system-arm",
    kind: "virt",
    processor: "cortex-a72",
    port: &[
        "-chardev",
        "stdio,id=port",
        "-device",
        "pci-serial,chardev=port",
    ],
    command_line: "console=ttyAMA0",
};

fn machine(arch: Arch) -> &'static Machine {
    match arch {
        Arch::Amd64 => &AMD64,
        Arch::Arm64 => &ARM64,
    }
}

/// qemu's command, without what to boot.
pub fn command(arch: Arch) -> Result<Command> {
    let machine = machine(arch);
    if let Some(installed) = shell::which(machine.program) {
        return Ok(Command::new(installed));
    }
    let root = packages::cache().join(machine.package);
    if !root.exists() {
        let host = Arch::host().with_context(|| format!("none for {}", env::consts::ARCH))?;
        let missing = packages::missing_for(host, &[machine.package.to_owned()])?;
        packages::unpack(host, &missing, &root)?;
    }
    let libraries = packages::libraries(&root);
    let mut command = Command::new(root.join("usr/bin").join(machine.program));
    command
        .env("LD_LIBRARY_PATH", packages::library_path(&root)?)
        .env("QEMU_MODULE_DIR", libraries.join("qemu"));
    for data in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
        command.arg("-L").arg(root.join(data));
    }
    Ok(command)
}

/// What to boot.
pub struct Boot<'a> {
    /// Which machine.
    pub guest: Guest,
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
    let console = boot.folder.join(CONSOLE);
    let initramfs = boot.folder.join("initramfs");
    fs::write(&initramfs, boot.initramfs)
        .with_context(|| format!("cannot write {}", initramfs.display()))?;
    let machine = machine(boot.guest.arch);
    let mut command = command(boot.guest.arch)?;
    let processor = match boot.guest.series {
        // The usual one has pages of 4 and 64 KiB only (TGran16 in ID_AA64MMFR0_EL1).
        Series::V6_12Pages16 => "max,pauth-impdef=on",
        _ => machine.processor,
    };
    command
        .args(["-machine", machine.kind, "-cpu", processor])
        .args(["-accel", "tcg,thread=single", "-m", "1024"])
        .args(["-smp", &boot.guest.cpus.to_string()])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-monitor", "none", "-no-reboot", "-serial"])
        .arg(format!("file:{}", console.display()))
        .args(machine.port)
        .arg("-kernel")
        .arg(boot.kernel)
        .arg("-initrd")
        .arg(&initramfs)
        .arg("-append")
        .arg(format!(
            "{} {COMMAND_LINE} {}",
            machine.command_line, boot.append
        ));
    let mut running = Running(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", machine.program))?,
    );
    let output = running.0.stdout.take().context("qemu has no stdout")?;
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
                "the machine did not power off within {:?}; {}",
                boot.limit,
                last_words(boot.folder)
            ),
        }
    }
    let status = running.0.wait().context("cannot wait for qemu")?;
    ensure!(
        status.success(),
        "{} ended with {status}; {}",
        machine.program,
        last_words(boot.folder)
    );
    Ok(())
}

/// What the kernel said last in the folder of a boot, for the message of a failure.
pub fn last_words(folder: &Path) -> String {
    let bytes = fs::read(folder.join(CONSOLE)).unwrap_or_default();
    told(&String::from_utf8_lossy(&bytes))
}

fn told(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    let last = lines[lines.len().saturating_sub(30)..].join("\n");
    let panic = lines.iter().find_map(|line| line.split_once(PANIC));
    match panic {
        Some((_, why)) => format!("its kernel panicked: {why}; it said last:\n{last}"),
        None => format!("its kernel said last:\n{last}"),
    }
}

/// A running qemu; it does not outlive us, whatever happens.
struct Running(Child);

impl Drop for Running {
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

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_panic_is_told_first() {
        let console = "[ 1.0] a\n[ 2.0] Kernel panic - not syncing: VFS: no root\n[ 2.1] end\n";
        let told = told(console);
        assert!(told.starts_with("its kernel panicked: VFS: no root; it said last:\n[ 1.0] a\n"));
        assert!(super::told("[ 1.0] a").starts_with("its kernel said last:"));
    }
}
