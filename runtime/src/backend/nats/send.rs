//! What a subscription sends: questions for messages, signs of progress, and acknowledgements.

use std::borrow::Cow;

use async_nats::Subject;
use tokio::time::{Instant, timeout};

use super::{
    drive::{Driver, ENDS, Mode},
    failure::asked,
    names,
};
use crate::error::Result;

const ACK: &str = "+ACK";
/// After so many acknowledgements another question is asked, whatever is on its way.
const UNASKED: usize = 500;

impl Driver {
    /// Sends something without an answer of its own.
    pub(super) async fn send(
        &self,
        subject: impl Into<Subject>,
        reply: Option<String>,
        text: impl Into<Cow<'static, str>>,
    ) -> Result<()> {
        let (client, subject) = (&self.link.client, subject.into());
        let payload = match text.into() {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        };
        let sending = async {
            match reply {
                Some(reply) => client.publish_with_reply(subject, reply, payload).await,
                None => client.publish(subject, payload).await,
            }
        };
        match timeout(self.options.request_timeout, sending).await {
            Ok(sent) => sent.map_err(|cause| asked("consume", "sending", cause)),
            Err(_) => Err(asked("consume", "sending", "timed out")),
        }
    }

    /// Asks for messages; a pull that is told nothing for a while is told so.
    pub(super) async fn ask_for(&mut self, batch: usize, bytes: Option<usize>, reply: &str) -> Result<()> {
        let idle = self.options.idle_timeout;
        let mut text = format!("{{\"batch\":{batch}");
        match bytes {
            // Nothing is that small, so that nothing is delivered; it only shows that we are there.
            Some(1) => text.push_str(",\"max_bytes\":1,\"no_wait\":true"),
            bytes => {
                let (expires, heartbeat) = (idle.as_nanos() * 3, idle.as_nanos());
                text.push_str(&format!(",\"expires\":{expires},\"idle_heartbeat\":{heartbeat}"));
                if let Some(bytes) = bytes {
                    text.push_str(&format!(",\"max_bytes\":{bytes}"));
                }
            }
        }
        if self.mode == Mode::Pinned {
            text.push_str(&format!(",\"group\":\"{}\"", names::PINNED));
            if let Some(pin) = &self.pin {
                text.push_str(&format!(",\"id\":\"{pin}\""));
            }
        }
        text.push('}');
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.source.stream, self.name);
        self.send(subject, Some(format!("{}.{reply}", self.inbox)), text).await
    }

    /// Asks for as much as may be held, in as few questions as that takes: the worker takes what waits for it a little at
    /// a time. What instances compete for is left to the others as long as it has no room.
    pub(super) async fn pull(&mut self) -> Result<()> {
        let (room, queued, queued_bytes) = {
            let state = self.shared.lock();
            (state.room, state.queue.len(), state.queued_bytes)
        };
        let bytes = room.bytes.saturating_sub(queued_bytes);
        if !room.is_open() || bytes == 0 || !self.link.is_up() {
            return Ok(());
        }
        let most = if self.ends >= ENDS { 1 } else { self.options.fetch };
        let ahead = match self.mode {
            Mode::Pinned | Mode::Alone => self.subscription.limits.held.saturating_sub(self.held.len()),
            Mode::Competing => 0,
        };
        let target = room.count.saturating_sub(queued).max(ahead).min(most);
        let wanted = target.saturating_sub(self.outstanding);
        if wanted == 0 || self.outstanding > target / 2 {
            return Ok(());
        }
        if self.outstanding == 0 {
            self.heard = Instant::now();
        }
        self.outstanding += wanted;
        self.ask_for(wanted, Some(bytes.max(self.options.max_message * 2)), "p").await
    }

    /// Renews leases, shows that it is there, and asks again where nothing was heard.
    pub(super) async fn pass_time(&mut self) -> Result<()> {
        let now = Instant::now();
        if now >= self.next_progress {
            self.next_progress = now + self.lease / 3;
            if self.link.is_up() {
                for held in self.held.values() {
                    self.send(held.reply.clone(), None, "+WPI").await?;
                }
            }
        }
        if self.mode == Mode::Pinned && now >= self.next_keepalive {
            self.next_keepalive = now + self.pin_timeout / 3;
            if self.link.is_up() {
                self.ask_for(1, Some(1), "k").await?;
            }
        }
        if self.outstanding > 0 && now >= self.silence() {
            (self.outstanding, self.heard) = (0, now);
        }
        Ok(())
    }

    /// Acknowledges, and asks that the last of it is confirmed: with an answer on its way what comes meanwhile is left to
    /// the next question, but for [`UNASKED`] of them.
    pub(super) async fn acknowledge(&mut self, replies: Vec<Subject>) -> Result<()> {
        let count = replies.len();
        self.unasked += count;
        let asks = self.batches.is_empty() || self.unasked >= UNASKED;
        for (nth, reply) in (1..).zip(replies) {
            self.unconfirmed.push_back(reply.clone());
            let answer = (asks && nth == count).then(|| format!("{}.a", self.inbox));
            self.send(reply, answer, ACK).await?;
        }
        if asks && count > 0 {
            self.batches.push_back(std::mem::take(&mut self.unasked));
        }
        Ok(())
    }

    /// A batch has arrived; what was acknowledged since is asked about by acknowledging its last once more.
    pub(super) async fn confirmed(&mut self) -> Result<()> {
        let confirmed = self.batches.pop_front().unwrap_or_default();
        self.unconfirmed.drain(..confirmed.min(self.unconfirmed.len()));
        self.ends = 0;
        if self.batches.is_empty()
            && self.unasked > 0
            && let Some(last) = self.unconfirmed.back().cloned()
        {
            self.batches.push_back(std::mem::take(&mut self.unasked));
            self.send(last, Some(format!("{}.a", self.inbox)), ACK).await?;
        }
        Ok(())
    }

    /// Waits until everything that was acknowledged has arrived.
    pub(super) async fn confirm(&mut self) -> Result<()> {
        self.batches.clear();
        self.unasked = 0;
        while let Some(reply) = self.unconfirmed.pop_front() {
            if self.unconfirmed.is_empty() {
                let limit = self.options.request_timeout;
                self.link.ask("acknowledge", reply.to_string(), "+ACK".to_owned(), limit).await?;
            } else {
                self.send(reply, None, ACK).await?;
            }
        }
        Ok(())
    }
}
