//! Who handles what: for each topic of a subscription, from an event's kind to a handler. Resolved once per topic.

use std::collections::HashMap;

use crate::{
    backend::{Delivery, MAX_HEADER_BYTES, MAX_HEADERS, Message},
    envelope::split_kind,
    event::EventDescriptor,
    handler::HandlerDescriptor,
    outputs::Reason,
    topic::{Topic, is_pattern, matches},
};

/// The most topics of a pattern that are remembered; more are resolved anew each time.
const REMEMBERED: usize = 4_096;

/// What a delivery is to its group.
#[derive(Debug)]
pub(crate) enum Route {
    /// It goes to this handler of the subscription.
    Handler(usize, Option<&'static EventDescriptor>),
    /// Its event is not the group's.
    Unhandled,
    /// It can go nowhere but to the dead letters, under the name of this handler.
    Doomed(usize, Box<(Reason, String)>),
}

#[derive(Debug)]
pub(crate) struct Routes {
    handlers: Vec<&'static HandlerDescriptor>,
    /// Every event of the service by which an untyped message may be known.
    known: Vec<&'static EventDescriptor>,
    exact: Option<Table>,
    by_topic: HashMap<Topic, Table>,
}

#[derive(Debug, Default)]
struct Table {
    kinds: Vec<(&'static EventDescriptor, usize)>,
    any: Option<usize>,
    /// The only event known on the topic.
    sole: Option<&'static EventDescriptor>,
}

impl Routes {
    pub(crate) fn new(
        filter: &Topic,
        handlers: Vec<&'static HandlerDescriptor>,
        known: Vec<&'static EventDescriptor>,
    ) -> Self {
        let exact = (!is_pattern(filter)).then(|| Table::new(filter, &handlers, &known));
        Self { handlers, known, exact, by_topic: HashMap::new() }
    }

    pub(crate) fn resolve(&mut self, delivery: &Delivery) -> Route {
        if let Some(table) = &self.exact {
            return table.resolve(delivery);
        }
        if !self.by_topic.contains_key(&delivery.topic) {
            let table = Table::new(&delivery.topic, &self.handlers, &self.known);
            if self.by_topic.len() >= REMEMBERED {
                return table.resolve(delivery);
            }
            self.by_topic.insert(delivery.topic.clone(), table);
        }
        match self.by_topic.get(&delivery.topic) {
            Some(table) => table.resolve(delivery),
            None => Route::Unhandled,
        }
    }
}

impl Table {
    fn new(
        topic: &Topic,
        handlers: &[&'static HandlerDescriptor],
        known: &[&'static EventDescriptor],
    ) -> Self {
        let mut table = Self::default();
        for (at, handler) in handlers.iter().enumerate() {
            if handler.any && handler.topic.is_some_and(|pattern| matches(pattern.text(), topic)) {
                table.any = Some(at);
            }
            let accepted = handler.accepts.iter().filter(|event| event.topic.text() == topic.as_str());
            table.kinds.extend(accepted.map(|event| (event, at)));
        }
        let mut here = known.iter().filter(|event| event.topic.text() == topic.as_str());
        if let Some(first) = here.next()
            && here.all(|other| other.kind == first.kind)
        {
            table.sole = Some(first);
        }
        table
    }

    fn resolve(&self, delivery: &Delivery) -> Route {
        let message = &delivery.message;
        if message.header_count() > MAX_HEADERS
            || message.header_bytes() > MAX_HEADER_BYTES
            || message.defect().is_some()
        {
            return bad_headers(message);
        }
        let Some(kind) = message.kind() else { return self.untyped() };
        if let Some((event, handler)) = self.kinds.iter().find(|(event, _)| event.kind.as_bytes() == kind) {
            return Route::Handler(*handler, Some(event));
        }
        let kind = std::str::from_utf8(kind).unwrap_or_default();
        let (name, version) = split_kind(kind);
        if let Some((event, handler)) = self.kinds.iter().find(|(event, _)| event.name == name) {
            if event.version == version {
                return Route::Handler(*handler, Some(event));
            }
            let text =
                format!("`{name}` is handled in version {}, and this is version {version}", event.version);
            return Route::Doomed(*handler, Box::new((Reason::UnknownVersion, text)));
        }
        self.any.map_or(Route::Unhandled, |handler| Route::Handler(handler, None))
    }

    /// A message without an envelope: it is the only event of its topic, version 1 unless that has another.
    fn untyped(&self) -> Route {
        let sole = self.sole.and_then(|sole| self.kinds.iter().find(|(event, _)| event.kind == sole.kind));
        match (sole, self.any, self.sole) {
            (Some((event, handler)), ..) => Route::Handler(*handler, Some(event)),
            (None, Some(handler), sole) => Route::Handler(handler, sole),
            (None, None, Some(_)) => Route::Unhandled,
            (None, None, None) => {
                let text = "the message has no `type`, and its topic carries several events".to_owned();
                Route::Doomed(0, Box::new((Reason::NoType, text)))
            }
        }
    }
}

#[cold]
fn bad_headers(message: &Message) -> Route {
    let text = message.defect().map_or_else(
        || {
            let (count, bytes) = (message.header_count(), message.header_bytes());
            format!("{count} headers of {bytes} bytes; at most {MAX_HEADERS} of {MAX_HEADER_BYTES} are read")
        },
        |defect| defect.to_string(),
    );
    Route::Doomed(0, Box::new((Reason::Headers, text)))
}
