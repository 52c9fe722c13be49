//! What is different between two states of a service's contract, and whom that breaks.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::{EventContract, HandlerContract, Manifest, ReplyContract, roles::Roles};
use crate::schema::{self, Change};

/// One difference between two states of a service's contract.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What it is about: ``event `order.placed.v1` ``.
    pub subject: String,
    /// What changed, where in its payload if it is an event, and whom that breaks.
    ///
    /// *Writers* are broken if their messages, sent before or still to come, are not handled any more. *Readers* are
    /// broken if they do not understand what this service sends from now on.
    pub change: Change,
}

impl Difference {
    /// Whether anybody is broken.
    #[must_use]
    pub fn breaks(&self) -> bool {
        self.change.breaks_writers.is_some() || self.change.breaks_readers.is_some()
    }
}

/// ``event `order.placed.v1` /note: the field is removed``, and a line for each who is broken.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { place, what, breaks_writers, breaks_readers } = &self.change;
        f.write_str(&self.subject)?;
        if !place.is_empty() {
            write!(f, " {place}")?;
        }
        write!(f, ": {what}")?;
        for (who, why) in [("writers", breaks_writers), ("readers", breaks_readers)] {
            if let Some(why) = why {
                write!(f, "\n  breaks {who}: {why}")?;
            }
        }
        Ok(())
    }
}

impl Manifest {
    /// What `new` changes, events first, sorted by name.
    ///
    /// Only what a service does with an event can break somebody: a service that only handles an event need not be
    /// understood by other readers, and one that only publishes it need not read what others wrote.
    ///
    /// ```
    /// use typebus::manifest::{EventContract, HandlerContract, Manifest};
    ///
    /// let mut old = Manifest::new("billing");
    /// let mut handler = HandlerContract::new("billing");
    /// handler.events.push("order.placed.v1".to_owned());
    /// old.handlers.insert("charge".to_owned(), handler);
    /// old.events.insert("order.placed.v1".to_owned(), EventContract::new("order.placed", 1, "shop.orders"));
    ///
    /// let mut new = old.clone();
    /// new.events.get_mut("order.placed.v1").unwrap().topic = "orders".to_owned();
    ///
    /// let differences = old.diff(&new);
    /// assert_eq!(differences.len(), 1);
    /// assert!(differences[0].change.breaks_writers.is_some() && differences[0].change.breaks_readers.is_none());
    /// ```
    #[must_use]
    pub fn diff(&self, new: &Self) -> Vec<Difference> {
        let mut found = Found::default();
        if self.service != new.service {
            found.note("the service", renamed("it", &self.service, &new.service));
        }
        if self.description != new.description {
            found.note("the service", "its description is another".to_owned());
        }
        diff_events(self, new, &mut found);
        for (name, change) in beside(&self.handlers, &new.handlers) {
            diff_handler(&format!("handler `{name}`"), change, &mut found);
        }
        for (there, here, what) in [
            (&self.publishes, &new.publishes, "the program does not publish it any more"),
            (&new.publishes, &self.publishes, "the program publishes it"),
        ] {
            for kind in there.iter().filter(|kind| !here.contains(kind)) {
                found.note(&format!("event `{kind}`"), what.to_owned());
            }
        }
        found.0
    }
}

/// What is found, in order.
#[derive(Debug, Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, subject: &str, change: Change) {
        self.0.push(Difference { subject: subject.to_owned(), change });
    }

    fn note(&mut self, subject: &str, what: String) {
        self.add(subject, plain(what));
    }

    fn break_writers(&mut self, subject: &str, what: String, why: impl Into<String>) {
        self.add(subject, Change { breaks_writers: Some(why.into()), ..plain(what) });
    }

    /// A difference that matters to readers if the service writes, and to writers if it reads.
    fn break_both(&mut self, subject: &str, role: Role, what: String, why: &str) {
        self.add(
            subject,
            role.narrow(Change {
                breaks_writers: Some(why.to_owned()),
                breaks_readers: Some(why.to_owned()),
                ..plain(what)
            }),
        );
    }
}

