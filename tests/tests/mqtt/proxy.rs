//! A broker that disconnects again and again: a real one behind a proxy that cuts every connection
//! some time after it was made.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// The proxy; it goes on until the test ends.
pub struct Proxy {
    address: String,
    cut: Arc<AtomicUsize>,
}

impl Proxy {
    /// Stands before the broker at `address`, and cuts a connection after `time`.
    pub fn new(address: &str, time: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self {
            address: listener.local_addr()?.to_string(),
            cut: Arc::default(),
        };
        let (broker, cut) = (address.to_owned(), Arc::clone(&proxy.cut));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (broker, cut) = (broker.clone(), Arc::clone(&cut));
                thread::spawn(move || {
                    if pass_on(&client, &broker, time).is_ok() {
                        cut.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Ok(proxy)
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections it has cut.
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }
}

fn pass_on(client: &TcpStream, broker: &str, time: Duration) -> io::Result<()> {
    let broker = TcpStream::connect(broker)?;
    for (from, to) in [(client, &broker), (&broker, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || io::copy(&mut from, &mut to));
    }
    thread::sleep(time);
    client.shutdown(Shutdown::Both)?;
    broker.shutdown(Shutdown::Both)
}
