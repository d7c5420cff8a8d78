//! A receiver of OTLP over HTTP that keeps every request it was sent, dies and comes back, and
//! misbehaves on order.

pub mod decode;
pub mod signals;

use std::{
    io::{BufRead, BufReader, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};
use signals::{Logged, Spanned};

use crate::address;

const PAUSE: Duration = Duration::from_millis(5);

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Take,
    /// Takes it, and hangs up without an answer.
    LoseAnswer,
    /// Says no, with this status and these further headers (each with its end of line).
    Refuse(&'static str, &'static str),
    /// Answers with what is no HTTP.
    Garbage,
    /// Never answers.
    Silent,
    /// Reads one byte a second.
    Trickle,
}

/// The receiver.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    stopping: AtomicBool,
}

struct State {
    manner: Manner,
    /// By the paths they were posted to.
    bodies: Vec<(String, Vec<u8>)>,
    asked: usize,
    open: Vec<TcpStream>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            manner: Manner::Take,
            bodies: Vec::new(),
            asked: 0,
            open: Vec::new(),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiver {
    /// Starts it where nobody else can be when it comes back.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(address::free()).context("its address is taken")?;
        let mut receiver = Self {
            address: listener.local_addr()?,
            shared: Arc::default(),
            acceptor: None,
        };
        receiver.accept(listener)?;
        Ok(receiver)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does with requests from now on; connections that are open end.
    pub fn behave(&self, manner: Manner) {
        let mut state = self.shared.state();
        state.manner = manner;
        hang_up(&mut state);
    }

    /// Dies: nobody listens any more, and every connection is gone.
    ///
    /// # Panics
    /// When its thread did.
    pub fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("no panic");
        }
        hang_up(&mut self.shared.state());
    }

    /// Listens again where it did.
    pub fn start_again(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).context("its address is taken")?;
        self.shared.stopping.store(false, Ordering::SeqCst);
        self.accept(listener)
    }

    /// The bodies of all requests with metrics it took, those that were not answered too, in order.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies_of("/v1/metrics")
    }

    /// The log records it took, in order.
    pub fn logs(&self) -> Vec<Logged> {
        signals::logs(&self.bodies_of("/v1/logs"))
    }

    /// The spans it took, in order.
    pub fn spans(&self) -> Vec<Spanned> {
        signals::spans(&self.bodies_of("/v1/traces"))
    }

    /// Those of requests to a path.
    pub fn bodies_of(&self, path: &str) -> Vec<Vec<u8>> {
        let state = self.shared.state();
        let of = state.bodies.iter().filter(|(to, _)| to == path);
        of.map(|(_, body)| body.clone()).collect()
    }

    /// How many requests were begun.
    pub fn asked(&self) -> usize {
        self.shared.state().asked
    }

    fn accept(&mut self, listener: TcpListener) -> Result<()> {
        // It looks up now and then whether it is to die.
        listener.set_nonblocking(true)?;
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(thread::spawn(move || {
            while !shared.stopping.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => greet(stream, &shared),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                    Err(_) => return,
                }
            }
        }));
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

fn hang_up(state: &mut State) {
    for stream in state.open.drain(..) {
        // It may be gone already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn greet(stream: TcpStream, shared: &Arc<Shared>) {
    let (Ok(()), Ok(other)) = (stream.set_nonblocking(false), stream.try_clone()) else {
        return;
    };
    shared.state().open.push(other);
    let shared = Arc::clone(shared);
    // A broken connection is the other side's to notice.
    thread::spawn(move || serve(stream, &shared));
}

fn serve(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut reader = BufReader::with_capacity(1, stream.try_clone()?);
    if shared.state().manner == Manner::Trickle {
        let mut byte = [0];
        while reader.read(&mut byte)? > 0 {
            thread::sleep(Duration::from_secs(1));
        }
        return Ok(());
    }
    let mut reader = BufReader::new(reader.into_inner());
    while let Some((path, length)) = head(&mut reader)? {
        let manner = {
            let mut state = shared.state();
            state.asked += 1;
            state.manner
        };
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut take = || {
            let body = std::mem::take(&mut body);
            shared.state().bodies.push((path.clone(), body));
        };
        match manner {
            Manner::Take => {
                take();
                answer(&mut stream, "200 OK", "")?;
            }
            Manner::LoseAnswer => {
                take();
                stream.shutdown(Shutdown::Both)?;
                return Ok(());
            }
            Manner::Refuse(status, headers) => answer(&mut stream, status, headers)?,
            Manner::Garbage => {
                stream.write_all(b"\x00\xff*** what? ***\r\n\r\n")?;
                stream.shutdown(Shutdown::Both)?;
                return Ok(());
            }
            // Until the other side has had enough.
            Manner::Silent | Manner::Trickle => {
                reader.read_exact(&mut [0])?;
            }
        }
    }
    Ok(())
}

fn answer(stream: &mut TcpStream, status: &str, headers: &str) -> Result<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\n{headers}");
    stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes())?;
    Ok(())
}

/// Reads a request's head: where to, and how long its body is; none at the end.
fn head(reader: &mut impl BufRead) -> Result<Option<(String, usize)>> {
    let mut length = 0;
    let mut path = None;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if path.is_none() {
            path = line.split_whitespace().nth(1).map(str::to_owned);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.is_empty() {
            return Ok(Some((path.unwrap_or_default(), length)));
        }
    }
}
