//! A service is not nothing.
typebus::service! {}

fn main() {}
