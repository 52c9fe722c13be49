//! Real servers, shared by all trials: each trial has topics and groups of its own there.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use typebus::backend::Backend;

use crate::{
    backends::{Broker, Connection},
    faulty::Faulty,
    prefixed::{Names, Place, Prefixed},
};

/// Topics and groups of one trial.
struct Share {
    connect: Box<dyn Fn() -> Arc<dyn Backend> + Send + Sync>,
    names: Names,
}

/// A share of what `connect` connects to.
pub(crate) fn share(
    connect: impl Fn() -> Arc<dyn Backend> + Send + Sync + 'static,
    place: Place,
) -> Box<dyn Broker> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static RUN: OnceLock<u64> = OnceLock::new();
    // Of this run and trial: runs share the server, too.
    let run = RUN.get_or_init(|| RandomState::new().hash_one("run") & 0xffff_ffff);
    let prefix = format!("t{run:08x}x{:x}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Box::new(Share { connect: Box::new(connect), names: Names { prefix, place } })
}

/// A share of the server that the tests are given, connected to with these options of its URL.
#[cfg(any(feature = "kafka", feature = "nats", feature = "rabbitmq"))]
pub(crate) fn server(broker: &'static str, options: &'static str, place: Place) -> Box<dyn Broker> {
    use typebus::IntoBackend as _;

    let url = typebus_servers::url(broker);
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = if options.is_empty() { url } else { format!("{url}{joint}{options}") };
    share(move || url.as_str().into_backend().unwrap_or_else(|error| panic!("{broker}: {error}")), place)
}

impl Broker for Share {
    fn connect(&self) -> Connection {
        let prefixed = Prefixed::new((self.connect)(), self.names.clone());
        let faulty = Arc::new(Faulty::new(Arc::new(prefixed)));
        Connection { backend: Arc::clone(&faulty) as Arc<dyn Backend>, harm: faulty }
    }
}

/// Where the server is, without what one needs to get in.
pub(crate) fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts)
}
