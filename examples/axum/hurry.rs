//! What ends the program before it is asked nicely: a second signal, and a bus that cannot go on.
#![allow(clippy::disallowed_methods, reason = "a test waits for the tasks that it spawns")]
use std::{future::pending, time::Duration};

use axum_example::{App, Belt, OrderPlaced, Shop, serve};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use typebus::{Bus, Tuning};

const HOUR: Duration = Duration::from_secs(3_600);

/// A shop that drains for an hour, and whose belt is full.
async fn shop() -> (App, TcpListener, mpsc::Receiver<String>) {
    let (belt, packed) = mpsc::channel(1);
    belt.try_send("o-0".into()).unwrap();
    let builder =
        Bus::<Shop>::builder().state(Belt(belt)).tuning(Tuning { drain: HOUR, ..Tuning::default() });
    let bus = builder.connect("memory:").await.unwrap();
    let app = App::start(&bus).await.unwrap();
    bus.publish(&OrderPlaced { order_id: "o-1".into() }).await.unwrap();
    tokio::task::yield_now().await; // its handler waits now
    (app, TcpListener::bind("127.0.0.1:0").await.unwrap(), packed)
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_handlers() {
    let (app, listener, packed) = shop().await;
    let signals = std::future::ready(std::future::ready(())); // both at once
    timeout(HOUR / 60, serve(listener, app, signals)).await.expect("it drains").unwrap();
    assert_eq!(packed.len(), 1);
}

#[tokio::test]
async fn the_server_ends_with_the_bus() {
    let (app, listener, mut packed) = shop().await;
    let served = tokio::spawn(serve(listener, app.clone(), pending::<std::future::Ready<()>>()));
    let stopped = tokio::spawn(async move { app.stop().await });
    assert_eq!(packed.recv().await.as_deref(), Some("o-0"));
    assert_eq!(packed.recv().await.as_deref(), Some("o-1"));
    stopped.await.unwrap().unwrap();
    served.await.unwrap().unwrap();
}
