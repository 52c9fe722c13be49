//! A handler's topic receives its event.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.order")]
async fn charge(_: OrderPlaced) {}

fn main() {}
