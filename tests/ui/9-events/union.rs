//! An event is no union.
use typebus::prelude::*;

#[derive(Event)]
#[event(topic = "shop.orders")]
pub union OrderPlaced {
    pub order_id: u64,
}

fn main() {}
