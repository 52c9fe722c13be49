//! The argument of a key that is misspelt has a suggestion.
#[derive(typebus::Key)]
#[key(crat = ::typebus)]
pub struct OrderId(pub u64);

fn main() {}
