//! One life of a subscription's channel, from its connection to its loss.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use lapin::{
    Channel,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{FieldTable, ShortString},
};
use uuid::Uuid;

use super::{
    Core, caught_up,
    connect::Link,
    failure::{self, error},
    names::short,
    not_provisioned,
    tags::{Ack, Tags},
    topology, wire,
};
use crate::{
    backend::{Delivery, Message, Order, Subscription, Token, Topic},
    error::{Error, ErrorKind, Result},
};

/// A consumer on a channel of its own, on a connection of its own.
pub(super) struct Incarnation {
    /// First, so that the socket is cut before the client says goodbye.
    link: Link,
    channel: Channel,
    deliveries: lapin::Consumer,
    /// Questions to competing consumers.
    questions: Option<lapin::Consumer>,
    pub(super) prefetch: u16,
    pub(super) generation: u32,
    pub(super) tags: Tags,
    pub(super) buffer: VecDeque<Arrived>,
    /// Questions, to be answered when everything below is settled.
    markers: VecDeque<(u64, String)>,
    acks: Vec<Ack>,
    pub(super) acknowledged: u64,
}

/// Why a life ended.
pub(super) struct Loss {
    pub(super) cause: Error,
    /// The client could not read what it got.
    pub(super) is_unreadable: bool,
}

/// A delivery that nobody was given yet.
pub(super) struct Arrived {
    pub(super) tag: u64,
    pub(super) topic: Topic,
    pub(super) message: Message,
    /// The name by which it is known again, if it was delivered before.
    pub(super) again: Option<String>,
}

impl Arrived {
    pub(super) fn into_delivery(self, generation: u32) -> Delivery {
        let token = Token { partition: 0, generation, position: self.tag };
        let Self { topic, message, .. } = self;
        Delivery { token, topic, message, partition: None, position: None, past: None }
    }
}

impl Incarnation {
    /// Connects and begins to consume.
    ///
    /// # Errors
    /// `Topology`: there is no queue; `Connect`, `Authentication`, `Permission`, `Timeout`.
    pub(super) async fn open(
        core: &Core,
        subscription: &Subscription,
        generation: u32,
        careful: bool,
    ) -> Result<Self> {
        let options = &core.options;
        let limit = options.request_timeout;
        let link = Link::open(options, &format!("consumer of {}", subscription.group)).await?;
        if subscription.instance.is_some() {
            topology::make_own(core, &link, subscription).await?;
        }
        let channel = link.channel(limit).await?;
        let queue = core.names.queue(subscription);
        let held = u16::try_from(subscription.limits.held).unwrap_or(u16::MAX);
        let prefetch = if careful { 1 } else { options.prefetch.min(held).max(1) };
        let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
        failure::within(limit, "subscribe", qos).await?;
        let tag = short(&format!("typebus-{:016x}", fastrand::u64(..)));
        let consume =
            channel.basic_consume(queue.clone(), tag, BasicConsumeOptions::default(), FieldTable::default());
        let deliveries = failure::within(limit, "subscribe", consume).await.map_err(|failed| {
            let is_missing = failed.kind() == ErrorKind::Topology && failed.to_string().contains("NOT_FOUND");
            if is_missing { not_provisioned("subscribe", subscription) } else { failed }
        })?;
        let questions = match (subscription.order, &subscription.instance) {
            (Order::None, None) => {
                Some(failure::within(limit, "subscribe", listen(core, &channel, queue)).await?)
            }
            _ => None,
        };
        Ok(Self {
            link,
            channel,
            deliveries,
            questions,
            prefetch,
            generation,
            tags: Tags::new(),
            buffer: VecDeque::new(),
            markers: VecDeque::new(),
            acks: Vec::new(),
            acknowledged: 0,
        })
    }

