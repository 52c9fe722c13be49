//! A publisher is for events.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: Publisher<Plain>) {}

fn main() {}
