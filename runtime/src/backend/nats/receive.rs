//! What the server sends: deliveries, and what it says about pulls and acknowledgements.

use std::time::Duration;

use async_nats::{Message as Wire, Subject};
use tokio::time::Instant;

use super::{
    drive::{Driver, Held, Mode, Turn},
    failure::error,
    journal::Single,
    letters, names,
    place::Place,
    wire,
};
use crate::{
    backend::{Delivery, Message, Past, Position, Token, Topic},
    error::{ErrorKind, Result},
    topic,
};

impl Driver {
    pub(super) async fn receive(&mut self, messages: Vec<Wire>) -> Result<Option<Turn>> {
        self.heard = Instant::now();
        let mut deliveries = Vec::with_capacity(messages.len());
        let mut turn = None;
        for message in messages {
            turn = match message.subject.strip_prefix(self.inbox.as_str()) {
                Some(".a") => {
                    self.confirmed().await?;
                    None
                }
                Some(".k") => is_unpinned(&message).then_some(Turn::Again),
                Some(_) => self.status(&message)?,
                None => self.take(message, &mut deliveries).await?,
            };
            if turn.is_some() {
                break;
            }
        }
        self.hand_out(deliveries);
        Ok(turn)
    }

    fn hand_out(&mut self, deliveries: Vec<Delivery>) {
        if deliveries.is_empty() {
            return;
        }
        self.shared.tell(|state| {
            state.queued_bytes += deliveries.iter().map(|delivery| delivery.message.size()).sum::<usize>();
            state.queue.extend(deliveries);
        });
    }

    /// What the server says about a pull.
    pub(super) fn status(&mut self, message: &Wire) -> Result<Option<Turn>> {
        let text = message.description.as_deref().unwrap_or_default();
        let code = message.status.map_or(0, |status| status.as_u16());
        let left = message.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
        match code {
            100 => Ok(None),
            423 => Ok(Some(Turn::Again)),
            409 if text.contains("Consumer Deleted") || text.contains("onsumer is push") => {
                Err(error(ErrorKind::Topology, "consume", format!("consumer `{}`: {text}", self.name)))
            }
            400 => Err(error(ErrorKind::Topology, "consume", format!("consumer `{}`: {text}", self.name))),
            503 => Err(error(ErrorKind::Connect, "consume", "JetStream does not answer")),
            _ => {
                let left = left.and_then(|left| left.as_str().parse().ok());
                self.outstanding = left.map_or(0, |left: usize| self.outstanding.saturating_sub(left));
                Ok(None)
            }
        }
    }

    async fn take(&mut self, wire: Wire, deliveries: &mut Vec<Delivery>) -> Result<Option<Turn>> {
        let Some(reply) = &wire.reply else { return Ok(None) };
        let Some(place) = Place::read(reply) else { return Ok(None) };
        self.outstanding = self.outstanding.saturating_sub(1);
        let (message, apart) = wire::message(wire.headers.as_ref(), &wire.payload);
        if self.mode == Mode::Competing {
            if let Some(position) = self.by_sequence.get(&place.sequence) {
                if let Some(held) = self.held.get_mut(position) {
                    held.reply = reply.clone();
                }
                return Ok(None);
            }
        } else {
            let is_other = self.mode == Mode::Pinned && apart.pin != self.pin.as_deref().map(str::as_bytes);
            // Something of it was lost on the way, or somebody else reset the consumer.
            if is_other || place.sequence <= self.last || place.delivered > 1 {
                return Ok(Some(Turn::Again));
            }
            self.last = place.sequence;
        }
        let (expires, delayed) = (apart.expires(), apart.delayed());
        let age = (expires.is_some() || delayed.is_some()).then(|| place.age());
        let is_expired = expires.is_some_and(|expires| age.is_some_and(|age| age >= expires));
        let age = age.map(|age| age + delayed.unwrap_or_default());
        if is_expired || !topic::matches(&self.subscription.filter, &wire.subject) {
            self.acknowledge(vec![reply.clone()]).await?;
            return Ok(None);
        }
        let past = self.past(&place, age).await?;
        deliveries.push(self.delivery(&wire.subject, message, reply.clone(), &place, past));
        Ok(None)
    }

    pub(super) fn delivery(
        &mut self,
        subject: &str,
        message: Message,
        reply: Subject,
        place: &Place,
        past: Option<Past>,
    ) -> Delivery {
        if self.topic.as_str() != subject {
            self.topic = Topic::from(subject);
        }
        let token = Token { partition: self.partition, generation: self.generation, position: self.position };
        self.position += 1;
        let crashes = past.map_or(0, |past| past.crashes);
        let (sequence, delivered) = (place.sequence, place.delivered);
        self.held.insert(token.position, Held { reply, sequence, delivered, crashes });
        if self.mode == Mode::Competing {
            self.by_sequence.insert(sequence, token.position);
        }
        Delivery {
            token,
            topic: self.topic.clone(),
            message,
            partition: None,
            position: Some(Position::new(sequence)),
            past: past.map(Box::new),
        }
    }

    async fn past(&self, place: &Place, age: Option<Duration>) -> Result<Option<Past>> {
        let known = match self.mode {
            Mode::Pinned => self.journal.past(place.sequence),
            Mode::Alone => None,
            Mode::Competing if place.delivered > 1 => {
                let subject = self.single(place.sequence);
                let known =
                    letters::last(&self.link, names::STATE, &subject, self.options.request_timeout).await?;
                Some(Single::past(known.map(|known| Single::read(known.payload())), place.delivered))
            }
            Mode::Competing => None,
        };
        Ok(match (known, age) {
            (None, None) => None,
            (known, age) => Some(Past { age, ..known.unwrap_or_default() }),
        })
    }

    /// Where it is kept what is known of one delivery.
    pub(super) fn single(&self, sequence: u64) -> String {
        format!("{}.{sequence}", names::state(&self.source.stream, &self.name))
    }
}

/// Whether another client is pinned.
fn is_unpinned(message: &Wire) -> bool {
    message.status.is_some_and(|status| status.as_u16() == 423)
}