    /// Takes in what arrived.
    ///
    /// # Errors
    /// The channel is gone.
    pub(super) fn drain(&mut self, subscription: &Subscription, cx: &mut Context<'_>) -> Result<(), Loss> {
        loop {
            let mut polled = Pin::new(&mut self.deliveries).poll_next(cx);
            if polled.is_pending()
                && let Some(questions) = &mut self.questions
            {
                polled = Pin::new(questions).poll_next(cx);
            }
            match polled {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Ok(delivery))) => self.take(delivery, subscription),
                Poll::Ready(Some(Err(cause))) => {
                    let is_unreadable = matches!(cause.kind(), lapin::ErrorKind::ParsingError(_));
                    return Err(Loss { cause: failure::of(&cause, "consume"), is_unreadable });
                }
                Poll::Ready(None) => {
                    let cause = error(ErrorKind::Connect, "consume", "the server ended the consumer");
                    return Err(Loss { cause, is_unreadable: false });
                }
            }
        }
    }

    fn take(&mut self, delivery: lapin::message::Delivery, subscription: &Subscription) {
        let tag = delivery.delivery_tag;
        self.tags.arrive(tag);
        let properties = &delivery.properties;
        if let Some(nonce) = wire::text(properties, caught_up::MARKER) {
            self.markers.push_back((tag, nonce));
            return;
        }
        let key = delivery.routing_key.as_str();
        let filter = &subscription.filter;
        let is_exact = !crate::topic::is_pattern(filter);
        let topic = if is_exact { filter.clone() } else { Topic::from(key) };
        let message = wire::message(properties, &delivery.data);
        let is_again =
            delivery.redelivered || wire::number(properties, "x-delivery-count").is_some_and(|n| n > 0);
        let again = is_again.then(|| {
            let id = properties.message_id().as_ref().map(ShortString::as_str).unwrap_or_default();
            known_as(id, key, &delivery.data)
        });
        self.buffer.push_back(Arrived { tag, topic, message, again });
    }

    /// Sends what is settled, and the answers to questions that wait for it.
    pub(super) fn acknowledge(&mut self, answers: &mut Vec<String>) {
        while let Some((tag, _)) = self.markers.front()
            && self.tags.is_lowest(*tag)
        {
            let Some((tag, nonce)) = self.markers.pop_front() else { break };
            self.tags.settle(tag);
            answers.push(nonce);
        }
        self.tags.acknowledge(&mut self.acks);
        for Ack { tag, multiple } in self.acks.drain(..) {
            self.acknowledged += 1;
            let mut sent = std::pin::pin!(self.channel.basic_ack(tag, BasicAckOptions { multiple }));
            // The first poll hands the frame over; that it was written need not be waited for.
            let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Whether a question waits for nothing any more.
    pub(super) fn has_answer(&self) -> bool {
        self.markers.front().is_some_and(|(tag, _)| self.tags.is_lowest(*tag))
    }

    /// Leaves: what was acknowledged has arrived at the server, and what was not goes back in order.
    ///
    /// # Errors
    /// `Connect`, `Timeout`: what was acknowledged may come again.
    pub(super) async fn close(self, core: &Core, subscription: &Subscription) -> Result<()> {
        let limit = core.options.request_timeout;
        // The server answers this after it has read the acknowledgements before it.
        let fence = self.channel.basic_qos(self.prefetch, BasicQosOptions::default());
        let fenced = failure::within(limit, "close", fence).await;
        if subscription.instance.is_some() {
            let queue = core.names.queue(subscription);
            let delete = self.channel.queue_delete(queue, QueueDeleteOptions::default());
            let _ = failure::within(limit, "close", delete).await;
            self.link.close(limit).await;
        }
        fenced
    }
}

async fn listen(core: &Core, channel: &Channel, queue: ShortString) -> lapin::Result<lapin::Consumer> {
    let ear = core.names.ear();
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(ear.clone(), options, FieldTable::default()).await?;
    let exchange = core.names.control_exchange();
    channel
        .queue_bind(ear.clone(), exchange, queue, QueueBindOptions::default(), FieldTable::default())
        .await?;
    let tag = short(&format!("typebus-ear-{:016x}", fastrand::u64(..)));
    channel.basic_consume(ear, tag, BasicConsumeOptions::default(), FieldTable::default()).await
}

/// A name for a message that is the same when it is delivered again.
fn known_as(id: &str, routing_key: &str, payload: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(id.len() + routing_key.len() + payload.len() + 2);
    for part in [id.as_bytes(), routing_key.as_bytes(), payload] {
        bytes.extend_from_slice(part);
        bytes.push(0);
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).simple().to_string()
}
