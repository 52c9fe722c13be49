//! Where a broker keeps no more than a floor of each group: whoever takes over begins there, in all topics alike.

use super::{
    broker::State,
    group::{Group, Share},
    progress::Progress,
};

impl State {
    /// Goes back to the first message that is not settled, by its number in the stream, if a member has just taken a
    /// group over. What was settled above it comes again.
    pub(super) fn go_back(&mut self, group: usize) {
        let Self { groups, channels, .. } = self;
        let Group { shares, taken_over, .. } = &mut groups[group];
        if !std::mem::take(taken_over) {
            return;
        }
        let first =
            |share: &Share| channels[share.channel].log.number(share.partition, share.progress.cursor());
        let Some(floor) = shares.iter().filter_map(first).min() else { return };
        for share in shares {
            let log = &mut channels[share.channel].log;
            let from = log.position_of(share.partition, floor).max(share.begin);
            if from < share.progress.cursor() {
                (share.progress, share.next) = (Progress::at(from), from);
                log.hold();
            }
        }
    }
}
