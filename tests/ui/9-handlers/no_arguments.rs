//! A handler takes what arrives.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge() {}

fn main() {}
