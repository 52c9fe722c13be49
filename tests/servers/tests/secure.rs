//! Servers with users and TLS let in who may come in, and show what they should show.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use typebus_servers::{
    ALICE, Certificates, Identity, Kafka, Login, MALLORY, Nats, Pem, RabbitMq,
    kafka::{Kind, Listener, Operation},
};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// With TLS to this address, as somebody who trusts `ca`; what is wrong otherwise.
fn handshake(stream: TcpStream, ca: &Path, client: Option<&Pem>) -> Result<Tls, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(pem) => {
            let certificate = CertificateDer::from_pem_file(&pem.certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(&pem.key).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock).map_err(|error| error.to_string())?;
    }
    Ok(tls)
}

fn tcp(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn read(stream: &mut impl Read, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn shows(identity: Identity) -> Option<&'static str> {
    match identity {
        Identity::Good => None,
        Identity::Expired => Some("certificate expired"),
        Identity::OtherCa => Some("UnknownIssuer"),
        Identity::WrongHost => Some("not valid for name"),
    }
}

/// The certificate is as it should be, or wrong in just this way.
fn compare(tls: Result<Tls, String>, identity: Identity) {
    match (tls, shows(identity)) {
        (Ok(_), None) => {}
        (Err(error), Some(wrong)) => assert!(error.contains(wrong), "{identity:?}: {error}"),
        (tls, _) => panic!("{identity:?}: {:?}", tls.map(drop)),
    }
}

/// Asks Kafka for something, and gives what it answers.
fn kafka(stream: &mut (impl Read + Write), key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>, String> {
    let head = [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1, 0xff, 0xff]].concat();
    let length = u32::try_from(head.len() + body.len()).unwrap();
    let request = [&length.to_be_bytes(), &head[..], body].concat();
    stream.write_all(&request).map_err(|error| error.to_string())?;
    let length = u32::from_be_bytes(read(stream, 4)?.try_into().unwrap());
    Ok(read(stream, length as usize)?.split_off(4))
}

/// Kafka's error for this user, 0 for none.
fn sasl_plain(stream: &mut (impl Read + Write), login: &Login, password: &str) -> i16 {
    let answer = kafka(stream, 17, 1, b"\x00\x05PLAIN").unwrap();
    let mechanisms = String::from_utf8_lossy(&answer).into_owned();
    assert!(mechanisms.contains("SCRAM-SHA-256") && mechanisms.contains("SCRAM-SHA-512"), "{mechanisms}");
    let token = format!("\0{}\0{password}", login.user);
    let length = u32::try_from(token.len()).unwrap();
    let answer = kafka(stream, 36, 1, &[&length.to_be_bytes()[..], token.as_bytes()].concat()).unwrap();
    i16::from_be_bytes([answer[0], answer[1]])
}

#[test]
fn kafka_has_every_listener_at_once() {
    let certificates = Certificates::new().unwrap();
    let server = Kafka::setup().secure(&certificates).proxied().start().unwrap();
    let stream = |listener| tcp(&server.address_of(listener).unwrap());
    for identity in Identity::ALL {
        compare(handshake(stream(Listener::Ssl(identity)), &certificates.ca(), None), identity);
    }
    for (login, password, error) in
        [(ALICE, ALICE.password, 0), (MALLORY, MALLORY.password, 0), (ALICE, "no", 58)]
    {
        assert_eq!(sasl_plain(&mut stream(Listener::SaslPlaintext), &login, password), error);
        let mut tls = handshake(stream(Listener::SaslSsl), &certificates.ca(), None).unwrap();
        assert_eq!(sasl_plain(&mut tls, &login, password), error);
    }
    let metadata = [0, 0, 0, 0];
    for (client, welcome) in [
        (None, false),
        (Some(Identity::Good), true),
        (Some(Identity::OtherCa), false),
        (Some(Identity::Expired), false),
    ] {
        let pem = client.map(|identity| certificates.client(identity));
        let tls = handshake(stream(Listener::Mutual), &certificates.ca(), pem.as_ref());
        let answer = tls.and_then(|mut tls| kafka(&mut tls, 3, 1, &metadata));
        assert_eq!(answer.is_ok(), welcome, "{client:?}: {answer:?}");
    }
    server.create_topic("asked", 1, 1).unwrap();
    let mut mallory = stream(Listener::SaslPlaintext);
    assert_eq!(sasl_plain(&mut mallory, &MALLORY, MALLORY.password), 0);
    let mut describe = || {
        let answer = kafka(&mut mallory, 3, 1, b"\0\0\0\x01\0\x05asked").unwrap();
        // A topic's error stands before its name.
        let at = answer.windows(5).position(|bytes| bytes == b"asked").unwrap();
        i16::from_be_bytes([answer[at - 4], answer[at - 3]])
    };
    assert_eq!(describe(), 29);
    server.allow(&MALLORY, Operation::Describe, Kind::Topic, "as").unwrap();
    assert_eq!(describe(), 0);
    // Who comes in through the proxy is told to come back through it.
    let answer = kafka(&mut stream(Listener::Proxied), 3, 1, &metadata).unwrap();
    let port = u32::from(server.proxy().unwrap().port()).to_be_bytes();
    assert!(answer.windows(4).any(|bytes| bytes == port), "{answer:?}");
    let url = server.url_of(Listener::SaslSsl, Some(&ALICE)).unwrap();
    assert!(url.starts_with("kafkas://alice:alice%3As3cret%2F%40100%25@127.0.0.1:"), "{url}");
}

/// What RabbitMQ says to who shows this: the class and the method, or that it has closed the connection.
fn amqp(stream: &mut (impl Read + Write), mechanism: &str, shown: &str) -> Result<[u8; 4], String> {
    stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
    let frame = |stream: &mut dyn Read| {
        let mut head = [0; 7];
        stream.read_exact(&mut head).map_err(|error| error.to_string())?;
        let mut body = vec![0; u32::from_be_bytes(head[3..].try_into().unwrap()) as usize + 1];
        stream.read_exact(&mut body).map_err(|error| error.to_string())?;
        Ok::<_, String>(body)
    };
    let _start = frame(stream)?;
    let mut body = vec![0, 10, 0, 11, 0, 0, 0, 0];
    body.push(u8::try_from(mechanism.len()).unwrap());
    body.extend(mechanism.as_bytes());
    body.extend(u32::try_from(shown.len()).unwrap().to_be_bytes());
    body.extend(shown.as_bytes());
    body.extend(b"\x05en_US");
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    stream
        .write_all(&[&[1, 0, 0], &length[..], &body, &[0xce]].concat())
        .map_err(|error| error.to_string())?;
    Ok(frame(stream)?[..4].try_into().unwrap())
}

#[test]
fn rabbitmq_has_users_and_certificates() {
    const TUNE: [u8; 4] = [0, 10, 0, 30];
    let certificates = Certificates::new().unwrap();
    let server = RabbitMq::setup().secure(&certificates, Identity::Good).start().unwrap();
    let tls = |identity: Option<Identity>| {
        let pem = identity.map(|identity| certificates.client(identity));
        let stream = tcp(&format!("127.0.0.1:{}", server.tls_port().unwrap()));
        handshake(stream, &certificates.ca(), pem.as_ref())
    };
    for (login, password, welcome) in
        [(ALICE, ALICE.password, true), (MALLORY, MALLORY.password, true), (ALICE, "no", false)]
    {
        let shown = format!("\0{}\0{password}", login.user);
        let mut plain = tcp(&format!("127.0.0.1:{}", server.port()));
        assert_eq!(amqp(&mut plain, "PLAIN", &shown) == Ok(TUNE), welcome);
        assert_eq!(amqp(&mut tls(None).unwrap(), "PLAIN", &shown) == Ok(TUNE), welcome);
    }
    assert_eq!(amqp(&mut tls(Some(Identity::Good)).unwrap(), "EXTERNAL", ""), Ok(TUNE));
    assert!(tls(Some(Identity::OtherCa)).and_then(|mut tls| amqp(&mut tls, "EXTERNAL", "")).is_err());
    assert_ne!(tls(None).and_then(|mut tls| amqp(&mut tls, "EXTERNAL", "")), Ok(TUNE));
    let permissions = server.ctl(&["list_user_permissions", MALLORY.user]).unwrap();
    assert!(permissions.contains("^$"), "{permissions}");
    assert!(server.tls_url_of(&ALICE).unwrap().starts_with("amqps://alice:"));
}

#[test]
fn rabbitmq_can_be_without_hashing() {
    let certificates = Certificates::new().unwrap();
    let setup = RabbitMq::setup().secure(&certificates, Identity::Expired).mutual();
    let server = setup.without_hashing().line("consumer_timeout = 5000").start().unwrap();
    let stream = tcp(&format!("127.0.0.1:{}", server.tls_port().unwrap()));
    compare(handshake(stream, &certificates.ca(), None), Identity::Expired);
    let exchanges = server.ctl(&["eval", "rabbit_registry:lookup_all(exchange)."]).unwrap();
    assert!(!exchanges.contains("hash"), "{exchanges}");
    assert_eq!(server.ctl(&["eval", "application:get_env(rabbit, consumer_timeout)."]).unwrap(), "{ok,5000}");
    let error = server.ctl(&["no_such_command"]).unwrap_err().to_string();
    assert!(error.contains("rabbitmqctl failed"), "{error}");
}

/// Past what a server of NATS says before TLS.
fn nats(server: &Nats, certificates: &Certificates, client: Option<Identity>) -> Result<Tls, String> {
    let mut stream = tcp(&format!("127.0.0.1:{}", server.port()));
    while read(&mut stream, 1)? != b"\n" {}
    let pem = client.map(|identity| certificates.client(identity));
    handshake(stream, &certificates.ca(), pem.as_ref())
}

#[test]
fn nats_has_certificates() {
    let certificates = Certificates::new().unwrap();
    for identity in Identity::ALL {
        let server = Nats::setup().tls(&certificates, identity).start().unwrap();
        compare(nats(&server, &certificates, None), identity);
        assert!(server.url().starts_with("tls://127.0.0.1:"));
    }
    let server = Nats::setup().tls(&certificates, Identity::Good).mutual().start().unwrap();
    for (client, welcome) in [(None, false), (Some(Identity::Good), true), (Some(Identity::OtherCa), false)] {
        let answer = nats(&server, &certificates, client).and_then(|mut tls| {
            tls.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").map_err(|error| error.to_string())?;
            read(&mut tls, 4)
        });
        assert_eq!(answer.is_ok(), welcome, "{client:?}: {answer:?}");
    }
}
