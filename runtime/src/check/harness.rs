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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Hashed;

    const fn event(ty: &'static str, kind: &'static str, hash: u64, topic: Hashed) -> EventDescriptor {
        EventDescriptor::new(ty, "", kind, hash, hash, 1, topic)
    }

    const ORDERS: Hashed = Hashed::new("shop.orders", &[10, 11], 20, 30);
    const PARCELS: Hashed = Hashed::new("shop.parcels", &[10, 12], 21, 31);
    const ANY_ORDER: Hashed = Hashed::new("*.orders", &[1, 11], 0, 0);

    static PLACED: EventDescriptor = event("Placed", "placed.v1", 1, ORDERS);
    static SENT: EventDescriptor = event("Sent", "sent.v1", 2, PARCELS);

    static TAKES: [HandlerDescriptor; 1] = [HandlerDescriptor {
        accepts: Events::One(&PLACED),
        broken: false,
        ..HandlerDescriptor::broken("charge", "shop")
    }];
    static LISTENS: [HandlerDescriptor; 1] = [HandlerDescriptor {
        topic: Some(ANY_ORDER),
        publishes: [Events::None, Events::One(&SENT)],
        broken: false,
        ..HandlerDescriptor::broken("charge", "shop")
    }];

    fn service(handlers: &'static [HandlerDescriptor], broken: bool) -> ServiceDescriptor {
        ServiceDescriptor::new("billing", 1, handlers, &[], broken)
    }

    #[test]
    fn what_no_handler_listens_for_cannot_be_delivered() {
        static BOTH: Events = Events::Many(&[Events::One(&PLACED), Events::One(&SENT)]);
        for handlers in [&TAKES, &LISTENS] {
            assert!(not_received(&service(handlers, false), &Events::One(&PLACED)).is_none());
            assert_eq!(
                not_received(&service(handlers, false), &BOTH).unwrap().as_str(),
                "the test delivers Sent (\"shop.parcels\"), and no handler of \"billing\" listens there; deliver an \
                 event that it handles"
            );
        }
        assert!(not_received(&service(&TAKES, true), &BOTH).is_none(), "it has its errors already");
    }

    #[test]
    fn what_is_never_published_cannot_be_asked_for() {
        assert!(not_published(&service(&LISTENS, false), &Events::One(&SENT)).is_none());
        let text = not_published(&service(&TAKES, false), &Events::One(&SENT)).unwrap();
        assert_eq!(
            text.as_str(),
            "the test asks what \"billing\" published of Sent (\"shop.parcels\"), which neither its handlers nor its \
             `publishes` list have"
        );
    }
}
