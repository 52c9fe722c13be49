//! A set is an enum.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub struct Any(OrderPlaced);

fn main() {}
