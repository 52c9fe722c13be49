//! A handler is not generic.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge<T: Send>(_: OrderPlaced, _: T) {}

fn main() {}
