//! SIGINT and SIGTERM.

use std::fmt;

/// Completes at the first SIGINT (Ctrl-C) or SIGTERM; what it gives tells [`run_until`](crate::Bus::run_until) of a
/// second one, which cuts the drain short.
///
/// From the first poll on, these signals no longer end the process by themselves.
///
/// # Panics
/// Outside a tokio runtime with its I/O driver enabled, as `#[tokio::main]` makes it.
pub async fn shutdown_signal() -> SecondSignal {
    let mut signals = Signals::listen();
    signals.next().await;
    tracing::info!("signal received: draining; a second one stops at once");
    SecondSignal(signals)
}

/// The second signal, still to come.
pub struct SecondSignal(Signals);

impl SecondSignal {
    /// Completes at the second signal.
    pub async fn wait(mut self) {
        self.0.next().await;
        tracing::warn!("second signal received: stopping at once");
    }
}

impl fmt::Debug for SecondSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecondSignal")
    }
}

#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind| signal(kind).inspect_err(|error| tracing::error!(%error, "cannot listen to signals")).ok();
        Self([SignalKind::interrupt(), SignalKind::terminate()].into_iter().filter_map(listen).collect())
    }

    async fn next(&mut self) {
        std::future::poll_fn(|cx| {
            let ready = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
