//! Where a delivery stands in its stream, as the address of its acknowledgement says.

use std::time::Duration;

/// What the address of an acknowledgement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// How often it was delivered, this time included.
    pub(super) delivered: u64,
    pub(super) sequence: u64,
    /// When it was stored, in nanoseconds since 1970.
    stored: u64,
}

impl Place {
    /// `$JS.ACK.stream.consumer.delivered.sequence.consumer sequence.time.pending`, or with a domain and an account
    /// before the stream.
    pub(super) fn read(reply: &str) -> Option<Self> {
        let first = match reply.split('.').count() {
            9 => 4,
            11.. => 6,
            _ => return None,
        };
        let mut words = reply.split('.').skip(first);
        let mut number = |skipped: usize| words.nth(skipped).and_then(|word| word.parse().ok());
        Some(Self { delivered: number(0)?, sequence: number(0)?, stored: number(1)? })
    }

    pub(super) const fn of(sequence: u64) -> Self {
        Self { delivered: 1, sequence, stored: 0 }
    }

    pub(super) fn age(&self) -> Duration {
        super::since_epoch().saturating_sub(Duration::from_nanos(self.stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_a_delivery_is() {
        let place = Place::read("$JS.ACK.shop.billing=shop.2.17.5.1795535582972247345.9").unwrap();
        assert_eq!((place.delivered, place.sequence, place.stored), (2, 17, 1_795_535_582_972_247_345));
        let long = Place::read("$JS.ACK._.hash.shop.c.1.3.3.1795535582972247345.0.x").unwrap();
        assert_eq!((long.delivered, long.sequence), (1, 3));
        assert_eq!(Place::read("$JS.ACK.shop"), None);
    }
}
