//! Few entries may depend on the configuration.
pub struct A;
pub struct B;
pub struct C;
pub struct D;
pub struct E;

typebus::service! {
    pub Billing = "billing" {
        state: [#[cfg(unix)] A, #[cfg(unix)] B, #[cfg(unix)] C, #[cfg(unix)] D, #[cfg(unix)] E],
    }
}

fn main() {}
