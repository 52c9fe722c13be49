//! A link that can be cut, slow, or swallow what it is given: what happens between a client and a server.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::ports;

/// How many pieces may be on their way in one direction: then the sender feels it, as on a real link.
const ON_THE_WAY: usize = 64;
const PIECE: usize = 16 * 1024;

/// It forwards connections to a port of 127.0.0.1, until told otherwise. Dropped, it closes them all.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    state: Mutex<State>,
    changed: Condvar,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    cut: bool,
    ended: bool,
    holds_requests: bool,
    holds_answers: bool,
    delay: Duration,
    /// How many connections were ever taken; the last one has this number.
    accepted: u64,
    open: BTreeMap<u64, (TcpStream, TcpStream)>,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    ToServer,
    ToClient,
}

impl Proxy {
    /// A proxy to `target`, on a port of its own.
    ///
    /// # Errors
    /// It gets no port.
    pub fn to(target: u16) -> Result<Self> {
        let port = ports::free()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("a proxy gets no port")?;
        let shared = Arc::new(Shared {
            target,
            state: Mutex::default(),
            changed: Condvar::new(),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Ok(Self { shared, port })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Closes every connection, and every new one at once, until [`heal`](Self::heal).
    pub fn cut(&self) {
        self.shared.change(|state| {
            state.cut = true;
            state.close();
        });
    }

    /// Closes every connection; new ones go through.
    pub fn break_connections(&self) {
        self.shared.change(State::close);
    }

    /// Nothing arrives any more, on either side, and nobody is told: connections stay open and new ones are taken. What
    /// was sent meanwhile arrives after [`heal`](Self::heal), as TCP would repeat it.
    pub fn black_hole(&self) {
        self.shared.change(|state| (state.holds_requests, state.holds_answers) = (true, true));
    }

    /// What clients send arrives, and no answer comes back, until [`heal`](Self::heal): a publish that was confirmed,
    /// and nobody knows.
    pub fn hold_answers(&self) {
        self.shared.change(|state| state.holds_answers = true);
    }

    /// Whatever is sent from now on takes so long, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.shared.change(|state| state.delay = delay);
    }

    /// It only forwards again.
    pub fn heal(&self) {
        self.shared.change(|state| {
            (state.cut, state.delay) = (false, Duration::ZERO);
            (state.holds_requests, state.holds_answers) = (false, false);
        });
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state().open.len()
    }

    /// How many were ever taken.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.state().accepted
    }

    /// How many bytes the server was given.
    #[must_use]
    pub fn bytes_to_server(&self) -> u64 {
        self.shared.to_server.load(Relaxed)
    }

    /// How many bytes clients were given.
    #[must_use]
    pub fn bytes_to_client(&self) -> u64 {
        self.shared.to_client.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.ended = true;
            state.close();
        });
        // It waits for a connection: here is one.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.state().ended {
                break;
            }
            if let Ok(client) = client {
                let shared = Arc::clone(&self);
                thread::spawn(move || shared.connect(client));
            }
        }
    }

    /// A client for whom there is no server sees its connection closed.
    fn connect(self: Arc<Self>, client: TcpStream) {
        if self.state().cut {
            return;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.target));
        let Ok(server) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let clones = || Ok::<_, std::io::Error>((client.try_clone()?, server.try_clone()?));
        let (Ok(kept), Ok((client_in, server_out)), Ok((client_out, server_in))) =
            (clones(), clones(), clones())
        else {
            return;
        };
        let Some(number) = self.state().open(kept) else { return };
        let shared = Arc::clone(&self);
        let back = thread::spawn(move || shared.carry(Way::ToClient, server_in, client_out));
        self.carry(Way::ToServer, client_in, server_out);
        let _ = back.join();
        self.state().open.remove(&number);
    }

    /// Carries what one side sends to the other, until either has closed.
    fn carry(self: &Arc<Self>, way: Way, mut from: TcpStream, to: TcpStream) {
        let (pieces, arriving) = sync_channel(ON_THE_WAY);
        let shared = Arc::clone(self);
        let writer = thread::spawn(move || shared.deliver(way, &arriving, to));
        let mut buffer = vec![0; PIECE];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if !send(&pieces, &buffer[..read]) {
                break;
            }
        }
        drop(pieces);
        let _ = writer.join();
    }

    fn deliver(&self, way: Way, pieces: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
        while let Ok((sent, piece)) = pieces.recv() {
            if !self.arrives(way, sent) {
                break;
            }
            let count = match way {
                Way::ToServer => &self.to_server,
                Way::ToClient => &self.to_client,
            };
            // Before, so that who has heard it finds it counted.
            count.fetch_add(piece.len() as u64, Relaxed);
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits until what was sent then may arrive; false if it never will.
    fn arrives(&self, way: Way, sent: Instant) -> bool {
        let mut state = self.state();
        loop {
            let held = match way {
                Way::ToServer => state.holds_requests,
                Way::ToClient => state.holds_answers,
            };
            let rest = (sent + state.delay).saturating_duration_since(Instant::now());
            if state.ended || state.cut {
                return false;
            }
            if !held && rest.is_zero() {
                return true;
            }
            // Who changes something wakes us.
            let wait = if held { Duration::from_secs(3600) } else { rest };
            let woken = self.changed.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Its number, unless the link was cut since it was asked.
    fn open(&mut self, connection: (TcpStream, TcpStream)) -> Option<u64> {
        if self.cut || self.ended {
            return None;
        }
        self.accepted += 1;
        self.open.insert(self.accepted, connection);
        Some(self.accepted)
    }

    fn close(&mut self) {
        for (client, server) in std::mem::take(&mut self.open).into_values() {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }
}

fn send(pieces: &SyncSender<(Instant, Vec<u8>)>, piece: &[u8]) -> bool {
    pieces.send((Instant::now(), piece.to_vec())).is_ok()
}
