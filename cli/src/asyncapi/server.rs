//! Servers, from the URLs that a bus takes. Nothing that may be a secret gets beyond this file.

use serde_json::{Map, Value, json};

use super::decoded;
use crate::error::Error;

/// Which kind of broker a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Broker {
    Kafka,
    RabbitMq,
    Nats,
    Pulsar,
}

/// Without credentials.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) broker: Broker,
    protocol: &'static str,
    hosts: String,
    pub(super) path: Option<String>,
    login: Option<&'static str>,
    is_tls: bool,
    /// RabbitMQ's exchange, where it is not the usual one.
    pub(super) exchange: Option<String>,
}

/// Scheme, broker, protocol as AsyncAPI calls it, default port, whether it is TLS.
const SCHEMES: [(&str, Broker, &str, u16, bool); 9] = [
    ("kafka", Broker::Kafka, "kafka", 9092, false),
    ("kafkas", Broker::Kafka, "kafka-secure", 9093, true),
    ("amqp", Broker::RabbitMq, "amqp", 5672, false),
    ("amqps", Broker::RabbitMq, "amqps", 5671, true),
    ("nats", Broker::Nats, "nats", 4222, false),
    ("tls", Broker::Nats, "nats", 4222, true),
    ("pulsar", Broker::Pulsar, "pulsar", 6650, false),
    ("pulsar+ssl", Broker::Pulsar, "pulsar", 6651, true),
    ("memory", Broker::Nats, "", 0, false),
];

impl Broker {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::RabbitMq => "rabbitmq",
            Self::Nats => "nats",
            Self::Pulsar => "pulsar",
        }
    }

    /// As the keys of bindings have it.
    pub(super) const fn binding(self) -> &'static str {
        match self {
            Self::RabbitMq => "amqp",
            _ => self.name(),
        }
    }

    /// The version of bindings that is written.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Kafka => "0.5.0",
            Self::RabbitMq => "0.3.0",
            Self::Nats | Self::Pulsar => "0.1.0",
        }
    }
}

