//! The type that is returned has a name.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) -> impl Send {}

fn main() {}
