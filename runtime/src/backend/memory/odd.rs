//! Publishing where more is asked than to store a message, and where the broker asks more of it.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    broker::{Broker, State},
    closed, error,
    faults::Fate,
    gone,
    group::Group,
    later::How,
    log::Dates,
    profile::{Nature, Unrouted},
    publish::{Door, not_exact, too_large},
    streams::identity,
    wakes::Wakes,
};
use crate::{
    backend::{Outgoing, Publishing, SendOptions, Sender, Topic},
    duration::FOR_EVER,
    error::{Error, ErrorKind, Result},
    topic,
};

impl Door {
    /// The same as [`publish`](Self::publish), with a close look.
    #[cold]
    pub(super) fn publish_oddly(&self, broker: &Arc<Broker>, outgoing: Outgoing) -> Publishing {
        if self.is_closed() {
            return Publishing::ready(Err(if self.is_killed() {
                gone("publish")
            } else {
                closed("publish")
            }));
        }
        match self.faults.fate(&outgoing.topic) {
            None => self.store(broker, outgoing),
            Some(Fate::Refused(refusal)) => Publishing::ready(Err(refusal)),
            Some(Fate::Stored(answer)) => {
                let stored = self.store(broker, outgoing);
                Publishing::pending(async move {
                    stored.await?;
                    Err(answer)
                })
            }
            Some(Fate::Held(mut held)) => {
                let stored = self.store(broker, outgoing);
                Publishing::pending(async move {
                    held.wait().await?;
                    stored.await
                })
            }
        }
    }

    fn store(&self, broker: &Arc<Broker>, outgoing: Outgoing) -> Publishing {
        self.try_store(broker, outgoing).unwrap_or_else(|refusal| Publishing::ready(Err(refusal)))
    }

    fn try_store(&self, broker: &Arc<Broker>, mut outgoing: Outgoing) -> Result<Publishing> {
        let (nature, options) = (broker.options().nature(), outgoing.options.take().unwrap_or_default());
        if topic::is_pattern(&outgoing.topic) {
            return Err(not_exact(&outgoing.topic));
        }
        outgoing.message = nature.headers.carry(outgoing.message)?;
        let (size, limit) = (outgoing.message.size(), broker.options().max_message);
        if size > limit {
            return Err(too_large(&outgoing.topic, size, limit));
        }
        let mut how = how(nature, &options, broker.options().partitions, &outgoing.topic)?;
        let is_compared = nature.id_window.is_some() && outgoing.sender != Sender::DeadLetter;
        how.identity = is_compared.then(|| identity(&outgoing.message)).flatten();
        broker.run(|state, wakes| {
            if self.is_closed() {
                return Err(closed("publish"));
            }
            state.route(&outgoing)?;
            if let Some(identity) = &how.identity
                && let Some(before) = state.streams.repeated(nature, &outgoing.topic, identity)
            {
                return Ok(Publishing::ready(Ok(before)));
            }
            let Some(channel) = state.channel_or_create(&outgoing.topic, wakes) else {
                return Err(not_exact(&outgoing.topic));
            };
            if let Some(delay) = options.delay {
                let confirmation = state.store_later(channel, outgoing.message, (how, delay), wakes);
                return Ok(Publishing::ready(Ok(confirmation)));
            }
            if !state.admits(channel, size, outgoing.sender) {
                return Ok(Publishing::pending(state.wait(channel, outgoing, how, (self, broker))));
            }
            let confirmation = state.store_oddly(channel, outgoing.message, how, wakes);
            Ok(Publishing::ready(Ok(confirmation)))
        })
    }
}

/// What the options mean here.
fn how(nature: &Nature, options: &SendOptions, partitions: u32, topic: &Topic) -> Result<How> {
    let can = nature.capabilities(0);
    let lacks = |what| {
        let text = format!("this broker cannot do `{what}` (topic `{topic}`); leave it out");
        error(ErrorKind::Unsupported, "publish", text)
    };
    if options.delay.is_some() && !can.delay {
        return Err(lacks("delay"));
    }
    if let Some(partition) = options.partition {
        if !can.explicit_partition {
            return Err(lacks("partition"));
        }
        if partition >= partitions {
            let text = format!(
                "topic `{topic}` has {partitions} partitions, numbered from 0, and the message is for partition \
                 {partition}; choose one that is there"
            );
            return Err(error(ErrorKind::Config, "publish", text));
        }
    }
    let dated = options.expires_in.is_some() || options.delay.is_some();
    let published = Instant::now();
    let expires = options.expires_in.filter(|_| can.expiry).map(|after| published + after.min(FOR_EVER));
    Ok(How {
        partition: options.partition.map(|partition| partition as usize),
        dates: dated.then_some(Dates { published, expires }),
        identity: None,
    })
}

impl State {
    /// That somebody or something takes the message.
    fn route(&self, Outgoing { topic, .. }: &Outgoing) -> Result<()> {
        if let Some(other) = self.collision(topic) {
            let text =
                format!("`{topic}` is the same to the broker as `{other}`, which exists; rename one of them");
            return Err(error(ErrorKind::InvalidTopic, "publish", text));
        }
        let taken = match self.nature.unrouted {
            Unrouted::Kept => true,
            Unrouted::NeedsStream => self.streams.takes(topic),
            Unrouted::NeedsGroup => match self.channel(topic).map(|at| &self.channels[at]) {
                Some(channel) => channel.provisioned || !channel.readers.is_empty(),
                None => self.groups.iter().any(|group| topic::matches(&group.filter, topic)),
            },
        };
        if taken { Ok(()) } else { Err(unroutable(topic, self.nature.unrouted)) }
    }

    /// The process of a connection died.
    pub(super) fn kill(&mut self, door: u64, wakes: &mut Wakes) {
        for group in 0..self.groups.len() {
            let Group { members, absent, .. } = &self.groups[group];
            let members = members.iter().chain(absent).filter(|member| member.door == door);
            let members: Vec<u64> = members.map(|member| member.id).collect();
            members.into_iter().for_each(|member| self.crash(group, member, wakes));
        }
    }
}

fn unroutable(topic: &Topic, needed: Unrouted) -> Error {
    let what = match needed {
        Unrouted::NeedsStream => "no stream takes it, and nothing would be stored",
        Unrouted::NeedsGroup | Unrouted::Kept => "no group receives it, and it would be lost",
    };
    let text = format!(
        "a message on `{topic}`: {what}; connect the services that handle it before anybody publishes, which creates \
         what it needs"
    );
    error(ErrorKind::Unroutable, "publish", text)
}