impl Server {
    /// Reads a URL as `connect` takes it.
    ///
    /// # Errors
    /// It is none, or in the process. What is said never shows it: it may hold a password.
    pub(super) fn read(url: &str) -> Result<Self, Error> {
        let known = "it is `kafka://host[:port]`, `kafkas://..`, `amqp://..`, `amqps://..`, `nats://..`, `tls://..`, \
                     `pulsar://..` or `pulsar+ssl://..`";
        let (scheme, rest) = url
            .split_once(':')
            .ok_or_else(|| Error::Use(format!("what `--server` says is no URL of a broker; {known}")))?;
        let Some((_, broker, protocol, port, is_tls)) = SCHEMES.into_iter().find(|known| known.0 == scheme)
        else {
            return Err(Error::Use(format!("`--server` is no URL of a broker that is known here; {known}")));
        };
        let Some(rest) = rest.strip_prefix("//").filter(|_| scheme != "memory") else {
            return Err(Error::Use(format!("`--server {scheme}:..` is nothing that others reach; {known}")));
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) =
            rest.split_once('/').map_or((rest, None), |(hosts, path)| (hosts, Some(path)));
        let (user, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        let option = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|pair| pair.0 == name)
                .map(|pair| pair.1)
        };
        let has_option = |names: &[&str]| names.iter().any(|name| option(name).is_some());
        let login = match broker {
            Broker::Kafka => user.map(|_| match option("sasl") {
                Some("scram-sha-256") => "scramSha256",
                Some("scram-sha-512") => "scramSha512",
                _ => "plain",
            }),
            Broker::Nats if has_option(&["nkey", "credentials_file"]) => Some("asymmetricEncryption"),
            Broker::Nats if has_option(&["token"]) => Some("httpApiKey"),
            Broker::RabbitMq | Broker::Nats | Broker::Pulsar => user.map(|_| "userPassword"),
        };
        let has_certificate = has_option(&["cert", "cert_file"]);
        Ok(Self {
            broker,
            protocol,
            hosts: hosts.split(',').map(|host| with_port(host, port)).collect::<Vec<_>>().join(","),
            path: path.filter(|path| !path.is_empty()).map(decoded),
            login: login.or(has_certificate.then_some("X509")),
            is_tls: is_tls || option("tls") == Some("true"),
            exchange: option("exchange").map(decoded),
        })
    }

    /// Its entry in the document.
    pub(super) fn to_value(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("host".to_owned(), json!(self.hosts));
        fields.insert("protocol".to_owned(), json!(self.protocol));
        match (self.broker, &self.path) {
            (Broker::RabbitMq, path) => {
                fields.insert("protocolVersion".to_owned(), json!("0.9.1"));
                fields.extend(path.as_ref().map(|path| ("pathname".to_owned(), json!(format!("/{path}")))));
            }
            (Broker::Pulsar, path) => {
                let tenant = path.as_deref().and_then(|path| path.split('/').next()).unwrap_or("public");
                let binding = json!({"tenant": tenant, "bindingVersion": self.broker.version()});
                fields.insert("bindings".to_owned(), json!({"pulsar": binding}));
            }
            (Broker::Kafka | Broker::Nats, _) => {}
        }
        if self.is_tls {
            fields.insert("description".to_owned(), json!("Over TLS."));
        }
        if let Some(login) = self.login {
            let reference = format!("#/components/securitySchemes/{login}");
            fields.insert("security".to_owned(), json!([{"$ref": reference}]));
        }
        Value::Object(fields)
    }

    /// How one logs in there: the scheme's name and what it is.
    pub(super) fn security(&self) -> Option<(&'static str, Value)> {
        let login = self.login?;
        let scheme = match login {
            // AsyncAPI has no plain token; of its schemes this one can say that there is something like a key.
            "httpApiKey" => json!({"type": "apiKey", "in": "user"}),
            other => json!({"type": other}),
        };
        Some((login, scheme))
    }
}

fn with_port(host: &str, port: u16) -> String {
    let host = if host.is_empty() { "localhost" } else { host };
    // What stands in brackets is an address of IPv6, whose colons are no port's.
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    if after.contains(':') { host.to_owned() } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_without_what_is_secret() {
        for (url, expected) in [
            (
                "kafka://me:hunter2@one,two:7?sasl=scram-sha-512&client.sasl.x=hunter2",
                json!({"host": "one:9092,two:7", "protocol": "kafka",
                    "security": [{"$ref": "#/components/securitySchemes/scramSha512"}]}),
            ),
            (
                "kafkas://[::1]",
                json!({"host": "[::1]:9093", "protocol": "kafka-secure", "description": "Over TLS."}),
            ),
            (
                "amqp://hunter2@rabbit/%73hop",
                json!({"host": "rabbit:5672", "protocol": "amqp", "protocolVersion": "0.9.1", "pathname": "/shop",
                    "security": [{"$ref": "#/components/securitySchemes/userPassword"}]}),
            ),
            (
                "nats://localhost?token=hunter2",
                json!({"host": "localhost:4222", "protocol": "nats",
                    "security": [{"$ref": "#/components/securitySchemes/httpApiKey"}]}),
            ),
            (
                "pulsar://localhost/shop/orders",
                json!({"host": "localhost:6650", "protocol": "pulsar",
                    "bindings": {"pulsar": {"tenant": "shop", "bindingVersion": "0.1.0"}}}),
            ),
        ] {
            let server = Server::read(url).unwrap();
            assert_eq!(server.to_value(), expected, "{url}");
            assert!(!format!("{server:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_is_no_server_is_refused_without_showing_it() {
        for url in ["memory:shop", "memory://shop", "redis://me:hunter2@host", "hunter2", "nats:hunter2"] {
            let error = Server::read(url).unwrap_err().to_string();
            assert!(error.contains("kafka://host"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
