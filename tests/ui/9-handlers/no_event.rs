//! The first argument is something that arrives.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: Plain) {}

fn main() {}
