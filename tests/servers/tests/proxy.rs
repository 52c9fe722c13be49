//! What the proxy does to a link.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use typebus_servers::Proxy;

const SOON: Duration = Duration::from_millis(200);

/// Gives back whatever it is given, to each who connects.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut client.try_clone().unwrap(), &mut client));
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, text: &str) -> Result<String, ErrorKind> {
    stream.write_all(text.as_bytes()).map_err(|error| error.kind())?;
    hear(stream, text.len())
}

fn hear(stream: &mut TcpStream, length: usize) -> Result<String, ErrorKind> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).map_err(|error| error.kind())?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn hears_nothing(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(hear(stream, 1), Err(ErrorKind::WouldBlock));
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
}

#[test]
fn it_forwards_and_counts() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, "hello").unwrap(), "hello");
    assert_eq!((proxy.bytes_to_server(), proxy.bytes_to_client()), (5, 5));
    assert_eq!((proxy.connections(), proxy.accepted()), (1, 1));
}

#[test]
fn a_cut_link_closes_what_is_open_and_what_comes() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, "hello").unwrap();
    proxy.cut();
    assert!(hear(&mut stream, 1).is_err());
    let mut late = connect(&proxy);
    assert!(ask(&mut late, "late").is_err());
    proxy.heal();
    assert_eq!(ask(&mut connect(&proxy), "again").unwrap(), "again");
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn broken_connections_may_come_back_at_once() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, "hello").unwrap();
    proxy.break_connections();
    assert!(hear(&mut stream, 1).is_err());
    assert_eq!(ask(&mut connect(&proxy), "again").unwrap(), "again");
}

#[test]
fn what_a_black_hole_took_arrives_when_it_is_gone() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, "hello").unwrap();
    proxy.black_hole();
    let mut new = connect(&proxy);
    new.write_all(b"new").unwrap();
    stream.write_all(b"more").unwrap();
    hears_nothing(&mut stream);
    hears_nothing(&mut new);
    assert_eq!(proxy.bytes_to_server(), 5);
    proxy.heal();
    assert_eq!(hear(&mut stream, 4).unwrap(), "more");
    assert_eq!(hear(&mut new, 3).unwrap(), "new");
}

#[test]
fn held_answers_have_been_given() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, "hello").unwrap();
    proxy.hold_answers();
    stream.write_all(b"more").unwrap();
    hears_nothing(&mut stream);
    assert_eq!((proxy.bytes_to_server(), proxy.bytes_to_client()), (9, 5));
    // A link that is cut loses what it held.
    proxy.cut();
    assert!(hear(&mut stream, 1).is_err());
}

#[test]
fn a_slow_link_delays_and_keeps_its_throughput() {
    let proxy = Proxy::to(echo()).unwrap();
    proxy.delay(SOON);
    let mut stream = connect(&proxy);
    let started = Instant::now();
    for _ in 0..20 {
        stream.write_all(b"x").unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(hear(&mut stream, 20).unwrap().len(), 20);
    let took = started.elapsed();
    // There and back, and not twenty times.
    assert!(took >= 2 * SOON && took < 20 * SOON, "{took:?}");
}

#[test]
fn a_dropped_proxy_closes_everything() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, "hello").unwrap();
    drop(proxy);
    assert!(hear(&mut stream, 1).is_err());
}
