//! The promises, where deliveries arrive, run and are settled.

use std::collections::HashSet;

use typebus::backend::{Attribute, Delivery, Order, Room, Token};

use super::{Held, How, Instance, Intake, Kind, Meant, Run, State, World, readers};
use crate::program::{CONCURRENCY, Fate, MADE, Made};

impl State {
    /// Promise 4: no more than there is room for.
    pub(super) fn delivered(&mut self, consumer: usize, room: Room, deliveries: &[Delivery]) {
        if deliveries.len() > room.count {
            let text = format!("consumer {consumer} brought {} deliveries into {room:?}", deliveries.len());
            self.problem(4, text);
        }
        let group = self.consumers[consumer].group;
        let order = self.consumers[consumer].order;
        for delivery in deliveries {
            let id = delivery.message.attribute(Attribute::Id).unwrap_or_default();
            let event = self.event(&String::from_utf8_lossy(id));
            let ident = &self.events[event].ident;
            let Token { partition, generation, position } = delivery.token;
            let past = delivery.past.as_ref().filter(|past| past.suspect);
            let past = past.map_or_else(String::new, |past| format!(", suspect of {} crashes", past.crashes));
            let line = format!(
                "{group} receives {ident} from consumer {consumer} ({partition}, {generation}, {position}){past}"
            );
            self.note(line);
            let lane = match order {
                Order::Key => delivery.message.key().map(<[u8]>::to_vec),
                Order::Partition => Some(delivery.partition.unwrap_or_default().to_le_bytes().to_vec()),
                Order::None => None,
            };
            let lane = lane.filter(|_| !self.consumers[consumer].replays);
            let made = serde_json::from_slice::<Made>(delivery.message.payload());
            let copy = made.ok().map(|made| made.run);
            let intake = &mut self.consumers[consumer];
            let before = intake.by_token.insert(delivery.token, intake.held.len());
            intake.held.push(Held {
                token: delivery.token,
                event,
                lane,
                message: delivery.message.clone(),
                copy,
                suspect: delivery.past.as_ref().is_some_and(|past| past.suspect),
                settled: false,
                gone: false,
                leaving: false,
                runs: Vec::new(),
                letter: None,
                dying: false,
                is_asked: false,
            });
            // What a handler returns says which run returned it, so it may differ.
            let original = self.events[event].message.as_ref().filter(|_| self.events[event].topic != MADE);
            if original.is_some_and(|original| original.payload() != delivery.message.payload()) {
                self.problem(
                    2,
                    format!("{group} receives something else in the place of an event of {}", delivery.topic),
                );
            }
            if before.is_some() {
                self.problem(2, format!("consumer {consumer} brought {:?} twice", delivery.token));
            }
            self.check_bounds(consumer);
        }
    }

    fn check_bounds(&mut self, consumer: usize) {
        let intake = &mut self.consumers[consumer];
        while intake.held.get(intake.from).is_some_and(|held| !held.is_open()) {
            intake.from += 1;
        }
        let intake = &self.consumers[consumer];
        // What is done with, and not told yet, is held no more.
        let unsettled: Vec<&Held> =
            intake.open().filter(|held| !held.leaving && !self.is_done(held)).collect();
        let (limits, count) = (intake.limits, unsettled.len());
        // One may exceed the bytes; a replay is smaller to the dispatch, without what was said of its death.
        let bytes: usize =
            unsettled.iter().take(count.saturating_sub(1)).map(|held| held.message.size()).sum();
        let Some(last) = intake.held.last() else { return };
        let mine = |token: Token| {
            (token.partition, token.generation) == (last.token.partition, last.token.generation)
        };
        let lowest = unsettled.iter().map(|held| held.token).filter(|token| mine(*token)).min();
        let gap = lowest.map_or(0, |lowest| {
            let above = intake.held[intake.from..].iter().map(|held| held.token);
            // Both ends are counted.
            above.filter(|token| mine(*token) && *token >= lowest).count() as u64
        });
        let text = if count > limits.held {
            format!("consumer {consumer} holds {count} deliveries, and may hold {}", limits.held)
        } else if count > 1 && !intake.replays && bytes >= limits.held_bytes {
            format!("consumer {consumer} took one more at {bytes} bytes, and may hold {}", limits.held_bytes)
        } else if gap > limits.gap + 1 {
            format!("consumer {consumer} has a gap of {gap}, and may have {}", limits.gap)
        } else {
            return;
        };
        self.problem(4, text);
    }

