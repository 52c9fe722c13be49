//! Who is let in, and who is not.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

use super::{Auth, Nats, jwt, nkey::Key};
use crate::{ALICE, Login, MALLORY, ask};

/// What a server says to a client that shows this, given the server's nonce: `PONG`, or an error.
fn connect(nats: &Nats, shows: impl FnOnce(&str) -> String) -> String {
    let mut stream = ask::connect(&ask::local(nats.port())).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let info = line(&mut lines);
    let nonce = info.split_once("\"nonce\":\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
    let shown = shows(nonce);
    write!(stream, "CONNECT {{\"verbose\":false,\"pedantic\":false,\"protocol\":1{shown}}}\r\nPING\r\n")
        .unwrap();
    loop {
        let answer = line(&mut lines);
        // What comes first may be news of the cluster.
        if !answer.starts_with("INFO") {
            return answer.trim().to_owned();
        }
    }
}

fn line(lines: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    lines.read_line(&mut text).unwrap();
    text
}

fn password(login: &Login, password: &str) -> String {
    format!(",\"user\":\"{}\",\"pass\":\"{password}\"", login.user)
}

#[test]
fn a_password_is_asked_for() {
    let nats = Nats::setup().auth(Auth::Password).start().unwrap();
    assert_eq!(connect(&nats, |_| password(&ALICE, ALICE.password)), "PONG");
    assert_eq!(connect(&nats, |_| password(&MALLORY, MALLORY.password)), "PONG");
    assert_eq!(connect(&nats, |_| password(&ALICE, "no")), "-ERR 'Authorization Violation'");
    assert_eq!(nats.url(), format!("nats://{}@127.0.0.1:{}", ALICE.in_url(), nats.port()));
}

#[test]
fn a_token_is_asked_for() {
    let nats = Nats::setup().auth(Auth::Token).start().unwrap();
    assert_eq!(connect(&nats, |_| format!(",\"auth_token\":\"{}\"", ALICE.password)), "PONG");
    assert_eq!(connect(&nats, |_| String::new()), "-ERR 'Authorization Violation'");
}

#[test]
fn a_key_is_asked_for() {
    let (key, other) = (Key::user().unwrap(), Key::user().unwrap());
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public());
    let nats = Nats::setup().line(&users).start().unwrap();
    let signed = |by: &Key, nonce: &str| {
        format!(",\"nkey\":\"{}\",\"sig\":\"{}\"", key.public(), jwt::url(&by.sign(nonce).unwrap()))
    };
    assert_eq!(connect(&nats, |nonce| signed(&key, nonce)), "PONG");
    assert_eq!(connect(&nats, |nonce| signed(&other, nonce)), "-ERR 'Authorization Violation'");
    let file = Nats::setup().auth(Auth::NKey).start().unwrap().seed_file().unwrap();
    assert!(file.ends_with("user.nk"));
}

#[test]
fn credentials_of_an_account_are_asked_for() {
    let issued = jwt::issue().unwrap();
    let nats = Nats::setup().line(&issued.config).start().unwrap();
    let (key, jwt) = &issued.user;
    let signed =
        |nonce: &str| format!(",\"jwt\":\"{jwt}\",\"sig\":\"{}\"", jwt::url(&key.sign(nonce).unwrap()));
    assert_eq!(connect(&nats, signed), "PONG");
    assert_eq!(connect(&nats, |_| String::new()), "-ERR 'Authorization Violation'");
    assert!(issued.credentials.contains(jwt) && issued.credentials.contains(&key.seed().unwrap()));
    // The account may use JetStream.
    let nats = Nats::setup().auth(Auth::Credentials).start().unwrap();
    assert!(nats.credentials_file().unwrap().exists());
    assert!(!nats.log().contains("[ERR]"), "{}", nats.log());
}
