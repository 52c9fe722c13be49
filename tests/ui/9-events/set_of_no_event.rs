//! What a set holds is an event.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Any {
    Placed(OrderPlaced),
    Other(Plain),
}

fn main() {}
