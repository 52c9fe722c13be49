//! HTTP in front of typebus: `cargo run --example axum`.
use axum_example::{App, Belt, Shop, serve};
use tokio::{net::TcpListener, sync::mpsc};
use typebus::{BoxError, prelude::*};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (belt, mut packed) = mpsc::channel(16);
    let bus = Bus::<Shop>::builder().state(Belt(belt)).connect("memory:").await?;
    let app = App::start(&bus).await?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on {}", listener.local_addr()?);
    let print = async {
        while let Some(order) = packed.recv().await {
            println!("packed {order}");
        }
    };
    tokio::select! {
        served = serve(listener, app, signals()) => served,
        () = print => Ok(()),
    }
}

/// Ends with the first signal, and gives the second.
async fn signals() -> impl Future<Output = ()> {
    shutdown_signal().await.wait()
}
