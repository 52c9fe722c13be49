//! A topic for dead letters begins with `dead.`.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(dead_letter = "billing.failed")]
async fn charge(_: OrderPlaced) {}

fn main() {}
