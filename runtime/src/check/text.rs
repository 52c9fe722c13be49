//! Messages that are built in a const context.

use crate::event::EventDescriptor;

/// The most events that one message lists.
const MAX_LISTED: usize = 6;

/// A message built in a const context.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    bytes: [u8; 1200],
    len: usize,
    listed: usize,
}

impl Text {
    pub(super) const NEW: Self = Self { bytes: [0; 1200], len: 0, listed: 0 };

    pub(super) const fn add(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = bytes[at];
            self.len += 1;
            at += 1;
        }
        self
    }

    /// `"charge"`
    pub(super) const fn quote(self, text: &str) -> Self {
        self.add("\"").add(text).add("\"")
    }

    /// `OrderPlaced ("shop.orders")`
    pub(super) const fn event(self, event: &EventDescriptor) -> Self {
        self.add(event.ty).add(" (\"").add(event.topic.text()).add("\")")
    }

    /// The next of several events; those that are too many are counted as `..`.
    pub(super) const fn next(mut self, event: &EventDescriptor) -> Self {
        self.listed += 1;
        match self.listed {
            1 => self.event(event),
            2..=MAX_LISTED => self.add(", ").event(event),
            n if n == MAX_LISTED + 1 => self.add(", .."),
            _ => self,
        }
    }

    /// The word for the events that were listed.
    pub(super) const fn them(&self) -> &'static str {
        if self.listed > 1 { "them" } else { "it" }
    }

    /// The message.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "the message does not fit",
        }
    }
}
