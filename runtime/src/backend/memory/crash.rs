//! What a crash leaves: settlements that were not durable, suspects, and attempts that were noted.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    group::{Group, Place, Share},
    member::Member,
    profile::Durability,
    wakes::Wakes,
};
use crate::backend::{Note, Past, Token};

/// What is known of unsettled positions of one share.
pub(super) type Memos = BTreeMap<u64, Memo>;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memo {
    attempts: u32,
    suspect: bool,
    crashes: u32,
}

/// Settlements that wait for a commit.
#[derive(Debug, Default)]
pub(super) struct Uncommitted {
    places: Vec<Place>,
    /// When the first of them was made.
    since: Option<Instant>,
}

impl Group {
    pub(super) const fn settles_oddly(&self) -> bool {
        self.shares_one_by_one() || matches!(self.nature.durability, Durability::Lazy { .. })
    }

    #[cold]
    pub(super) fn settle_oddly(&mut self, id: u64, settled: &[Token]) -> bool {
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return false };
        let mut member = std::mem::replace(&mut self.members[at], Member::new(id, 0));
        let mut moved = false;
        for token in settled {
            let Some(place) = self.place(&member, token) else { continue };
            member.held.remove(&token.position);
            moved |= self.shares[place.share].progress.settle(place.position);
            self.settled_later(&mut member, place);
        }
        self.members[at] = member;
        moved
    }

    /// A commit takes place a while after the first settlement that it covers, or when there are many. What it did
    /// meanwhile shows only in a crash, so it is enough to catch up here, and there.
    fn settled_later(&mut self, member: &mut Member, place: Place) {
        let Durability::Lazy { every, settlements } = self.nature.durability else { return };
        let now = Instant::now();
        self.commit_if_due(member, every, now);
        member.uncommitted.since.get_or_insert(now);
        member.uncommitted.places.push(place);
        if member.uncommitted.places.len() >= settlements {
            self.commit(member);
        }
    }

    fn commit_if_due(&mut self, member: &mut Member, every: Duration, now: Instant) {
        if member.uncommitted.since.is_some_and(|since| since + every <= now) {
            self.commit(member);
        }
    }

    /// Makes durable what a member settled.
    pub(super) fn commit(&mut self, member: &mut Member) {
        let Uncommitted { places, since } = &mut member.uncommitted;
        *since = None;
        for Place { share, position } in places.drain(..) {
            if let Some(durable) = &mut self.shares[share].durable {
                durable.settle(position);
            }
        }
    }

    /// Takes back what a member settled, as far as it was not durable.
    pub(super) fn undo(&mut self, member: &mut Member) {
        if let Durability::Lazy { every, .. } = self.nature.durability {
            self.commit_if_due(member, every, Instant::now());
            member.uncommitted = Uncommitted::default();
        }
        for share in self.shares.iter_mut().filter(|share| share.is_owned_by(member.id)) {
            if let Some(durable) = &share.durable {
                share.progress = (**durable).clone();
            }
        }
    }

    /// A member's process died: what it had goes to others, with what is known of it.
    pub(super) fn crash(&mut self, id: u64, wakes: &mut Wakes) {
        self.forget_absent(|member| member.id == id, wakes);
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return };
        let mut member = self.members.remove(at);
        // One that is settled did not do it, durable or not.
        let unsettled = |place: &Place| !self.shares[place.share].progress.is_settled(place.position);
        let recorded = member.recorded.filter(unsettled);
        self.undo(&mut member);
        if self.nature.remembers {
            self.suspect(&member, recorded);
        }
        wakes.wake(member.waker.take());
        self.free_all(&mut member, wakes);
        wakes.debris(member);
    }

    /// Whoever was recorded did it. Where nobody was, anything that it held may have.
    fn suspect(&mut self, member: &Member, recorded: Option<Place>) {
        if let Some(place) = recorded {
            let memo = self.memo(place);
            (memo.suspect, memo.crashes) = (true, memo.crashes.saturating_add(1));
            return;
        }
        for place in self.held_by(member) {
            let memo = self.memo(place);
            (memo.suspect, memo.crashes) = (true, memo.crashes.max(1));
        }
    }

    fn held_by(&self, member: &Member) -> Vec<Place> {
        let mut held: Vec<Place> = member.held.values().map(|held| held.place).collect();
        for (number, share) in
            self.shares.iter().enumerate().filter(|(_, share)| share.is_owned_by(member.id))
        {
            let unsettled =
                (share.progress.cursor()..share.next).filter(|at| !share.progress.is_settled(*at));
            held.extend(unsettled.map(|position| Place { share: number, position }));
        }
        held
    }

    /// A suspect is about to run, or none is; `false` if it is no member that says so.
    pub(super) fn record(&mut self, id: u64, suspect: Option<&Token>) -> bool {
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return false };
        let place = suspect.and_then(|suspect| self.place(&self.members[at], suspect));
        if self.nature.remembers {
            self.members[at].recorded = place;
        }
        true
    }

    /// What is to be known of deliveries by whoever is next.
    pub(super) fn note(&mut self, id: u64, notes: &[Note]) {
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return };
        for Note { token, attempts } in notes {
            if self.nature.remembers
                && let Some(place) = self.place(&self.members[at], token)
            {
                self.memo(place).attempts = *attempts;
            }
        }
    }

    fn memo(&mut self, Place { share, position }: Place) -> &mut Memo {
        let share = &mut self.shares[share];
        share.fresh = share.fresh.max(position + 1);
        share.memos.get_or_insert_default().entry(position).or_default()
    }
}

impl Share {
    /// From here on nothing is remembered. Forgets what is settled.
    pub(super) fn remembered(&mut self) -> u64 {
        let Some(memos) = &mut self.memos else { return 0 };
        memos.retain(|position, _| !self.progress.is_settled(*position));
        let end = memos.last_key_value().map_or(0, |(position, _)| position + 1);
        if memos.is_empty() {
            self.memos = None;
        }
        end
    }

    pub(super) fn past(&self, position: u64) -> Option<Past> {
        let Memo { attempts, suspect, crashes } = *self.memos.as_ref()?.get(&position)?;
        Some(Past { attempts, suspect, crashes, ..Past::default() })
    }
}
