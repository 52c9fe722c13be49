//! Streams: what holds the topics that begin with one token, where the broker has such a thing.

use std::collections::HashMap;

use tokio::time::Instant;

use super::profile::Nature;
use crate::backend::{Attribute, Confirmation, Message, Topic};

/// The streams, by the first token of their topics.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_token: HashMap<String, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    /// How many messages it got.
    sequence: u64,
    /// Ids of messages that came lately, and what was answered.
    seen: HashMap<Vec<u8>, (Instant, Confirmation)>,
}

impl Streams {
    pub(super) fn create(&mut self, topic: &Topic) {
        self.by_token.entry(first_token(topic).to_owned()).or_default();
    }

    pub(super) fn takes(&self, topic: &Topic) -> bool {
        self.by_token.contains_key(first_token(topic))
    }

    pub(super) fn next_sequence(&mut self, topic: &Topic) -> u64 {
        let stream = self.by_token.entry(first_token(topic).to_owned()).or_default();
        stream.sequence += 1;
        stream.sequence
    }

    /// What was answered to the same message a while ago.
    pub(super) fn repeated(&mut self, nature: &Nature, topic: &Topic, id: &[u8]) -> Option<Confirmation> {
        let (window, now) = (nature.id_window?, Instant::now());
        let stream = self.by_token.get_mut(first_token(topic))?;
        stream.seen.retain(|_, (when, _)| *when + window > now);
        stream.seen.get(id).map(|(_, confirmation)| *confirmation)
    }

    pub(super) fn remember(&mut self, topic: &Topic, id: Vec<u8>, confirmation: Confirmation) {
        if let Some(stream) = self.by_token.get_mut(first_token(topic)) {
            stream.seen.insert(id, (Instant::now(), confirmation));
        }
    }
}

/// What makes a message the same as another: source, name and version, and id. One without an id is like no other.
pub(super) fn identity(message: &Message) -> Option<Vec<u8>> {
    let mut identity = Vec::new();
    for attribute in [Attribute::Source, Attribute::Type, Attribute::Id] {
        let value = message.attribute(attribute)?;
        identity.extend_from_slice(&value.len().to_le_bytes());
        identity.extend_from_slice(value);
    }
    Some(identity)
}

pub(super) fn first_token(topic: &str) -> &str {
    topic.split('.').next().unwrap_or(topic)
}
