//! The different events among all that somebody handles or publishes.

use super::{sorted::Sorted, text::Text};
use crate::{
    event::{EventDescriptor, Events},
    handler::HandlerDescriptor,
    topic::str_eq,
};

/// The different events of a program or system, up to `N`, known by their number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Catalog<const N: usize> {
    events: [Option<&'static EventDescriptor>; N],
    len: usize,
    by_kind: Sorted<N>,
    /// Two that cannot be told apart.
    clash: Option<(&'static EventDescriptor, &'static EventDescriptor)>,
    /// One of the events has an error of its own.
    pub(super) broken: bool,
}

impl<const N: usize> Catalog<N> {
    pub(super) const NEW: Self =
        Self { events: [None; N], len: 0, by_kind: Sorted::NEW, clash: None, broken: false };

    /// Adds events, and the older versions of each.
    pub(super) const fn add(&mut self, events: &Events) {
        match events {
            Events::None => {}
            Events::One(event) if event.broken => self.broken = true,
            Events::One(event) => {
                self.events[self.len] = Some(event);
                self.by_kind.push(event.hash, self.len);
                self.len += 1;
                self.add(&event.upcasts);
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

    /// Leaves one of each; after this nothing may be added.
    pub(super) const fn settle(&mut self) {
        self.by_kind.sort();
        let (mut at, mut kept) = (0, 0);
        while at < self.by_kind.len() {
            if self.by_kind.repeats(at)
                && let (Some(before), Some(event)) = (self.events[self.by_kind.index(at - 1)], self.at(at))
                && str_eq(before.kind, event.kind)
                && self.clash.is_none()
                && !(str_eq(before.ty, event.ty) && before.topic.same(&event.topic))
            {
                self.clash = Some((before, event));
            }
            at += 1;
        }
        at = 0;
        while at < self.by_kind.len() {
            if !self.by_kind.repeats(at) {
                self.by_kind.keep(at, kept);
                kept += 1;
            }
            at += 1;
        }
        self.by_kind.truncate(kept);
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.by_kind.len()
    }

    /// The event of this number.
    pub(super) const fn at(&self, number: usize) -> Option<&'static EventDescriptor> {
        self.events[self.by_kind.index(number)]
    }

    /// The number of an event; `len` for one that is not there.
    pub(super) const fn number(&self, event: &EventDescriptor) -> usize {
        let at = self.by_kind.first(event.hash);
        if self.by_kind.has(at, event.hash) { at } else { self.len() }
    }

    /// Rule 1: two events with one name and version, or two topics that Kafka cannot keep apart.
    pub(super) const fn clash(&self) -> Option<Text> {
        if let Some((a, b)) = self.clash {
            let both = Text::NEW.event(a).add(" and ").event(b).add(" are both named ").quote(a.kind);
            return Some(both.add("; give each a `name` of its own"));
        }
        let mut topics = Sorted::<N>::NEW;
        let mut at = 0;
        while let Some(event) = self.nth(at) {
            topics.push(event.topic.kafka(), self.by_kind.index(at));
            at += 1;
        }
        topics.sort();
        at = 1;
        while at < topics.len() {
            if topics.repeats(at)
                && let (Some(a), Some(b)) = (self.events[topics.index(at - 1)], self.events[topics.index(at)])
                && !a.topic.same(&b.topic)
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
            at += 1;
        }
        None
    }

    const fn nth(&self, number: usize) -> Option<&'static EventDescriptor> {
        if number < self.len() { self.at(number) } else { None }
    }

    /// Rule 3: an event that comes by a handler's pattern, and that it does not take. Passes over those of `but`.
    pub(super) const fn caught(
        &self,
        handler: &HandlerDescriptor,
        but: Option<&Self>,
    ) -> Option<&'static EventDescriptor> {
        if handler.any || handler.broken {
            return None;
        }
        let mut nth = 0;
        while let Some(filter) = filter(handler, nth) {
            let mut at = 0;
            while filter.is_wild() && at < self.len() {
                if let Some(event) = self.at(at)
                    && filter.overlaps(&event.topic)
                    // The events of one template are neighbours, like those of one exact topic.
                    && !(handler.topic.is_none() && filter.same(&event.topic))
                    && !takes(&handler.accepts, event)
                    && match but {
                        Some(but) => but.number(event) == but.len(),
                        None => true,
                    }
                {
                    return Some(event);
                }
                at += 1;
            }
            nth += 1;
        }
        None
    }
}

/// The `nth` topic or pattern that a handler listens to.
pub(super) const fn filter(handler: &HandlerDescriptor, nth: usize) -> Option<&crate::topic::Hashed> {
    match (&handler.topic, nth) {
        (Some(topic), 0) => Some(topic),
        (Some(_), _) => None,
        (None, nth) => match handler.accepts.get(nth) {
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
