//! A service's name is one token.
typebus::service! {
    pub Billing = "billing.eu" {}
}

fn main() {}
