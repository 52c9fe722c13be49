//! Replays: dead letters on their way back to the group that gave them up.
//!
//! A replay is published on a topic of the group's own, `dead.<group>.redrive`, which nobody else reads, so that other
//! groups do not get the event again. What arrives there becomes what it was before it died: its own topic, place and
//! headers. Only there the headers of a dead letter are believed.

use std::task::{Context, Poll};

use crate::{
    backend::{
        Consumer, Delivery, Floor, Header, Intake, Message, MessageBuilder, Note, Partitions, Past, Position,
        Room, Token,
    },
    dead_letter::{PARTITION, POSITION, REDRIVEN, TOPIC},
    error::Result,
    topic::Topic,
};

/// The topic on which a group gets its dead letters back.
pub(crate) fn topic(group: &str) -> Topic {
    Topic::from(format!("dead.{group}.redrive"))
}

/// A dead letter as it is replayed for the `nth` time.
pub(crate) fn replayed(letter: &Message, nth: u32) -> Message {
    let mut builder = copy(letter, |name| name != REDRIVEN.as_bytes());
    builder.header(REDRIVEN.as_bytes(), nth.to_string().as_bytes());
    builder.build()
}

/// The intake of a group's replays.
#[derive(Debug)]
pub(crate) struct Redriven(pub(crate) Box<dyn Consumer>);

impl Consumer for Redriven {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let before = into.len();
        let polled = self.0.poll_batch(cx, room, into);
        into.iter_mut().skip(before).for_each(revive);
        polled
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        self.0.settle(settled, floors);
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        self.0.poll_record(cx, suspect)
    }

    fn note(&mut self, notes: &[Note]) {
        self.0.note(notes);
    }

    fn release(&mut self, partitions: &Partitions) {
        self.0.release(partitions);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_close(cx)
    }
}

/// Makes of a replay what it was before it died. What does not say where it came from stays as it is, and is
/// nobody's.
fn revive(delivery: &mut Delivery) {
    let text = |name| std::str::from_utf8(delivery.message.header(name)?).ok();
    let Some(topic) = text(TOPIC).filter(|topic| !topic.is_empty()).map(Topic::from) else { return };
    let redriven = text(REDRIVEN).and_then(|nth| nth.parse().ok()).unwrap_or(1);
    let partition = text(PARTITION).and_then(|partition| partition.parse().ok());
    let position = text(POSITION).and_then(Position::parse);
    let message = copy(&delivery.message, |name| !name.starts_with(b"typebus-")).build();
    let past = Past { redriven, ..delivery.past.as_deref().copied().unwrap_or_default() };
    *delivery =
        Delivery { token: delivery.token, topic, message, partition, position, past: Some(Box::new(past)) };
}

/// Everything of a message, with those of its plain headers that `keep` wants.
fn copy(message: &Message, keep: impl Fn(&[u8]) -> bool) -> MessageBuilder {
    let mut builder = MessageBuilder::with_payload(message.payload());
    if let Some(key) = message.key() {
        builder.key(key);
    }
    for header in message.headers() {
        match header {
            Header::Plain(name, _) if !keep(name) => {}
            // What was wrong with them still is.
            Header::Attribute(..) | Header::Plain(..) => _ = builder.foreign(header),
        }
    }
    builder
}
