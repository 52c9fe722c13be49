//! A wildcard is a whole token.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.ord*")]
async fn audit(_: AnyEvent) {}

fn main() {}
