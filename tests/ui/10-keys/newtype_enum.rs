//! A key is derived for a struct.
#[derive(typebus::Key)]
pub enum OrderId {
    Number(u64),
}

fn main() {}
