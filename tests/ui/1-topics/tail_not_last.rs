//! `>` is the last token of a pattern.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.>.orders")]
async fn audit(_: AnyEvent) {}

fn main() {}
