//! A set has no topic of its own.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
#[event(topic = "shop.orders")]
pub enum Any {
    Placed(OrderPlaced),
}

fn main() {}
