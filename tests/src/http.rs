//! Asking a server over HTTP, byte by byte.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::program::{Program, SOON};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its content, out of its chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(own, _)| own == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// Its content as text.
    ///
    /// # Panics
    /// When it is none.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("not UTF-8")
    }
}

/// Where a procmon says that it serves: `127.0.0.1:PORT`.
pub fn address(procmon: &Program) -> Result<String> {
    const END: &str = "/metrics\n";
    let said = procmon.wait_for_stderr(SOON, |text| text.contains(END))?;
    let (before, _) = said.split_once(END).context("no address")?;
    // The collector's may stand before it.
    let (_, address) = before.rsplit_once("http://").context("no address")?;
    Ok(address.to_owned())
}

/// Sends a GET with these headers beside Host, and reads the answer.
pub fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request += &format!("Host: {address}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    send(address, request.as_bytes())
}

/// Sends a request as it is, and reads the answer to its end.
pub fn send(address: &str, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    // A server that has said enough may reset what it did not read.
    if let Err(error) = stream.read_to_end(&mut answer) {
        ensure!(!answer.is_empty(), "no answer: {error}");
    }
    parse(&answer)
}

/// A page of metrics as text.
///
/// # Errors
/// When there is none.
pub fn page(address: &str, path: &str) -> Result<String> {
    let answer = get(address, path, &[])?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(answer.text().to_owned())
}

/// Waits until a page says something.
pub fn wait_for_page(address: &str, path: &str, holds: impl Fn(&Answer) -> bool) -> Result<Answer> {
    let until = std::time::Instant::now() + SOON;
    loop {
        let answer = get(address, path, &[])?;
        if holds(&answer) {
            return Ok(answer);
        }
        ensure!(std::time::Instant::now() < until, "{answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The value of the series that has all of these words.
pub fn value(page: &str, words: &[&str]) -> Option<f64> {
    let has = |line: &&str| !line.starts_with('#') && words.iter().all(|word| line.contains(word));
    let mut lines = page.lines().filter(has);
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "{words:?} are in two series");
    line.rsplit_once(' ')?.1.parse().ok()
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("no end of the head")?;
    let head = std::str::from_utf8(&bytes[..end]).context("the head is not UTF-8")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.context("no status")?.parse()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    let chunked = ("transfer-encoding".to_owned(), "chunked".to_owned());
    let rest = &bytes[end + 4..];
    let body = match headers.contains(&chunked) {
        true => dechunk(rest)?,
        false => rest.to_vec(),
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn dechunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .context("no length of a chunk")?;
        let length = std::str::from_utf8(&rest[..end])?;
        let length = usize::from_str_radix(length, 16).context("no length of a chunk")?;
        rest = &rest[end + 2..];
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..length).context("half a chunk")?);
        rest = rest.get(length + 2..).context("no end of a chunk")?;
    }
}
