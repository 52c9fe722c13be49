//! Who handles what: for each topic of a subscription, from an event's kind to a handler. Resolved once per topic.

use std::collections::HashMap;

use crate::{
    backend::{Attribute, Delivery, MAX_HEADER_BYTES, MAX_HEADERS, Message},
    dispatch::held::Doom,
    envelope::split_kind,
    event::EventDescriptor,
    handler::HandlerDescriptor,
    message::Opening,
    outputs::Reason,
    policy::DeadLetterTo,
    structured, template,
    topic::{Topic, is_pattern, matches},
};

/// The most topics of a pattern that are remembered; more are resolved anew each time.
const REMEMBERED: usize = 4_096;

/// What a delivery is to its group.
#[derive(Debug)]
pub(crate) enum Route {
    /// It goes to this handler of the subscription.
    Handler(usize, Option<&'static EventDescriptor>),
    /// The same, for a request.
    Request(usize, &'static EventDescriptor),
    /// It is a structured CloudEvent, and goes on as the same in binary mode.
    Unfolded(Box<Unfolded>),
    /// Its event is not the group's. If that is a dead letter, then under the name of this handler.
    Unhandled(usize),
    /// It is handled by this handler, but not in this version: a newer one than all that are read, or one between.
    Unread(usize, Box<Unread>),
    /// It can go nowhere but to the dead letters, under the name of this handler.
    Doomed(usize, Box<Doom>),
}

/// An event in a version that is not read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) name: String,
    pub(crate) version: u16,
    /// What is read, and what this is.
    pub(crate) error: String,
}

/// Where a structured CloudEvent goes.
#[derive(Debug)]
pub(crate) struct Unfolded {
    /// The same in binary mode.
    pub(crate) message: Message,
    pub(crate) handler: usize,
    pub(crate) fate: Fate,
}

/// What its handler makes of it.
#[derive(Debug)]
pub(crate) enum Fate {
    Run(Option<&'static EventDescriptor>),
    Request(&'static EventDescriptor),
    Unread(Unread),
    Doomed(Box<Doom>),
}

#[derive(Debug)]
pub(crate) struct Routes {
    /// One for each filter of which deliveries arrive.
    parts: Vec<Part>,
    /// Every event of the service by which an untyped message may be known.
    known: Vec<&'static EventDescriptor>,
    exact: Option<Table>,
    by_topic: HashMap<Topic, Table>,
}

/// The handlers of one filter.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) filter: Topic,
    /// Each with its number in the worker.
    pub(crate) handlers: Vec<(usize, &'static HandlerDescriptor)>,
}

#[derive(Debug, Default)]
struct Table {
    kinds: Vec<Kind>,
    any: Option<usize>,
    /// The first handler of the topic's subscription: what no handler takes dies under its name.
    first: usize,
    /// The only event known on the topic, in its oldest version.
    sole: Option<&'static EventDescriptor>,
}

/// An event that a handler takes.
#[derive(Debug)]
struct Kind {
    /// How the headers of its messages begin. Requests are found by a closer look, so that all others need not be
    /// asked whether they are one.
    opening: Opening,
    event: &'static EventDescriptor,
    handler: usize,
}

impl Routes {
    /// For a subscription: everything arrives by this part's filter.
    pub(crate) fn new(part: Part, known: Vec<&'static EventDescriptor>) -> Self {
        let (filter, parts) = (part.filter.clone(), vec![part]);
        let exact = (!is_pattern(&filter)).then(|| Table::new(&parts, &filter, &known));
        Self { parts, known, exact, by_topic: HashMap::new() }
    }

    /// For replays: what arrives came by the filter of one of these parts before, if it is not forged.
    pub(crate) fn of_replays(parts: Vec<Part>, known: Vec<&'static EventDescriptor>) -> Self {
        Self { parts, known, exact: None, by_topic: HashMap::new() }
    }

    /// Whether this handler of the subscription answers a request, which is then all that it takes.
    pub(crate) fn answers(&self, handler: usize) -> bool {
        let here = self.parts.iter().flat_map(|part| &part.handlers).find(|(at, _)| *at == handler);
        here.is_some_and(|(_, it)| it.accepts.iter().any(|event| event.reply.is_some()))
    }

    pub(crate) fn resolve(&mut self, delivery: &Delivery) -> Route {
        if let Some(table) = &self.exact {
            return table.resolve(delivery);
        }
        if !self.by_topic.contains_key(&delivery.topic) {
            let table = Table::new(&self.parts, &delivery.topic, &self.known);
            if self.by_topic.len() >= REMEMBERED {
                return table.resolve(delivery);
            }
            self.by_topic.insert(delivery.topic.clone(), table);
        }
        match self.by_topic.get(&delivery.topic) {
            Some(table) => table.resolve(delivery),
            None => Route::Unhandled(0),
        }
    }
}

impl Kind {
    const fn route(&self) -> Route {
        match self.event.reply {
            Some(_) => Route::Request(self.handler, self.event),
            None => Route::Handler(self.handler, Some(self.event)),
        }
    }
}

impl Table {
    fn new(parts: &[Part], topic: &Topic, known: &[&'static EventDescriptor]) -> Self {
        let mut table = Self { first: first(parts, topic), ..Self::default() };
        for Part { filter, handlers } in parts.iter().filter(|part| matches(&part.filter, topic)) {
            for (at, handler) in handlers {
                if handler.any && handler.topic.is_some_and(|pattern| matches(pattern.text(), topic)) {
                    table.any = Some(*at);
                }
                let here = |event: &&EventDescriptor| {
                    let is_home = || template::home(handler.accepts, event) == &**filter;
                    matches(event.topic.filter(), topic) && (handler.topic.is_some() || is_home())
                };
                handler.accepts.iter().filter(here).for_each(|event| table.add(event, *at));
            }
        }
        let mut here = known.iter().filter(|event| matches(event.topic.filter(), topic));
        if let Some(first) = here.next()
            && here.all(|other| other.name == first.name)
        {
            let here = known.iter().filter(|event| matches(event.topic.filter(), topic));
            table.sole = here.map(|event| oldest(event)).min_by_key(|event| event.version);
        }
        table
    }

    /// An event that a handler takes, and the older versions that it is made from.
    fn add(&mut self, event: &'static EventDescriptor, handler: usize) {
        let opening = if event.reply.is_some() { Opening::of_none() } else { Opening::new(event.kind) };
        self.kinds.push(Kind { opening, event, handler });
        event.upcasts.iter().for_each(|older| self.add(older, handler));
    }

    fn resolve(&self, delivery: &Delivery) -> Route {
        let message = &delivery.message;
        if !message.is_sound() {
            return self.look_at_headers(message);
        }
        if let Some(kind) = self.kinds.iter().find(|kind| message.opens_with(&kind.opening)) {
            return Route::Handler(kind.handler, Some(kind.event));
        }
        self.look_closer(message)
    }

    /// For messages whose headers are wrong, or whose envelope is not among them.
    #[cold]
    fn look_at_headers(&self, message: &Message) -> Route {
        if message.defect().is_some() || !message.has_few_headers() {
            return self.bad_headers(message);
        }
        self.look_closer(message)
    }

    /// For messages whose headers do not begin with a type that is handled.
    #[cold]
    fn look_closer(&self, message: &Message) -> Route {
        match structured::unfold(message) {
            Some(Ok(unfolded)) => return self.unfolded(unfolded),
            Some(Err(error)) => return self.doomed(Reason::Undecodable, error),
            None => {}
        }
        let Some(kind) = message.attribute(Attribute::Type) else { return self.untyped() };
        let kind = std::str::from_utf8(kind).unwrap_or_default();
        let (name, version) = split_kind(kind);
        let mut versions = self.kinds.iter().filter(|known| known.event.name == name);
        if let Some(kind) = versions.clone().find(|known| known.event.version == version) {
            return kind.route();
        }
        if let Some(Kind { handler, .. }) = versions.clone().next() {
            let error = self.known(name, version);
            // Nobody will read again what is older than everything that is read.
            if versions.all(|known| version < known.event.version) {
                return Route::Doomed(*handler, Box::new(Doom::new(Reason::UnknownVersion, error)));
            }
            return Route::Unread(*handler, Box::new(Unread { name: name.to_owned(), version, error }));
        }
        self.any.map_or(Route::Unhandled(self.first), |handler| Route::Handler(handler, None))
    }

    /// Where a structured CloudEvent goes in binary mode. That is not unfolded again.
    fn unfolded(&self, message: Message) -> Route {
        let (handler, fate) = match self.look_at_headers(&message) {
            Route::Handler(handler, event) => (handler, Fate::Run(event)),
            Route::Request(handler, event) => (handler, Fate::Request(event)),
            Route::Unread(handler, unread) => (handler, Fate::Unread(*unread)),
            Route::Doomed(handler, doom) => (handler, Fate::Doomed(doom)),
            other @ (Route::Unfolded(_) | Route::Unhandled(_)) => return other,
        };
        Route::Unfolded(Box::new(Unfolded { message, handler, fate }))
    }

    fn known(&self, name: &str, version: u16) -> String {
        let versions = self.kinds.iter().filter(|known| known.event.name == name);
        let mut versions: Vec<_> = versions.map(|known| known.event.version).collect();
        versions.sort_unstable();
        // One that is made in several ways is there several times.
        versions.dedup();
        let last = versions.pop().unwrap_or_default();
        let before: Vec<_> = versions.iter().map(u16::to_string).collect();
        let before = if before.is_empty() { String::new() } else { format!("{} and ", before.join(", ")) };
        format!("`{name}` is handled in version {before}{last}, and this is version {version}")
    }

    /// A message without an envelope: it is the only event of its topic, in version 1 where that is read.
    fn untyped(&self) -> Route {
        let sole = self.sole.and_then(|sole| {
            let versions = self.kinds.iter().filter(|known| known.event.name == sole.name);
            versions.min_by_key(|known| known.event.version)
        });
        match (sole, self.any, self.sole) {
            (Some(kind), ..) => kind.route(),
            (None, Some(handler), sole) => Route::Handler(handler, sole),
            (None, None, Some(_)) => Route::Unhandled(self.first),
            (None, None, None) => {
                let text = "the message has no `type`, and its topic carries several events".to_owned();
                self.doomed(Reason::NoType, text)
            }
        }
    }

    #[cold]
    fn bad_headers(&self, message: &Message) -> Route {
        let text = message.defect().map_or_else(
            || {
                let (count, bytes) = (message.header_count(), message.header_bytes());
                format!(
                    "{count} headers of {bytes} bytes; at most {MAX_HEADERS} of {MAX_HEADER_BYTES} are read"
                )
            },
            |defect| defect.to_string(),
        );
        self.doomed(Reason::Headers, text)
    }

    fn doomed(&self, reason: Reason, error: String) -> Route {
        Route::Doomed(self.first, Box::new(Doom::new(reason, error)))
    }
}

/// Of the subscription that receives the topic. A replay from a topic that the group has left is not to be lost under the
/// name of a handler that wants no dead letters.
fn first(parts: &[Part], topic: &Topic) -> usize {
    let keeps =
        |(_, handler): &&(usize, &HandlerDescriptor)| handler.policy.dead_letter != DeadLetterTo::Discard;
    let here = parts.iter().find(|part| matches(&part.filter, topic)).and_then(|part| part.handlers.first());
    let any = || parts.iter().flat_map(|part| &part.handlers).find(keeps);
    here.or_else(any).map_or(0, |(number, _)| *number)
}

/// An event, or the oldest version that it is made from.
fn oldest(event: &'static EventDescriptor) -> &'static EventDescriptor {
    let older = event.upcasts.iter().map(oldest);
    older.chain([event]).min_by_key(|event| event.version).unwrap_or(event)
}
