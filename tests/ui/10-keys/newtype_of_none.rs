//! A key is derived for a newtype, which has a field.
#[derive(typebus::Key)]
pub struct OrderId;

fn main() {}
