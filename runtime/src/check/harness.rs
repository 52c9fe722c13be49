//! What a test asks of a service that it can never answer.

use super::text::Text;
use crate::{
    event::{EventDescriptor, Events},
    handler::HandlerDescriptor,
    service::ServiceDescriptor,
    topic::str_eq,
};

/// A test delivers only what some handler's subscription receives; what comes there and is not handled is skipped.
pub(crate) const fn not_received(service: &ServiceDescriptor, events: &Events) -> Option<Text> {
    let mut at = 0;
    while let Some(event) = events.get(at) {
        if !event.broken && !is_received(service, event) {
            let text = Text::NEW.add("the test delivers ").event(event).add(", and no handler of ");
            let text = text.quote(service.name).add(" listens there; deliver an event that it handles");
            return Some(text);
        }
        at += 1;
    }
    None
}

/// A test asks only for what the service publishes; of all else there would never be anything.
pub(crate) const fn not_published(service: &ServiceDescriptor, events: &Events) -> Option<Text> {
    let mut at = 0;
    while let Some(event) = events.get(at) {
        if !event.broken && !is_published(service, event) {
            let text = Text::NEW.add("the test asks what ").quote(service.name).add(" published of ");
            let text = text.event(event).add(", which neither its handlers nor its `publishes` list have");
            return Some(text);
        }
        at += 1;
    }
    None
}

const fn is_received(service: &ServiceDescriptor, event: &EventDescriptor) -> bool {
    let mut at = 0;
    while at < service.handlers.len() {
        let handler = &service.handlers[at];
        if handler.broken || listens(handler, event) {
            return true;
        }
        at += 1;
    }
    service.broken
}

const fn listens(handler: &HandlerDescriptor, event: &EventDescriptor) -> bool {
    if let Some(topic) = &handler.topic {
        return topic.receives(&event.topic);
    }
    let mut at = 0;
    while let Some(accepted) = handler.accepts.get(at) {
        if accepted.broken || accepted.topic.same(&event.topic) || accepted.topic.receives(&event.topic) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_published(service: &ServiceDescriptor, event: &EventDescriptor) -> bool {
    if service.broken || has(&Events::Many(service.publishes), event) {
        return true;
    }
    let mut at = 0;
    while at < service.handlers.len() {
        let handler = &service.handlers[at];
        if handler.broken || has(&Events::Many(&handler.publishes), event) {
            return true;
        }
        at += 1;
    }
    false
}

const fn has(events: &Events, event: &EventDescriptor) -> bool {
    let mut at = 0;
    while let Some(other) = events.get(at) {
        if other.broken || (other.hash == event.hash && str_eq(other.kind, event.kind)) {
            return true;
        }
        at += 1;
    }
    false
}
