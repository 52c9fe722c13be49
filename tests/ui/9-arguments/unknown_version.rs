//! Versions that nobody knows are held or dead-lettered.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(unknown_version = hold)]
async fn charge(_: OrderPlaced) {}

fn main() {}
