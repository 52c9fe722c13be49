//! Handlers do not listen to dead letters.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "dead.billing")]
async fn again(_: AnyEvent) {}

fn main() {}