    /// Whether a delivery may be settled: what handled it is over, and everything that it returned is confirmed, or
    /// its dead letter is, or it is of no interest.
    fn is_done(&self, held: &Held) -> bool {
        held.letter.is_some()
            || self.events[held.event].kind == Kind::Foreign
            || held.runs.iter().any(|run| self.is_well(*run))
    }

    fn is_well(&self, run: usize) -> bool {
        let Run { over, outputs, .. } = &self.runs[run];
        match over {
            Some(How::Well(count)) => outputs.len() == *count,
            Some(How::Discard) => true,
            Some(How::Failed | How::Dropped) | None => false,
        }
    }

    /// Promises 1 and 2: settled once, and not before it is done with.
    pub(super) fn settled(&mut self, consumer: usize, token: Token) {
        // The dead do not know it yet, and nobody hears them.
        if self.instances[self.consumers[consumer].instance].dead {
            return;
        }
        self.tell_apart(consumer, token);
        let intake = &self.consumers[consumer];
        let Some(place) = intake.by_token.get(&token).copied() else {
            return self.problem(2, format!("{token:?} of consumer {consumer} is settled, and never came"));
        };
        let (group, replays, held) = (intake.group, intake.replays, &intake.held[place]);
        let (event, done) = (held.event, self.is_done(held));
        let ident = self.events[event].ident.clone();
        let well = held.runs.iter().rev().find(|run| self.is_well(**run)).map(|run| &self.runs[*run]);
        let found = match (&held.letter, well) {
            (None, Some(run)) if run.over == Some(How::Discard) => Some(Fate::Discarded),
            (None, Some(run)) if run.of.len() == 1 => Some(Fate::Handled),
            _ => None,
        };
        let was_given_up = held.gone && self.workers == 1;
        if held.settled {
            self.problem(2, format!("{ident} is settled twice by {group}"));
        } else if was_given_up {
            self.problem(2, format!("{ident} is settled by {group}, and was given up before"));
        }
        if !done {
            self.problem(1, format!("{ident} is settled by {group} before it is done with"));
        }
        if let Some(found) = found {
            self.check_fate(group, event, found);
        }
        self.note(format!("{group} settles {ident}"));
        let intake = &mut self.consumers[consumer];
        intake.held[place].settled = true;
        intake.settled += 1;
        if replays {
            self.replayed.retain(|replay| *replay != (group, event));
        } else {
            self.done.insert((group, event));
        }
    }

    /// Of two copies of one event, which only the dispatch can tell apart, the one that is done with is meant.
    fn tell_apart(&mut self, consumer: usize, token: Token) {
        let intake = &self.consumers[consumer];
        let Some(place) = intake.by_token.get(&token).copied() else { return };
        let held = &intake.held[place];
        if self.is_done(held) {
            return;
        }
        let is_twin = |other: &&Held| {
            let is_same = (other.event, other.copy) == (held.event, held.copy);
            is_same && other.is_open() && self.is_done(other)
        };
        let Some(twin) = intake.open().find(is_twin).and_then(|twin| intake.by_token.get(&twin.token)) else {
            return;
        };
        let twin = *twin;
        let held = &mut self.consumers[consumer].held;
        let (runs, letter) = (std::mem::take(&mut held[twin].runs), held[twin].letter.take());
        (held[twin].runs, held[twin].letter) =
            (std::mem::take(&mut held[place].runs), held[place].letter.take());
        (held[place].runs, held[place].letter) = (runs, letter);
        for run in &mut self.runs {
            for of in &mut run.of {
                *of = match *of {
                    (of, at) if of == consumer && at == place => (of, twin),
                    (of, at) if of == consumer && at == twin => (of, place),
                    of => of,
                };
            }
        }
    }

