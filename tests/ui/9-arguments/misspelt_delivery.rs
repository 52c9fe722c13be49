//! The promise of delivery is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(delivery = at_least_onse)]
async fn charge(_: OrderPlaced) {}

fn main() {}
