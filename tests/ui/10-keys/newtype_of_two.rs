//! A key is derived for a newtype.
#[derive(typebus::Key)]
pub struct OrderId(pub u32, pub u32);

fn main() {}