fn plain(what: String) -> Change {
    Change { place: String::new(), what, breaks_writers: None, breaks_readers: None }
}

/// What a service does with an event.
#[derive(Debug, Clone, Copy)]
struct Role {
    reads: bool,
    writes: bool,
}

impl Role {
    /// Nobody is broken by what does not reach them.
    fn narrow(self, change: Change) -> Change {
        Change {
            breaks_writers: change.breaks_writers.filter(|_| self.reads),
            breaks_readers: change.breaks_readers.filter(|_| self.writes),
            ..change
        }
    }

    /// Who answers writes replies, and who asks reads them.
    fn of_reply(self) -> Self {
        Self { reads: self.writes, writes: self.reads }
    }
}

fn diff_events(old: &Manifest, new: &Manifest, found: &mut Found) {
    let (before, now) = (Roles::of(old), Roles::of(new));
    // A version of the event that still reaches a handler.
    let heir = |gone: &EventContract| {
        let mut all = new.events.iter().filter(|(_, event)| event.name == gone.name);
        all.find(|(kind, _)| now.reads.contains(kind.as_str()))
    };
    for (kind, change) in beside(&old.events, &new.events) {
        let subject = format!("event `{kind}`");
        // It is the new program that reads, and the new one that writes.
        let role = Role { reads: now.reads.contains(kind), writes: now.writes.contains(kind) };
        let was_read = before.reads.contains(kind);
        let what = match change {
            Beside::Come(_) => {
                found.note(&subject, "it is new".to_owned());
                continue;
            }
            Beside::Both(was, is) => {
                diff_event(&subject, role, was, is, found);
                if role.reads || !was_read {
                    continue;
                }
                "nothing here handles it any more"
            }
            Beside::Gone(_) => "it is not part of the contract any more",
        };
        match heir(change.before()) {
            Some((heir, _)) if was_read => found.break_writers(
                &subject,
                what.to_owned(),
                format!(
                    "messages of it that wait, or that others still publish, are read by nothing, though `{heir}` is; keep the                      type, and have `{heir}` say `upcasts(..)` with it"
                ),
            ),
            _ => found.note(&subject, what.to_owned()),
        }
    }
}

fn diff_event(subject: &str, role: Role, old: &EventContract, new: &EventContract, found: &mut Found) {
    if old.description != new.description {
        found.note(subject, "its description is another".to_owned());
    }
    if old.topic != new.topic {
        let why = "who knows the event by its old topic publishes and listens there";
        found.break_both(subject, role, renamed("its topic", &old.topic, &new.topic), why);
    }
    if old.content_type != new.content_type {
        let why = "who knows the event by its old form does not read the new one, nor the other way round";
        found.break_both(
            subject,
            role,
            renamed("its content type", &old.content_type, &new.content_type),
            why,
        );
    }
    for (name, old, new, sense) in [
        ("key", &old.key, &new.key, "messages from before and after the change are not in order"),
        ("id", &old.id, &new.id, "an event from before the change is no repeat of one from after it"),
    ] {
        if old != new {
            let [old, new] = [old, new].map(|field| field.as_deref().unwrap_or("none"));
            found.note(subject, format!("{}: {sense}", renamed(&format!("its {name}"), old, new)));
        }
    }
    if old.upcasts != new.upcasts {
        found.note(subject, renamed("what it is made of", &listed(&old.upcasts), &listed(&new.upcasts)));
    }
    diff_schema(subject, role, old.schema.as_ref(), new.schema.as_ref(), found);
    diff_reply(
        &format!("reply to `{}`", new.kind()),
        role.of_reply(),
        old.reply.as_ref(),
        new.reply.as_ref(),
        found,
    );
}

fn diff_schema(subject: &str, role: Role, old: Option<&Value>, new: Option<&Value>, found: &mut Found) {
    match (old, new) {
        (Some(old), Some(new)) => {
            for change in schema::compare(old, new) {
                found.add(subject, role.narrow(change));
            }
        }
        (None, None) => {}
        (Some(_), None) => found.note(subject, "it has no JSON Schema any more".to_owned()),
        (None, Some(_)) => found.note(subject, "it has a JSON Schema".to_owned()),
    }
}

