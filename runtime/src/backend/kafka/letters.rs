//! Reading dead-letter topics without consuming them, and noting what was taken out, since Kafka deletes nothing.
//!
//! The notes are in a compacted topic beside the dead letters, one for each letter, by partition and offset. Notes are
//! only added, so that two programs that discard at once do not undo each other's.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use rdkafka::{Message as _, consumer::BaseConsumer, producer::Producer as _};
use tokio::sync::mpsc;

use super::{
    connect::{metadata, partitions, spawn},
    names::discarded,
    publish::Outbox,
    rebalance::unsigned,
    scratch::{Quiet, read, scratch},
    wire,
};
use crate::{
    backend::{BoxStream, Delivery, MessageBuilder, Outgoing, Position, Sender, Token, Topic},
    error::Result,
};

type Letters = mpsc::Receiver<Result<Delivery>>;

/// How many letters are read ahead.
const AHEAD: usize = 64;

/// What the topic holds now, but for what is noted.
pub(super) fn browse(outbox: &Arc<Outbox>, topic: &Topic) -> Result<BoxStream<Result<Delivery>>> {
    let (sender, letters) = mpsc::channel(AHEAD);
    let (outbox, topic) = (outbox.clone(), topic.clone());
    spawn("browse", move || {
        if let Err(error) = send_all(&outbox, &topic, &sender) {
            // Whoever asked may be gone.
            let _ = sender.blocking_send(Err(error));
        }
    })?;
    Ok(Box::pin(Browsing(letters)))
}

fn send_all(outbox: &Outbox, topic: &Topic, sender: &mpsc::Sender<Result<Delivery>>) -> Result<()> {
    let Some(count) = count(outbox, topic)? else { return Ok(()) };
    let consumer = scratch(outbox.options(), "typebus.browse", "browse")?;
    let notes = notes(outbox, topic, &consumer)?;
    let mut builder = MessageBuilder::new();
    for partition in 0..count {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        read(&consumer, (topic, number), None, outbox.options().timeout, |letter| {
            let offset = unsigned(letter.offset());
            if notes.contains(&(partition, offset)) {
                return !sender.is_closed();
            }
            let delivery = Delivery {
                token: Token { partition, generation: 0, position: offset },
                topic: topic.clone(),
                message: wire::message(letter, &mut builder),
                partition: Some(partition),
                position: Some(Position::new(offset)),
                past: None,
            };
            sender.blocking_send(Ok(delivery)).is_ok()
        })?;
    }
    Ok(())
}

/// The letters that are noted.
fn notes(outbox: &Outbox, topic: &Topic, consumer: &BaseConsumer<Quiet>) -> Result<HashSet<(u32, u64)>> {
    let mut notes = HashSet::new();
    let place = discarded(topic);
    for partition in 0..count(outbox, &place)?.unwrap_or(0) {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        read(consumer, (&place, number), None, outbox.options().timeout, |note| {
            let text = note.key().and_then(|key| std::str::from_utf8(key).ok());
            let note = text.and_then(|text| text.split_once(':'));
            // What others wrote there is no note.
            notes.extend(note.and_then(|(partition, at)| Some((partition.parse().ok()?, at.parse().ok()?))));
            true
        })?;
    }
    Ok(notes)
}

fn count(outbox: &Outbox, topic: &str) -> Result<Option<u32>> {
    let timeout = outbox.options().connect_timeout;
    let found = metadata(outbox.client().client(), outbox.trouble(), (Some(topic), "browse"), timeout)?;
    partitions(&found, topic, "browse")
}

/// Notes letters.
pub(super) async fn discard(outbox: &Arc<Outbox>, topic: &Topic, letters: &[Delivery]) -> Result<()> {
    let place = Topic::from(discarded(topic));
    let note = |letter: &Delivery| {
        let Token { partition, position, .. } = letter.token;
        let mut builder = MessageBuilder::with_payload(b"discarded");
        let message = builder.key(format!("{partition}:{position}").as_bytes()).build();
        let outgoing = Outgoing { topic: place.clone(), message, sender: Sender::DeadLetter, options: None };
        outbox.publish(outgoing)
    };
    let publishing: Vec<_> = letters.iter().map(note).collect();
    for confirmation in publishing {
        confirmation.await?;
    }
    Ok(())
}

struct Browsing(Letters);

impl Stream for Browsing {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
