//! A collector that says yes to everything: OTLP over HTTP.

use std::{
    io::{BufRead, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::SystemTime,
};

use anyhow::{Result, ensure};

const YES: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

/// What one POST brought.
pub struct Request {
    /// Such as `/v1/metrics`.
    pub path: String,
    /// As it was sent.
    pub body: Vec<u8>,
    /// Bytes of its head and body on the wire.
    pub wire: usize,
    /// When its last byte was here.
    pub at: SystemTime,
}

/// It runs as long as we do.
pub struct Sink(String);

impl Sink {
    /// Starts it on any free port; every request is answered, then handed over.
    pub fn start(take: impl Fn(Request) + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let take = Arc::new(take);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let take = Arc::clone(&take);
                // A broken connection is the other side's to notice.
                thread::spawn(move || serve(stream, &*take));
            }
        });
        Ok(Self(url))
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.0.clone()
    }
}

fn serve(mut stream: TcpStream, take: &impl Fn(Request)) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        stream.write_all(YES)?;
        take(request);
    }
    Ok(())
}

/// The next request; none when the other side is done.
fn read(reader: &mut impl BufRead) -> Result<Option<Request>> {
    let mut head = String::new();
    if reader.read_line(&mut head)? == 0 {
        return Ok(None);
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut wire = head.len();
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "a head without an end");
        wire += line.len();
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        path,
        wire: wire + length,
        body,
        at: SystemTime::now(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_and_their_bytes_counted() {
        let text =
            "POST /v1/metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /x HTTP/1.1\r\n\r\n";
        let mut bytes = text.as_bytes();
        let first = read(&mut bytes).unwrap().unwrap();
        assert_eq!(
            (first.path.as_str(), first.body),
            ("/v1/metrics", b"abc".to_vec())
        );
        let second = read(&mut bytes).unwrap().unwrap();
        assert_eq!((second.path.as_str(), second.body.len()), ("/x", 0));
        assert_eq!(first.wire + second.wire, text.len());
        assert!(read(&mut bytes).unwrap().is_none());
        assert!(read(&mut "POST / HTTP/1.1\r\n".as_bytes()).is_err());
    }
}
