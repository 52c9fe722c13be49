//! The rules among the handlers and events of one service.

use super::{
    catalog::{Catalog, filter, takes, weigh},
    table::{Table, mix, room},
    text::Text,
};
use crate::{
    event::{EventDescriptor, Events},
    handler::HandlerDescriptor,
    policy::{Order, Start},
    service::ServiceDescriptor,
    topic::{Hashed, str_eq},
};

/// Room for everything that a service lists: the `N` of its [`Survey`].
#[must_use]
pub const fn known(service: ServiceDescriptor) -> usize {
    room(count(&service))
}

/// How many handlers, events and topics a service has, repeats included.
pub(super) const fn count(service: &ServiceDescriptor) -> usize {
    let mut sum = weigh(&Events::Many(service.publishes));
    let mut at = 0;
    while at < service.handlers.len() {
        let HandlerDescriptor { accepts, publishes: [returned, published], .. } = &service.handlers[at];
        sum += 2 + weigh(accepts) + weigh(returned) + weigh(published);
        at += 1;
    }
    sum
}

/// Which handlers of a service get in each other's way: made once, and asked by each handler and by the service.
#[derive(Debug)]
pub struct Survey<const N: usize> {
    /// The first handler of each name.
    names: Table<N>,
    /// For each handler 1 + the index of an earlier one that it conflicts with.
    against: [usize; N],
    /// Handlers that another conflicts with, or has the name of.
    shared: [bool; N],
    catalog: Catalog<N>,
    /// No handler has to be told of anything.
    clean: bool,
}

impl<const N: usize> Survey<N> {
    /// Looks at everything once.
    #[must_use]
    pub const fn of(service: &ServiceDescriptor) -> Self {
        let mut survey = Self {
            names: Table::NEW,
            against: [0; N],
            shared: [false; N],
            catalog: Catalog::NEW,
            clean: true,
        };
        survey.catalog.add(&Events::Many(service.publishes));
        let mut routes = Routes::<N>::NEW;
        let mut index = 0;
        while index < service.handlers.len() {
            let handler = &service.handlers[index];
            if !handler.broken {
                survey.catalog.add(&handler.accepts);
                survey.catalog.add(&handler.publishes[0]);
                survey.catalog.add(&handler.publishes[1]);
                let namesake = survey.names.insert(handler.name_hash, index);
                survey.note(namesake, index);
                survey.note_routes(service, &mut routes, index);
            }
            index += 1;
        }
        let mut at = 0;
        while at < routes.wild {
            let index = routes.patterns[at];
            survey.note_pattern(service, &routes, index);
            survey.clean &= survey.catalog.caught(&service.handlers[index], None).is_none();
            at += 1;
        }
        survey
    }

    const fn note(&mut self, before: Option<usize>, index: usize) {
        if let Some(before) = before
            && before != index
            && self.against[index] == 0
        {
            self.against[index] = 1 + before;
            (self.shared[index], self.shared[before]) = (true, true);
            self.clean = false;
        }
    }

    /// Rule 4: notes an earlier handler with an event or a subscription in common, and patterns for later.
    const fn note_routes(&mut self, service: &ServiceDescriptor, routes: &mut Routes<N>, index: usize) {
        let handler = &service.handlers[index];
        let group = group_hash(service, handler);
        routes.groups[index] = group;
        let (mut nth, mut wild) = (0, false);
        while let Some(filter) = filter(handler, nth) {
            if let Some(before) = routes.topics.insert(mix(group, route(filter)), index)
                && unlike(&service.handlers[before], handler).is_some()
            {
                self.note(Some(before), index);
            }
            wild |= filter.is_wild();
            nth += 1;
        }
        if wild {
            routes.patterns[routes.wild] = index;
            routes.wild += 1;
        }
        if handler.any {
            let topic = match &handler.topic {
                Some(topic) => route(topic),
                None => 0,
            };
            self.note(routes.events.insert(mix(group, topic), index), index);
        }
        self.note_events(routes, group, &handler.accepts, index);
    }

    const fn note_events(&mut self, routes: &mut Routes<N>, group: u64, events: &Events, index: usize) {
        match events {
            Events::None => {}
            Events::One(event) => {
                // Two handlers of one request answer twice, whatever their groups.
                let group = if event.reply.is_some() { 2 } else { group };
                self.note(routes.events.insert(mix(group, event.hash), index), index);
                if !matches!(event.upcasts, Events::None) {
                    self.note_events(routes, group, &event.upcasts, index);
                }
            }
            Events::Many(parts) => {
                let mut at = 0;
                while at < parts.len() {
                    self.note_events(routes, group, &parts[at], index);
                    at += 1;
                }
            }
        }
    }

