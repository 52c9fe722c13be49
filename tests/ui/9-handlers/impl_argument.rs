//! An argument's type has a name.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: Option<impl Send>) {}

fn main() {}
