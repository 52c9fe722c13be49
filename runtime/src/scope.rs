//! What surrounds a handler's run: names, state, the way out, the shutdown.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::Arc,
};

use tokio::sync::watch;

use crate::{event::WriteReply, outlet::Outlet};

/// One handler in one service, shared by all its attempts.
pub(crate) struct Scope {
    pub(crate) handler: &'static str,
    pub(crate) group: String,
    pub(crate) attempts: u32,
    /// Where it answers a request.
    pub(crate) write_reply: Option<WriteReply>,
    pub(crate) state: Arc<States>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) shutdown: watch::Receiver<bool>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("handler", &self.handler)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// The state that the builder was given, by type.
#[doc(hidden)]
pub struct States(Vec<(TypeId, Arc<dyn Any + Send + Sync>)>);

impl Default for States {
    fn default() -> Self {
        let mut states = Self(Vec::new());
        // What needs no state needs `()`.
        states.add(());
        states
    }
}

impl States {
    /// Adds one value.
    pub fn add<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.push((TypeId::of::<T>(), Arc::new(value)));
    }

    fn find<T: 'static>(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.0.iter().find(|(id, _)| *id == TypeId::of::<T>()).map(|(_, value)| value)
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.find::<T>()?.downcast_ref()
    }

    pub(crate) fn share<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.find::<T>()?).downcast().ok()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len() - 1)
    }
}
