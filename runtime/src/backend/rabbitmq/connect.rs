//! Connections: made in bounded time, one host after the other, and cut rather than closed where order depends on it.

use std::{collections::VecDeque, io, net::Shutdown, sync::Arc, time::Duration};

use lapin::{
    Channel, Connection, ConnectionProperties,
    tcp::{AsyncTcpStream, OwnedIdentity, OwnedTLSConfig},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism},
};
use tokio::time::{sleep, timeout};

use super::{
    config::{Auth, RabbitMq},
    failure::{self, error},
    lock,
};
use crate::error::{ErrorKind, Result};

/// One connection. Dropping it cuts the socket: the server then gives back what was unacknowledged, in order, and to
/// whoever is next. A polite close would take this consumer out before its deliveries are back.
pub(super) struct Link {
    pub(super) connection: Connection,
    socket: Socket,
}

impl Link {
    /// Connects to the first host that answers.
    ///
    /// # Errors
    /// `Connect`, `Authentication`, `Permission`; `Config` where a certificate cannot be read.
    pub(super) async fn open(options: &RabbitMq, purpose: &str) -> Result<Self> {
        let tls = certificates(options)?;
        let mut last = None;
        for (host, port) in &options.hosts {
            let attempt = Self::open_at(options, &tls, host, *port, purpose);
            match timeout(options.connect_timeout, attempt).await {
                Ok(Ok(link)) => return Ok(link),
                // Another host would say the same.
                Ok(Err(error)) if error.kind() != ErrorKind::Connect => return Err(error),
                Ok(Err(error)) => last = Some(error),
                Err(_) => {
                    let text = format!("{host}:{port} did not answer within {:?}", options.connect_timeout);
                    last = Some(error(ErrorKind::Connect, "connect", text));
                }
            }
        }
        Err(last.unwrap_or_else(|| error(ErrorKind::Connect, "connect", "no host is given")))
    }

    async fn open_at(
        options: &RabbitMq,
        tls: &OwnedTLSConfig,
        host: &str,
        port: u16,
        purpose: &str,
    ) -> Result<Self> {
        let socket = Socket::default();
        let (handle, tls) = (socket.clone(), tls.clone());
        let runtime = lapin::runtime::default_runtime().map_err(|cause| failure::of(&cause, "connect"))?;
        let kind = runtime.clone();
        let connect = async move |uri: AMQPUri, runtime| {
            let runtime = like(&kind, runtime);
            let authority = &uri.authority;
            let lookup = tokio::net::lookup_host((authority.host.as_str(), authority.port));
            let mut found: VecDeque<_> = lookup.await?.collect();
            let stream = loop {
                let Some(address) = found.pop_front() else {
                    return Err(io::Error::from(io::ErrorKind::NotFound).into());
                };
                match AsyncTcpStream::connect(&runtime, (address.ip(), address.port())).await {
                    Ok(stream) => break stream,
                    Err(cause) if found.is_empty() => return Err(cause.into()),
                    Err(_) => {}
                }
            };
            if let AsyncTcpStream::Plain(stream) = &stream {
                handle.keep(stream.get_ref())?;
            }
            match uri.scheme {
                AMQPScheme::AMQP => Ok(stream),
                AMQPScheme::AMQPS => Ok(stream.into_tls(&authority.host, tls.as_ref()).await?),
            }
        };
        let name = format!("typebus {purpose}");
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        match Connection::connector(uri(options, host, port), runtime, connect, properties).await {
            Ok(connection) => Ok(Self { connection, socket }),
            Err(cause) => {
                socket.cut();
                Err(failure::of_connecting(&cause, host, port, options.tls))
            }
        }
    }

    /// Opens a channel.
    ///
    /// # Errors
    /// `Connect`.
    pub(super) async fn channel(&self, within: Duration) -> Result<Channel> {
        failure::within(within, "open a channel", self.connection.create_channel()).await
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.status().connected()
    }

    /// Closes politely, where nothing is unacknowledged.
    pub(super) async fn close(&self, within: Duration) {
        let _ = timeout(within, self.connection.close(200, "bye".into())).await;
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("is_up", &self.is_up()).finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.socket.cut();
    }
}

/// A second handle of a connection's socket.
#[derive(Debug, Clone, Default)]
struct Socket(Arc<std::sync::Mutex<Option<std::net::TcpStream>>>);

impl Socket {
    #[cfg(unix)]
    fn keep(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        use std::os::fd::AsFd;
        *lock(&self.0) = Some(stream.as_fd().try_clone_to_owned()?.into());
        Ok(())
    }

    #[cfg(windows)]
    fn keep(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        use std::os::windows::io::AsSocket;
        *lock(&self.0) = Some(stream.as_socket().try_clone_to_owned()?.into());
        Ok(())
    }

    fn cut(&self) {
        if let Some(stream) = lock(&self.0).take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Pauses before an attempt to reconnect: 50 ms, and each time twice as long.
#[derive(Debug, Default)]
pub(super) struct Pace {
    attempts: u32,
}

impl Pace {
    const FIRST: Duration = Duration::from_millis(50);

    pub(super) async fn wait(attempts: u32, longest: Duration) {
        sleep(Self::FIRST.saturating_mul(1 << attempts.min(16)).min(longest)).await;
    }

    pub(super) fn next(&mut self) -> u32 {
        let now = self.attempts;
        self.attempts = now.saturating_add(1);
        now
    }

    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Says that two values have one type, which has no name here.
fn like<T>(_: &T, value: T) -> T {
    value
}

fn uri(options: &RabbitMq, host: &str, port: u16) -> AMQPUri {
    let seconds = options.heartbeat.as_secs().max(1);
    AMQPUri {
        scheme: if options.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: options.user.clone(),
                password: options.password.reveal().to_owned(),
            },
            host: host.to_owned(),
            port,
        },
        vhost: options.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(u16::try_from(seconds).unwrap_or(u16::MAX)),
            auth_mechanism: Some(match options.auth {
                Auth::Plain => SASLMechanism::Plain,
                Auth::External => SASLMechanism::External,
            }),
            ..AMQPQueryString::default()
        },
    }
}

fn certificates(options: &RabbitMq) -> Result<OwnedTLSConfig> {
    let read = |file: &std::path::Path| {
        std::fs::read(file).map_err(|cause| {
            let text = format!("the file {} cannot be read: {cause}", file.display());
            error(ErrorKind::Config, "connect", text)
        })
    };
    let cert_chain = match &options.ca_file {
        Some(file) => Some(String::from_utf8_lossy(&read(file)?).into_owned()),
        None => None,
    };
    let identity = match (&options.cert_file, &options.key_file) {
        (Some(cert), Some(key)) => Some(OwnedIdentity::PKCS8 { pem: read(cert)?, key: read(key)? }),
        _ => None,
    };
    Ok(OwnedTLSConfig { identity, cert_chain })
}