    /// An attempt begins.
    pub(super) fn begin(
        &mut self,
        instance: usize,
        group: &'static str,
        meant: &[Meant<'_>],
        attempt: u32,
    ) -> usize {
        let run = self.runs.len();
        let mut of = Vec::new();
        let names: Vec<&str> = meant.iter().map(|meant| meant.ident).collect();
        self.note(format!("{group} in {instance} runs {names:?}, attempt {attempt}, as run {run}"));
        for meant in meant {
            let (ident, event) = (meant.ident, self.event(meant.ident));
            match self.find(instance, group, event, meant, &of) {
                Some(place) => of.push(place),
                None if self.instances[instance].dead => {}
                None => self.problem(2, format!("{instance} runs {ident} for {group}, and does not hold it")),
            }
        }
        of.iter().for_each(|(consumer, place)| self.check_turn(*consumer, *place, &of));
        for (consumer, place) in &of {
            self.consumers[*consumer].held[*place].runs.push(run);
        }
        self.runs.push(Run { of, over: None, outputs: HashSet::new() });
        run
    }

    /// The delivery that is meant: the first that is not done with.
    fn find(
        &self,
        instance: usize,
        group: &str,
        event: usize,
        meant: &Meant<'_>,
        taken: &[(usize, usize)],
    ) -> Option<(usize, usize)> {
        let mine = |intake: &Intake| {
            (intake.instance, intake.group, intake.replays) == (instance, group, meant.replayed)
        };
        let consumers = self.consumers.iter().enumerate().filter(|(_, intake)| mine(intake));
        consumers.into_iter().find_map(|(consumer, intake)| {
            let is_meant = |place: &usize| {
                let held = &intake.held[*place];
                let is_idle = held.runs.iter().all(|run| self.runs[*run].over.is_some());
                let is_free = is_idle && !taken.contains(&(consumer, *place));
                let is_it = held.event == event && held.copy == meant.copy;
                is_it && held.is_open() && is_free && !self.is_done(held)
            };
            (intake.from..intake.held.len()).find(is_meant).map(|place| (consumer, place))
        })
    }

    /// Promise 3: nothing starts before everything earlier of its lane is done with.
    fn check_turn(&mut self, consumer: usize, place: usize, together: &[(usize, usize)]) {
        let intake = &self.consumers[consumer];
        let held = &intake.held[place];
        let (group, event) = (intake.group, &self.events[held.event]);
        let (ident, topic) = (&event.ident, &event.topic);
        let Some(lane) = &held.lane else { return };
        let mut problem = None;
        // In this instance: what came before, and is still here.
        for earlier in intake.from..place {
            let before = &intake.held[earlier];
            let same = before.lane.as_ref() == Some(lane) && before.is_open();
            if same && !together.contains(&(consumer, earlier)) && !self.has_passed(intake, before) {
                problem = Some(format!("{group} began {ident} before {}", self.events[before.event].ident));
            }
        }
        // Anywhere: what runs now.
        let is_zombie = self.instances[intake.instance].zombie;
        for other in self.consumers.iter().filter(|other| other.group == group && !other.replays) {
            let Instance { dead, zombie, .. } = self.instances[other.instance];
            let is_elsewhere = other.instance != intake.instance;
            if dead || (is_elsewhere && (zombie || is_zombie || other.order == Order::Partition)) {
                continue;
            }
            for running in other.open() {
                let same = running.lane.as_ref() == Some(lane) && self.events[running.event].topic == *topic;
                if same && running.runs.iter().any(|run| self.runs[*run].over.is_none()) {
                    let running = &self.events[running.event].ident;
                    problem = Some(format!("{group} began {ident} while {running} of its lane ran"));
                }
            }
        }
        // Ever: what was published before, under the same key.
        let key = event.message.as_ref().and_then(|message| message.key());
        if let (Some(first), Some(key)) = (event.first, key) {
            let earlier = self.events.iter().enumerate().filter(|(_, before)| {
                !before.delayed
                    && before.confirmed.is_some_and(|confirmed| confirmed < first)
                    && before.topic == *topic
                    && before.message.as_ref().and_then(|message| message.key()) == Some(key)
            });
            for (number, before) in earlier {
                if !self.done.contains(&(group, number))
                    && !self.has_passed_somewhere(group, number, together)
                {
                    problem = Some(format!("{group} skipped ahead to {ident} past {}", before.ident));
                }
            }
        }
        if let Some(problem) = problem {
            self.problem(3, problem);
        }
    }

    fn has_passed_somewhere(&self, group: &str, event: usize, together: &[(usize, usize)]) -> bool {
        together.iter().any(|(consumer, place)| self.consumers[*consumer].held[*place].event == event)
            || self.consumers.iter().filter(|other| other.group == group).any(|other| {
                other.held.iter().any(|held| held.event == event && self.has_passed(other, held))
            })
    }

    /// Whether the next of the lane may start. Of a batch that is run again item by item, what has run has passed, and
    /// so has a member that could not be read.
    fn has_passed(&self, intake: &Intake, held: &Held) -> bool {
        let of_batch = || {
            self.events[held.event].kind == Kind::Garbled
                || held.runs.iter().any(|run| self.runs[*run].over.is_some())
        };
        self.is_done(held) || (self.in_batches && intake.group == "desk" && of_batch())
    }

    /// Promise 4: at rest, whatever may start has started. One key's retry delays no other.
    fn check_idle(&mut self) {
        let mut problems = Vec::new();
        for intake in &self.consumers {
            let Instance { dead, zombie, stopping, paused, .. } = self.instances[intake.instance];
            let is_busy = dead || zombie || stopping || paused || intake.revoking || self.workers > 1;
            let is_odd = intake.replays || (self.in_batches && intake.group == "desk");
            if is_busy || is_odd || self.has_suspects(intake.instance) {
                continue;
            }
            let open: Vec<&Held> = intake.open().collect();
            let at_work = open.iter().filter(|held| self.is_at_work(held)).count();
            if at_work >= CONCURRENCY {
                continue;
            }
            for (place, held) in open.iter().enumerate() {
                let is_before = |before: &&Held| before.lane == held.lane && !self.is_done(before);
                let is_first = held.lane.is_none() || !open[..place].iter().any(is_before);
                let is_plain = matches!(self.events[held.event].kind, Kind::Plain { .. });
                // Which of two copies it was that began is not known.
                let is_only = open.iter().filter(|other| other.event == held.event).count() == 1;
                if is_first && is_plain && is_only && held.runs.is_empty() && !held.dying {
                    let ident = &self.events[held.event].ident;
                    problems.push(format!(
                        "{} does not begin {ident}, with {at_work} at work and nothing before it",
                        intake.group
                    ));
                }
            }
        }
        problems.into_iter().for_each(|problem| self.problem(4, problem));
    }

    /// Suspects run one at a time, whatever else there is.
    fn has_suspects(&self, instance: usize) -> bool {
        let mine = self.consumers.iter().filter(|intake| intake.instance == instance);
        mine.flat_map(Intake::open).any(|held| held.suspect)
    }

    /// It runs, or what it returned is on its way.
    fn is_at_work(&self, held: &Held) -> bool {
        let last = held.runs.last().map(|run| self.runs[*run].over);
        matches!(last, Some(None | Some(How::Well(_) | How::Discard)))
    }
}

impl World {
    /// Nobody has anything to do at this moment.
    pub(crate) fn idle(&self) {
        self.state().check_idle();
    }

    /// What is still to be done: confirmed events that a group has not settled, and whether they came.
    pub(crate) fn open(&self) -> Vec<(&'static str, String, bool)> {
        let state = self.state();
        let mut open = Vec::new();
        for (at, event) in state.events.iter().enumerate().filter(|(_, event)| event.confirmed.is_some()) {
            for group in readers(&event.topic).iter().filter(|group| !state.done.contains(&(**group, at))) {
                let came = state.consumers.iter().filter(|intake| intake.group == *group);
                let came = came.flat_map(|intake| &intake.held).any(|held| held.event == at);
                open.push((*group, event.ident.clone(), came));
            }
        }
        let replays = state.replayed.iter();
        open.extend(replays.map(|(group, at)| (*group, format!("{} again", state.events[*at].ident), true)));
        open
    }

    /// Whether some living instance still holds something.
    pub(crate) fn is_holding(&self) -> bool {
        let state = self.state();
        let mut living = state.consumers.iter().filter(|intake| !state.instances[intake.instance].dead);
        living.any(|intake| intake.open().next().is_some())
    }
}
