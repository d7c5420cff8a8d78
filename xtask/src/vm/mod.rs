//! `cargo xtask vmtest`: the tests of the kernel half under other kernels, in emulated machines.

mod cpio;
mod document;
mod guest;
mod initramfs;
mod job;
mod kernel;
mod qemu;
mod rows;
mod tools;

use std::{
    env,
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

pub use self::guest::Guest;
use self::{
    initramfs::Contents,
    kernel::Series,
    qemu::{Boot, BootFolder},
    tools::Tools,
};
use crate::{arch::Arch, build, shell, target::Target, test};

/// The variable that names the file in which skipped tests are listed.
pub const SKIP_LOG: &str = "PROCMON_SKIP_LOG";
/// Those that want `lockdown=confidentiality`, which there is no way back from: they come last,
/// and never on the host.
pub const LOCKED_DOWN: &str = "locked_down";

/// What `cargo xtask vmtest` takes.
#[derive(Clone, clap::Args)]
pub struct Options {
    /// Boot this kernel only; all of them otherwise
    #[arg(long, value_enum)]
    kernel: Option<Series>,
    /// The machines' architecture
    #[arg(long, value_enum, default_value_t = Arch::Amd64)]
    arch: Arch,
    /// Boot with lockdown=confidentiality, and run only the tests of that
    #[arg(long)]
    lockdown: bool,
    /// Give the machines so many CPUs
    #[arg(long, value_name = "NUMBER", default_value_t = Guest::CPUS)]
    cpus: u8,
    /// Write docs/kernels.md by every machine of `cargo xtask test`, and run no tests
    #[arg(long, conflicts_with_all = ["kernel", "arch", "lockdown", "cpus", "filter", "command"])]
    write: bool,
    /// Run only tests whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// Give a machine up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// Add this to the kernel's command line, such as mitigations=off
    #[arg(long, value_name = "PARAMETERS", default_value = "")]
    append: String,
    /// Take procmon as it was built last
    #[arg(long)]
    no_build: bool,
    /// Run this instead of the tests: procmon, victim, procmon-bench and busybox's commands are on PATH
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Boots each kernel, runs the tests or the command in it, and ends with the status of the first that failed.
pub fn run(options: &Options) -> Result<ExitCode> {
    if options.write {
        return document::write(options).map(|()| ExitCode::SUCCESS);
    }
    let target = Target::of(options.arch)?;
    if !options.no_build {
        build::procmon(&target)?;
    }
    let tests = test::binaries(&target)?;
    let wanted = options
        .kernel
        .map_or(Series::ALL.to_vec(), |kernel| vec![kernel]);
    let mut first_failure = 0;
    for series in wanted {
        let guest = Guest {
            series,
            arch: options.arch,
            lockdown: options.lockdown,
            cpus: options.cpus,
        };
        let status = one(guest, options, &target, &tests, |line| println!("{line}"))?;
        if first_failure == 0 {
            first_failure = status;
        }
    }
    Ok(ExitCode::from(first_failure))
}

/// What a machine is made of and others have made.
pub struct Parts {
    kernel: PathBuf,
    busybox: PathBuf,
    tools: Tools,
}

/// Gets it; the error is the reason why there is no such machine.
pub fn prepare(guest: Guest) -> Result<Parts> {
    let Guest { series, arch, .. } = guest;
    Target::of(arch).with_context(|| format!("nothing can be built for {arch}"))?;
    qemu::command(arch).with_context(|| format!("there is no qemu for {arch}"))?;
    Ok(Parts {
        kernel: kernel::image(series, arch)
            .with_context(|| format!("there is no Linux {series} for {arch}"))?,
        busybox: initramfs::busybox(arch)
            .with_context(|| format!("there is no busybox for {arch}"))?,
        tools: Tools::of(arch),
    })
}

/// Builds what of ours goes into the machines of an architecture.
pub fn build(arch: Arch) -> Result<()> {
    let target = Target::of(arch)?;
    build::procmon(&target)?;
    test::binaries(&target).map(drop)
}

fn one(
    guest: Guest,
    options: &Options,
    target: &Target,
    tests: &[(String, PathBuf)],
    mut said: impl FnMut(&str),
) -> Result<u8> {
    let parts = prepare(guest)?;
    let mut contents = Contents {
        init: target.release().join("init"),
        busybox: parts.busybox,
        ..Contents::default()
    };
    job::add_ours(&mut contents, &target.release());
    if !options.command.is_empty() {
        // The benchmark is large and no test wants it.
        job::add(&mut contents, &target.release(), "procmon-bench");
        contents.job += &format!("run\t{}\n", options.command.join("\t"));
    } else {
        job::add_tools(&mut contents, parts.tools);
        let filter = options.filter.as_deref();
        job::add_tests(&mut contents, guest, tests, filter)?;
    }
    let mut append = options.append.clone();
    if guest.lockdown {
        append += " lockdown=confidentiality";
    }
    let initramfs = initramfs::build(&contents)?;
    let folder = BootFolder::new(&guest.slug())?;
    let begun = Instant::now();
    let mut status = None;
    qemu::boot(
        &Boot {
            guest,
            kernel: &parts.kernel,
            initramfs: &initramfs,
            append: &append,
            limit: Duration::from_secs(options.timeout),
            folder: folder.path(),
        },
        |line| match line.strip_prefix("vm: ").map(|said| said.split_once(' ')) {
            Some(Some(("status", number))) => status = number.parse().ok(),
            Some(Some(("skipped", reason))) => note_skipped(guest, reason),
            Some(Some(("ready", release))) => shell::say(&format!(
                "Linux {release} is up after {:.1} s",
                begun.elapsed().as_secs_f64()
            )),
            _ => said(line),
        },
    )?;
    let Some(status) = status else {
        bail!(
            "the machine went down without a status; {}",
            qemu::last_words(folder.path())
        );
    };
    shell::say(&format!(
        "{guest}: status {status}, {:.1} s in all",
        begun.elapsed().as_secs_f64()
    ));
    Ok(status)
}

/// Passes a skipped test on to whoever counts them.
fn note_skipped(guest: Guest, reason: &str) {
    let line = reason.replacen("SKIPPED ", &format!("SKIPPED {guest}: "), 1);
    println!("{line}");
    let Some(path) = env::var_os(SKIP_LOG) else {
        return;
    };
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{line}"));
    if let Err(error) = written {
        shell::say(&format!("cannot note a skipped test: {error}"));
    }
}
