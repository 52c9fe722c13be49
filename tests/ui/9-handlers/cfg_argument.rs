//! An argument does not depend on the configuration.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, #[cfg(unix)] _: State<Gateway>) {}

fn main() {}
