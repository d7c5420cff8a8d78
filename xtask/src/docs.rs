//! `cargo xtask docs`: documents that procmon writes about itself.

use std::{fs, process::Command, process::ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::{build, shell, target::Target, workspace};

/// Each document and the arguments that make procmon write it.
const DOCUMENTS: &[(&str, &[&str])] = &[
    ("docs/metrics.md", &["metrics", "--format", "md"]),
    (
        "docs/configuration.md",
        &["config", "reference", "--format", "md"],
    ),
    (
        "docs/configuration.schema.json",
        &["config", "reference", "--format", "schema"],
    ),
    (
        "deploy/procmon.yaml",
        &["config", "reference", "--format", "yaml"],
    ),
    ("docs/otlp.md", &["config", "reference", "--format", "otlp"]),
];

/// What `cargo xtask docs` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Change nothing; fail if a document is not what procmon would write
    #[arg(long)]
    check: bool,
}

/// Writes or compares all of them.
pub fn run(options: &Options) -> Result<ExitCode> {
    let procmon = build::procmon(&Target::host())?;
    let mut stale = false;
    for (document, arguments) in DOCUMENTS {
        let wanted = shell::output(Command::new(&procmon).args(*arguments))?;
        ensure!(
            !wanted.trim().is_empty(),
            "procmon wrote nothing for {document}"
        );
        let path = workspace::root().join(document);
        if !options.check {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
            }
            fs::write(&path, &wanted)
                .with_context(|| format!("cannot write {}", path.display()))?;
            shell::say(&format!("wrote {document}"));
        } else if let Some(difference) =
            difference(&fs::read_to_string(&path).unwrap_or_default(), &wanted)
        {
            stale = true;
            shell::say(&format!(
                "{document} is not what procmon writes: {difference}; run `cargo xtask docs`"
            ));
        } else {
            shell::say(&format!("{document} is up to date"));
        }
    }
    Ok(if stale {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The first line that differs.
fn difference(found: &str, wanted: &str) -> Option<String> {
    if found == wanted {
        return None;
    }
    let (mut left, mut right) = (found.lines(), wanted.lines());
    let mut number = 1;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some("the ends of lines differ".to_owned()),
            (found, wanted) if found == wanted => number += 1,
            (found, wanted) => {
                return Some(format!(
                    "line {number} is {:?} and should be {:?}",
                    found.unwrap_or("not there"),
                    wanted.unwrap_or("not there")
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            difference("a\nb\n", "a\nc\n").as_deref(),
            Some(r#"line 2 is "b" and should be "c""#)
        );
        assert_eq!(
            difference("", "a\n").as_deref(),
            Some(r#"line 1 is "not there" and should be "a""#)
        );
    }
}
