//! What a dead letter must be: the original, for a reason that it has.

use typebus::backend::{Header, Message};

use super::{Deaths, Intake, Kind, Sent, State, group};
use crate::program::{ATTEMPTS, Fate};

impl State {
    /// A dead letter is about to be written.
    pub(super) fn check_letter(&mut self, instance: usize, event: usize, letter: &Message) -> Sent {
        let text = |name| String::from_utf8_lossy(letter.header(name).unwrap_or_default()).into_owned();
        let (group, reason) = (group(&text("typebus-group")), text("typebus-reason"));
        let ident = self.events[event].ident.clone();
        let mine = |intake: &&Intake| intake.instance == instance && intake.group == group;
        let dying = self.consumers.iter().filter(mine).flat_map(Intake::open);
        let dying: Vec<_> = dying.filter(|held| held.event == event).map(|held| &held.message).collect();
        let differs: Vec<_> = dying.iter().map(|original| difference(original, letter)).collect();
        if dying.is_empty() && !self.instances[instance].dead {
            self.problem(2, format!("{ident} is a dead letter of {group}, which does not hold it"));
        } else if let Some(Some(what)) = differs.iter().min() {
            self.problem(2, format!("the dead letter of {ident} has another {what}"));
        }
        self.check_reason(group, event, &reason);
        let mine = self.consumers.iter_mut();
        let mine = mine.filter(|intake| intake.instance == instance && intake.group == group);
        for held in mine.flat_map(|intake| intake.held.iter_mut()) {
            held.dying |= held.event == event && held.is_open();
        }
        Sent::Letter { group, reason }
    }

    fn check_reason(&mut self, group: &'static str, event: usize, reason: &str) {
        let ident = self.events[event].ident.clone();
        if reason == "crashed" {
            let Deaths { held, blamed, .. } = self.deaths.get(&(group, event)).copied().unwrap_or_default();
            if held < 3 || blamed < 3 {
                let text = format!(
                    "{ident} is said to have crashed {group}: {held} processes died with it, {blamed} perhaps of it"
                );
                self.problem(5, text);
            }
            return;
        }
        // Whether it may fail is for whoever made it fail.
        if reason == "publish_failed" {
            return;
        }
        let found = ["undecodable", "unknown-version", "failed", "panicked", "timed-out"];
        let found = found.into_iter().find(|word| *word == reason).unwrap_or("another");
        if !self.is_expected(group, event, Fate::Buried(found)) {
            let expected = self.expected(group, event);
            let text = format!("{ident} should be {expected:?} by {group}, and is a dead letter: {reason}");
            self.problem(5, text);
        }
    }

    fn expected(&self, group: &'static str, event: usize) -> Fate {
        match (&self.events[event].kind, group) {
            (Kind::Garbled, _) => Fate::Buried("undecodable"),
            (Kind::Newer, _) => Fate::Buried("unknown-version"),
            (Kind::Foreign, _) => Fate::Discarded,
            (Kind::Plain { desk, .. }, "desk") => desk.alone,
            (Kind::Plain { store, .. }, _) => store.alone,
        }
    }

    fn is_expected(&self, group: &'static str, event: usize, found: Fate) -> bool {
        let in_company = match &self.events[event].kind {
            Kind::Plain { desk, .. } if group == "desk" && self.in_batches => Some(desk.in_company),
            _ => None,
        };
        self.events[event].disturbed
            || self.expected(group, event) == found
            || in_company == Some(found)
    }

    /// That this way of ending was meant.
    pub(super) fn check_fate(&mut self, group: &'static str, event: usize, found: Fate) {
        if !self.is_expected(group, event, found) {
            let (ident, expected) = (&self.events[event].ident, self.expected(group, event));
            let text =
                format!("{ident} should be {expected:?} by {group} within {ATTEMPTS} attempts, and is {found:?}");
            self.problem(2, text);
        }
    }
}

/// What of the original a letter does not carry.
fn difference(original: &Message, letter: &Message) -> Option<&'static str> {
    if original.payload() != letter.payload() {
        Some("payload")
    } else if original.key() != letter.key() {
        Some("key")
    } else if !original.headers().all(|header| carries(letter, header)) {
        Some("header")
    } else {
        None
    }
}

fn carries(letter: &Message, header: Header<'_>) -> bool {
    match header {
        Header::Attribute(attribute, value) => letter.attribute(attribute) == Some(value),
        // Those of an earlier death are told anew.
        Header::Plain(name, _) if name.starts_with(b"typebus-") => true,
        Header::Plain(name, value) => {
            std::str::from_utf8(name).is_ok_and(|name| letter.header(name) == Some(value))
        }
    }
}
