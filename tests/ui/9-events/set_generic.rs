//! A set is not generic.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Any<T> {
    Placed(T),
}

fn main() {}
