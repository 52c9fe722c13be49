//! What a newtype holds is a key.
#[derive(typebus::Key)]
pub struct Price(pub f64);

fn main() {}
