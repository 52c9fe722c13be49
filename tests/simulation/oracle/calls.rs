//! What is published: originals, what handlers return, dead letters, replays, and how each was answered.

use typebus::{
    GroupStats, Result,
    backend::{Attribute, Confirmation, Message, Outgoing, Sender},
};

use super::{Call, Fates, Kind, Sent, State, group};
use crate::program::Made;

impl State {
    pub(super) fn call(&mut self, instance: usize, outgoing: &Outgoing) -> usize {
        let message = &outgoing.message;
        let ident =
            String::from_utf8_lossy(message.attribute(Attribute::Id).unwrap_or_default()).into_owned();
        let event = self.event(&ident);
        let what = match outgoing.sender {
            Sender::DeadLetter if outgoing.topic.ends_with(".redrive") => {
                let name = outgoing.topic.split('.').nth(1).unwrap_or_default();
                Sent::Replay { group: group(name) }
            }
            Sender::DeadLetter => self.check_letter(instance, event, message),
            Sender::Handler => self.check_output(event, message),
            Sender::Program => Sent::Original,
        };
        let call = self.calls.len();
        if matches!(what, Sent::Original | Sent::Output { .. }) {
            let known = &mut self.events[event];
            if known.first.is_none() {
                known.first = Some(call);
                known.topic = outgoing.topic.to_string();
                known.message = Some(message.clone());
            }
        }
        self.note(format!("{instance} publishes {ident} on {} as call {call}", outgoing.topic));
        self.calls.push(Call { event, what });
        call
    }

    fn check_output(&mut self, event: usize, message: &Message) -> Sent {
        let made: std::result::Result<Made, _> = serde_json::from_slice(message.payload());
        let Ok(made) = made else {
            self.problem(2, "what a handler returned was published as something else");
            return Sent::Original;
        };
        let id = self.events[event].ident.clone();
        let cause = (made.cause.clone(), made.index);
        let before = self.made.entry(cause).or_insert_with(|| id.clone());
        // The cause of what a batch returned is the batch, which may be another one the next time.
        if *before != id && !self.in_batches {
            let text = format!("what {} made has the id {id}, and had {before}", made.cause);
            self.problem(2, text);
        }
        if self.events[event].first.is_none() {
            self.events[event].kind = Kind::Plain { desk: Fates::of(&[]), store: Fates::of(&made.store) };
        } else if !self.in_batches
            && self.events[event].message.as_ref().is_some_and(|first| {
                serde_json::from_slice::<Made>(first.payload())
                    .is_ok_and(|first| (first.cause, first.index) != (made.cause.clone(), made.index))
            })
        {
            self.problem(2, format!("{id} is the id of two events"));
        }
        Sent::Output { run: made.run, index: made.index }
    }

    pub(super) fn answered(&mut self, call: usize, answer: &Result<Confirmation>) {
        let event = self.calls[call].event;
        match answer {
            Ok(_) => self.note(format!("  call {call} is confirmed")),
            Err(error) => {
                let unknown = if error.outcome_unknown() { ", perhaps stored" } else { "" };
                self.note(format!("  call {call} failed: {:?}{unknown}", error.kind()));
            }
        }
        let confirmed = answer.is_ok();
        match &self.calls[call].what {
            Sent::Original if confirmed => _ = self.events[event].confirmed.get_or_insert(call),
            Sent::Output { run, index } if confirmed => {
                let (run, index) = (*run, *index);
                self.events[event].confirmed.get_or_insert(call);
                if let Some(run) = self.runs.get_mut(run) {
                    run.outputs.insert(index);
                }
            }
            Sent::Letter { of: Some((consumer, place)), reason } => {
                let held = &mut self.consumers[*consumer].held[*place];
                held.is_asked = false;
                if confirmed {
                    held.letter = Some(reason.clone());
                }
            }
            Sent::Replay { group } if confirmed => {
                self.replayed.push((group, event));
                // It has three more.
                if let Some(deaths) = self.deaths.get_mut(&(*group, event)) {
                    (deaths.caused, deaths.missed) = (0, 0);
                }
            }
            Sent::Original | Sent::Output { .. } | Sent::Letter { .. } | Sent::Replay { .. } => {}
        }
    }

    /// That a stopped subscription counted what was seen of it.
    pub(super) fn check_counts(&mut self, instance: usize, counts: &GroupStats) {
        let consumers = self.consumers.iter().filter(|intake| {
            intake.instance == instance && intake.group == counts.group && intake.filter == counts.topic
        });
        let (mut received, mut settled) = (0, 0);
        for intake in consumers {
            received += intake.held.len() as u64;
            settled += intake.settled;
        }
        // Where several workers share it, what no worker has taken yet when they stop is not counted.
        let is_counted = received == counts.received || (self.workers > 1 && received > counts.received);
        if !is_counted || settled != counts.settled() {
            let text = format!("{instance}: {received} deliveries and {settled} settlements, but {counts:?}");
            self.problem(2, text);
        }
    }
}
