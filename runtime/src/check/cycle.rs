//! Events that lead to themselves.

use super::{catalog::Catalog, sorted::Sorted};
use crate::{event::Events, handler::HandlerDescriptor};

/// Which event leads to which: events and handlers in turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Graph<const N: usize, const M: usize> {
    /// Of each event the handlers that get it and publish something.
    readers: Sorted<M>,
    /// Of each handler what it publishes: its part of `published`, by numbers of events.
    begins: [usize; N],
    published: [usize; N],
    handlers: usize,
    len: usize,
}

/// A way through the graph from an event to itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cycle<const N: usize> {
    /// The events, by their numbers, each leading to the next and the last to the first.
    pub(super) events: [usize; N],
    /// The handler, in the order in which they were added, that gets the event of the same place.
    pub(super) handlers: [usize; N],
    pub(super) len: usize,
}

impl<const N: usize, const M: usize> Graph<N, M> {
    pub(super) const NEW: Self =
        Self { readers: Sorted::NEW, begins: [0; N], published: [0; N], handlers: 0, len: 0 };

    /// Adds a handler that gets the events of these numbers.
    pub(super) const fn add(&mut self, handler: &HandlerDescriptor, catalog: &Catalog<N>) {
        self.publish(&handler.publishes[0], catalog);
        self.publish(&handler.publishes[1], catalog);
        self.handlers += 1;
        self.begins[self.handlers] = self.len;
    }

    const fn publish(&mut self, events: &Events, catalog: &Catalog<N>) {
        match events {
            Events::None => {}
            Events::One(event) => {
                let number = catalog.number(event);
                if number < catalog.len() {
                    self.published[self.len] = number;
                    self.len += 1;
                }
            }
            Events::Many(parts) => {
                let mut at = 0;
                while at < parts.len() {
                    self.publish(&parts[at], catalog);
                    at += 1;
                }
            }
        }
    }

    /// The handler that was added last gets this event.
    pub(super) const fn reads(&mut self, event: usize) {
        self.readers.push(key(event), self.handlers - 1);
    }

    /// After this nothing may be added.
    pub(super) const fn settle(&mut self) {
        self.readers.sort();
    }

    /// The first cycle that passes by no event of `without`; through `from`, where one is given.
    pub(super) const fn cycle(
        &self,
        without: &[bool; N],
        from: Option<usize>,
        events: usize,
    ) -> Option<Cycle<N>> {
        let mut walk = Walk::<N>::NEW;
        let mut root = 0;
        while root < events {
            let begins = match from {
                Some(from) => root == from,
                None => true,
            };
            if begins
                && !walk.seen[root]
                && !without[root]
                && self.walk(&mut walk, root, without, from.is_some())
            {
                return Some(walk.cycle());
            }
            root += 1;
        }
        None
    }

    /// Follows every way from `root`; whether one led to an event that is on it, or, if `home`, to the root.
    const fn walk(&self, walk: &mut Walk<N>, root: usize, without: &[bool; N], home: bool) -> bool {
        walk.enter(root, self.readers.first(key(root)));
        while walk.len > 0 {
            let event = walk.events[walk.len - 1];
            let (reader, nth) = (walk.readers[walk.len - 1], walk.nth[walk.len - 1]);
            if !self.readers.has(reader, key(event)) {
                walk.leave();
                continue;
            }
            let handler = self.readers.index(reader);
            let place = self.begins[handler] + nth;
            if place >= self.begins[handler + 1] {
                walk.readers[walk.len - 1] += 1;
                walk.nth[walk.len - 1] = 0;
                continue;
            }
            walk.nth[walk.len - 1] += 1;
            walk.handlers[walk.len - 1] = handler;
            let next = self.published[place];
            if without[next] {
                continue;
            }
            if (walk.on_way[next] && !home) || (next == root && home) {
                walk.end = next;
                return true;
            }
            if !walk.seen[next] {
                walk.enter(next, self.readers.first(key(next)));
            }
        }
        false
    }
}

/// The hash of an event's number.
const fn key(event: usize) -> u64 {
    (event as u64 + 1) << 32
}

/// A way that is being followed.
struct Walk<const N: usize> {
    seen: [bool; N],
    on_way: [bool; N],
    events: [usize; N],
    handlers: [usize; N],
    readers: [usize; N],
    nth: [usize; N],
    len: usize,
    end: usize,
}

impl<const N: usize> Walk<N> {
    const NEW: Self = Self {
        seen: [false; N],
        on_way: [false; N],
        events: [0; N],
        handlers: [0; N],
        readers: [0; N],
        nth: [0; N],
        len: 0,
        end: 0,
    };

    const fn enter(&mut self, event: usize, reader: usize) {
        (self.seen[event], self.on_way[event]) = (true, true);
        self.events[self.len] = event;
        (self.readers[self.len], self.nth[self.len]) = (reader, 0);
        self.len += 1;
    }

    const fn leave(&mut self) {
        self.len -= 1;
        self.on_way[self.events[self.len]] = false;
    }

    /// The part of the way from the event at which it ended to the last.
    const fn cycle(&self) -> Cycle<N> {
        let mut cycle = Cycle { events: [0; N], handlers: [0; N], len: 0 };
        let (mut at, mut on) = (0, false);
        while at < self.len {
            on |= self.events[at] == self.end;
            if on {
                (cycle.events[cycle.len], cycle.handlers[cycle.len]) = (self.events[at], self.handlers[at]);
                cycle.len += 1;
            }
            at += 1;
        }
        cycle
    }
}
