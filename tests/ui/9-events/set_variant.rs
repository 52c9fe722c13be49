//! Each variant of a set holds one event.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Any {
    Placed(OrderPlaced),
    Cancelled { order: OrderCancelled },
}

fn main() {}
