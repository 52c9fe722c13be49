//! One shutdown for the server and the bus.
use std::sync::Arc;

use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};
use typebus::{BoxError, Bus, Publisher, Running};

use crate::{OrderPlaced, Shop, http::router};

/// What the routes share. A publisher is the right to publish one event, and nothing else of the bus.
#[derive(Clone)]
pub struct App {
    pub(crate) orders: Publisher<OrderPlaced>,
    pub(crate) running: Arc<Running>,
    /// The signal came: requests should go elsewhere, although those that still come are served.
    pub stopping: watch::Sender<bool>,
}

impl App {
    /// Starts the bus.
    pub async fn start(bus: &Bus<Shop>) -> typebus::Result<Self> {
        let running = Arc::new(bus.start().await?);
        Ok(Self { orders: bus.publisher(), running, stopping: watch::Sender::new(false) })
    }

    /// Stops the bus alone, as when it cannot go on.
    pub async fn stop(&self) -> typebus::Result<()> {
        self.running.stop().await
    }
}

/// Serves until `signal`, and stops in the direction in which events flow: first the server, so that nothing new comes in
/// and every request under way is still published and answered; then the bus, which drains. What `signal` gives is a
/// future, whose end cuts all this short. When the bus cannot go on, the server does not either.
pub async fn serve<S, H>(listener: TcpListener, app: App, signal: S) -> Result<(), BoxError>
where
    S: Future<Output = H> + Send + 'static,
    H: Future<Output = ()> + Send + 'static,
{
    let App { running, stopping, .. } = app.clone();
    let (tell, told) = oneshot::channel();
    let stop = async move {
        tokio::select! {
            hurry = signal => drop(tell.send(hurry)),
            _ = running.finished() => {}
        }
        stopping.send_replace(true);
    };
    let App { running, .. } = app.clone();
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(stop);
    let both = async {
        server.await?;
        Ok(running.stop().await?)
    };
    let hurry = async {
        match told.await {
            Ok(hurry) => hurry.await,
            Err(_) => std::future::pending().await, // the bus stopped by itself
        }
    };
    tokio::select! {
        stopped = both => stopped,
        () = hurry => {
            running.hurry();
            Ok(running.finished().await?)
        }
    }
}
