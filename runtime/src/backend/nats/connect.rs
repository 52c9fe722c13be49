//! Connections: how they are made, and what is heard of them.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr, ServerError, jetstream};
use tokio::{sync::mpsc, time::timeout};

use super::{
    config::Nats,
    denied::Denials,
    failure::{asked, error, of_connecting},
};
use crate::error::{ErrorKind, Problem, Result};

/// A connection, which heals by itself. It ends when it is dropped.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) context: jetstream::Context,
    denials: Denials,
    /// What happens to it, oldest first.
    pub(super) news: mpsc::UnboundedReceiver<News>,
}

/// What happens to a connection.
#[derive(Debug)]
pub(super) enum News {
    Up,
    Down,
    /// The server did not allow this subject.
    Denied(String),
    /// The server does not accept the credentials any more.
    Expelled,
}

impl Link {
    /// Connects, or fails in bounded time.
    pub(super) async fn open(options: &Nats, purpose: &str) -> Result<Self> {
        let hosts = hosts(options);
        let mut addresses: Vec<ServerAddr> = Vec::new();
        let scheme = if options.tls { "tls" } else { "nats" };
        for (host, port) in &options.hosts {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            let address = format!("{scheme}://{host}:{port}").parse();
            addresses.push(address.map_err(|cause: std::io::Error| {
                error(ErrorKind::Config, "connect", format!("`{host}` is no host")).because(cause)
            })?);
        }
        let (sender, news) = mpsc::unbounded_channel();
        let denials = Denials::default();
        let heard = denials.clone();
        let connecting = client_options(options, purpose)
            .await?
            .event_callback(move |event| {
                let (sender, heard) = (sender.clone(), heard.clone());
                async move {
                    if let Some(news) = News::of(event) {
                        match &news {
                            News::Denied(subject) => heard.add(subject),
                            News::Up => heard.clear(),
                            News::Down | News::Expelled => {}
                        }
                        let _ = sender.send(news);
                    }
                }
            })
            .connect(addresses);
        // Each host is tried, and each has its time.
        let limit = options.connect_timeout * u32::try_from(options.hosts.len()).unwrap_or(1)
            + Duration::from_secs(1);
        let client = match timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|cause| of_connecting(cause, &hosts, options.tls))?,
            Err(_) => {
                let text = format!("{hosts} did not answer within {limit:?}; is a NATS server there?");
                return Err(error(ErrorKind::Connect, "connect", text));
            }
        };
        let mut context = jetstream::new(client.clone());
        context.set_timeout(options.request_timeout);
        Ok(Self { client, context, denials, news })
    }

    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Whether the server has this version, or a later one.
    pub(super) fn is_at_least(&self, major: i64, minor: i64) -> bool {
        self.client.is_server_compatible(major, minor, 0)
    }

    /// Asks, and gives what was answered as it is.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        subject: String,
        question: String,
        limit: Duration,
    ) -> Result<async_nats::Message> {
        let request = async_nats::Request::new().payload(question.into_bytes().into()).timeout(Some(limit));
        // The client's channel may be full while nothing is connected, which its own limit does not cover.
        let asking = timeout(limit * 2, self.client.send_request(subject.clone(), request));
        match self.allowed(operation, &subject, asking).await? {
            Ok(answer) => answer.map_err(|cause| asked(operation, &subject, cause)),
            Err(_) => Err(asked(operation, &subject, "timed out")),
        }
    }

    /// What comes of a question that goes to a subject that begins like this, unless the user may not ask it.
    ///
    /// # Errors
    /// `Permission`.
    pub(super) async fn allowed<T>(
        &self,
        operation: &'static str,
        subject: &str,
        question: impl Future<Output = T>,
    ) -> Result<T> {
        self.denials.unless(operation, subject, question).await
    }
}

impl News {
    fn of(event: Event) -> Option<Self> {
        match event {
            Event::Connected => Some(Self::Up),
            Event::Disconnected | Event::Closed => Some(Self::Down),
            Event::ServerError(ServerError::AuthorizationViolation) => Some(Self::Expelled),
            Event::ServerError(ServerError::Other(text)) => {
                tracing::warn!(%text, "the server reports an error");
                let lower = text.to_lowercase();
                if !lower.contains("permissions violation") {
                    return None;
                }
                Some(Self::Denied(text.split('"').nth(1).unwrap_or_default().to_owned()))
            }
            event => {
                tracing::debug!(%event, "news of the connection");
                None
            }
        }
    }
}

async fn client_options(options: &Nats, purpose: &str) -> Result<ConnectOptions> {
    let mut client = ConnectOptions::new();
    if let (Some(user), Some(password)) = (&options.user, &options.password) {
        client = client.user_and_password(user.clone(), password.reveal().to_owned());
    }
    if let Some(token) = &options.token {
        client = client.token(token.reveal().to_owned());
    }
    if let Some(seed) = &options.nkey {
        client = client.nkey(seed.reveal().to_owned());
    }
    if let Some(path) = &options.credentials_file {
        client = client.credentials_file(path).await.map_err(|cause| {
            let text = format!("{} is no credentials file that can be read", path.display());
            let problem = Problem::new("option `credentials_file`", format!("{text}: {cause}"));
            crate::error::Error::from_problems(ErrorKind::Config, "connect", vec![problem]).at(super::SYSTEM)
        })?;
    }
    if options.tls {
        client = client.require_tls(true);
    }
    if options.tls_first {
        client = client.tls_first();
    }
    if let Some(path) = &options.ca_file {
        client = client.add_root_certificates(path.clone());
    }
    if let (Some(cert), Some(key)) = (&options.cert_file, &options.key_file) {
        client = client.add_client_certificate(cert.clone(), key.clone());
    }
    let longest = options.reconnect_max;
    Ok(client
        .name(format!("typebus {purpose}"))
        .ping_interval(options.ping_interval)
        .connection_timeout(options.connect_timeout)
        .request_timeout(Some(options.request_timeout))
        .reconnect_delay_callback(move |attempt| {
            let doubled = 1_u64.checked_shl(u32::try_from(attempt.min(30)).unwrap_or(30)).unwrap_or(u64::MAX);
            Duration::from_millis(20_u64.saturating_mul(doubled)).min(longest)
        }))
}

fn hosts(options: &Nats) -> String {
    let hosts: Vec<_> = options.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    hosts.join(", ")
}

/// Runs a task of this backend. It ends by itself when what it works for is closed or dropped.
#[expect(clippy::disallowed_methods, reason = "the backend's only tasks; each ends with what it works for")]
pub(super) fn run(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
