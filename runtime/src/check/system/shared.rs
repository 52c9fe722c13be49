//! What two services have in common that only one may have.

use crate::{
    check::{
        service::{group, group_hash, overlap, shared},
        text::Text,
    },
    event::Events,
    handler::HandlerDescriptor,
    service::ServiceDescriptor,
    topic::str_eq,
};

/// Whether two services of one name are one, under two paths.
const fn is_same(a: &ServiceDescriptor, b: &ServiceDescriptor) -> bool {
    if a.handlers.len() != b.handlers.len() || a.publishes.len() != b.publishes.len() {
        return false;
    }
    let mut at = 0;
    while at < a.handlers.len() {
        if !a.handlers[at].is(&b.handlers[at]) {
            return false;
        }
        at += 1;
    }
    let (mine, theirs) = (Events::Many(a.publishes), Events::Many(b.publishes));
    at = 0;
    while let (Some(mine), Some(theirs)) = (mine.get(at), theirs.get(at)) {
        if mine.hash != theirs.hash {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a pattern of the one could meet something of the other: most services have no group in common.
pub(super) const fn may_share(a: &ServiceDescriptor, b: &ServiceDescriptor) -> bool {
    let mut i = 0;
    while i < a.handlers.len() {
        let mine = group_hash(a, &a.handlers[i]);
        if mine == b.name_hash || (a.handlers[i].group_hash != 0 && has_group(b, mine)) {
            return true;
        }
        i += 1;
    }
    has_group(b, a.name_hash)
}

const fn has_group(service: &ServiceDescriptor, group: u64) -> bool {
    let mut at = 0;
    while at < service.handlers.len() {
        if service.handlers[at].group_hash == group {
            return true;
        }
        at += 1;
    }
    false
}

/// Rules 4 and 6: a name, a request, or a group and topic.
pub(super) const fn conflict(a: &ServiceDescriptor, b: &ServiceDescriptor) -> Option<Text> {
    if str_eq(a.name, b.name) {
        if is_same(a, b) {
            return Some(Text::NEW.add("service ").quote(a.name).add(" is listed twice; list it once"));
        }
        let text = Text::NEW.add("two services are named ").quote(a.name);
        return Some(text.add(
            "; a service's name is the source of its events and the group of its handlers, so rename one",
        ));
    }
    let mut i = 0;
    while i < a.handlers.len() {
        let mut j = 0;
        while j < b.handlers.len() {
            let (mine, theirs) = (&a.handlers[i], &b.handlers[j]);
            if let Some(text) = handler_conflict(a, mine, b, theirs) {
                return Some(text);
            }
            j += 1;
        }
        i += 1;
    }
    None
}

const fn handler_conflict(
    a: &ServiceDescriptor,
    mine: &HandlerDescriptor,
    b: &ServiceDescriptor,
    theirs: &HandlerDescriptor,
) -> Option<Text> {
    if mine.broken || theirs.broken {
        return None;
    }
    let both = Text::NEW.add("handlers ").quote(mine.name).add(" of ").quote(a.name).add(" and ");
    let both = both.quote(theirs.name).add(" of ").quote(b.name);
    if let Some(event) = shared(&mine.accepts, theirs)
        && let Some(reply) = event.reply
    {
        let text =
            both.add(" both answer the request ").event(event).add("; one request has one ").add(reply);
        return Some(text.add(", so leave one out"));
    }
    if group_hash(a, mine) == group_hash(b, theirs)
        && str_eq(group(a, mine), group(b, theirs))
        && let Some((topic, other)) = overlap(mine, theirs)
    {
        let text = both.add(" are both of group ").quote(group(a, mine)).add(" and listen to ");
        let text = text.quote(topic.text());
        let text = if topic.same(other) { text } else { text.add(" and ").quote(other.text()) };
        return Some(
            text.add("; each would get a part of the messages only, so give one a `group` of its own"),
        );
    }
    None
}
