//! The two sides of the contract that face the bus.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;
use typebus::{
    Error, ErrorKind, Result,
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Confirmation, Consumer, Delivery, Floor, Intake,
        Outgoing, Partitions, Plan, Position, Publishing, Room, Sender, Subscription, Token, Topic,
    },
};

use typebus_tests::quiet::Quiet;

use super::{Answer, Script, State, feed::Closing, feed::Fate, id_of, journal::What};

/// More polls than this at one moment are a loop that never rests.
const RESTLESS: usize = 20_000;

fn is_replays(subscription: &Subscription) -> bool {
    subscription.filter.starts_with("dead.")
}

impl Backend for Script {
    fn system(&self) -> &'static str {
        "script"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            patterns: true,
            key_order: true,
            partition_order: true,
            start_earliest: true,
            start_latest: true,
            max_message: 1_000_000,
            ..Capabilities::default()
        }
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        self.change(|state| {
            state.closed = false;
            // Nothing is replayed here.
            let subscriptions = plan.subscriptions.iter().filter(|subscription| !is_replays(subscription));
            for (at, subscription) in subscriptions.enumerate() {
                let feed = state.feed(at);
                feed.filter = Some(subscription.filter.clone());
                (feed.order, feed.limits) = (subscription.order, subscription.limits);
            }
        });
        Box::pin(async { Ok(()) })
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        let answer = self.change(|state| {
            state.journal.note(
                0,
                What::Sent {
                    topic: outgoing.topic.to_string(),
                    id: id_of(&outgoing),
                    sender: outgoing.sender,
                },
            );
            if state.closed {
                state.problem(format!("{outgoing:?} was published after the backend was closed"));
            }
            state.check_sender(&outgoing);
            let answers = state.answers(&outgoing.topic);
            answers.next.pop_front().unwrap_or_else(|| answers.always.clone())
        });
        match answer {
            Answer::Confirm | Answer::Refuse(_) | Answer::Unknown => {
                Publishing::ready(self.resolve(&outgoing, &answer))
            }
            Answer::Wait => {
                let (sender, receiver) = oneshot::channel();
                self.change(|state| state.waiting.push_back((outgoing.topic.to_string(), sender)));
                let guard = Unanswered { script: self.clone(), outgoing, answered: false };
                Publishing::pending(async move {
                    let answer = receiver.await.unwrap_or(Answer::Refuse(ErrorKind::Connect));
                    guard.answer(&answer)
                })
            }
            Answer::After(time, answer) => {
                let guard = Unanswered { script: self.clone(), outgoing, answered: false };
                Publishing::pending(async move {
                    tokio::time::sleep(time).await;
                    guard.answer(&answer)
                })
            }
        }
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async {
            if is_replays(subscription) {
                return Ok(Box::new(Quiet) as Box<dyn Consumer>);
            }
            let feed = self.change(|state| {
                let at =
                    state.feeds.iter().position(|feed| feed.filter.as_ref() == Some(&subscription.filter));
                let at = at.expect("it was provisioned");
                state.feed(at).open();
                at
            });
            let line: Box<dyn Consumer> = Box::new(Line(self.other(feed)));
            Ok(self.change(|state| match &state.wrap {
                Some(wrap) => wrap(line),
                None => line,
            }))
        })
    }

    fn caught_up<'a>(&'a self, _: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            self.until_all_settled().await;
            Ok(())
        })
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        let stored = (0..).zip(self.stored(topic)).map(|(position, outgoing)| Delivery {
            token: Token { partition: 0, generation: 0, position },
            topic: outgoing.topic,
            message: outgoing.message,
            partition: None,
            position: Some(Position::new(position)),
            past: None,
        });
        let stored: Vec<_> = stored.collect();
        Box::pin(async { Ok(Box::pin(Stored(stored.into_iter())) as BoxStream<Result<Delivery>>) })
    }

    fn discard<'a>(&'a self, _: &'a Topic, _: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        let never = self.change(|state| {
            state.journal.note(0, What::BackendClosed);
            if state.feeds.iter().any(|feed| !feed.is_closing && !feed.failed) {
                state.problem("the backend was closed before a consumer");
            }
            state.closed = true;
            state.never_closes
        });
        Box::pin(async move { if never { std::future::pending().await } else { Ok(()) } })
    }
}

impl Script {
    fn resolve(&self, outgoing: &Outgoing, answer: &Answer) -> Result<Confirmation> {
        self.change(|state| match answer {
            Answer::Confirm => {
                state.confirm(outgoing);
                Ok(Confirmation { partition: None, position: Some(Position::new(state.stored.len() as u64)) })
            }
            Answer::Unknown => {
                state.stored.push(outgoing.clone());
                state.refuse(outgoing, ErrorKind::Timeout).map_err(Error::with_unknown_outcome)
            }
            Answer::Refuse(kind) => state.refuse(outgoing, *kind),
            Answer::Wait | Answer::After(..) => panic!("an answer is given once"),
        })
    }
}

impl State {
    fn refuse(&mut self, outgoing: &Outgoing, kind: ErrorKind) -> Result<Confirmation> {
        let (topic, id) = (outgoing.topic.to_string(), id_of(outgoing));
        self.journal.note(0, What::Refused { topic, id, kind });
        Err(Error::new(kind, "publish", "as the script says").at("script"))
    }

