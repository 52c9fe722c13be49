//! `gateway`: reads the file line by line, and publishes what stands there.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use typebus::{Bus, ErrorKind, Receipt, prelude::*};

use crate::{
    failing::{MALFORMED, POISON},
    lines::{Source, SourceError},
    progress::Progress,
    webhook::{Delivery, Webhook},
};

service! {
    /// Publishes what GitHub sends.
    pub Gateway = "gateway" {
        publishes: [Webhook],
    }
}

/// Why publishing ended early.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The file could not be read to its end.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The broker did not take an event.
    #[error("cannot publish line {line}: {source}")]
    Publish {
        /// Which line.
        line: u64,
        /// What the bus says.
        source: typebus::Error,
    },
}

/// How many lines are published: those of the file in each repeat, and the bad ones that are added.
#[must_use]
pub const fn expected(source: &Source, repeat: u64) -> u64 {
    (source.lines() + MALFORMED.len() as u64) * repeat + 1
}

/// Publishes the file's lines and the added ones, one after the other, `repeat` times; or until told to stop.
/// One thread reads ahead; when the broker is full, everybody waits.
///
/// # Errors
/// See [`GatewayError`].
pub async fn publish(
    bus: &Bus<Gateway>,
    source: &Source,
    repeat: u64,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<(), GatewayError> {
    let (sender, mut deliveries) = mpsc::channel(64);
    let reader = tokio::task::spawn_blocking({
        let source = source.clone();
        move || read(&source, repeat, &sender)
    });
    while !stop.load(Ordering::Relaxed)
        && let Some(delivery) = deliveries.recv().await
    {
        let line = delivery.number;
        publish_one(bus, delivery).await.map_err(|source| GatewayError::Publish { line, source })?;
        progress.published_one();
    }
    // Without a receiver the reader finds nobody to read for, and ends too.
    drop(deliveries);
    match reader.await {
        Ok(read) => Ok(read?),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn read(source: &Source, repeat: u64, to: &mpsc::Sender<Delivery>) -> Result<(), SourceError> {
    for repeat in 1..=repeat {
        tracing::info!(repeat, file = %source.path().display(), "reading");
        let mut lines = source.read()?;
        while let Some((number, line)) = lines.next_line()? {
            let blank = line == Ok(b"");
            if !blank && to.blocking_send(Delivery::read(number, repeat, line)).is_err() {
                return Ok(());
            }
        }
        let poison = (repeat == 1).then_some(POISON);
        for (number, line) in (source.lines() + 1..).zip(MALFORMED.into_iter().chain(poison)) {
            if to.blocking_send(Delivery::read(number, repeat, Ok(line))).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Publishes an event. What the bus will never take, because it is too large or because its key is no key, is a line
/// that cannot be read.
async fn publish_one(bus: &Bus<Gateway>, delivery: Delivery) -> typebus::Result<Receipt> {
    match send(bus, &delivery).await {
        Err(error) if is_for_good(&error) => {
            let Delivery { id, number, kind, .. } = delivery;
            send(bus, &Delivery::unreadable(id, number, &kind, error.to_string())).await
        }
        sent => sent,
    }
}

async fn send(bus: &Bus<Gateway>, delivery: &Delivery) -> typebus::Result<Receipt> {
    let mut publication = bus.publish(&delivery.webhook);
    match delivery.webhook {
        // All others carry their delivery as a field, and say `id = delivery`.
        Webhook::Unreadable(_) => publication = publication.id(&delivery.id),
        _ => publication = publication.header("github-event", &delivery.kind),
    }
    publication.await
}

fn is_for_good(error: &typebus::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TooLarge | ErrorKind::InvalidKey | ErrorKind::InvalidHeader | ErrorKind::Encode
    )
}
