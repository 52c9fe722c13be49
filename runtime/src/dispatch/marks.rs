//! The watermarks of a subscription's partitions, and the floors that changed since the consumer was last told.

use crate::{
    backend::{Floor, Partitions, Token},
    dispatch::watermark::Watermark,
};

#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// By partition; consumers number them densely.
    partitions: Vec<Mark>,
    /// The partitions whose floor rose.
    risen: Vec<u32>,
}

#[derive(Debug, Default)]
struct Mark {
    watermark: Option<Watermark>,
    has_risen: bool,
}

impl Marks {
    /// Notes a delivery; the ticket settles it.
    pub(crate) fn take(&mut self, token: Token) -> u64 {
        self.mark(token).0.take(token.position)
    }

    /// Notes a delivery that is settled already.
    #[inline]
    pub(crate) fn pass(&mut self, token: Token) {
        let (watermark, has_risen) = self.mark(token);
        if watermark.pass(token.position) && !std::mem::replace(has_risen, true) {
            self.risen.push(token.partition);
        }
    }

    /// Notes that a delivery is settled; `false` if its generation is gone, and the consumer must not be told.
    pub(crate) fn settle(&mut self, token: Token, ticket: u64) -> bool {
        let mark = self.partitions.get_mut(token.partition as usize);
        let Some(Mark { watermark: Some(watermark), has_risen }) = mark else { return false };
        if watermark.generation() != token.generation {
            return false;
        }
        if watermark.settle(ticket) && !std::mem::replace(has_risen, true) {
            self.risen.push(token.partition);
        }
        true
    }

    /// Forgets partitions that are no longer ours.
    pub(crate) fn forget(&mut self, gone: &Partitions) {
        for (partition, mark) in (0..).zip(&mut self.partitions) {
            if gone.contains(partition) {
                *mark = Mark::default();
            }
        }
        self.risen.retain(|partition| !gone.contains(*partition));
    }

    /// The widest distance, over all partitions, from the lowest unsettled to the highest taken position.
    pub(crate) fn widest_gap(&self) -> u64 {
        self.partitions
            .iter()
            .filter_map(|mark| Some(mark.watermark.as_ref()?.gap()))
            .max()
            .unwrap_or_default()
    }

    /// Writes the floors that rose since the last call.
    pub(crate) fn floors(&mut self, into: &mut Vec<Floor>) {
        for partition in self.risen.drain(..) {
            let Some(mark) = self.partitions.get_mut(partition as usize) else { continue };
            mark.has_risen = false;
            let floor = mark.watermark.as_ref().and_then(|mark| Some((mark.generation(), mark.floor()?)));
            into.extend(floor.map(|(generation, position)| Floor { partition, generation, position }));
        }
    }

    #[inline]
    fn mark(&mut self, token: Token) -> (&mut Watermark, &mut bool) {
        let at = token.partition as usize;
        if at >= self.partitions.len() {
            self.partitions.resize_with(at + 1, Mark::default);
        }
        let Mark { watermark, has_risen } = &mut self.partitions[at];
        let watermark = watermark.get_or_insert_with(|| Watermark::new(token.generation));
        if watermark.generation() != token.generation {
            *watermark = Watermark::new(token.generation);
        }
        (watermark, has_risen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_that_rose_is_told_though_another_partition_goes() {
        let mut marks = Marks::default();
        let token = |partition, position| Token { partition, generation: 0, position };
        for partition in [0, 1] {
            let ticket = marks.take(token(partition, 7));
            assert!(marks.settle(token(partition, 7), ticket));
        }
        marks.forget(&Partitions::These(vec![1]));
        let mut floors = Vec::new();
        marks.floors(&mut floors);
        assert_eq!(floors.iter().map(|floor| floor.partition).collect::<Vec<_>>(), [0]);
        // And again when it rises again.
        let ticket = marks.take(token(0, 8));
        assert!(marks.settle(token(0, 8), ticket));
        floors.clear();
        marks.floors(&mut floors);
        assert_eq!(floors.len(), 1);
    }
}
