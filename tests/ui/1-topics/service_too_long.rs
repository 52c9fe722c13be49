//! A service's name has at most 40 characters.
typebus::service! {
    pub Billing = "a123456789b123456789c123456789d123456789e" {}
}

fn main() {}
