//! HTTPS, by a client of other people's.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use procmon_tests::{Procmon, Program, need, program::SOON};

use crate::support::{NEVER, output};

const TOKEN: &str = "correct-horse";

/// A program of the system's.
fn program(name: &str) -> Result<PathBuf, String> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&folders).map(|folder| folder.join(name));
    places
        .find(|place| place.is_file())
        .ok_or_else(|| format!("there is no {name} here"))
}

/// A folder with two certificates for 127.0.0.1, each its own authority, and a token.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(site.path("token"), format!("{TOKEN}\n")).unwrap();
        for name in ["server", "other"] {
            let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt"]);
            openssl.args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
            openssl.args([
                "-subj",
                "/CN=procmon",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ]);
            openssl.args(["-keyout", &key, "-out", &certificate]);
            let made = openssl.current_dir(site.folder.path()).output().unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A procmon that serves with these files.
    fn procmon(&self, certificate: &str, key: &str) -> Procmon {
        let text = format!(
            "http: {{listen: \"127.0.0.1:0\", token_file: {}, tls: {{certificate: {}, key: {}}}}}\n",
            self.path("token"),
            self.path(certificate),
            self.path(key),
        );
        fs::write(self.path("procmon.yaml"), text).unwrap();
        Procmon::new("run")
            .pid(std::process::id())
            .env(Procmon::LISTEN, "")
            .args(["--interval", NEVER, "--config", &self.path("procmon.yaml")])
    }

    /// What curl gets, and the status: `000` where there is no answer.
    fn curl(&self, curl: &Path, url: &str, more: &[&str]) -> (String, String) {
        let mut command = Command::new(curl);
        command.args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
        ]);
        let output = command.args(more).arg(url).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (body.to_owned(), status.to_owned())
    }
}

/// Where it says that it serves.
fn url(procmon: &Program) -> String {
    let said = procmon
        .wait_for_stderr(SOON, |text| text.contains("/metrics\n"))
        .unwrap();
    let (before, _) = said.split_once("/metrics\n").unwrap();
    let (_, address) = before.rsplit_once("https://").unwrap();
    format!("https://{address}")
}

#[test]
fn metrics_are_served_over_tls_to_those_who_bring_the_token() {
    let curl = need!(program("curl"));
    need!(program("openssl"));
    let site = Site::new();
    let procmon = site.procmon("server.pem", "server.key").start().unwrap();
    let url = url(&procmon);
    let trusts = ["--cacert", &site.path("server.pem")];
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let knows = [&trusts[..], &["--header", &bearer]].concat();
    let get = |path: &str, more: &[&str]| site.curl(&curl, &format!("{url}{path}"), more);
    let all = [&knows[..], &["--retry", "20", "--retry-delay", "1"]].concat();
    let (page, status) = get("/metrics", &all);
    assert_eq!(status, "200", "{page}");
    assert!(page.contains("\nprocess_resident_memory_bytes "), "{page}");
    assert_eq!(get("/metrics", &trusts).1, "401");
    let wrong = [&trusts[..], &["--header", "Authorization: Bearer wrong"]].concat();
    assert_eq!(get("/metrics", &wrong).1, "401");
    assert_eq!(get("/healthz", &trusts).1, "200", "that takes no token");
    for version in ["1.2", "1.3"] {
        let option = format!("--tlsv{version}");
        let just = [&knows[..], &[&option, "--tls-max", version]].concat();
        assert_eq!(get("/metrics", &just).1, "200", "TLS {version}");
    }
    // Whom nobody vouches for is not spoken to; and nothing is said in the clear.
    let other = ["--cacert", &site.path("other.pem"), "--header", &bearer];
    assert_eq!(get("/metrics", &other), (String::new(), "000".to_owned()));
    let plain = url.replace("https:", "http:");
    let clear = site.curl(&curl, &format!("{plain}/metrics"), &["--header", &bearer]);
    assert_eq!(clear, (String::new(), "000".to_owned()));
    // Nor has any of that ended it.
    assert_eq!(get("/metrics", &knows).1, "200");
}

#[test]
fn a_bad_certificate_or_key_is_status_2_and_names_the_file() {
    need!(program("openssl"));
    let site = Site::new();
    fs::write(site.path("none.pem"), "nothing\n").unwrap();
    for (certificate, key, said) in [
        ("none.pem", "server.key", "http.tls.certificate"),
        ("missing.pem", "server.key", "http.tls.certificate"),
        ("server.pem", "none.pem", "http.tls.key"),
        ("server.pem", "missing.key", "http.tls.key"),
        ("server.pem", "other.key", "http.tls.key"),
    ] {
        let output = output(&site.procmon(certificate, key));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let file = if said.ends_with("key") {
            key
        } else {
            certificate
        };
        for word in [said, &site.path(file)] {
            assert!(output.stderr.contains(word), "no {word:?} in: {output:?}");
        }
        assert_eq!(output.stdout, "", "{output:?}");
    }
}
