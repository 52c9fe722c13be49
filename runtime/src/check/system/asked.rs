//! What each entry of a topology asks the survey.

use super::{SystemSurvey, shared::conflict};
use crate::{
    check::{
        catalog::{Catalog, filter, takes},
        service::caught,
        text::Text,
    },
    event::{EventDescriptor, Events},
    handler::HandlerDescriptor,
    service::ServiceDescriptor,
    topic::str_eq,
    topology::TopologyDescriptor,
};

impl<const N: usize, const M: usize> SystemSurvey<N, M> {
    /// Rules 4 and 6, for one service among those before it in the list, in which at most `nth` stand before it: a name, a
    /// subscription or a request in common.
    #[must_use]
    pub const fn conflict(
        &self,
        system: &TopologyDescriptor,
        service: &ServiceDescriptor,
        nth: usize,
    ) -> Option<Text> {
        let index = index(system, service);
        // Of two with one name it is the second that is told.
        if service.broken || index == system.services.len() || nth < index {
            return None;
        }
        let noted = self.against[index];
        if noted == 0 { None } else { conflict(&system.services[noted - 1], &system.services[index]) }
    }

    /// Rule 6: what a service handles and nobody publishes.
    #[must_use]
    pub const fn dead(&self, system: &TopologyDescriptor, service: &ServiceDescriptor) -> Option<Text> {
        if self.broken {
            return None;
        }
        let mut nth = 0;
        while nth < service.handlers.len() {
            let handler = &service.handlers[nth];
            if handler.any && self.hears_nothing(handler) {
                return Some(self.dead_pattern(system, service, handler));
            }
            if self.lacks(&handler.accepts) {
                let text = Text::NEW.add("handler ").quote(handler.name).add(" of ").quote(service.name);
                let text = self.unpublished(text.add(" waits for "), &handler.accepts);
                let text = text.add(", which nobody in ").add(system.name).add(" publishes; ");
                let them = text.them();
                return Some(
                    text.add("publish ").add(them).add(", or add ").add(them).add(" to `from_outside: [..]`"),
                );
            }
            nth += 1;
        }
        None
    }

    /// Whether one of the events does not come.
    const fn lacks(&self, events: &Events) -> bool {
        match events {
            Events::None => false,
            Events::One(event) => !self.comes(event),
            Events::Many(parts) => {
                let (mut at, mut lacks) = (0, false);
                while at < parts.len() {
                    lacks |= self.lacks(&parts[at]);
                    at += 1;
                }
                lacks
            }
        }
    }

    const fn dead_pattern(
        &self,
        system: &TopologyDescriptor,
        service: &ServiceDescriptor,
        handler: &HandlerDescriptor,
    ) -> Text {
        let text = Text::NEW.add("handler ").quote(handler.name).add(" of ").quote(service.name);
        let topic = match &handler.topic {
            Some(topic) => topic.text(),
            None => "",
        };
        text.add(" listens to ")
            .quote(topic)
            .add(", on which nobody in ")
            .add(system.name)
            .add(" publishes; correct the topic, or add what comes there to `from_outside: [..]`")
    }

    const fn hears_nothing(&self, handler: &HandlerDescriptor) -> bool {
        let Some(topic) = &handler.topic else { return false };
        let mut at = 0;
        while at < self.catalog.len() {
            if (self.published[at] || self.from_outside[at])
                && let Some(event) = self.catalog.at(at)
                && topic.overlaps(&event.topic)
            {
                return false;
            }
            at += 1;
        }
        true
    }

    const fn unpublished(&self, text: Text, events: &Events) -> Text {
        match events {
            Events::None => text,
            Events::One(event) if self.comes(event) => text,
            Events::One(event) => text.next(event),
            Events::Many(parts) => {
                let (mut at, mut text) = (0, text);
                while at < parts.len() {
                    text = self.unpublished(text, &parts[at]);
                    at += 1;
                }
                text
            }
        }
    }

    /// Whether somebody publishes the event, or an older version of it.
    const fn comes(&self, event: &EventDescriptor) -> bool {
        let Some(number) = self.catalog.number(event) else { return true };
        if self.published[number] || self.from_outside[number] {
            return true;
        }
        let mut at = 0;
        while let Some(older) = event.upcasts.get(at) {
            if self.comes(older) {
                return true;
            }
            at += 1;
        }
        false
    }

