//! Events that lead to themselves.

use super::catalog::Catalog;
use crate::{event::Events, handler::HandlerDescriptor};

/// Which event leads to which: events and handlers in turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Graph<const N: usize, const M: usize> {
    /// Of each event 1 + the first of its arrivals.
    heads: [usize; N],
    /// Of each arrival the handler, and 1 + the next arrival of the same event.
    handlers: [usize; M],
    nexts: [usize; M],
    arrivals: usize,
    /// Of each handler what it publishes: a part of `published`, by numbers of events.
    begins: [usize; N],
    published: [usize; N],
    added: usize,
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
    pub(super) const NEW: Self = Self {
        heads: [0; N],
        handlers: [0; M],
        nexts: [0; M],
        arrivals: 0,
        begins: [0; N],
        published: [0; N],
        added: 0,
        len: 0,
    };

    /// Adds a handler. Says whether it publishes anything, so that it matters what it gets.
    pub(super) const fn add(&mut self, handler: &HandlerDescriptor, catalog: &Catalog<N>) -> bool {
        let before = self.len;
        self.publish(&handler.publishes[0], catalog);
        self.publish(&handler.publishes[1], catalog);
        self.added += 1;
        self.begins[self.added] = self.len;
        self.len > before
    }

    const fn publish(&mut self, events: &Events, catalog: &Catalog<N>) {
        match events {
            Events::None => {}
            Events::One(event) => {
                if let Some(number) = catalog.number(event) {
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

    /// The handler that was added last gets the event of this number.
    pub(super) const fn reads(&mut self, event: usize) {
        self.handlers[self.arrivals] = self.added - 1;
        self.nexts[self.arrivals] = self.heads[event];
        self.arrivals += 1;
        self.heads[event] = self.arrivals;
    }

    /// The first cycle that passes by no event of `without`; through `from`, where one is given.
    pub(super) const fn cycle(
        &self,
        without: &[bool; N],
        from: Option<usize>,
        events: usize,
    ) -> Option<Cycle<N>> {
        if self.arrivals == 0 {
            return None;
        }
        let mut walk = Walk::<N>::NEW;
        let (mut root, end) = match from {
            Some(from) => (from, from + 1),
            None => (0, events),
        };
        while root < end {
            let begins = self.heads[root] != 0 && !walk.seen[root] && !without[root];
            if begins && self.walk(&mut walk, root, without, from.is_some()) {
                return Some(walk.cycle());
            }
            root += 1;
        }
        None
    }

    /// Follows every way from `root`; whether one led to an event that is on it, or, if `home`, to the root.
    const fn walk(&self, walk: &mut Walk<N>, root: usize, without: &[bool; N], home: bool) -> bool {
        walk.enter(root, self.heads[root]);
        while walk.len > 0 {
            let top = walk.len - 1;
            let (arrival, nth) = (walk.arrivals[top], walk.nth[top]);
            if arrival == 0 {
                walk.leave();
                continue;
            }
            let handler = self.handlers[arrival - 1];
            let place = self.begins[handler] + nth;
            if place >= self.begins[handler + 1] {
                (walk.arrivals[top], walk.nth[top]) = (self.nexts[arrival - 1], 0);
                continue;
            }
            (walk.nth[top], walk.handlers[top]) = (nth + 1, handler);
            let next = self.published[place];
            if without[next] {
                continue;
            }
            if (walk.on_way[next] && !home) || (next == root && home) {
                walk.end = next;
                return true;
            }
            if !walk.seen[next] {
                walk.enter(next, self.heads[next]);
            }
        }
        false
    }
}

/// A way that is being followed.
struct Walk<const N: usize> {
    seen: [bool; N],
    on_way: [bool; N],
    events: [usize; N],
    handlers: [usize; N],
    arrivals: [usize; N],
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
        arrivals: [0; N],
        nth: [0; N],
        len: 0,
        end: 0,
    };

    const fn enter(&mut self, event: usize, arrival: usize) {
        (self.seen[event], self.on_way[event]) = (true, true);
        self.events[self.len] = event;
        (self.arrivals[self.len], self.nth[self.len]) = (arrival, 0);
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
