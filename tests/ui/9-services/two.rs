//! One `service!` is one service.
typebus::service! {
    pub Billing = "billing" {}
    pub Shipping = "shipping" {}
}

fn main() {}
