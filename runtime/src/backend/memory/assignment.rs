//! Who of a group's members gets which partition.

use std::collections::HashSet;

use super::{
    group::{Group, Stage},
    profile::Sharing,
    wakes::Wakes,
};

impl Group {
    /// Brings the shares nearer to what they should be; called whenever a member comes or goes, or a share is freed.
    pub(super) fn rebalance(&mut self, wakes: &mut Wakes) {
        if self.members.is_empty() {
            return;
        }
        match self.sharing {
            Sharing::Partitions => self.balance(wakes),
            Sharing::OneActive => self.assign_new(0, wakes),
            Sharing::Competing | Sharing::ByKey => self.wake_hungry(wakes),
        }
    }

    /// Gives the shares from this one on that are free to whoever has fewest: what comes with a new topic. A balance
    /// stays one, and nobody gives anything up.
    pub(super) fn assign_new(&mut self, first: usize, wakes: &mut Wakes) {
        for share in first..self.shares.len() {
            if self.shares[share].stage != Stage::Free {
                continue;
            }
            let members = self.members.iter();
            let heir = match self.sharing {
                Sharing::Partitions => members.min_by_key(|member| member.count),
                Sharing::OneActive => {
                    members.clone().find(|member| member.count > 0).or(self.members.first())
                }
                Sharing::Competing | Sharing::ByKey => return,
            };
            let Some(heir) = heir.map(|member| member.id) else { return };
            self.assign(share, heir, wakes);
        }
    }

    /// The members' numbers of shares are to differ by one at most, and whoever came first has more. A member gives
    /// up only what it has too much, spread evenly over what it has, so that topics are divided rather than handed
    /// over. What must be given up first is assigned by a later call, when it is free.
    fn balance(&mut self, wakes: &mut Wakes) {
        let mut holdings = self.holdings();
        let (each, extra) = (self.shares.len() / holdings.len(), self.shares.len() % holdings.len());
        let quotas: Vec<_> = (0..holdings.len()).map(|at| each + usize::from(at < extra)).collect();
        for (holding, quota) in holdings.iter_mut().zip(&quotas) {
            let (have, surplus) = (holding.shares.len(), holding.shares.len().saturating_sub(*quota));
            let shares = holding.shares.iter().enumerate();
            let going = shares.filter(|(at, _)| (at + 1) * surplus / have > at * surplus / have);
            let going: HashSet<usize> = going.map(|(_, share)| *share).collect();
            self.revoke(holding.member, &going, wakes);
        }
        for share in 0..self.shares.len() {
            if self.shares[share].stage != Stage::Free {
                continue;
            }
            let wanting =
                holdings.iter_mut().zip(&quotas).filter(|(holding, quota)| holding.shares.len() < **quota);
            let Some((holding, _)) = wanting.min_by_key(|(holding, _)| holding.shares.len()) else { return };
            holding.shares.push(share);
            let member = holding.member;
            self.assign(share, member, wakes);
        }
    }

    /// Asks a member to give shares up.
    pub(super) fn revoke(&mut self, id: u64, going: &HashSet<usize>, wakes: &mut Wakes) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else { return };
        if going.is_empty() {
            return;
        }
        let mut revoked: Vec<u32> = going.iter().filter_map(|share| u32::try_from(*share).ok()).collect();
        revoked.sort_unstable();
        for share in going {
            self.shares[*share].stage = Stage::Leaving;
        }
        member.count -= going.len();
        member.queue.retain(|queued| !going.contains(queued));
        member.news.get_or_insert_default().revoked.extend(revoked);
        wakes.wake(member.waker.take());
    }

    /// What each member has and keeps, if nothing is done.
    pub(super) fn holdings(&self) -> Vec<Holding> {
        let mut holdings: Vec<_> =
            self.members.iter().map(|member| Holding { member: member.id, shares: Vec::new() }).collect();
        for (number, share) in self.shares.iter().enumerate() {
            if matches!(share.stage, Stage::Idle | Stage::Queued)
                && let Some(holding) = holdings.iter_mut().find(|holding| holding.member == share.owner)
            {
                holding.shares.push(number);
            }
        }
        holdings
    }
}

pub(super) struct Holding {
    pub(super) member: u64,
    pub(super) shares: Vec<usize>,
}
