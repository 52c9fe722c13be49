//! Taking a consumer over, and giving it up: who is pinned, the reset, the journal, and what the client cannot read.

use tokio::time::Instant;

use super::{
    denied::not_allowed,
    drive::{Driver, ENDS, Heard, Mode, Turn},
    failure::{self, asked, error},
    journal::{Journal, Single},
    letters, names, not_provisioned,
    place::Place,
    topology, wire,
};
use crate::{
    backend::Token,
    error::{ErrorKind, Result},
};

impl Driver {
    async fn info(&self) -> Result<async_nats::jetstream::consumer::Info> {
        let missing = || not_provisioned("consume", &self.subscription);
        let stream = topology::stream(&self.link, &self.source.stream).await?.ok_or_else(missing)?;
        topology::consumer(&self.link, &stream, &self.name).await?.ok_or_else(missing)
    }

    /// Waits until it is the one that is pinned.
    pub(super) async fn stand_by(&mut self) -> Result<Option<Turn>> {
        let pinned = self.info().await?.priority_groups.into_iter().next().and_then(|it| it.pinned_client_id);
        if self.pin.is_some() && self.pin == pinned {
            return Ok(None);
        }
        self.pin = None;
        loop {
            self.heard = Instant::now();
            self.ask_for(1, None, "p").await?;
            let mut is_asked = true;
            while is_asked {
                match self.listen(self.silence()).await {
                    Heard::Messages(messages) => {
                        self.heard = Instant::now();
                        for message in messages {
                            let pin =
                                message.headers.as_ref().and_then(|headers| headers.get_last("Nats-Pin-Id"));
                            if let Some(pin) = pin.filter(|_| message.reply.is_some()) {
                                self.pin = Some(pin.as_str().to_owned());
                                return Ok(None);
                            }
                            let code = message.status.map_or(0, |status| status.as_u16());
                            if message.subject.starts_with(self.inbox.as_str()) && code != 100 {
                                if code != 423 {
                                    self.status(&message)?;
                                }
                                is_asked = false;
                            }
                        }
                    }
                    Heard::Told => {
                        if self.is_over() {
                            return Ok(Some(Turn::End));
                        }
                    }
                    Heard::Down => {
                        self.ends += 1;
                        return Ok(Some(Turn::Again));
                    }
                    Heard::Denied(subject) => return Err(not_allowed("consume", &subject)),
                    Heard::Up => is_asked = false,
                    Heard::Time => is_asked = Instant::now() < self.silence(),
                }
            }
        }
    }

    /// Begins beside others.
    pub(super) async fn join_in(&mut self) -> Result<Option<Turn>> {
        if !self.has_begun {
            let floor = self.info().await?.ack_floor.stream_sequence;
            self.find_gap(floor).await?;
        }
        Ok(None)
    }

    /// Begins at the ack floor: what was delivered to whoever had it before comes again, in order.
    pub(super) async fn take_over(&mut self) -> Result<Option<Turn>> {
        self.confirm().await?;
        let before = self.info().await?;
        let limit = self.options.request_timeout;
        let subject = format!("$JS.API.CONSUMER.RESET.{}.{}", self.source.stream, self.name);
        let answer = self.link.ask("consume", subject, "{}".to_owned(), limit).await?;
        let what = format!("resetting consumer `{}`", self.name);
        failure::accept("consume", &what, &answer.payload)?;
        let floor = before.ack_floor.stream_sequence;
        self.find_gap(floor).await?;
        if floor > self.floor {
            (self.floor, self.ends) = (floor, 0);
        }
        self.last = floor;
        self.outstanding = 0;
        if self.mode == Mode::Pinned {
            let state = names::state(&self.source.stream, &self.name);
            let known = letters::last(&self.link, names::STATE, &state, limit).await?;
            self.journal = known.map_or_else(Journal::default, |known| Journal::read(known.payload()));
            self.journal.take_over(&self.owner, floor, before.delivered.stream_sequence);
            self.write(state, self.journal.write()).await?;
        }
        Ok(None)
    }

    /// Stores what is to be remembered.
    async fn write(&self, subject: String, text: String) -> Result<()> {
        let limit = self.options.request_timeout;
        let answer = self.link.ask("record", subject, text, limit).await?;
        failure::accept("record", "what the crash guard remembers", &answer.payload)
    }

