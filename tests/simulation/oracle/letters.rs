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
        let of = self.dying(instance, group, event, letter);
        if let Some((consumer, place)) = of {
            let held = &mut self.consumers[consumer].held[place];
            (held.dying, held.is_asked) = (true, true);
            if let Some(what) = difference(&held.message, letter) {
                self.problem(2, format!("the dead letter of {ident} has another {what}"));
            }
        } else if !self.instances[instance].dead {
            self.problem(2, format!("{ident} is a dead letter of {group}, which does not hold it"));
        }
        self.check_reason(group, event, &reason);
        Sent::Letter { of, reason }
    }

    /// The delivery of which a dead letter is written: several of one event may be held.
    fn dying(&self, instance: usize, group: &str, event: usize, letter: &Message) -> Option<(usize, usize)> {
        let replays = letter.header("typebus-redriven").is_some();
        let mine =
            |intake: &Intake| (intake.instance, intake.group, intake.replays) == (instance, group, replays);
        let mut found = Vec::new();
        for (consumer, intake) in self.consumers.iter().enumerate().filter(|(_, intake)| mine(intake)) {
            for (place, held) in intake.held.iter().enumerate().skip(intake.from) {
                let may_be = held.event == event && held.is_open() && held.letter.is_none() && !held.is_asked;
                if may_be && held.runs.iter().all(|run| self.runs[*run].over.is_some()) {
                    let differs = held.message.payload() != letter.payload();
                    found.push((differs, !held.dying, held.runs.is_empty(), (consumer, place)));
                }
            }
        }
        found.into_iter().min().map(|(_, _, _, of)| of)
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
            Kind::Plain { desk, .. } if group == "desk" && self.in_batches => {
                desk.in_company.contains(&found)
            }
            _ => false,
        };
        self.events[event].disturbed || self.expected(group, event) == found || in_company
    }

    /// That this way of ending was meant.
    pub(super) fn check_fate(&mut self, group: &'static str, event: usize, found: Fate) {
        if !self.is_expected(group, event, found) {
            let (ident, expected) = (&self.events[event].ident, self.expected(group, event));
            let text = format!(
                "{ident} should be {expected:?} by {group} within {ATTEMPTS} attempts, and is {found:?}"
            );
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
