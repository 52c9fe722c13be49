//! The promises, from the handlers' side: what ran, what it returned, and whether a delivery may be settled.

use std::collections::{BTreeSet, HashMap};

use typebus::{Outcome, backend::Token};

use super::journal::How;

/// What is known of one message.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) feed: usize,
    pub(super) partition: u32,
    /// In the partition's log.
    pub(super) index: usize,
    pub(super) key: Option<Vec<u8>>,
    pub(super) silent: bool,
    pub(super) garbled: bool,
    /// Of the last time that it was handed out.
    pub(super) token: Option<Token>,
    /// The last run since then.
    pub(super) last: Option<u64>,
    /// Whether its dead letter was confirmed since then.
    pub(super) letter: bool,
}

/// One run of a handler.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) feed: usize,
    pub(super) numbers: Vec<u64>,
    pub(super) tokens: Vec<Token>,
    pub(super) how: Option<How>,
    /// What it returned and what is confirmed, by place.
    pub(super) confirmed: BTreeSet<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) messages: HashMap<u64, Fact>,
    pub(super) runs: HashMap<u64, Run>,
    /// Runs that have not ended.
    pub(super) live: BTreeSet<u64>,
    pub(super) started: u64,
}

impl Facts {
    pub(super) fn handed(&mut self, number: u64, token: Token) {
        if let Some(fact) = self.messages.get_mut(&number) {
            (fact.token, fact.last, fact.letter) = (Some(token), None, false);
        }
    }

    /// Whether the delivery came to an end after which it may be settled.
    pub(super) fn is_done(&self, number: u64) -> bool {
        let Some(fact) = self.messages.get(&number) else { return false };
        let run = fact.last.and_then(|run| self.runs.get(&run));
        fact.letter
            || fact.silent && fact.token.is_some()
            || run.is_some_and(|run| match run.how {
                Some(How::Well(returned)) => run.confirmed.len() == returned,
                Some(How::Failed(Outcome::Ack | Outcome::Discard)) => true,
                _ => false,
            })
    }
}
