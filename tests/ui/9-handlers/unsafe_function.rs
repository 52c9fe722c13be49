//! A handler is safe to call.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async unsafe fn charge(_: OrderPlaced) {}

fn main() {}
