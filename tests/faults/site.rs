//! Where a trial plays: a server of its own, and a link to it.

use typebus_servers::{Broker, Kafka, Nats, Proxy, RabbitMq, Server, kafka::Listener};

/// A server that a trial has for itself, and what its services are told about it.
#[derive(Debug)]
pub(crate) struct Site {
    node: Node,
    /// Kafka has its own: its clients are told where to come back.
    link: Option<Proxy>,
    options: String,
}

#[derive(Debug)]
enum Node {
    Kafka(Box<Kafka>),
    Nats(Box<Nats>),
    RabbitMq(Box<RabbitMq>),
}

/// So that lame duck mode takes seconds, and not minutes: 30 s is the least, for many connections.
const LAME_DUCK: &str = "lame_duck_grace_period: \"500ms\"\nlame_duck_duration: \"30s\"";

impl Site {
    /// Starts a server; `options` are the query of its URL.
    pub(crate) fn open(broker: Broker, options: &str) -> Self {
        let (node, link) = match broker {
            Broker::Kafka => (Node::Kafka(Box::new(Kafka::setup().proxied().start().unwrap())), None),
            Broker::Nats => {
                let server = Nats::setup().line(LAME_DUCK).start().unwrap();
                let link = Proxy::to(server.port()).unwrap();
                (Node::Nats(Box::new(server)), Some(link))
            }
            Broker::RabbitMq => {
                let server = RabbitMq::start().unwrap();
                let link = Proxy::to(server.port()).unwrap();
                (Node::RabbitMq(Box::new(server)), Some(link))
            }
        };
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        Self { node, link, options }
    }

    /// Straight to the server.
    pub(crate) fn url(&self) -> String {
        let server = match &self.node {
            Node::Kafka(server) => server.url(),
            Node::Nats(server) => server.url(),
            Node::RabbitMq(server) => server.url(),
        };
        server + &self.options
    }

    /// Through [`link`](Self::link).
    pub(crate) fn url_by_link(&self) -> String {
        let address = self.link().address();
        let server = match &self.node {
            Node::Kafka(server) => server.url_of(Listener::Proxied, None).unwrap(),
            Node::Nats(_) => format!("nats://{address}"),
            Node::RabbitMq(_) => format!("amqp://guest:guest@{address}"),
        };
        server + &self.options
    }

    pub(crate) fn link(&self) -> &Proxy {
        let own = if let Node::Kafka(server) = &self.node { server.proxy() } else { None };
        own.or(self.link.as_ref()).unwrap()
    }

    pub(crate) fn version(&self) -> String {
        match &self.node {
            Node::Kafka(server) => server.version(),
            Node::Nats(server) => server.version(),
            Node::RabbitMq(server) => server.version(),
        }
        .unwrap()
    }

    pub(crate) fn server(&self) -> &Server {
        match &self.node {
            Node::Kafka(server) => server,
            Node::Nats(server) => server,
            Node::RabbitMq(server) => server,
        }
    }

    /// Calls `rabbitmqctl`.
    pub(crate) fn rabbitmqctl(&self, arguments: &[&str]) {
        let Node::RabbitMq(server) = &self.node else { panic!("this is not RabbitMQ") };
        server.ctl(arguments).unwrap();
    }
}
