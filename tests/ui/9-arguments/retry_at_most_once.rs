//! What is settled before it runs cannot be retried.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(delivery = at_most_once, retry(attempts = 5))]
async fn charge(_: OrderPlaced) {}

fn main() {}