    /// Rule 6: what a service publishes and nobody handles.
    #[must_use]
    pub const fn orphans(&self, system: &TopologyDescriptor, service: &ServiceDescriptor) -> Option<Text> {
        if self.broken {
            return None;
        }
        let (mut lonely, mut nth) = (self.is_lonely(&Events::Many(service.publishes)), 0);
        while nth < service.handlers.len() {
            let [returned, published] = &service.handlers[nth].publishes;
            lonely |= self.is_lonely(returned) || self.is_lonely(published);
            nth += 1;
        }
        if !lonely {
            return None;
        }
        let mut text = Text::NEW.quote(service.name).add(" publishes ");
        text = self.unhandled(text, &Events::Many(service.publishes));
        nth = 0;
        while nth < service.handlers.len() {
            text = self.unhandled(text, &service.handlers[nth].publishes[0]);
            text = self.unhandled(text, &service.handlers[nth].publishes[1]);
            nth += 1;
        }
        let text = text.add(", which nobody in ").add(system.name).add(" handles; ");
        let them = text.them();
        Some(text.add("handle ").add(them).add(", or add ").add(them).add(" to `to_outside: [..]`"))
    }

    /// Whether nobody handles one of the events.
    const fn is_lonely(&self, events: &Events) -> bool {
        match events {
            Events::None => false,
            Events::One(event) => match self.catalog.number(event) {
                Some(number) => !self.handled[number] && !self.to_outside[number],
                None => false,
            },
            Events::Many(parts) => {
                let (mut at, mut lonely) = (0, false);
                while at < parts.len() {
                    lonely |= self.is_lonely(&parts[at]);
                    at += 1;
                }
                lonely
            }
        }
    }

    const fn unhandled(&self, text: Text, events: &Events) -> Text {
        match events {
            Events::None => text,
            Events::One(event) => {
                if self.is_lonely(events) {
                    text.next(event)
                } else {
                    text
                }
            }
            Events::Many(parts) => {
                let (mut at, mut text) = (0, text);
                while at < parts.len() {
                    text = self.unhandled(text, &parts[at]);
                    at += 1;
                }
                text
            }
        }
    }

    /// Rule 3: a pattern of a service that brings an event of another service.
    #[must_use]
    pub const fn caught(&self, service: &ServiceDescriptor) -> Option<Text> {
        if self.broken {
            return None;
        }
        if !listens_to_patterns(service) {
            return None;
        }
        // What the service itself knows, it was told by `service!`.
        let mut own = Catalog::<N>::NEW;
        let mut nth = 0;
        own.add(&Events::Many(service.publishes));
        while nth < service.handlers.len() {
            let handler = &service.handlers[nth];
            own.add(&handler.accepts);
            own.add(&handler.publishes[0]);
            own.add(&handler.publishes[1]);
            nth += 1;
        }
        nth = 0;
        while nth < service.handlers.len() {
            let handler = &service.handlers[nth];
            if let Some((filter, event)) = self.catalog.caught(handler, Some(&own)) {
                return Some(caught(handler, Some(service.name), &filter, event));
            }
            nth += 1;
        }
        None
    }

    /// Rule 6: an entry of `from_outside` that nobody needs.
    #[must_use]
    pub const fn needless_source(&self, system: &TopologyDescriptor, entry: &Events) -> Option<Text> {
        let mut at = 0;
        while let (false, Some(event)) = (self.broken, entry.get(at)) {
            if let Some(number) = self.catalog.number(event) {
                if self.published[number] {
                    let why = ", so `from_outside` need not name it; take it from the list";
                    return Some(self.published_by(system, event).add(why));
                }
                if !self.handled[number] {
                    let text = Text::NEW.add("nobody in ").add(system.name).add(" handles ").event(event);
                    return Some(text.add(", so it need not come `from_outside`; take it from the list"));
                }
            }
            at += 1;
        }
        None
    }

