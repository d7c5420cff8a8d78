//! mosquitto, an MQTT broker, and mosquitto_sub, which shows what it was sent.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    address,
    daemon::Daemon,
    environment,
    program::{Program, SOON},
};

/// What it logs when it has taken a subscription.
const SUBSCRIBED: &str = "Sending SUBACK";

/// A broker of our own.
pub struct Broker {
    daemon: Daemon,
    tools: Tools,
    folder: TempDir,
    address: String,
}

/// Whom a broker lets in, and how.
#[derive(Default)]
pub struct Doors {
    /// A user and the password, instead of everybody.
    pub user: Option<(&'static str, &'static str)>,
    /// TLS, by a certificate that the broker's own authority has signed.
    pub tls: bool,
    /// With TLS: only those whom that authority knows.
    pub known_only: bool,
}

/// Who listens to a broker.
pub struct Listener {
    program: Program,
}

/// A message: its topic and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// Its payload.
    pub json: Value,
}

/// Where Debian's packages were unpacked.
#[derive(Clone)]
struct Tools(PathBuf);

impl Tools {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.0.join("usr").join(program));
        let libraries = format!("usr/lib/{}-linux-gnu", env::consts::ARCH);
        command.env("LD_LIBRARY_PATH", self.0.join(libraries));
        command
    }
}

impl Broker {
    /// Starts one that lets everybody in. The inner error is a reason to skip.
    pub fn open() -> Result<Result<Self, String>> {
        Self::start(&Doors::default())
    }

    /// Starts one with these doors.
    pub fn start(doors: &Doors) -> Result<Result<Self, String>> {
        let tools = match environment::tool(environment::MOSQUITTO) {
            Ok(root) => Tools(root),
            Err(reason) => return Ok(Err(reason)),
        };
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let address = address::free();
        configure(&tools, doors, folder.path(), &address)?;
        let mut command = tools.command("sbin/mosquitto");
        command.arg("-c").arg(folder.path().join("conf"));
        Ok(Ok(Self {
            daemon: Daemon::start(command, &[&address])?,
            tools,
            folder,
            address,
        }))
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its own authority, which signed its certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate of its authority for a client, and its key.
    pub fn client_pair(&self) -> [PathBuf; 2] {
        ["client.pem", "client.key"].map(|name| self.folder.path().join(name))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.daemon.program().stderr()
    }

    /// Kills it.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.stop(libc::SIGKILL)
    }

    /// Starts it again at the same address; it has forgotten everything.
    pub fn start_again(&mut self) -> Result<()> {
        self.daemon.start_again()
    }

    /// Starts to listen to topics of this filter, and waits until the broker knows.
    pub fn listen(&self, filter: &str) -> Result<Listener> {
        self.listen_as(filter, &[])
    }

    /// The same with options of mosquitto_sub.
    pub fn listen_as(&self, filter: &str, options: &[&str]) -> Result<Listener> {
        let (host, port) = address::parts(&self.address)?;
        let mut command = self.tools.command("bin/mosquitto_sub");
        command.args(["-h", host, "-p", port, "-t", filter, "-q", "1"]);
        command.args(["-F", "message %t %p"]).args(options);
        let known = |log: &str| log.matches(SUBSCRIBED).count();
        let before = known(&self.log());
        let program = Program::start(&mut command)?;
        self.daemon
            .program()
            .wait_for_stderr(SOON, |log| known(log) > before)?;
        Ok(Listener { program })
    }
}

impl Listener {
    /// What has come so far.
    pub fn messages(&self) -> Result<Vec<Message>> {
        let text = self.program.stdout();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole
            .lines()
            .filter_map(|line| line.strip_prefix("message "));
        lines.map(Message::parse).collect()
    }

    /// Waits until this holds of all that has come.
    pub fn wait_for(&self, holds: impl Fn(&[Message]) -> bool) -> Result<Vec<Message>> {
        let until = Instant::now() + SOON;
        loop {
            let messages = self.messages()?;
            if holds(&messages) {
                return Ok(messages);
            }
            if Instant::now() > until {
                bail!("what was awaited did not come; this did: {messages:#?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Message {
    fn parse(line: &str) -> Result<Self> {
        let (topic, json) = line.split_once(' ').context("no payload")?;
        Ok(Self {
            topic: topic.to_owned(),
            json: serde_json::from_str(json).with_context(|| format!("not JSON: {json}"))?,
        })
    }

    /// A number among the metrics.
    pub fn metric(&self, key: &str) -> Option<f64> {
        self.json["metrics"].get(key)?.as_f64()
    }

    /// A number among the aggregates.
    pub fn aggregated(&self, key: &str) -> Option<f64> {
        self.json["aggregated"].get(key)?.as_f64()
    }

    /// When its values were read.
    pub fn timestamp(&self) -> &str {
        self.json["metrics"]["timestamp"].as_str().unwrap_or("")
    }
}

fn configure(tools: &Tools, doors: &Doors, folder: &Path, address: &str) -> Result<()> {
    let (host, port) = address::parts(address)?;
    let file = |name: &str| folder.join(name).display().to_string();
    // It is started by root, and would become a user that is not there.
    let mut conf = format!("user root\nlog_dest stderr\nlog_type all\nlistener {port} {host}\n");
    match doors.user {
        None => conf += "allow_anonymous true\n",
        Some((name, password)) => {
            let mut passwd = tools.command("bin/mosquitto_passwd");
            run(passwd.args(["-b", "-c", &file("users"), name, password]))?;
            conf += &format!("allow_anonymous false\npassword_file {}\n", file("users"));
        }
    }
    if doors.tls {
        certificates(folder, host)?;
        for (key, name) in [
            ("cafile", "ca.pem"),
            ("certfile", "broker.pem"),
            ("keyfile", "broker.key"),
        ] {
            conf += &format!("{key} {}\n", file(name));
        }
        conf += &format!("require_certificate {}\n", doors.known_only);
    }
    fs::write(folder.join("conf"), conf).context("cannot write its configuration")
}

/// An authority, and what it has signed for the broker and for a client.
fn certificates(folder: &Path, host: &str) -> Result<()> {
    let openssl =
        |arguments: &[&str]| run(Command::new("openssl").args(arguments).current_dir(folder));
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    openssl(
        &[
            &["req", "-x509", "-days", "2", "-subj", "/CN=authority"],
            &curve[..],
            &["-keyout", "ca.key", "-out", "ca.pem"],
        ]
        .concat(),
    )?;
    fs::write(folder.join("names"), format!("subjectAltName=IP:{host}\n"))?;
    for name in ["broker", "client"] {
        let [key, request, certificate] = ["key", "csr", "pem"].map(|end| format!("{name}.{end}"));
        let subject = format!("/CN={name}");
        openssl(
            &[
                &["req", "-subj", &subject],
                &curve[..],
                &["-keyout", &key, "-out", &request],
            ]
            .concat(),
        )?;
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "names",
            "-in",
            &request,
            "-out",
            &certificate,
        ])?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot start it")?;
    ensure!(
        output.status.success(),
        "{:?}: {}",
        command.get_program(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
