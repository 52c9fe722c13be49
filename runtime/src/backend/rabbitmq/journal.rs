//! Who runs what, noted where it outlives a process: the crash guard's memory.
//!
//! A returned delivery tells that somebody had it, not why it came back. The instances of a group therefore note in a
//! stream when they begin and end to take deliveries, and which suspect they are about to run. A stream is read without
//! taking anything out, by whoever takes over, and forgets its oldest entries after four megabytes.

use std::collections::{HashMap, HashSet};

use futures_core::Stream;
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use super::{Core, failure, failure::error, names::short, note};
use crate::error::{ErrorKind, Result};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// An instance begins to take deliveries of a queue.
    Active { queue: String, instance: String },
    /// It took no delivery along.
    Closed { queue: String, instance: String },
    /// A suspect is about to run, of which so many processes died before.
    Run { suspect: String, crashes: u32 },
    /// It survived, or is settled.
    Clear { suspect: String },
    /// Somebody reads up to here.
    Look { nonce: String },
}

impl Entry {
    fn text(&self) -> String {
        match self {
            Self::Active { queue, instance } => format!("active\n{instance}\n{queue}"),
            Self::Closed { queue, instance } => format!("closed\n{instance}\n{queue}"),
            Self::Run { suspect, crashes } => format!("run\n{suspect}\n{crashes}"),
            Self::Clear { suspect } => format!("clear\n{suspect}"),
            Self::Look { nonce } => format!("look\n{nonce}"),
        }
    }

    fn read(text: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(text).ok()?.split('\n');
        let mut next = || lines.next().map(str::to_owned);
        Some(match next()?.as_str() {
            "active" => Self::Active { instance: next()?, queue: next()? },
            "closed" => Self::Closed { instance: next()?, queue: next()? },
            "run" => Self::Run { suspect: next()?, crashes: next()?.parse().ok()? },
            "clear" => Self::Clear { suspect: next()? },
            "look" => Self::Look { nonce: next()? },
            _ => return None,
        })
    }
}

/// What the journal says to an instance that takes deliveries of a queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    /// Suspects that were running when a process died, and how many had died of them before.
    crashes: HashMap<String, u32>,
    /// Whoever had the queue before did not leave in order.
    died: bool,
}

impl Verdicts {
    /// How many processes died of it, as far as anybody can tell; `None` if it is no suspect.
    pub(super) fn crashes(&self, suspect: &str) -> Option<u32> {
        match self.crashes.get(suspect) {
            Some(before) => Some(before.saturating_add(1)),
            None => self.died.then_some(1),
        }
    }

    pub(super) fn is_recorded(&self, suspect: &str) -> bool {
        self.crashes.contains_key(suspect)
    }

    /// `competing`: several instances have the queue at once.
    fn of(entries: &[Entry], queue: &str, instance: &str, competing: bool) -> Self {
        let mut verdicts = Self::default();
        // Without an end so far.
        let mut open: Vec<&str> = Vec::new();
        // The one that had the queue before.
        let mut before: HashSet<&str> = HashSet::new();
        for entry in entries {
            match entry {
                Entry::Active { queue: other, instance: who } if other == queue => {
                    if !competing {
                        before = open.drain(..).filter(|earlier| earlier != who).collect();
                    }
                    open.retain(|earlier| earlier != who);
                    open.push(who);
                }
                Entry::Closed { queue: other, instance: who } if other == queue => {
                    open.retain(|earlier| earlier != who);
                }
                Entry::Run { suspect, crashes } => _ = verdicts.crashes.insert(suspect.clone(), *crashes),
                Entry::Clear { suspect } => _ = verdicts.crashes.remove(suspect),
                Entry::Active { .. } | Entry::Closed { .. } | Entry::Look { .. } => {}
            }
        }
        verdicts.died = match competing {
            true => open.iter().any(|other| *other != instance),
            false => !before.is_empty(),
        };
        verdicts
    }
}

/// Appends a line; it is on disk when this is done.
///
/// # Errors
/// `Topology`: there is no journal; `Connect`, `Timeout`.
pub(super) async fn append(core: &Core, group: &str, entry: &Entry) -> Result<()> {
    let queue = core.names.journal(group);
    core.tell(queue.clone(), note(&entry.text()), None).await.map_err(|failed| match failed.kind() {
        ErrorKind::Unroutable => {
            let text = format!("the stream `{queue}` is missing, in which crashes are noted; provision it");
            error(ErrorKind::Topology, "record", text)
        }
        _ => failed,
    })
}

