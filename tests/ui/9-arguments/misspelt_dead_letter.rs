//! The word for no dead letters is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(dead_letter = discrad)]
async fn charge(_: OrderPlaced) {}

fn main() {}
