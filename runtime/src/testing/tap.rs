//! A broker that writes down what passes through it.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::journal::{Journal, Member};
use crate::{
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Confirmation, Consumer, Delivery, Floor, Intake,
        Message, Note, Outgoing, Partitions, Plan, Publishing, Room, Sender, Subscription, Token, Topic,
    },
    error::Result,
};

/// The broker behind it, and what it writes into.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) broker: Arc<dyn Backend>,
    pub(super) journal: Arc<Journal>,
}

impl Backend for Tap {
    fn system(&self) -> &'static str {
        self.broker.system()
    }

    fn capabilities(&self) -> Capabilities {
        self.broker.capabilities()
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        self.broker.provision(plan)
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        let answer = match self.journal.refusal(&outgoing) {
            Some(error) => Publishing::ready(Err(error)),
            None => self.broker.publish(outgoing.clone()),
        };
        let mut answer = answer;
        if let Some(answer) = answer.now() {
            note(&self.journal, outgoing, &answer);
            return Publishing::ready(answer);
        }
        let journal = Arc::clone(&self.journal);
        Publishing::pending(async move {
            let answer = answer.await;
            note(&journal, outgoing, &answer);
            answer
        })
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            let consumer = self.broker.subscribe(subscription).await?;
            self.journal.subscribed(subscription);
            let journal = Arc::clone(&self.journal);
            let subscription = subscription.clone();
            Ok(Box::new(Tapped { consumer, subscription, journal, taken: HashMap::new() })
                as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        self.broker.caught_up(subscription)
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        self.broker.browse(topic)
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        self.broker.discard(topic, letters)
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.broker.close()
    }
}

fn note(journal: &Journal, outgoing: Outgoing, answer: &Result<Confirmation>) {
    match answer {
        Ok(confirmation) => journal.published(outgoing, *confirmation),
        Err(error) if outgoing.sender == Sender::Handler && !error.is_transient() => {
            journal.unpublished(&outgoing, error);
        }
        Err(_) => {}
    }
}

struct Tapped {
    consumer: Box<dyn Consumer>,
    subscription: Subscription,
    journal: Arc<Journal>,
    /// What is not settled yet.
    taken: HashMap<Token, (Member, Message)>,
}

impl Consumer for Tapped {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let before = into.len();
        let polled = self.consumer.poll_batch(cx, room, into);
        for delivery in &into[before..] {
            let member = Member::of(&self.subscription, delivery);
            self.taken.insert(delivery.token, (member, delivery.message.clone()));
        }
        polled
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        self.consumer.settle(settled, floors);
        for token in settled {
            if let Some((member, message)) = self.taken.remove(token) {
                self.journal.settled(member, &message);
            }
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        self.consumer.poll_record(cx, suspect)
    }

    fn note(&mut self, notes: &[Note]) {
        self.consumer.note(notes);
    }

    fn release(&mut self, partitions: &Partitions) {
        self.consumer.release(partitions);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.consumer.poll_close(cx)
    }
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tapped").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}