    /// A suspect is about to run, or none is.
    pub(super) async fn record(&mut self, token: Option<Token>) -> Result<()> {
        let held = token.and_then(|token| self.held.get(&token.position));
        let sequence = held.map(|held| held.sequence);
        match self.mode {
            Mode::Alone => Ok(()),
            Mode::Pinned => {
                self.journal.recorded = sequence;
                self.write(names::state(&self.source.stream, &self.name), self.journal.write()).await
            }
            Mode::Competing => {
                if let Some(before) = std::mem::replace(&mut self.journal.recorded, sequence)
                    && let Some(held) = self.held.values().find(|held| held.sequence == before)
                {
                    let single = Single { crashes: held.crashes, ..Single::default() };
                    self.write(self.single(before), single.write()).await?;
                }
                match self.held.values().find(|held| Some(held.sequence) == sequence) {
                    Some(held) => {
                        let single = Single { crashes: held.crashes, is_recorded: true, ..Single::default() };
                        self.write(self.single(held.sequence), single.write()).await
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Makes durable what is settled, and gives back the rest, to whoever is next.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.confirm().await?;
        let notes = std::mem::take(&mut self.shared.lock().notes);
        let noted = |position: u64| {
            notes.iter().find(|note| note.token.position == position).map_or(0, |note| note.attempts)
        };
        match self.mode {
            Mode::Pinned => {
                let notes: Vec<_> = self
                    .held
                    .iter()
                    .map(|(position, held)| (held.sequence, noted(*position)))
                    .filter(|(_, attempts)| *attempts > 0)
                    .collect();
                self.journal.close(notes);
                self.write(names::state(&self.source.stream, &self.name), self.journal.write()).await?;
                let subject = format!("$JS.API.CONSUMER.UNPIN.{}.{}", self.source.stream, self.name);
                let question = format!("{{\"group\":\"{}\"}}", names::PINNED);
                self.link.ask("close", subject, question, self.options.request_timeout).await?;
            }
            Mode::Alone => {
                let subject = format!("$JS.API.CONSUMER.DELETE.{}.{}", self.source.stream, self.name);
                self.link.ask("close", subject, String::new(), self.options.request_timeout).await?;
            }
            Mode::Competing => {
                for (position, held) in &self.held {
                    let single = Single {
                        attempts: noted(*position),
                        crashes: held.crashes,
                        is_recorded: false,
                        given_back: held.delivered,
                    };
                    self.write(self.single(held.sequence), single.write()).await?;
                }
                for held in self.held.values() {
                    // There is no order to keep here, and nobody has to wait for the lease.
                    self.send(held.reply.clone(), None, "-NAK").await?;
                }
                let flushing = self.link.client.flush();
                flushing.await.map_err(|cause| asked("close", "giving back", cause))?;
            }
        }
        Ok(())
    }

    /// The connection ended. What was on its way is lost, unless it was one message, which may be what ended it.
    pub(super) async fn cut_off(&mut self) -> Result<Option<Turn>> {
        self.ends += 1;
        let was_careful = self.ends > ENDS;
        if !was_careful && self.mode != Mode::Competing {
            return Ok(Some(Turn::Again));
        }
        while !self.link.is_up() {
            self.listen(Instant::now() + std::time::Duration::from_millis(50)).await;
            let state = self.shared.lock();
            if state.is_dropped || state.is_closing {
                return Ok(Some(Turn::Again));
            }
        }
        self.outstanding = 0;
        if self.mode == Mode::Competing {
            self.confirm().await?;
        }
        if !was_careful {
            return Ok(None);
        }
        let info = self.info().await?;
        let pinned = info.priority_groups.into_iter().next().and_then(|it| it.pinned_client_id);
        if self.mode == Mode::Pinned && pinned != self.pin {
            return Ok(Some(Turn::Again));
        }
        let from = if self.mode == Mode::Competing { info.ack_floor.stream_sequence } else { self.last };
        match self.unreadable(from + 1).await? {
            Some(stored) => {
                let (stream, name, sequence) = (&self.source.stream, &self.name, stored.sequence);
                let consumer_sequence = info.delivered.consumer_sequence;
                tracing::warn!(
                    consumer = self.name,
                    sequence,
                    "a message cannot be read, and is handed out as it is"
                );
                let reply = format!("$JS.ACK.{stream}.{name}.1.{sequence}.{consumer_sequence}.0.0");
                let past = self.journal.past(sequence).filter(|_| self.mode == Mode::Pinned);
                let (subject, message) = (stored.subject.clone(), stored.message());
                let delivery = self.delivery(&subject, message, reply.into(), &Place::of(sequence), past);
                (self.last, self.ends) = (sequence.max(self.last), 0);
                self.shared.tell(|state| {
                    state.queued_bytes += delivery.message.size();
                    state.queue.push_back(delivery);
                });
                Ok(None)
            }
            None if self.mode == Mode::Competing => Ok(None),
            None => Ok(Some(Turn::Again)),
        }
    }

    /// The next message that the client cannot read. Where there is an order it is the very next one, or none.
    async fn unreadable(&self, mut from: u64) -> Result<Option<letters::Stored>> {
        /// How many messages are looked at.
        const FAR: usize = 1_000;
        let limit = self.options.request_timeout;
        for _ in 0..FAR {
            let mut first: Option<letters::Stored> = None;
            for filter in &self.source.filters {
                let next = letters::next(&self.link, &self.source.stream, filter, from, limit).await?;
                if next
                    .as_ref()
                    .is_some_and(|next| first.as_ref().is_none_or(|it| next.sequence < it.sequence))
                {
                    first = next;
                }
            }
            let Some(stored) = first else { return Ok(None) };
            let is_held = self.held.values().any(|held| held.sequence == stored.sequence);
            if !is_held && !wire::is_readable(&stored.headers) {
                return Ok(Some(stored));
            }
            if self.mode != Mode::Competing {
                return Ok(None);
            }
            from = stored.sequence + 1;
        }
        let text = "the connection ends again and again, and no message is seen that does it";
        Err(error(ErrorKind::Connect, "consume", text))
    }
}
