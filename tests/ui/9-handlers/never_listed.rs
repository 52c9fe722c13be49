//! A handler that no service lists is never used, says rustc.

#![deny(dead_code)]

#[path = "../common.rs"]
#[allow(dead_code)]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

fn main() {}
