//! Reading a topic without consuming.

use std::{
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use futures_core::Stream;

use super::broker::Broker;
use crate::{
    backend::{BoxStream, Delivery, Token, Topic},
    error::Result,
};

/// What the topic holds now, oldest first. The messages are shared with the log, not copied.
pub(super) fn snapshot(broker: &Broker, topic: &Topic) -> BoxStream<Result<Delivery>> {
    let deliveries = broker.run(|state, _| {
        let Some(channel) = state.channel(topic).map(|at| &state.channels[at]) else { return Vec::new() };
        let nature = state.nature;
        let delivery = |(at, position, message): (usize, u64, &crate::backend::Message)| {
            let partition = u32::try_from(at).unwrap_or(u32::MAX);
            Delivery {
                token: Token { partition, generation: 0, position },
                topic: channel.name.clone(),
                message: message.clone(),
                partition: nature.partitioned.then_some(partition),
                position: nature.position(channel.log.number(at, position), position),
                past: None,
            }
        };
        channel.log.all().into_iter().map(delivery).collect()
    });
    Box::pin(Snapshot(deliveries.into_iter()))
}

/// Takes messages out of a topic that nobody consumes.
pub(super) fn discard(broker: &Broker, topic: &Topic, letters: &[Delivery]) {
    broker.run(|state, _| {
        let Some(channel) = state.channel(topic) else { return };
        let log = &mut state.channels[channel].log;
        letters.iter().for_each(|letter| log.discard(letter.token.partition as usize, letter.token.position));
    });
}

struct Snapshot(vec::IntoIter<Delivery>);

impl Stream for Snapshot {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
