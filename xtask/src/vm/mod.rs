//! `cargo xtask vmtest`: the tests of the kernel half under other kernels, in emulated machines.

mod cpio;
mod initramfs;
mod kernel;
mod packages;
mod qemu;

use std::{
    env,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

pub use self::kernel::Series;
use self::{
    initramfs::{Contents, PROGRAMS},
    qemu::{Boot, BootFolder},
};
use crate::{build, shell, test, tools::fetch, workspace};

/// The variable that names the file in which skipped tests are listed.
pub const SKIP_LOG: &str = "PROCMON_SKIP_LOG";
/// The tests that run in the machine.
const TESTS: [&str; 3] = ["kernels", "exec_counts", "identity"];
/// Those that want `lockdown=confidentiality`, which there is no way back from: they come last,
/// and never on the host.
pub const LOCKED_DOWN: &str = "locked_down";

/// What `cargo xtask vmtest` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Boot this kernel only; all of them otherwise
    #[arg(long, value_enum)]
    kernel: Option<Series>,
    /// Run only tests whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// Give a machine up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    timeout: u64,
    /// Add this to the kernel's command line, such as lockdown=confidentiality
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
    if !options.no_build {
        build::procmon()?;
    }
    let tests = test::binaries()?;
    let wanted = options
        .kernel
        .map_or(Series::ALL.to_vec(), |kernel| vec![kernel]);
    let mut first_failure = 0;
    for series in wanted {
        let status = one(series, options, &tests)?;
        if first_failure == 0 {
            first_failure = status;
        }
    }
    Ok(ExitCode::from(first_failure))
}

/// Gets all that a machine with this kernel is made of; the error is the reason why it cannot be had.
pub fn prepare(series: Series) -> Result<PathBuf> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the machines are x86_64, this host is {}",
        env::consts::ARCH
    );
    qemu::command().context("there is no qemu")?;
    kernel::image(series).with_context(|| format!("there is no Linux {series}"))
}

fn one(series: Series, options: &Options, tests: &[(String, PathBuf)]) -> Result<u8> {
    let kernel = prepare(series)?;
    let release = workspace::target().join("release");
    let mut contents = Contents {
        init: release.join("init"),
        ..Contents::default()
    };
    // The benchmark is large and no test wants it.
    let bench = (!options.command.is_empty()).then_some("procmon-bench");
    for name in ["procmon", "victim"].into_iter().chain(bench) {
        contents
            .programs
            .push((release.join(name), format!("{PROGRAMS}/{name}")));
    }
    contents.job =
        format!("env\tPROCMON_BIN={PROGRAMS}/procmon\nenv\tVICTIM_BIN={PROGRAMS}/victim\n");
    if options.command.is_empty() {
        add_tests(&mut contents, tests, options.filter.as_deref())?;
    } else {
        contents.job += &format!("run\t{}\n", options.command.join("\t"));
    }
    let initramfs = initramfs::build(&contents)?;
    let folder = BootFolder::new(&series.to_string())?;
    let begun = Instant::now();
    let mut status = None;
    qemu::boot(
        &Boot {
            kernel: &kernel,
            initramfs: &initramfs,
            append: &options.append,
            limit: Duration::from_secs(options.timeout),
            folder: folder.path(),
        },
        |line| match line.strip_prefix("vm: ").map(|said| said.split_once(' ')) {
            Some(Some(("status", number))) => status = number.parse().ok(),
            Some(Some(("skipped", reason))) => note_skipped(series, reason),
            Some(Some(("ready", release))) => shell::say(&format!(
                "Linux {release} is up after {:.1} s",
                begun.elapsed().as_secs_f64()
            )),
            _ => println!("{line}"),
        },
    )?;
    let Some(status) = status else {
        let console = qemu::tail(&folder.path().join("console.txt"));
        bail!("the machine powered off without a status; its console said last:\n{console}");
    };
    shell::say(&format!(
        "Linux {series}: status {status}, {:.1} s in all",
        begun.elapsed().as_secs_f64()
    ));
    Ok(status)
}

/// The tests, and the tools that some of them compare with.
fn add_tests(
    contents: &mut Contents,
    tests: &[(String, PathBuf)],
    filter: Option<&str>,
) -> Result<()> {
    if let Some(bash) = shell::which("bash") {
        contents.programs.push((bash, "/bin/bash".to_owned()));
    }
    match fetch::strace() {
        Ok(strace) => {
            contents.programs.push((strace, "/bin/strace".to_owned()));
            contents.job += "env\tSTRACE_BIN=/bin/strace\n";
        }
        Err(error) => {
            let reason = format!("{error:#}").replace(['\n', '\t'], " ");
            contents.job += &format!("env\tSTRACE_BIN=missing: no strace: {reason}\n");
        }
    }
    let filter = filter.unwrap_or_default();
    let mut last = String::new();
    for name in TESTS {
        let binary = binary(tests, name)?;
        let there = format!("{PROGRAMS}/{name}");
        contents.programs.push((binary.to_owned(), there.clone()));
        let run = format!("run\t{there}\t--test-threads=1\t{filter}");
        contents.job += &format!("{run}\t--skip\t{LOCKED_DOWN}\n");
        if name == "kernels" {
            last = format!(
                "lockdown\tconfidentiality\nrun\t{there}\t--test-threads=1\t{LOCKED_DOWN}\n"
            );
        }
    }
    if filter.is_empty() || filter.contains(LOCKED_DOWN) {
        contents.job += &last;
    }
    Ok(())
}

fn binary<'a>(tests: &'a [(String, PathBuf)], name: &str) -> Result<&'a Path> {
    let wanted = |source: &str| {
        source.ends_with(&format!("tests/{name}.rs"))
            || source.ends_with(&format!("tests/{name}/main.rs"))
    };
    let found = tests.iter().find(|(source, _)| wanted(source));
    found
        .map(|(_, binary)| binary.as_path())
        .with_context(|| format!("there is no test binary {name}"))
}

/// Passes a skipped test on to whoever counts them.
fn note_skipped(series: Series, reason: &str) {
    let line = reason.replacen("SKIPPED ", &format!("SKIPPED Linux {series}: "), 1);
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
