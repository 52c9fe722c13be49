//! An envelope holds an event.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: Envelope<Plain>) {}

fn main() {}
