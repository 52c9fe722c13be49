//! The server that the tests share, through our backend, and through a client that sends whatever bytes it likes.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use typebus::{
    IntoBackend,
    backend::{Backend, Subscription, Topic, nats::Nats},
};
pub(crate) use typebus_tests::taker::{
    Place, Taker, keyed, message, outgoing, patiently, payloads, publish, publish_with,
};

pub(crate) fn url() -> String {
    typebus_servers::url("nats")
}

/// What takes long with the defaults is short here.
pub(crate) fn options() -> Nats {
    let short = Duration::from_secs(2);
    Nats::from_url(&url()).unwrap().ack_wait(short).pin_timeout(short).idle_timeout(short / 2)
}

pub(crate) fn connect() -> Arc<dyn Backend> {
    open(options())
}

pub(crate) fn open(options: Nats) -> Arc<dyn Backend> {
    options.into_backend().unwrap()
}

/// A backend where these subscriptions are provisioned.
pub(crate) async fn provisioned(place: &Place, subscriptions: &[&Subscription]) -> Arc<dyn Backend> {
    let backend = connect();
    let plan = place.plan(subscriptions);
    patiently("provision", backend.provision(&plan)).await.unwrap();
    backend
}

/// Publishes a block of headers as somebody else would, and waits until the server has it.
pub(crate) async fn publish_raw(url: &str, topic: &Topic, headers: &[u8], payload: &[u8]) {
    let address = url.split_once("://").unwrap().1.split(['/', '?']).next().unwrap();
    let mut stream = patiently("connect", TcpStream::connect(address)).await.unwrap();
    let block = [b"NATS/1.0\r\n", headers, b"\r\n"].concat();
    let line = format!("HPUB {topic} {} {}\r\n", block.len(), block.len() + payload.len());
    let connect = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n";
    let bytes = [&connect[..], line.as_bytes(), &block, payload, b"\r\nPING\r\n"].concat();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    patiently("publish", async {
        while !answer.windows(4).any(|window| window == b"PONG") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
    })
    .await;
}

/// Asks the server itself, as an administrator would.
pub(crate) async fn ask_raw(subject: &str, question: &str) -> String {
    let url = url();
    let address = url.split_once("://").unwrap().1.split(['/', '?']).next().unwrap();
    let mut stream = patiently("connect", TcpStream::connect(address)).await.unwrap();
    let inbox = format!("_INBOX.t{:x}", fastrand::u64(..));
    let length = question.len();
    let text = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB {inbox} 1\r\nPUB {subject} {inbox} {length}\r\n{question}\r\n"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let head = format!("MSG {inbox} 1 ");
    patiently("ask", async {
        loop {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
            let text = String::from_utf8_lossy(&answer);
            let Some((_, rest)) = text.split_once(&head) else { continue };
            let Some((length, rest)) = rest.split_once("\r\n") else { continue };
            let length: usize = length.parse().unwrap();
            if rest.len() >= length {
                return rest[..length].to_owned();
            }
        }
    })
    .await
}
