//! A handler owns its arguments, whatever the borrow is called.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: std::borrow::Cow<'_, str>) {}

fn main() {}
