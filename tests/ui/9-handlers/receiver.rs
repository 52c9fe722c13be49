//! A handler has no `self`.

#[path = "../common.rs"]
mod common;

use common::*;

struct Billing;

impl Billing {
    #[handler]
    async fn charge(&self, _: OrderPlaced) {}
}

fn main() {}
