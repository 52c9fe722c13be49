//! The whole program in process, but for its signal.
#![allow(clippy::disallowed_methods, reason = "a test waits for the tasks that it spawns")]
use std::net::SocketAddr;

use axum::{extract::State, http::StatusCode};
use axum_example::{App, Belt, Shop, health, ready, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};
use typebus::Bus;

/// Begins a request; with a body, until the server asks for that, so that it is under way.
async fn begin(address: SocketAddr, request: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let expect =
        if body.is_empty() { "" } else { "expect: 100-continue\r\ncontent-type: application/json\r\n" };
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{expect}content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    if !body.is_empty() {
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    stream
}

/// The first comes when the test says, and the second never.
async fn signals(signal: oneshot::Receiver<()>) -> impl Future<Output = ()> {
    signal.await.unwrap();
    std::future::pending()
}

/// Status and body of the answer.
async fn end(mut stream: TcpStream, body: &str) -> (u16, String) {
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn ask(address: SocketAddr, request: &str, body: &str) -> (u16, String) {
    end(begin(address, request, body).await, body).await
}

#[tokio::test]
async fn the_server_stops_then_the_bus_and_nothing_that_was_accepted_is_lost() {
    let (belt, mut packed) = mpsc::channel(1);
    let bus = Bus::<Shop>::builder().state(Belt(belt)).connect("memory:").await.unwrap();
    let app = App::start(&bus).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (stop, signal)) = (listener.local_addr().unwrap(), oneshot::channel::<()>());
    let served = tokio::spawn(serve(listener, app.clone(), signals(signal)));

    assert_eq!(ask(address, "GET /ready", "").await, (200, "ready".to_owned()));
    assert_eq!(ask(address, "GET /health", "").await, (200, "healthy".to_owned()));
    assert_eq!(ask(address, "POST /orders", r#"{"order_id":""}"#).await.0, 400); // a key is not empty
    let (status, id) = ask(address, "POST /orders", r#"{"order_id":"o-1"}"#).await;
    assert_eq!((status, id.len()), (202, 36));
    assert_eq!(ask(address, "POST /orders", r#"{"order_id":"o-2"}"#).await.0, 202); // waits: the belt is full
    let late = begin(address, "POST /orders", r#"{"order_id":"o-3"}"#).await;

    stop.send(()).unwrap();
    app.stopping.subscribe().wait_for(|stopping| *stopping).await.unwrap();
    assert_eq!(ready(State(app.clone())).await, (StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned()));
    assert_eq!(health(State(app.clone())).await.0, StatusCode::OK);
    assert_eq!(end(late, r#"{"order_id":"o-3"}"#).await.0, 202); // it was under way
    assert_eq!(packed.recv().await.as_deref(), Some("o-1"));
    assert_eq!(packed.recv().await.as_deref(), Some("o-2"));
    served.await.unwrap().unwrap();
    assert_eq!(health(State(app)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(TcpStream::connect(address).await.is_err());
}
