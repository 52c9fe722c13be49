//! A message as a file of a corpus writes it.

use typebus::{
    backend::{Message, MessageBuilder},
    testing::{Foreign, ForeignMessage},
};

/// Any message that somebody else might send: headers, perhaps a key, a payload.
///
/// In a file it looks like HTTP: a line for each header, an empty line, and the payload. `@key: ann` is the key, and
/// the first `@long: 20000` a header `long` with so many bytes. All of it are bytes, and whatever the bytes, they are a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letter {
    /// The key; the last that is given.
    pub key: Option<Vec<u8>>,
    /// Names and values, in their order.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// What comes after the first empty line.
    pub payload: Vec<u8>,
}

/// The longest value of a `@long` header.
const MOST: usize = 100_000;

impl Letter {
    /// Reads one.
    #[must_use]
    pub fn read(input: &[u8]) -> Self {
        let mut letter = Self::default();
        let mut rest = input;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if line.is_empty() {
                letter.payload = rest.to_vec();
                return letter;
            }
            letter.line(line);
        }
        if !rest.is_empty() {
            letter.line(rest);
        }
        letter
    }

    fn line(&mut self, line: &[u8]) {
        let colon = line.windows(2).position(|two| two == b": ");
        let (name, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 2..]));
        match name {
            b"@key" => self.key = Some(value.to_vec()),
            // One is as good as many, and a broker takes it.
            b"@long" if self.headers.iter().any(|(name, _)| name == b"long") => {}
            b"@long" => {
                let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                let length = length.unwrap_or(0_usize).min(MOST);
                self.headers.push((b"long".to_vec(), vec![b'x'; length]));
            }
            _ => self.headers.push((name.to_vec(), value.to_vec())),
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// One that has a payload and nothing else.
    #[must_use]
    pub fn with_payload(payload: impl AsRef<[u8]>) -> Self {
        Self { payload: payload.as_ref().to_vec(), ..Self::default() }
    }

    /// As somebody sends it who knows nothing of typebus.
    pub fn by<'a>(&self, foreign: &'a Foreign, topic: &str) -> ForeignMessage<'a> {
        let mut message = foreign.message(topic).payload(&self.payload);
        if let Some(key) = &self.key {
            message = message.key(key);
        }
        self.headers.iter().fold(message, |message, (name, value)| message.header(name, value))
    }

    /// As a backend hands it over.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut builder = MessageBuilder::with_payload(&self.payload);
        if let Some(key) = &self.key {
            builder.key(key);
        }
        for (name, value) in &self.headers {
            builder.wire_header(name, value);
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_lines_and_a_payload() {
        let letter = Letter::read(b"ce_type: a.v1\ncloudEvents:id: 1\n@key: ann\nalone\n@long: 3\n\n{\n\n}");
        let headers: Vec<_> = letter
            .headers
            .iter()
            .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
            .collect();
        let expected = [("ce_type", "a.v1"), ("cloudEvents:id", "1"), ("alone", ""), ("long", "xxx")]
            .map(|(a, b)| (a.into(), b.into()));
        assert_eq!(headers, expected);
        assert_eq!((letter.key.as_deref(), &*letter.payload), (Some(&b"ann"[..]), &b"{\n\n}"[..]));
        assert_eq!(Letter::read(b""), Letter::default());
        assert_eq!(Letter::read(b"\npayload"), Letter::with_payload("payload"));
    }
}
