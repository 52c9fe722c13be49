//! Who of a group's members gets which partition.

use super::{
    group::{Group, Stage},
    wakes::Wakes,
};

impl Group {
    /// Brings the shares nearer to balance; called whenever a member or a share comes or goes.
    ///
    /// The members' numbers of shares are to differ by one at most, and whoever came first has more. A member gives
    /// up only what it has too much, spread evenly over what it has, so that topics are divided rather than handed
    /// over. What must be given up first is assigned by a later call, when it is free.
    pub(super) fn rebalance(&mut self, wakes: &mut Wakes) {
        if self.members.is_empty() {
            return;
        }
        let mut holdings = self.holdings();
        let (each, extra) = (self.shares.len() / holdings.len(), self.shares.len() % holdings.len());
        let quotas: Vec<_> = (0..holdings.len()).map(|at| each + usize::from(at < extra)).collect();
        for (holding, quota) in holdings.iter_mut().zip(&quotas) {
            let (have, surplus) = (holding.shares.len(), holding.shares.len().saturating_sub(*quota));
            for (at, share) in holding.shares.iter().enumerate() {
                if (at + 1) * surplus / have > at * surplus / have {
                    self.revoke(*share, wakes);
                }
            }
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

    /// What each member has and keeps, if nothing is done.
    fn holdings(&self) -> Vec<Holding> {
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

struct Holding {
    member: u64,
    shares: Vec<usize>,
}
