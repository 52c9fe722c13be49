//! Extractors come after what arrives.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: State<Gateway>) {}

fn main() {}