fn diff_reply(
    subject: &str,
    role: Role,
    old: Option<&ReplyContract>,
    new: Option<&ReplyContract>,
    found: &mut Found,
) {
    match (old, new) {
        (Some(old), Some(new)) => {
            if old.name != new.name {
                found.note(subject, renamed("its type", &old.name, &new.name));
            }
            diff_schema(subject, role, Some(&old.schema), Some(&new.schema), found);
        }
        (None, None) => {}
        (Some(_), None) => {
            let what = "there is none any more".to_owned();
            let why = role.writes.then(|| "who asks waits for a reply in vain".to_owned());
            found.add(subject, Change { breaks_readers: why, ..plain(what) });
        }
        (None, Some(_)) => {
            let what = "there is one".to_owned();
            let why = role.reads.then(|| "who handles the event as it was does not reply".to_owned());
            found.add(subject, Change { breaks_writers: why, ..plain(what) });
        }
    }
}

fn diff_handler(subject: &str, change: Beside<'_, HandlerContract>, found: &mut Found) {
    match change {
        Beside::Gone(_) => found.note(
            subject,
            "it is gone: what waits for it is handled by others of its group, or not at all; its dead letters cannot be \
             replayed to it"
                .to_owned(),
        ),
        Beside::Come(handler) => {
            found.note(subject, format!("it is new, in the group `{}`", handler.group));
        }
        Beside::Both(old, new) => {
            if old.group != new.group {
                let what = renamed("its group", &old.group, &new.group);
                let why = format!("what waits for `{}` stays there, and nobody handles it", old.group);
                found.break_writers(subject, what, why);
            }
            if old.broadcast != new.broadcast {
                let what = if new.broadcast {
                    "every instance gets its own copy".to_owned()
                } else {
                    "its group gets one copy, not every instance".to_owned()
                };
                if new.broadcast {
                    found.break_writers(subject, what, "what waits for its group stays there, and nobody handles it");
                } else {
                    found.note(subject, what);
                }
            }
            let [was, is] = [old, new].map(settings);
            for (name, change) in beside(&was, &is) {
                let [was, is] = match change {
                    Beside::Gone(was) => [shown(was), "not set".to_owned()],
                    Beside::Come(is) => ["not set".to_owned(), shown(is)],
                    Beside::Both(was, is) if was == is => continue,
                    Beside::Both(was, is) => [shown(was), shown(is)],
                };
                found.note(subject, format!("{name}: {was} before, {is} now"));
            }
        }
    }
}

/// Everything about a handler that breaks nobody, by name.
fn settings(handler: &HandlerContract) -> BTreeMap<String, Value> {
    let Value::Object(mut all) = handler.to_value() else { return BTreeMap::new() };
    for told in ["group", "broadcast", "policy"] {
        all.remove(told);
    }
    all.into_iter().chain(handler.policy.clone()).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn listed(kinds: &[String]) -> String {
    if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
}

fn renamed(what: &str, old: &str, new: &str) -> String {
    format!("{what} was `{old}` and is `{new}`")
}

/// An entry of two maps.
#[derive(Debug)]
enum Beside<'a, T> {
    Gone(&'a T),
    Come(&'a T),
    Both(&'a T, &'a T),
}

impl<'a, T> Beside<'a, T> {
    /// The older one, if there are two.
    fn before(&self) -> &'a T {
        match self {
            Self::Gone(it) | Self::Come(it) | Self::Both(it, _) => it,
        }
    }
}

/// The entries of two maps beside each other, sorted by name.
fn beside<'a, T>(
    old: &'a BTreeMap<String, T>,
    new: &'a BTreeMap<String, T>,
) -> Vec<(&'a str, Beside<'a, T>)> {
    let mut all: BTreeMap<&str, Beside<'a, T>> =
        old.iter().map(|(name, old)| (name.as_str(), Beside::Gone(old))).collect();
    for (name, new) in new {
        let change = old.get(name).map_or(Beside::Come(new), |old| Beside::Both(old, new));
        all.insert(name, change);
    }
    all.into_iter().collect()
}
