//! A C compiler for another architecture: two libraries (TLS's arithmetic, and zstd) are C.
//!
//! Debian's gcc (39 MB to fetch) with the headers of musl, both unpacked, none installed.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::{arch::Arch, packages, shell, workspace};

/// Where it is.
pub struct Compiler {
    arch: Arch,
    /// The root folder it is unpacked in; none when it is installed.
    gcc: Option<PathBuf>,
    /// The root folder of musl's headers.
    headers: PathBuf,
}

impl Compiler {
    /// Looks for it, or fetches it.
    pub fn ensure(arch: Arch) -> Result<Self> {
        let host = Arch::host()
            .with_context(|| format!("no compiler from {} to {arch}", env::consts::ARCH))?;
        let folder = workspace::tools().join(format!("cross-{arch}"));
        let gcc = match shell::which(&program(arch, "gcc")) {
            Some(_) => None,
            None => Some(unpack_gcc(host, arch, folder.join("gcc"))?),
        };
        let headers = folder.join("musl");
        packages::unpack(arch, &["musl-dev".to_owned()], &headers)
            .with_context(|| format!("there are no headers of musl for {arch}"))?;
        Ok(Self { arch, gcc, headers })
    }

    /// What build scripts read (documentation of the crate `cc`).
    pub fn environment(&self, triple: &str) -> Result<Vec<(String, OsString)>> {
        let key = triple.replace('-', "_");
        let tool = |name: &str| {
            let program = program(self.arch, name);
            match &self.gcc {
                Some(root) => root.join("usr/bin").join(program).into_os_string(),
                None => program.into(),
            }
        };
        let mut variables = vec![
            (format!("CC_{key}"), tool("gcc")),
            (format!("AR_{key}"), tool("ar")),
            (format!("CFLAGS_{key}"), self.flags()?),
        ];
        if let Some(root) = &self.gcc {
            let libraries = packages::library_path(root)?;
            variables.push(("LD_LIBRARY_PATH".to_owned(), libraries));
        }
        Ok(variables)
    }

    /// Only musl's headers are looked at; and of atomics no helpers of gcc's are called, which
    /// nobody would link.
    fn flags(&self) -> Result<OsString> {
        let include = format!("usr/include/{}-linux-musl", self.arch.rust());
        let path = |path: &Path| {
            let text = path.to_str().context("the path of target/ is not UTF-8")?;
            ensure!(!text.contains(' '), "the path of target/ has a space in it");
            Ok(text.to_owned())
        };
        let mut flags = format!(
            "--sysroot={} -isystem {}",
            path(&self.headers)?,
            path(&self.headers.join(include))?
        );
        if self.arch == Arch::Arm64 {
            flags += " -mno-outline-atomics";
        }
        Ok(flags.into())
    }
}

fn unpack_gcc(host: Arch, arch: Arch, folder: PathBuf) -> Result<PathBuf> {
    if !folder.exists() {
        // In the names of packages there is no `_`.
        let package = format!("gcc-{}-linux-gnu", arch.rust()).replace('_', "-");
        packages::missing_for(host, std::slice::from_ref(&package))
            .and_then(|missing| packages::unpack(host, &missing, &folder))
            .with_context(|| {
                let gcc = program(arch, "gcc");
                format!("there is no {gcc} on PATH, and no package {package} to be had")
            })?;
    }
    Ok(folder)
}

fn program(arch: Arch, name: &str) -> String {
    format!("{}-linux-gnu-{name}", arch.rust())
}
