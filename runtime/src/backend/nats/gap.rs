//! Messages that are gone which a group has not read, since the limits of their stream overtook it: an incident, and
//! never silent.

use async_nats::jetstream::stream;

use super::{
    config::OnGap,
    drive::{Driver, Mode},
    failure::error,
    letters, names, not_provisioned, topology,
};
use crate::error::{ErrorKind, Result};

impl Driver {
    /// Looks for it, when this instance begins or begins again; all up to `floor` is settled.
    ///
    /// A purge is not seen, which moves the floor of every consumer: whoever purges wants it.
    ///
    /// It stops only a group, and only when it begins: what an idle group has not read of a busy stream cannot be told
    /// from what was never meant for it, and a lost connection must not stop it.
    ///
    /// # Errors
    /// `Fatal`, with `on_gap = stop`.
    pub(super) async fn find_gap(&mut self, floor: u64) -> Result<()> {
        // Nobody waits for replies any more that are that old.
        if names::first_token(&self.subscription.filter) == "reply" {
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let missing = || not_provisioned("consume", &self.subscription);
        let stream = topology::stream(&self.link, &self.source.stream).await?.ok_or_else(missing)?;
        let stream::Info { config, state, .. } = stream.cached_info();
        let first = state.first_sequence;
        if first <= floor + 1 || !evicts(config) || self.is_all_read(floor).await? {
            return Ok(());
        }
        let text = format!(
            "group `{}` on `{}`: the next message to read is {}, and stream `{}` begins with {first}: what is between is \
             gone by the limits of the stream; `on_gap = skip` goes on at {first}",
            self.subscription.group,
            self.subscription.filter,
            floor + 1,
            self.source.stream,
        );
        if self.options.on_gap == OnGap::Stop && is_first && self.mode != Mode::Alone {
            return Err(error(ErrorKind::Fatal, "consume", text));
        }
        tracing::error!(target: "typebus::nats", "{text}");
        Ok(())
    }

    /// Whether the last message that is meant for this group is still there, and settled.
    async fn is_all_read(&self, floor: u64) -> Result<bool> {
        let mut last = 0;
        for filter in &self.source.filters {
            let limit = self.options.request_timeout;
            let found = letters::last(&self.link, &self.source.stream, filter, limit).await?;
            last = last.max(found.map_or(0, |found| found.sequence));
        }
        Ok((1..=floor).contains(&last))
    }
}

/// Whether the stream lets go of messages by itself. Where it does not, what is gone has expired as its sender wished, or
/// somebody has deleted it.
fn evicts(config: &stream::Config) -> bool {
    !config.max_age.is_zero()
        || config.max_bytes > 0
        || config.max_messages > 0
        || config.max_messages_per_subject > 0
}
