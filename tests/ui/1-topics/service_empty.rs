//! A service has a name.
typebus::service! {
    pub Billing = "" {}
}

fn main() {}
