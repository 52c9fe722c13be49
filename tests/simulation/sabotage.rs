//! placeholder
use std::sync::Arc;
use typebus::backend::Backend;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {}
impl Slip {
    pub(crate) fn below(self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> { inner }
    pub(crate) fn above(self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> { inner }
}