    /// Nothing is published for a delivery of which the dispatch knows that it is gone.
    fn check_sender(&mut self, outgoing: &Outgoing) {
        let tokens = match outgoing.sender {
            Sender::DeadLetter => {
                let number = id_of(outgoing).strip_prefix("m-").and_then(|number| number.parse().ok());
                let fact = number.and_then(|number: u64| self.facts.messages.get(&number));
                fact.and_then(|fact| Some((fact.feed, vec![fact.token?])))
            }
            Sender::Handler | Sender::Program => {
                let run = crate::desk::read(outgoing).and_then(|(run, _)| self.facts.runs.get(&run));
                run.map(|run| (run.feed, run.tokens.clone()))
            }
        };
        let Some((feed, tokens)) = tokens else { return };
        if tokens.iter().all(|token| self.feeds[feed].is_gone(*token)) {
            self.problem(format!("{outgoing:?} is published for {tokens:?}, which are gone"));
        }
    }
}

/// A publication until it is answered; dropped before, nobody waits any more.
struct Unanswered {
    script: Script,
    outgoing: Outgoing,
    answered: bool,
}

impl Unanswered {
    fn answer(mut self, answer: &Answer) -> Result<Confirmation> {
        self.answered = true;
        self.script.resolve(&self.outgoing, answer)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.answered {
            let (topic, id) = (self.outgoing.topic.to_string(), id_of(&self.outgoing));
            self.script.change(|state| {
                state.waiting.retain(|(_, sender)| !sender.is_closed());
                state.journal.note(0, What::Forsaken { topic, id });
            });
        }
    }
}

/// The consumer of one subscription.
#[derive(Debug)]
struct Line(Script);

impl Consumer for Line {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let at = self.0.feed;
        self.0.change(|state| {
            state.journal.note(at, What::Polled(room));
            state.check_gone(at);
            if state.feed(at).is_closing || state.feed(at).failed {
                state.problem("a consumer was polled after it closed or failed");
            }
            if let Some(problem) = state.feed(at).check_room(room) {
                state.problem(problem);
            }
            state.check_rest(at);
            if let Some(told) = state.feed(at).tell() {
                if let Ok(intake) = &told {
                    state.journal.note(at, What::Told(intake.clone()));
                }
                return Poll::Ready(
                    told.map_err(|kind| Error::new(kind, "consume", "as the script says").at("script")),
                );
            }
            let handed = state.feed(at).hand_out(room, into);
            for (token, number) in &handed {
                state.facts.handed(*number, *token);
                state.journal.note(at, What::Handed(*token, *number));
            }
            if !handed.is_empty() {
                return Poll::Ready(Ok(Intake::Deliveries));
            }
            if state.feed(at).ended && !state.feed(at).has_more() {
                state.journal.note(at, What::Told(Intake::End));
                return Poll::Ready(Ok(Intake::End));
            }
            state.feed(at).waker = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        let at = self.0.feed;
        self.0.change(|state| {
            state.check_gone(at);
            let mut problems = Vec::new();
            let mut numbers = Vec::new();
            if settled.is_empty() {
                problems.push("nothing was settled".to_owned());
            }
            for token in settled {
                let number = state.feed(at).number(*token);
                match state.feed(at).fate(*token) {
                    Some(fate) if fate.is_known() => {
                        problems.push(format!("{token:?} was settled, and its generation is over: {fate:?}"));
                    }
                    Some(_) => {}
                    None => problems.extend(state.feed(at).settle(*token).err()),
                }
                let Some(number) = number else { continue };
                numbers.push(number);
                if !state.facts.is_done(number) {
                    problems.push(format!("{number} was settled before it was done with"));
                }
            }
            state.feed(at).check_floors(floors, &mut problems);
            let (tokens, floors) = (settled.to_vec(), floors.to_vec());
            state.journal.note(at, What::Settled { tokens, numbers, floors });
            state.problems.extend(problems);
        });
    }

    fn release(&mut self, partitions: &Partitions) {
        let at = self.0.feed;
        self.0.change(|state| {
            state.journal.note(at, What::Released(partitions.clone()));
            if let Err(problem) = state.feed(at).release(partitions) {
                state.problem(problem);
            }
            state.check_gone(at);
        });
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        let at = self.0.feed;
        self.0.change(|state| {
            state.check_gone(at);
            let feed = state.feed(at);
            let first = !std::mem::replace(&mut feed.is_closing, true);
            let (closing, owed) = (feed.closing, feed.revocations.iter().any(|one| one.told));
            if first {
                state.journal.note(at, What::Closing);
                if state.facts.live.iter().any(|run| state.facts.runs[run].feed == at) {
                    state.problem("a consumer is closed while a handler runs");
                }
                if owed {
                    state.problem("a consumer is closed, and a revocation was not answered");
                }
            }
            if closing == Closing::Never {
                return Poll::Pending;
            }
            state.feed(at).end(Fate::Closed);
            state.journal.note(at, What::Closed);
            Poll::Ready(match closing {
                Closing::Badly => {
                    Err(Error::new(ErrorKind::Connect, "close", "as the script says").at("script"))
                }
                Closing::Well | Closing::Never => Ok(()),
            })
        })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let at = self.0.feed;
        self.0.change(|state| {
            state.feed(at).end(Fate::Closed);
            state.feed(at).waker = None;
            state.journal.note(at, What::Left);
        });
    }
}

impl State {
    /// A worker that always has something to do never lets time pass.
    fn check_rest(&mut self, at: usize) {
        let now = tokio::time::Instant::now();
        let (since, polls) = &mut self.feed(at).polls;
        if *since < now {
            (*since, *polls) = (now, 0);
        }
        *polls += 1;
        if *polls > RESTLESS {
            self.problem("a worker never rests");
            panic!("a worker never rests");
        }
    }
}

struct Stored(std::vec::IntoIter<Delivery>);

impl futures_core::Stream for Stored {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

impl fmt::Debug for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unanswered").field("outgoing", &self.outgoing).finish_non_exhaustive()
    }
}
