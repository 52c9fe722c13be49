//! An event belongs to one variant.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Any {
    Placed(OrderPlaced),
    Again(OrderPlaced),
}

fn main() {}
