//! pgbench and its server, over loopback.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use procmon_tests::address;

use super::{SOON, Work, command, finish, place, serve};
use crate::{interrupt, peers::tool::Tool};

/// Of Debian; PostgreSQL refuses to run as root.
const NOBODY: &str = "65534";

/// A database of its own that need not survive; a portion reads.
pub fn set_up() -> Result<Work> {
    let (cgroup, folder) = place("postgres")?;
    let root = Tool::Postgres.root()?;
    let address = address::free();
    let (host, port) = address::parts(&address)?;
    let listens = format!("listen_addresses={host}");
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
        port,
        "-k",
        &sockets,
        "-c",
        &listens,
        "-c",
        "fsync=off",
        // It would work at times of its own.
        "-c",
        "autovacuum=off",
    ])?;
    let server = serve(&mut server, &address)?;
    let to = ["-h", host, "-p", port, "-U", "bench"];
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
    portion.extend([pgbench.as_str(), "-n", "-S", "-c", "4", "-t", "300"]);
    portion.extend(to);
    portion.push("postgres");
    Ok(Work {
        name: "pgbench",
        every: 4,
        server: Some(server),
        portion: portion.into_iter().map(str::to_owned).collect(),
        libraries: Some(root),
        cgroup,
        _folder: folder,
    })
}

/// The one entry of a folder.
fn only(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let entry = entries.next().context("an empty folder")??;
    Ok(entry.path())
}
