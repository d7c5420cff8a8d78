//! `docs/kernels.md`: what `procmon doctor --json` says in each machine. That it still does, the
//! tests of kernels ask in the machines.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Guest, Options, build, one, rows::rows};
use crate::{shell, target::Target, workspace};

const DOCUMENT: &str = "docs/kernels.md";
const HEAD: &str = "\
# Kernels

What procmon does on the kernels it is tested on: by which road it comes to each kind of number, the
best road that the kernel allows, and why no better one. `cargo xtask vmtest --write` writes this page
from what `procmon doctor --json` says in each machine; `cargo xtask test` asks each of them whether it
is still so. The kernels are Debian's; locked down means `lockdown=confidentiality`, with which it is
the same on all of them.

Where pages have 16 KiB (`cargo xtask vmtest --kernel 6.12-16k --arch arm64`, on demand) the roads are
those of 6.12 on arm64, and all counts and sizes are exact, in those pages. The resident set may lack
up to 64 pages a CPU, as everywhere; of these pages that is 1 MiB a CPU, and a small process shows
none. Six tests do not hold there: they take a page for 4 KiB, or some of so small a process for
resident. A kernel of Debian's with pages of 64 KiB there is not.

| Linux | architecture | feature | road taken | why no better one |
|---|---|---|---|---|
";

/// Boots every machine, and writes the page.
pub fn write(options: &Options) -> Result<()> {
    let options = Options {
        command: ["procmon", "doctor", "--json"].map(str::to_owned).to_vec(),
        ..options.clone()
    };
    let mut page = HEAD.to_owned();
    let by_kernel = |guest: &Guest| guest.cpus == Guest::CPUS;
    for guest in Guest::TESTED.into_iter().filter(by_kernel) {
        if !options.no_build {
            build(guest.arch)?;
        }
        let mut said = String::new();
        let target = Target::of(guest.arch)?;
        one(guest, &options, &target, &[], |line| {
            said += line;
            said.push('\n');
        })?;
        let diagnosis =
            diagnosis(&said).with_context(|| format!("{guest}: this is no diagnosis:\n{said}"))?;
        for cells in rows(&diagnosis) {
            page += &format!("| {} | {} |\n", kernel(guest), cells.join(" | "));
        }
    }
    let path = workspace::root().join(DOCUMENT);
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    shell::say(&format!("wrote {DOCUMENT}"));
    Ok(())
}

/// The JSON between what else is said, such as warnings.
fn diagnosis(said: &str) -> Option<Value> {
    let json = said.get(said.find('{')?..=said.rfind('}')?)?;
    serde_json::from_str(json).ok()
}

/// The cells that name the kernel: the series, since releases change every few weeks.
fn kernel(guest: Guest) -> String {
    if guest.lockdown {
        return "any, locked down | any".to_owned();
    }
    format!("{} | {}", guest.series, guest.arch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnosis_is_found_between_warnings_and_becomes_rows() {
        let said = r#"WARN: something
{"summary": "1 of 2 probes active", "roads": [
    {"to": "totals", "roads": [{"road": "a", "taken": false}, {"road": "b", "taken": true}], "reason": "no a"},
    {"to": "payload", "roads": [{"road": "c", "taken": false}], "reason": null}
]}
"#;
        assert_eq!(
            rows(&diagnosis(said).unwrap()),
            [
                ["probes", "1 of 2 probes active", ""],
                ["totals", "b", "no a"],
                ["payload", "none", ""],
            ]
        );
    }
}
