//! A service has a body.
typebus::service! {
    pub Billing = "billing";
}

fn main() {}