/// Appends `entry`, and reads everything before it.
///
/// # Errors
/// As for [`append`].
pub(super) async fn read(
    core: &Core,
    group: &str,
    (queue, instance, competing): (&str, &str, bool),
    entry: &Entry,
) -> Result<Verdicts> {
    append(core, group, entry).await?;
    let nonce = format!("{:032x}", fastrand::u128(..));
    let end = Entry::Look { nonce };
    append(core, group, &end).await?;
    let limit = core.options.request_timeout;
    let link = core.control().await?;
    let channel = link.channel(limit).await?;
    let entries = match timeout(limit, read_to(&channel, core, group, &end)).await {
        Ok(entries) => entries.map_err(|cause| failure::of(&cause, "read the journal")),
        Err(_) => Err(error(ErrorKind::Timeout, "read the journal", format!("not within {limit:?}"))),
    };
    let _ = timeout(limit, channel.close(200, "read".into())).await;
    Ok(Verdicts::of(&entries?, queue, instance, competing))
}

const CREDIT: u16 = 500;

async fn read_to(channel: &Channel, core: &Core, group: &str, end: &Entry) -> lapin::Result<Vec<Entry>> {
    channel.basic_qos(CREDIT, BasicQosOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-stream-offset"), AMQPValue::LongString("first".into()));
    let queue = core.names.journal(group);
    let mut consumer =
        channel.basic_consume(queue, short("journal"), BasicConsumeOptions::default(), arguments).await?;
    let mut entries = Vec::new();
    let mut count = 0;
    loop {
        let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut consumer).poll_next(cx)).await;
        let Some(delivery) = next else {
            return Err(lapin::ErrorKind::InvalidConnectionState(lapin::ConnectionState::Closed).into());
        };
        let delivery = delivery?;
        count += 1;
        if count % (CREDIT / 2) == 0 {
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true }).await?;
        }
        match Entry::read(&delivery.data) {
            Some(entry) if entry == *end => return Ok(entries),
            Some(entry) => entries.push(entry),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(instance: &str) -> Entry {
        Entry::Active { queue: "q".to_owned(), instance: instance.to_owned() }
    }

    fn closed(instance: &str) -> Entry {
        Entry::Closed { queue: "q".to_owned(), instance: instance.to_owned() }
    }

    fn run(suspect: &str, crashes: u32) -> Entry {
        Entry::Run { suspect: suspect.to_owned(), crashes }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let look = Entry::Look { nonce: "n".to_owned() };
        for entry in [active("a"), closed("b"), run("x", 2), Entry::Clear { suspect: "x".to_owned() }, look] {
            assert_eq!(Entry::read(entry.text().as_bytes()), Some(entry));
        }
        assert_eq!(Entry::read(b"run\nx\nmany"), None);
        assert_eq!(Entry::read(b"\xff"), None);
    }

    #[test]
    fn whoever_did_not_leave_in_order_leaves_suspects() {
        let of = |entries: &[Entry], competing| Verdicts::of(entries, "q", "me", competing).crashes("x");
        assert_eq!(of(&[active("me")], false), None);
        assert_eq!(of(&[active("a"), closed("a"), active("me")], false), None);
        assert_eq!(of(&[active("a"), active("me")], false), Some(1));
        assert_eq!(of(&[active("me"), active("me")], false), None, "a channel was lost, and nobody died");
        assert_eq!(of(&[active("a"), active("b"), closed("b"), active("me")], false), None, "b learnt of it");
        assert_eq!(of(&[active("me"), active("a"), active("me")], false), Some(1));
        assert_eq!(of(&[active("me"), active("a")], true), Some(1));
        assert_eq!(of(&[active("me"), active("a"), closed("a")], true), None);
        let other = Entry::Active { queue: "other".to_owned(), instance: "a".to_owned() };
        assert_eq!(of(&[other, active("me")], false), None);
    }

    #[test]
    fn a_recorded_suspect_has_one_more_death() {
        let verdicts = Verdicts::of(&[active("a"), run("x", 1), active("me")], "q", "me", false);
        assert_eq!((verdicts.crashes("x"), verdicts.crashes("y")), (Some(2), Some(1)));
        assert!(verdicts.is_recorded("x") && !verdicts.is_recorded("y"));
        let cleared = [run("x", 1), run("x", 2), Entry::Clear { suspect: "x".to_owned() }, active("me")];
        assert_eq!(Verdicts::of(&cleared, "q", "me", false).crashes("x"), None);
    }
}