    /// Patterns are compared with everything; they are few.
    const fn note_pattern(&mut self, service: &ServiceDescriptor, routes: &Routes<N>, index: usize) {
        let mut other = 0;
        while other < service.handlers.len() {
            if other != index
                && !service.handlers[other].broken
                && routes.groups[other] == routes.groups[index]
                && overlap(&service.handlers[other], &service.handlers[index]).is_some()
            {
                let (before, after) = if other < index { (other, index) } else { (index, other) };
                if pair_conflict(service, &service.handlers[before], &service.handlers[after]).is_some() {
                    self.note(Some(before), after);
                }
            }
            other += 1;
        }
    }

    /// Rules 3 and 4, for one handler among those before it in the service's list, in which at most `nth` stand before it:
    /// what `#[cfg]` took out is counted too, so a handler is known by what it is, and not by its place.
    #[must_use]
    pub const fn conflict(
        &self,
        service: &ServiceDescriptor,
        handler: HandlerDescriptor,
        nth: usize,
    ) -> Option<Text> {
        if self.clean || handler.broken || service.broken {
            return None;
        }
        let Some(first) = self.names.find(handler.name_hash) else { return None };
        // What one pattern brings and another handler takes is a conflict of the two, and was told.
        if self.shared[first] {
            return self.conflict_with(service, &handler, first, nth);
        }
        match self.catalog.caught(&handler, None) {
            Some((filter, event)) => Some(caught(&handler, None, &filter, event)),
            None => None,
        }
    }

    /// The same for a handler that shares its name or a route.
    const fn conflict_with(
        &self,
        service: &ServiceDescriptor,
        handler: &HandlerDescriptor,
        first: usize,
        nth: usize,
    ) -> Option<Text> {
        let (mut at, mut listed, mut last, mut noted) = (first, 0, 0, 0);
        while at < service.handlers.len() {
            if service.handlers[at].is(handler) {
                (listed, last) = (listed + 1, at);
                if noted == 0 {
                    noted = self.against[at];
                }
            }
            at += 1;
        }
        // Told where it stands for the last time; whatever else is wrong with it is told once, too.
        if listed > 1 && nth >= last {
            return Some(listed_twice(handler));
        }
        if noted == 0 || listed > 1 { None } else { conflict(service, &service.handlers[noted - 1], handler) }
    }

    /// Rule 1, for everything that the service knows.
    #[must_use]
    pub const fn clash(&self) -> Option<Text> {
        self.catalog.clash()
    }
}

/// What the handlers of a service listen to: the first handler of each.
struct Routes<const N: usize> {
    /// Of (group, event).
    events: Table<N>,
    /// Of (group, topic).
    topics: Table<N>,
    /// The group of each handler.
    groups: [u64; N],
    /// Handlers with a pattern.
    patterns: [usize; N],
    wild: usize,
}

impl<const N: usize> Routes<N> {
    const NEW: Self =
        Self { events: Table::NEW, topics: Table::NEW, groups: [0; N], patterns: [0; N], wild: 0 };
}

/// Equal for what is one subscription on a broker.
pub(super) const fn route(filter: &Hashed) -> u64 {
    if filter.is_wild() { filter.kafka() } else { filter.exact() }
}

pub(super) const fn group_hash(service: &ServiceDescriptor, handler: &HandlerDescriptor) -> u64 {
    if handler.policy.broadcast {
        // Each instance gets its own copy for each of these handlers: a group of its own.
        return mix(service.name_hash, handler.name_hash);
    }
    if handler.group_hash == 0 { service.name_hash } else { handler.group_hash }
}

pub(super) const fn group<'a>(service: &'a ServiceDescriptor, handler: &'a HandlerDescriptor) -> &'a str {
    match handler.group {
        Some(group) => group,
        None => service.name,
    }
}

const fn conflict(
    service: &ServiceDescriptor,
    other: &HandlerDescriptor,
    handler: &HandlerDescriptor,
) -> Option<Text> {
    if str_eq(other.name, handler.name) {
        if other.is(handler) {
            return Some(listed_twice(handler));
        }
        return Some(
            Text::NEW
                .add("two handlers are named \"")
                .add(handler.name)
                .add("\" (in ")
                .add(other.module)
                .add(" and ")
                .add(handler.module)
                .add("); configuration, ids and dead letters know a handler by its name, so rename one"),
        );
    }
    pair_conflict(service, other, handler)
}

const fn listed_twice(handler: &HandlerDescriptor) -> Text {
    Text::NEW.add("handler ").quote(handler.name).add(" is listed twice; list it once")
}

