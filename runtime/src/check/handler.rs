//! The rules that concern a handler alone.

use super::text::Text;
use crate::{
    event::{EventDescriptor, Events},
    handler::HandlerDescriptor,
};

/// Rule 2: a handler's topic or pattern receives its events.
#[must_use]
pub const fn topic_mismatch(handler: HandlerDescriptor) -> Option<Text> {
    let Some(topic) = &handler.topic else { return None };
    if handler.broken {
        return None;
    }
    let mut at = 0;
    while let Some(event) = handler.accepts.get(at) {
        if !event.broken && !topic.receives(&event.topic) {
            let text = Text::NEW.add("handler ").quote(handler.name).add(" listens to ").quote(topic.text());
            let text = text.add(", but ").add(event.ty).add(" is published on ").quote(event.topic.text());
            let text = text.add("; listen to ");
            let text = if event.topic.is_template() {
                text.quote(event.topic.filter())
            } else {
                text.add("that topic")
            };
            return Some(text.add(", or leave `topic` out"));
        }
        at += 1;
    }
    None
}

/// Rules 2, 7 and 9, as far as they concern what a handler takes.
#[must_use]
pub const fn input_mismatch(handler: HandlerDescriptor) -> Option<Text> {
    if handler.broken {
        None
    } else if handler.any && handler.topic.is_none() {
        Some(topic_missing(&handler))
    } else if handler.nested {
        Some(batch_nested(&handler))
    } else {
        request_mismatch(&handler)
    }
}

/// Rule 2: a handler of any event has a topic of its own.
const fn topic_missing(handler: &HandlerDescriptor) -> Text {
    Text::NEW
        .add("handler ")
        .quote(handler.name)
        .add(" takes any event, so it has no topic to listen to; say which, as in `#[handler(topic = \"shop.>\")]`")
}

/// Rule 9: `batch(..)` goes with `Batch<_>`.
#[must_use]
pub const fn batch_mismatch(handler: HandlerDescriptor) -> Option<Text> {
    if handler.broken || handler.batch || handler.nested {
        return None;
    }
    Some(
        Text::NEW
            .add("`batch` is for a handler that takes a `Batch<_>`, and \"")
            .add(handler.name)
            .add("\" takes one delivery at a time"),
    )
}

/// Rule 9: a batch is the whole of what arrives.
const fn batch_nested(handler: &HandlerDescriptor) -> Text {
    let text = Text::NEW.add("handler ").quote(handler.name).add(" takes a batch inside another type; ");
    text.add("write it the other way round, as in `Batch<Envelope<OrderPlaced>>`")
}

/// Rule 7: a request has a handler of its own, since each is answered by its own reply.
const fn request_mismatch(handler: &HandlerDescriptor) -> Option<Text> {
    let together = match handler.accepts {
        Events::One(_) if handler.batch => "in a batch",
        Events::Many(_) => "with other events",
        Events::None | Events::One(_) => return None,
    };
    let Some((event, reply)) = first_request(&handler.accepts) else { return None };
    Some(
        Text::NEW
            .add("handler \"")
            .add(handler.name)
            .add("\" takes ")
            .event(event)
            .add(" ")
            .add(together)
            .add(", but a request is answered by its own ")
            .add(reply)
            .add("; give it a handler that takes it alone"),
    )
}

const fn first_request(events: &Events) -> Option<(&'static EventDescriptor, &'static str)> {
    let mut at = 0;
    while let Some(event) = events.get(at) {
        if let (false, Some(reply)) = (event.broken, event.reply) {
            return Some((event, reply));
        }
        at += 1;
    }
    None
}