    /// `"billing" publishes OrderPlaced ("shop.orders")`
    const fn published_by(&self, system: &TopologyDescriptor, event: &EventDescriptor) -> Text {
        let mut at = 0;
        while at < system.services.len() {
            let (service, mut nth) = (&system.services[at], 0);
            let mut publishes = takes(&Events::Many(service.publishes), event);
            while nth < service.handlers.len() {
                let [returned, published] = &service.handlers[nth].publishes;
                publishes |= takes(returned, event) || takes(published, event);
                nth += 1;
            }
            if publishes {
                return Text::NEW.quote(service.name).add(" publishes ").event(event);
            }
            at += 1;
        }
        Text::NEW.event(event)
    }

    /// Rule 6: an entry of `to_outside` that nobody needs.
    #[must_use]
    pub const fn needless_sink(&self, system: &TopologyDescriptor, entry: &Events) -> Option<Text> {
        let mut at = 0;
        while let (false, Some(event)) = (self.broken, entry.get(at)) {
            if let Some(number) = self.catalog.number(event) {
                if !self.published[number] {
                    let text = Text::NEW.add("nobody in ").add(system.name).add(" publishes ").event(event);
                    return Some(text.add(", so it cannot go `to_outside`; take it from the list"));
                }
                if self.handled[number] {
                    let text = Text::NEW.event(event).add(" is handled in ").add(system.name);
                    return Some(text.add(", so `to_outside` need not name it; take it from the list"));
                }
            }
            at += 1;
        }
        None
    }

    /// Rule 6: an entry of `may_repeat` that nobody needs.
    #[must_use]
    pub const fn needless_repeat(&self, system: &TopologyDescriptor, entry: &Events) -> Option<Text> {
        let mut at = 0;
        while let (false, Some(event)) = (self.broken, entry.get(at)) {
            if let Some(number) = self.catalog.number(event)
                && self.needless[number]
            {
                let text = Text::NEW.event(event).add(" leads to no event in ").add(system.name);
                return Some(text.add(
                    " that leads to it again, beside what `may_repeat` names before it; take it from the list",
                ));
            }
            at += 1;
        }
        None
    }

    /// Rule 6: events that lead to themselves.
    #[must_use]
    pub const fn cycle(&self, system: &TopologyDescriptor) -> Option<Text> {
        let (Some(cycle), false) = (&self.cycle, self.broken) else { return None };
        let (mut text, mut at) = (Text::NEW, 0);
        let mut first = None;
        while at < cycle.len {
            if let (Some(event), Some((service, handler))) =
                (self.catalog.at(cycle.events[at]), nth_handler(system, cycle.handlers[at]))
            {
                if first.is_none() {
                    first = Some(event);
                }
                text = text.event(event).add(if at == 0 { " makes " } else { ", which makes " });
                text = text.quote(handler.name).add(" of ").quote(service.name);
                text = text.add(" publish ");
            }
            at += 1;
        }
        let Some(event) = first else { return None };
        text =
            text.event(event).add(" again, for ever; end it, or, if it ends by itself, say `may_repeat: [");
        Some(text.add(event.ty).add("]`"))
    }

    /// Rule 1, for everything that the system knows.
    #[must_use]
    pub const fn clash(&self) -> Option<Text> {
        self.catalog.clash()
    }
}

const fn listens_to_patterns(service: &ServiceDescriptor) -> bool {
    let mut nth = 0;
    while nth < service.handlers.len() {
        let mut place = 0;
        while let Some(filter) = filter(&service.handlers[nth], place) {
            if filter.is_wild() {
                return true;
            }
            place += 1;
        }
        nth += 1;
    }
    false
}

/// The last service of this name and these lists.
const fn index(system: &TopologyDescriptor, service: &ServiceDescriptor) -> usize {
    let mut at = system.services.len();
    while at > 0 {
        at -= 1;
        let other = &system.services[at];
        if other.name_hash == service.name_hash
            && str_eq(other.name, service.name)
            && other.handlers.len() == service.handlers.len()
            && other.publishes.len() == service.publishes.len()
        {
            return at;
        }
    }
    system.services.len()
}

const fn nth_handler(
    system: &TopologyDescriptor,
    nth: usize,
) -> Option<(&'static ServiceDescriptor, &'static HandlerDescriptor)> {
    let (mut at, mut left) = (0, nth);
    while at < system.services.len() {
        let service = &system.services[at];
        if left < service.handlers.len() {
            return Some((service, &service.handlers[left]));
        }
        left -= service.handlers.len();
        at += 1;
    }
    None
}
