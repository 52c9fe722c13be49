//! A service has a name in the program and one outside.
typebus::service! {
    pub Billing {
        handles: [],
    }
}

fn main() {}
