//! The different events among all that somebody handles or publishes.

use super::{table::Table, text::Text};
use crate::{
    event::{EventDescriptor, Events},
    handler::HandlerDescriptor,
    topic::{Hashed, str_eq},
};

/// The different events of a program or system, known by their number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Catalog<const N: usize> {
    events: [Option<&'static EventDescriptor>; N],
    len: usize,
    by_kind: Table<N>,
    by_topic: Table<N>,
    /// Two of one name and version.
    same_kind: Option<(usize, &'static EventDescriptor)>,
    /// Two whose topics are one on Kafka.
    same_topic: Option<(usize, usize)>,
    /// One of the events has an error of its own.
    pub(super) broken: bool,
}

impl<const N: usize> Catalog<N> {
    pub(super) const NEW: Self = Self {
        events: [None; N],
        len: 0,
        by_kind: Table::NEW,
        by_topic: Table::NEW,
        same_kind: None,
        same_topic: None,
        broken: false,
    };

    /// Adds events, and the older versions of each.
    pub(super) const fn add(&mut self, events: &Events) {
        match events {
            Events::None => {}
            Events::One(event) if event.broken => self.broken = true,
            Events::One(event) => {
                match self.by_kind.insert(event.hash, self.len) {
                    None => self.add_new(event),
                    Some(before) => self.compare(before, event),
                }
                if !matches!(event.upcasts, Events::None) {
                    self.add(&event.upcasts);
                }
            }
            Events::Many(parts) => {
                let mut at = 0;
                while at < parts.len() {
                    self.add(&parts[at]);
                    at += 1;
                }
            }
        }
    }

    const fn add_new(&mut self, event: &'static EventDescriptor) {
        if let Some(before) = self.by_topic.insert(event.topic.kafka(), self.len)
            && self.same_topic.is_none()
            && let Some(other) = self.events[before]
            && !other.topic.same(&event.topic)
        {
            self.same_topic = Some((before, self.len));
        }
        self.events[self.len] = Some(event);
        self.len += 1;
    }

    const fn compare(&mut self, before: usize, event: &'static EventDescriptor) {
        if let Some(other) = self.events[before]
            && other.identity != event.identity
            && self.same_kind.is_none()
        {
            self.same_kind = Some((before, event));
        }
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The event of this number.
    pub(super) const fn at(&self, number: usize) -> Option<&'static EventDescriptor> {
        self.events[number]
    }

    /// The number of an event that was added.
    pub(super) const fn number(&self, event: &EventDescriptor) -> Option<usize> {
        self.by_kind.find(event.hash)
    }

    /// Whether two events have one name and version.
    pub(super) const fn has_namesakes(&self) -> bool {
        self.same_kind.is_some()
    }

    /// Rule 1: two events with one name and version, or two topics that Kafka cannot keep apart.
    pub(super) const fn clash(&self) -> Option<Text> {
        if let Some((before, b)) = self.same_kind
            && let Some(a) = self.events[before]
        {
            let both = Text::NEW.event(a).add(" and ").event(b).add(" are both named ").quote(a.kind);
            return Some(both.add("; give each a `name` of its own"));
        }
        if let Some((a, b)) = self.same_topic
            && let (Some(a), Some(b)) = (self.events[a], self.events[b])
        {
            return Some(
                Text::NEW
                    .add("the topics \"")
                    .add(a.topic.text())
                    .add("\" of ")
                    .add(a.ty)
                    .add(" and \"")
                    .add(b.topic.text())
                    .add("\" of ")
                    .add(b.ty)
                    .add(" differ only in `.` and `_`, which Kafka does not tell apart; rename one"),
            );
        }
        None
    }

    /// Rule 3: an event that comes by a handler's pattern, and that it does not take. Passes over those of `but`.
    pub(super) const fn caught(
        &self,
        handler: &HandlerDescriptor,
        but: Option<&Self>,
    ) -> Option<(Hashed, &'static EventDescriptor)> {
        if handler.any || handler.broken {
            return None;
        }
        let mut nth = 0;
        while let Some(filter) = filter(handler, nth) {
            let mut at = 0;
            while filter.is_wild() && at < self.len {
                if let Some(event) = self.events[at]
                    && filter.overlaps(&event.topic)
                    // The events of one template are neighbours, like those of one exact topic.
                    && !(handler.topic.is_none() && filter.same(&event.topic))
                    && !takes(&handler.accepts, event)
                    && match but {
                        Some(but) => but.number(event).is_none(),
                        None => true,
                    }
                {
                    return Some((*filter, event));
                }
                at += 1;
            }
            nth += 1;
        }
        None
    }
}

/// The `nth` topic or pattern that a handler listens to.
pub(super) const fn filter(handler: &HandlerDescriptor, nth: usize) -> Option<&Hashed> {
    match (&handler.topic, &handler.accepts) {
        (Some(topic), _) if nth == 0 => Some(topic),
        (Some(_), _) => None,
        (None, Events::One(event)) if nth == 0 => Some(&event.topic),
        (None, accepts) => match accepts.get(nth) {
            Some(event) => Some(&event.topic),
            None => None,
        },
    }
}

/// Whether an event is among these, or an older version of one of them.
pub(super) const fn takes(events: &Events, wanted: &EventDescriptor) -> bool {
    match events {
        Events::None => false,
        Events::One(event) => {
            (event.hash == wanted.hash && str_eq(event.kind, wanted.kind)) || takes(&event.upcasts, wanted)
        }
        Events::Many(parts) => {
            let mut at = 0;
            while at < parts.len() {
                if takes(&parts[at], wanted) {
                    return true;
                }
                at += 1;
            }
            false
        }
    }
}

/// How many events these are, with all older versions.
pub(super) const fn weigh(events: &Events) -> usize {
    match events {
        Events::None => 0,
        Events::One(event) if matches!(event.upcasts, Events::None) => 1,
        Events::One(event) => 1 + weigh(&event.upcasts),
        Events::Many(parts) => {
            let (mut at, mut sum) = (0, 0);
            while at < parts.len() {
                sum += weigh(&parts[at]);
                at += 1;
            }
            sum
        }
    }
}
