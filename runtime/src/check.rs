//! The rules that the compiler checks, as const functions that return what is wrong.
//!
//! The `panic!` itself stands in a `const _` that the macros emit, since that is what carries the place in the
//! user's source. Rules are numbered as in the documentation. A descriptor that is `broken` already has an error,
//! and every rule passes over it.

use crate::{
    event::{EventDescriptor, Events},
    handler::{HandlerDescriptor, HandlerPrint},
    policy::{Order, Start},
    service::ServiceDescriptor,
    topic::{FNV_OFFSET, FNV_PRIME, Hashed, hash_str, str_eq},
};

/// A message built in a const context.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    bytes: [u8; 600],
    len: usize,
}

impl Text {
    const NEW: Self = Self { bytes: [0; 600], len: 0 };

    const fn add(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = bytes[at];
            self.len += 1;
            at += 1;
        }
        self
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

/// Rule 2: a handler's topic or pattern receives its events.
#[must_use]
pub const fn topic_mismatch(handler: &HandlerDescriptor) -> Option<Text> {
    let Some(topic) = &handler.topic else { return None };
    if handler.broken {
        return None;
    }
    let mut at = 0;
    while let Some(event) = handler.accepts.get(at) {
        if !event.broken && !topic.receives(&event.topic) {
            return Some(
                Text::NEW
                    .add("handler \"")
                    .add(handler.name)
                    .add("\" listens to \"")
                    .add(topic.text())
                    .add("\", but ")
                    .add(event.ty)
                    .add(" is published on \"")
                    .add(event.topic.text())
                    .add("\"; listen to that topic, or leave `topic` out"),
            );
        }
        at += 1;
    }
    None
}

/// Rule 2: a handler of any event has a topic of its own.
#[must_use]
pub const fn topic_missing(handler: &HandlerDescriptor) -> Option<Text> {
    if handler.broken || !handler.any || handler.topic.is_some() {
        return None;
    }
    Some(
        Text::NEW
            .add("handler \"")
            .add(handler.name)
            .add("\" takes any event, so it has no topic to listen to; say which, as in `#[handler(topic = \"shop.>\")]`"),
    )
}

/// Rule 9: `batch(..)` goes with `Batch<_>`.
#[must_use]
pub const fn batch_mismatch(handler: &HandlerDescriptor) -> Option<Text> {
    if handler.broken || handler.batch {
        return None;
    }
    Some(
        Text::NEW
            .add("`batch` is for a handler that takes a `Batch<_>`, and \"")
            .add(handler.name)
            .add("\" takes one delivery at a time"),
    )
}

/// Rules 1 and 4, for one handler against those before it in the service's list.
#[must_use]
pub const fn handler_conflict(service: &ServiceDescriptor, handler: &HandlerDescriptor) -> Option<Text> {
    if handler.broken || service.broken {
        return None;
    }
    let (handlers, own) = (service.handlers, hash_str(service.name));
    let (mine, len) = (effective(handler.print, own), handlers.len());
    let mut at = 0;
    while at < len {
        let other = &handlers[at];
        let theirs = other.print;
        if theirs.name == mine.name {
            if other.is(handler) {
                return listed_twice(service, handler, at + 1);
            }
            if !other.broken && str_eq(other.name, handler.name) {
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
        }
        // For most pairs that is all: another group, or another topic.
        let group = theirs.group == mine.group || (theirs.group == 0 && own == mine.group);
        if group
            && (theirs.route == mine.route || theirs.route == 0 || mine.route == 0)
            && !other.broken
            && let Some(text) = pair_conflict(service, other, handler)
        {
            return Some(text);
        }
        at += 1;
    }
    None
}

/// The numbers of a handler in the service whose name has the hash `own`.
const fn effective(print: HandlerPrint, own: u64) -> HandlerPrint {
    if print.group == 0 { HandlerPrint { group: own, ..print } } else { print }
}

const fn listed_twice(service: &ServiceDescriptor, handler: &HandlerDescriptor, from: usize) -> Option<Text> {
    let mut at = from;
    while at < service.handlers.len() {
        if service.handlers[at].is(handler) {
            return Some(
                Text::NEW.add("handler \"").add(handler.name).add("\" is listed twice; list it once"),
            );
        }
        at += 1;
    }
    None
}

const fn group<'a>(service: &'a ServiceDescriptor, handler: &'a HandlerDescriptor) -> &'a str {
    match handler.group {
        Some(group) => group,
        None => service.name,
    }
}

/// Rule 4: two handlers of one group.
const fn pair_conflict(
    service: &ServiceDescriptor,
    a: &HandlerDescriptor,
    b: &HandlerDescriptor,
) -> Option<Text> {
    if !str_eq(group(service, a), group(service, b)) {
        return None;
    }
    let Some((mine, theirs)) = overlap(a, b) else { return None };
    let both = Text::NEW.add("handlers \"").add(a.name).add("\" and \"").add(b.name).add("\" ");
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
    if a.any || b.any {
        return Some(
            both.add("both take every event of \"")
                .add(mine.text())
                .add("\" in group \"")
                .add(group(service, a))
                .add("\"; one delivery has one handler, so give one a `group` of its own"),
        );
    }
    if let Some(event) = shared(&a.accepts, &b.accepts) {
        return Some(
            both.add("both take ")
                .add(event.ty)
                .add(" (\"")
                .add(event.topic.text())
                .add("\") in group \"")
                .add(group(service, a))
                .add("\"; one delivery has one handler, so give one a `group` of its own"),
        );
    }
    let what = if a.batch || b.batch {
        "one of them takes batches, and a `Batch` handler is alone in its subscription"
    } else if !same_order(a.policy.order, b.policy.order) {
        "with different `order`"
    } else if !same_start(a.policy.start, b.policy.start) {
        "with different `start`"
    } else {
        return None;
    };
    Some(
        both.add("share the subscription of group \"")
            .add(group(service, a))
            .add("\" to \"")
            .add(mine.text())
            .add("\", ")
            .add(what)
            .add("; make them agree, or give one a `group` of its own"),
    )
}

/// The topics or patterns by which two handlers can get the same message.
const fn overlap<'a>(a: &'a HandlerDescriptor, b: &'a HandlerDescriptor) -> Option<(&'a Hashed, &'a Hashed)> {
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

/// The `nth` topic or pattern that a handler listens to.
const fn filter(handler: &HandlerDescriptor, nth: usize) -> Option<&Hashed> {
    match (&handler.topic, nth) {
        (Some(topic), 0) => Some(topic),
        (Some(_), _) => None,
        (None, nth) => match handler.accepts.get(nth) {
            Some(event) => Some(&event.topic),
            None => None,
        },
    }
}

const fn shared(a: &Events, b: &Events) -> Option<&'static EventDescriptor> {
    let mut i = 0;
    while let Some(mine) = a.get(i) {
        let mut j = 0;
        while let Some(theirs) = b.get(j) {
            if !mine.broken && same_kind(mine, theirs) {
                return Some(mine);
            }
            j += 1;
        }
        i += 1;
    }
    None
}

const fn same_kind(a: &EventDescriptor, b: &EventDescriptor) -> bool {
    a.hash == b.hash && str_eq(a.kind, b.kind)
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

/// Rule 1, for everything that a service knows: two events with one name and version, two topics that Kafka cannot
/// keep apart. `N` is what [`known`] counts.
#[must_use]
pub const fn name_clash<const N: usize>(service: &ServiceDescriptor) -> Option<Text> {
    let mut names = Names { prints: [Print::NONE; N], events: [None; N], len: 0 };
    let mut clash = names.add(&Events::Many(service.publishes));
    let mut at = 0;
    while at < service.handlers.len() && clash.is_none() {
        clash = names.add(&service.handlers[at].accepts);
        if clash.is_none() {
            clash = names.add(&service.handlers[at].publishes);
        }
        at += 1;
    }
    clash
}

/// How many events a service handles, returns or publishes; repeats are counted.
#[must_use]
pub const fn known(service: ServiceDescriptor) -> usize {
    let mut sum = Events::Many(service.publishes).len();
    let mut at = 0;
    while at < service.handlers.len() {
        sum += service.handlers[at].accepts.len() + service.handlers[at].publishes.len();
        at += 1;
    }
    sum
}

/// The different events of a service. A pair costs a few integers; a compiler that compared their strings would call
/// a service of a hundred handlers a constant that takes too long.
struct Names<const N: usize> {
    prints: [Print; N],
    events: [Option<&'static EventDescriptor>; N],
    len: usize,
}

/// What is compared of an event.
#[derive(Clone, Copy)]
struct Print {
    kind: u64,
    ty: u64,
    topic: u64,
    /// Of the topic with `.` for every `_`.
    kafka: u64,
}

impl Print {
    const NONE: Self = Self { kind: 0, ty: 0, topic: 0, kafka: 0 };

    const fn of(event: &EventDescriptor) -> Self {
        let topic = event.topic.text();
        Self { kind: event.hash, ty: hash_str(event.ty), topic: hash_str(topic), kafka: hash_on_kafka(topic) }
    }
}

impl<const N: usize> Names<N> {
    const fn add(&mut self, events: &Events) -> Option<Text> {
        match events {
            Events::One(event) if !event.broken => self.add_one(event),
            Events::None | Events::One(_) => None,
            Events::Many(parts) => {
                let mut at = 0;
                while at < parts.len() {
                    let clash = self.add(&parts[at]);
                    if clash.is_some() {
                        return clash;
                    }
                    at += 1;
                }
                None
            }
        }
    }

    const fn add_one(&mut self, event: &'static EventDescriptor) -> Option<Text> {
        let mine = Print::of(event);
        let mut at = 0;
        while at < self.len {
            let other = self.prints[at];
            if other.kind == mine.kind && other.ty == mine.ty && other.topic == mine.topic {
                return None;
            }
            if (other.kind == mine.kind || (other.kafka == mine.kafka && other.topic != mine.topic))
                && let Some(before) = self.events[at]
                && let Some(text) = event_clash(before, event)
            {
                return Some(text);
            }
            at += 1;
        }
        self.prints[at] = mine;
        self.events[at] = Some(event);
        self.len += 1;
        None
    }
}

const fn event_clash(a: &EventDescriptor, b: &EventDescriptor) -> Option<Text> {
    if same_kind(a, b) && !(str_eq(a.ty, b.ty) && a.topic.same(&b.topic)) {
        return Some(
            Text::NEW
                .add(a.ty)
                .add(" (\"")
                .add(a.topic.text())
                .add("\") and ")
                .add(b.ty)
                .add(" (\"")
                .add(b.topic.text())
                .add("\") are both named \"")
                .add(a.kind)
                .add("\"; give each a `name` of its own"),
        );
    }
    if !a.topic.same(&b.topic) && equal_on_kafka(a.topic.text(), b.topic.text()) {
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

const fn equal_on_kafka(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        let dots = matches!((a[at], b[at]), (b'.' | b'_', b'.' | b'_'));
        if a[at] != b[at] && !dots {
            return false;
        }
        at += 1;
    }
    true
}

/// FNV-1a of what Kafka makes of a topic in the names of its metrics.
const fn hash_on_kafka(topic: &str) -> u64 {
    let bytes = topic.as_bytes();
    let mut hash = FNV_OFFSET;
    let mut at = 0;
    while at < bytes.len() {
        let byte = if bytes[at] == b'_' { b'.' } else { bytes[at] };
        hash = (hash ^ byte as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    hash
}
