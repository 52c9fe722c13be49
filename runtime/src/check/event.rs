//! Rule 10, as far as it concerns an event alone.

use super::text::Text;
use crate::{event::EventDescriptor, topic::str_eq};

/// Rule 10: the `nth` that an event upcasts is an older version of itself.
#[must_use]
pub const fn upcast_mismatch(event: EventDescriptor, nth: usize) -> Option<Text> {
    let Some(older) = event.upcasts.get(nth) else { return None };
    if event.broken || older.broken {
        return None;
    }
    let name = Text::NEW.add(older.ty).add(" is ").quote(older.kind).add(", and ").add(event.ty).add(" is ");
    if !str_eq(event.name, older.name) {
        return Some(
            name.quote(event.kind)
                .add("; `upcasts` names an older version of the same event, so give both the same `name`"),
        );
    }
    if older.version >= event.version {
        return Some(
            name.quote(event.kind)
                .add("; `upcasts` names an older version, so the `version` of ")
                .add(event.ty)
                .add(" must be the higher one"),
        );
    }
    if event.reply.is_some() != older.reply.is_some() {
        let text = Text::NEW.add("of ").add(older.ty).add(" and ").add(event.ty);
        return Some(text.add(" only one is a request, and a handler cannot tell which of them it answers; give both the same `reply`"));
    }
    if !event.topic.same(&older.topic) {
        return Some(
            Text::NEW
                .add(older.ty)
                .add(" is published on ")
                .quote(older.topic.text())
                .add(", and ")
                .add(event.ty)
                .add(" on ")
                .quote(event.topic.text())
                .add("; a handler of the one gets the other only on the same topic, so give both the same `topic`"),
        );
    }
    None
}
