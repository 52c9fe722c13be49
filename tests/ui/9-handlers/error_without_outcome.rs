//! A handler's error says what becomes of the delivery.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) -> Result<(), std::io::Error> {
    Ok(())
}

fn main() {}
