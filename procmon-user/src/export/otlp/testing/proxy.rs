//! A proxy that connects whoever asks it to CONNECT to one collector, whatever
//! host they name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::read_head;

/// The proxy; it goes on as long as the runtime of the test.
pub struct HttpProxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl HttpProxy {
    /// Leads to `collector`, and answers with this status.
    pub async fn start(collector: SocketAddr, status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("an address"),
            asked: Arc::default(),
        };
        let asked = Arc::clone(&proxy.asked);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(client, collector, status, Arc::clone(&asked)));
            }
        });
        proxy
    }

    /// What it was asked for: the first lines, and the headers.
    pub fn asked(&self) -> Vec<(String, HeaderMap)> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn serve(
    mut client: TcpStream,
    collector: SocketAddr,
    status: &'static str,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
) {
    let Some(head) = read_head(&mut client).await else {
        return;
    };
    asked.lock().expect("no panic").push(head);
    let answer = format!("HTTP/1.1 {status}\r\n\r\n");
    // Who asked may be gone.
    let _ = client.write_all(answer.as_bytes()).await;
    if status.starts_with("200") {
        let mut collector = TcpStream::connect(collector).await.expect("the collector");
        let _ = copy_bidirectional(&mut client, &mut collector).await;
    }
}
