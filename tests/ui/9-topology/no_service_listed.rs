//! A system has at least one service.

#[path = "../common.rs"]
mod common;

use common::*;

topology! {
    pub Shop = [];
}


fn main() {}
