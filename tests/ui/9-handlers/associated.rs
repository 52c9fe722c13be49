//! A handler is not an associated function, since there the marker has no place.

#[path = "../common.rs"]
mod common;

use common::*;

struct Billing;

impl Billing {
    #[handler]
    async fn charge(_: OrderPlaced) {}
}

fn main() {}
