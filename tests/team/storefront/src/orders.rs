//! The state of the storefront.

use std::{collections::BTreeSet, sync::Mutex};

/// Which orders are paid.
#[derive(Debug, Default)]
pub struct Orders {
    paid: Mutex<BTreeSet<String>>,
}

impl Orders {
    /// Whether the money for an order has come.
    pub fn is_paid(&self, order_id: &str) -> bool {
        self.paid.lock().is_ok_and(|paid| paid.contains(order_id))
    }

    pub(crate) fn pay(&self, order_id: String) {
        if let Ok(mut paid) = self.paid.lock() {
            paid.insert(order_id);
        }
    }
}
