//! A handler of any event says to which topic it listens.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn audit(_: AnyEvent) {}

fn main() {}