/// Rule 3, for a handler `of` a service where that is not clear.
pub(super) const fn caught(
    handler: &HandlerDescriptor,
    of: Option<&str>,
    filter: &Hashed,
    event: &EventDescriptor,
) -> Text {
    let mut text = Text::NEW.add("handler ").quote(handler.name);
    if let Some(service) = of {
        text = text.add(" of ").quote(service);
    }
    text = text.add(" listens to ").quote(filter.text()).add(", which also brings ").event(event);
    text = text.add(", and it does not take that; ");
    if let Some(newer) = newer(&handler.accepts, event) {
        text = text.add("add `upcasts(").add(event.ty).add(")` to ").add(newer.ty).add(", ");
    }
    text = text.add("take it too (an `EventSet`, `AnyEvent`), or ");
    text.add(if handler.topic.is_some() { "narrow the topic" } else { "rename one of the topics" })
}

/// A newer version of the event among these.
const fn newer(events: &Events, event: &EventDescriptor) -> Option<&'static EventDescriptor> {
    let mut at = 0;
    while let Some(other) = events.get(at) {
        if other.version > event.version && str_eq(other.name, event.name) {
            return Some(other);
        }
        at += 1;
    }
    None
}

/// Rule 4: two handlers of one service.
const fn pair_conflict(
    service: &ServiceDescriptor,
    a: &HandlerDescriptor,
    b: &HandlerDescriptor,
) -> Option<Text> {
    let both = Text::NEW.add("handlers \"").add(a.name).add("\" and \"").add(b.name).add("\" ");
    if let Some(event) = shared(&a.accepts, b)
        && let Some(reply) = event.reply
    {
        return Some(
            both.add("both answer the request ")
                .event(event)
                .add("; one request has one ")
                .add(reply)
                .add(", so leave one out"),
        );
    }
    let shared_group =
        !a.policy.broadcast && !b.policy.broadcast && str_eq(group(service, a), group(service, b));
    if !shared_group {
        return None;
    }
    let Some((mine, theirs)) = overlap(a, b) else { return None };
    if !mine.same(theirs) {
        return Some(
            both.add("of group \"")
                .add(group(service, a))
                .add("\" listen to \"")
                .add(mine.text())
                .add("\" and \"")
                .add(theirs.text())
                .add("\", which overlap: a message on both would be handled once by either; give one a `group` of its own"),
        );
    }
    if a.any && b.any {
        return Some(
            both.add("both take every event of \"")
                .add(mine.text())
                .add("\" in group \"")
                .add(group(service, a))
                .add("\"; one delivery has one handler, so give one a `group` of its own"),
        );
    }
    if let Some(event) = shared(&a.accepts, b) {
        return Some(
            both.add("both take ")
                .event(event)
                .add(" in group \"")
                .add(group(service, a))
                .add("\"; one delivery has one handler, so give one a `group` of its own"),
        );
    }
    let Some(what) = unlike(a, b) else { return None };
    Some(
        both.add("share the subscription of group \"")
            .add(group(service, a))
            .add("\" to \"")
            .add(mine.text())
            .add("\", ")
            .add(what)
            .add(if a.any == b.any { "; make them agree, or give" } else { "; give" })
            .add(" one a `group` of its own"),
    )
}

/// Why two handlers cannot share a subscription.
const fn unlike(a: &HandlerDescriptor, b: &HandlerDescriptor) -> Option<&'static str> {
    if a.any != b.any {
        Some("where one of them takes every event")
    } else if a.batch || b.batch {
        Some("one of them takes batches, and a `Batch` handler is alone in its subscription")
    } else if !same_order(a.policy.order, b.policy.order) {
        Some("with different `order`")
    } else if !same_start(a.policy.start, b.policy.start) {
        Some("with different `start`")
    } else if a.policy.delivery as u8 != b.policy.delivery as u8 {
        Some("with different `delivery`")
    } else {
        None
    }
}

/// The topics or patterns by which two handlers can get the same message.
pub(super) const fn overlap<'a>(
    a: &'a HandlerDescriptor,
    b: &'a HandlerDescriptor,
) -> Option<(&'a Hashed, &'a Hashed)> {
    let mut i = 0;
    while let Some(mine) = filter(a, i) {
        let mut j = 0;
        while let Some(theirs) = filter(b, j) {
            if mine.overlaps(theirs) {
                return Some((mine, theirs));
            }
            j += 1;
        }
        i += 1;
    }
    None
}

/// An event that both take, in a version that both read.
pub(super) const fn shared(events: &Events, other: &HandlerDescriptor) -> Option<&'static EventDescriptor> {
    match events {
        Events::None => None,
        Events::One(event) if event.broken => None,
        Events::One(event) if takes(&other.accepts, event) => Some(event),
        Events::One(event) => shared(&event.upcasts, other),
        Events::Many(parts) => {
            let mut at = 0;
            while at < parts.len() {
                let found = shared(&parts[at], other);
                if found.is_some() {
                    return found;
                }
                at += 1;
            }
            None
        }
    }
}

const fn same_order(a: Order, b: Order) -> bool {
    a as u8 == b as u8
}

const fn same_start(a: Option<Start>, b: Option<Start>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a as u8 == b as u8,
        _ => false,
    }
}
