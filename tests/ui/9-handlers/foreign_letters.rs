//! A handler's name is ASCII.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn größe(_: OrderPlaced) {}

fn main() {}
