//! All services together: the crate that only the compiler and tools look at.

use billing::Billing;
use storefront::Storefront;
use typebus::prelude::*;

topology! {
    /// Everything that runs for the shop.
    pub Shop = [Storefront, Billing];
    to_outside: [contracts::PaymentRefunded]; // the accountants read it
}
