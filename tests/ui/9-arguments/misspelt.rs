//! An argument that is misspelt has a suggestion.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(concurency = 32)]
async fn charge(_: OrderPlaced) {}

fn main() {}
