//! As much of Kafka's protocol as it takes to ask a node who it is and whom it knows.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use anyhow::{Context as _, Result, bail};

use crate::ask;

// Which question, and in which version of its form.
const METADATA: (i16, i16) = (3, 1);
const API_VERSIONS: (i16, i16) = (18, 3);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const CREATE_ACLS: (i16, i16) = (30, 1);

/// A connection without TLS or credentials.
#[derive(Debug)]
pub(super) struct Client(TcpStream);

/// A node reads what it is asked in this form.
#[derive(Debug, Default)]
struct Request(Vec<u8>);

/// What is left of an answer.
#[derive(Debug)]
struct Answer<'a>(&'a [u8]);

impl Client {
    pub(super) fn connect(address: &str) -> Result<Self> {
        ask::connect(address).map(Self)
    }

    /// Whether these nodes belong to the cluster.
    pub(super) fn knows(&mut self, nodes: &[i32]) -> Result<()> {
        // No topic.
        let bytes = self.ask(METADATA, Request::default().i32(0))?;
        let known = Answer(&bytes).nodes()?;
        if let Some(missing) = nodes.iter().find(|id| !known.contains(id)) {
            bail!("Kafka knows the nodes {known:?}, and not {missing}");
        }
        Ok(())
    }

    /// The node that leads a partition, if one does. It is an error if there is no such partition.
    pub(super) fn leader(&mut self, topic: &str, partition: i32) -> Result<Option<i32>> {
        let bytes = self.ask(METADATA, Request::default().i32(1).text(topic))?;
        let mut answer = Answer(&bytes);
        answer.nodes()?;
        let (_controller, _topics) = (answer.i32()?, answer.i32()?);
        let error = answer.i16()?;
        let (_name, _is_internal) = (answer.text()?, answer.take(1)?);
        if error != 0 {
            bail!("Kafka answers with error {error} when it is asked for {topic}");
        }
        for _ in 0..answer.i32()? {
            let (_error, number, leader) = (answer.i16()?, answer.i32()?, answer.i32()?);
            // The replicas, and those of them that are in sync.
            for _ in 0..2 {
                let count = usize::try_from(answer.i32()?)?;
                answer.take(count * 4)?;
            }
            if number == partition {
                return Ok((leader >= 0).then_some(leader));
            }
        }
        bail!("{topic} has no partition {partition}")
    }

    pub(super) fn create_topic(&mut self, topic: &str, partitions: i32, replicas: i16) -> Result<()> {
        // One topic, without assignments and options; how long it may take; not just a trial.
        let request = Request::default().i32(1).text(topic).i32(partitions).i16(replicas).i32(0).i32(0);
        let bytes = self.ask(CREATE_TOPICS, request.i32(10_000).u8(0))?;
        let mut answer = Answer(&bytes);
        let (_throttled, _topics, _name, error) =
            (answer.i32()?, answer.i32()?, answer.text()?, answer.i16()?);
        if error != 0 {
            bail!("Kafka does not make {topic}: error {error}, {}", answer.text().unwrap_or_default());
        }
        Ok(())
    }

    /// One right of one user, from anywhere, on everything of this kind whose name begins so.
    pub(super) fn allow(&mut self, user: &str, kind: u8, prefix: &str, operation: u8) -> Result<()> {
        // The names are prefixes (4), and it is allowed (3) rather than denied.
        let request = Request::default().i32(1).u8(kind).text(prefix).u8(4);
        let request = request.text(&format!("User:{user}")).text("*").u8(operation).u8(3);
        let bytes = self.ask(CREATE_ACLS, request)?;
        let mut answer = Answer(&bytes);
        let (_throttled, _rights, error) = (answer.i32()?, answer.i32()?, answer.i16()?);
        if error != 0 {
            bail!("Kafka does not allow that: error {error}, {}", answer.text().unwrap_or_default());
        }
        Ok(())
    }

    /// It does not say its version; what it says is the newest form of metadata that it can write.
    pub(super) fn version(&mut self) -> Result<String> {
        let name = env!("CARGO_PKG_NAME");
        // The header of this one ends with tagged fields, and its texts are compact.
        let request = Request::default().u8(0).compact(name).compact("1").u8(0);
        let bytes = self.ask(API_VERSIONS, request)?;
        let mut answer = Answer(&bytes);
        let error = answer.i16()?;
        if error != 0 {
            bail!("Kafka answers with error {error}");
        }
        for _ in 1..answer.varint()? {
            let _key_lowest_highest = answer.take(6)?;
            answer.tagged(|_, _| Ok(()))?;
        }
        let _throttled = answer.i32()?;
        let mut newest = None;
        answer.tagged(|tag, mut field| {
            // Which features it knows.
            if tag == 0 {
                for _ in 1..field.varint()? {
                    let name = field.compact()?;
                    let (_lowest, highest) = (field.i16()?, field.i16()?);
                    if name == "metadata.version" {
                        newest = Some(highest);
                    }
                    field.tagged(|_, _| Ok(()))?;
                }
            }
            Ok(())
        })?;
        Ok(match newest {
            None => "before 3.3".to_owned(),
            Some(level @ 26..=27) => format!("4.1 (metadata {level})"),
            Some(level @ 22..=25) => format!("4.0 (metadata {level})"),
            Some(level) if level < 22 => format!("3 (metadata {level})"),
            Some(level) => format!("4.2 or later (metadata {level})"),
        })
    }

    fn ask(&mut self, (key, version): (i16, i16), body: Request) -> Result<Vec<u8>> {
        let correlation = 7;
        let head = Request::default().i16(key).i16(version).i32(correlation).text("typebus-servers");
        let length = i32::try_from(head.0.len() + body.0.len())?;
        self.0.write_all(&[&length.to_be_bytes(), &head.0[..], &body.0].concat())?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length))?];
        self.0.read_exact(&mut answer)?;
        if Answer(&answer).i32()? != correlation {
            bail!("what answers is not Kafka");
        }
        answer.drain(..4);
        Ok(answer)
    }
}

impl Request {
    fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn i16(mut self, value: i16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i32(mut self, value: i32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn text(mut self, text: &str) -> Self {
        self = self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        self.0.extend(text.as_bytes());
        self
    }

    /// Short ones only: the length is one byte.
    fn compact(mut self, text: &str) -> Self {
        self = self.u8(u8::try_from(text.len() + 1).unwrap_or(u8::MAX));
        self.0.extend(text.as_bytes());
        self
    }
}

impl<'a> Answer<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).context("an answer that ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    /// Empty where there is none.
    fn text(&mut self) -> Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or_default();
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// The ids of the nodes, with which an answer about metadata begins.
    fn nodes(&mut self) -> Result<Vec<i32>> {
        let mut ids = Vec::new();
        for _ in 0..self.i32()? {
            ids.push(self.i32()?);
            let (_host, _port, _rack) = (self.text()?, self.i32()?, self.text()?);
        }
        Ok(ids)
    }

    fn varint(&mut self) -> Result<usize> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        bail!("a number that does not end")
    }

    fn compact(&mut self) -> Result<String> {
        let length = self.varint()?.saturating_sub(1);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn tagged(&mut self, mut read: impl FnMut(usize, Self) -> Result<()>) -> Result<()> {
        for _ in 0..self.varint()? {
            let (tag, length) = (self.varint()?, self.varint()?);
            read(tag, Self(self.take(length)?))?;
        }
        Ok(())
    }
}
