//! A handler's pattern receives its event.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.orders.*")]
async fn charge(_: OrderPlaced) {}

fn main() {}
