//! A topic is a string.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = orders)]
async fn charge(_: OrderPlaced) {}

fn main() {}
