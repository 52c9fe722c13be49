//! A message that was made of another one carries that one along, so that a dead letter can have the original bytes.
//!
//! It stands behind the last header, as an entry that readers of headers take for their end: a tag that is no
//! attribute's, the length, the original's bytes, its head, and the length of its bytes again, to be found from behind.

use triomphe::ThinArc;

use super::{Head, Message, MessageBuilder, Traits, builder::length};

/// No attribute has it.
const ORIGINAL: u8 = u8::MAX;
/// The four numbers of a head.
const HEAD: usize = 16;
/// What an entry has beside the original's bytes.
const AROUND: usize = 1 + 4 + HEAD + 4;

impl Message {
    /// Whether it was made of another one.
    pub(crate) fn is_unfolded(&self) -> bool {
        self.head().traits.has(Traits::UNFOLDED)
    }

    /// The one that it was made of.
    pub(crate) fn original(&self) -> Option<Self> {
        if !self.is_unfolded() {
            return None;
        }
        let (rest, bytes) = self.data().split_last_chunk::<4>()?;
        let (rest, head) = rest.split_last_chunk::<HEAD>()?;
        let data = rest.get(rest.len().checked_sub(u32::from_le_bytes(*bytes) as usize)?..)?;
        let mut numbers = head.as_chunks::<4>().0.iter().copied().map(u32::from_le_bytes);
        let mut next = || numbers.next().unwrap_or_default();
        let head = Head { payload_end: next(), key_end: next(), headers: next(), traits: Traits(next()) };
        Some(Self(ThinArc::from_header_and_slice(head, data)))
    }

    /// How many bytes of the headers are the original's.
    pub(super) fn original_bytes(&self) -> usize {
        match self.data().last_chunk::<4>() {
            Some(bytes) if self.is_unfolded() => u32::from_le_bytes(*bytes) as usize + AROUND,
            Some(_) | None => 0,
        }
    }
}

impl MessageBuilder {
    /// Says what the message was made of. To be called last.
    pub(crate) fn unfolded_from(&mut self, original: &Message) -> &mut Self {
        let Head { payload_end, key_end, headers, traits } = *original.head();
        let bytes = length(original.data());
        self.data.push(ORIGINAL);
        self.data.extend_from_slice(&bytes.saturating_add(20).to_le_bytes());
        self.data.extend_from_slice(original.data());
        for number in [payload_end, key_end, headers, traits.0, bytes] {
            self.data.extend_from_slice(&number.to_le_bytes());
        }
        self.traits.set(Traits::UNFOLDED);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Attribute;

    #[test]
    fn the_original_comes_back_and_does_not_show() {
        for (key, payload) in [(None, ""), (Some(""), "p"), (Some("key"), &*"payload".repeat(10_000))] {
            let mut builder = MessageBuilder::new();
            let written = builder.payload(|buffer| {
                buffer.extend_from_slice(payload.as_bytes());
                Ok::<(), ()>(())
            });
            written.unwrap();
            if let Some(key) = key {
                builder.key(key.as_bytes());
            }
            builder.wire_header(b"content-type", b"application/cloudevents+json").header(b"x", b"y");
            let original = builder.build();

            let mut builder = MessageBuilder::new();
            builder.attribute(Attribute::Id, b"1").header(b"a", b"b").unfolded_from(&original);
            let unfolded = builder.build();
            assert_eq!((unfolded.headers().count(), unfolded.header_count()), (2, 2));
            assert_eq!(
                unfolded.header_bytes(),
                unfolded.headers().map(|h| 5 + h.value().len()).sum::<usize>() + 5
            );
            assert!(unfolded.is_sound() && unfolded.is_unfolded() && !original.is_unfolded());

            let again = unfolded.original().unwrap();
            assert_eq!((again.payload(), again.key()), (original.payload(), original.key()));
            assert!(again.headers().eq(original.headers()));
            assert!(again.is_structured() && again.original().is_none());
        }
    }
}
