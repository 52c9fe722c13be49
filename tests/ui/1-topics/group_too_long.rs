//! A group's name has at most 40 characters.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(group = "a123456789b123456789c123456789d123456789e")]
async fn charge(_: OrderPlaced) {}

fn main() {}
