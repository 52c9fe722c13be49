//! A file of lines: what may be wrong with it as a whole, and how to read it without trusting its lines.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// The webhooks that come with the example.
pub const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/github-webhooks.ndjson");

/// The longest line that is read; GitHub itself sends no more.
pub const MAX_LINE_BYTES: usize = 25 * 1024 * 1024;

/// An NDJSON file that exists, is a file, and is not empty.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    lines: u64,
}

/// What is wrong with the file as a whole.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is none.
    #[error("there is no file {}: name one with --file, one JSON object a line: {EXAMPLE_LINE}", .0.display())]
    Absent(PathBuf),
    /// It is a directory, a pipe, a device.
    #[error("{} is not a regular file, and only such a one can be read once for each repeat: name one with --file", .0.display())]
    NotAFile(PathBuf),
    /// There is nothing in it.
    #[error("{} is empty: it should hold one JSON object a line: {EXAMPLE_LINE}", .0.display())]
    Empty(PathBuf),
    /// The system does not let us read it.
    #[error("cannot read {}: {source}; check the path and its permissions, or name another file with --file", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

const EXAMPLE_LINE: &str = r#"{"event": "push", "payload": {..}}"#;

impl Source {
    /// Looks at the file and counts its lines.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        let path = path.into();
        let metadata = std::fs::metadata(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SourceError::Absent(path.clone()),
            _ => SourceError::Io { path: path.clone(), source },
        })?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile(path));
        }
        let mut source = Self { path, lines: 0 };
        let mut blank = true;
        let mut lines = source.read()?;
        while let Some((number, line)) = lines.next_line()? {
            source.lines = number;
            blank &= line.is_ok_and(<[u8]>::is_empty);
        }
        if blank { Err(SourceError::Empty(source.path)) } else { Ok(source) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines it has, blank ones included.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Reads it from the top.
    ///
    /// # Errors
    /// [`SourceError::Io`].
    pub fn read(&self) -> Result<Lines, SourceError> {
        let path = self.path.clone();
        match File::open(&path) {
            Ok(file) => Ok(Lines {
                path,
                input: BufReader::with_capacity(64 * 1024, file),
                line: Vec::new(),
                number: 0,
            }),
            Err(source) => Err(SourceError::Io { path, source }),
        }
    }
}

/// The lines of a file, one after the other.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    input: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

/// A line, or why there is only the beginning of one.
pub type Line<'a> = Result<&'a [u8], TooLong<'a>>;

/// A line longer than [`MAX_LINE_BYTES`]: its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong<'a>(pub &'a [u8]);

impl Lines {
    /// The next line and its number, from 1, without its end and the blanks around it.
    ///
    /// # Errors
    /// [`SourceError::Io`].
    pub fn next_line(&mut self) -> Result<Option<(u64, Line<'_>)>, SourceError> {
        self.line.clear();
        let max = MAX_LINE_BYTES as u64 + 1;
        let read = (&mut self.input).take(max).read_until(b'\n', &mut self.line);
        let too_long = self.line.len() > MAX_LINE_BYTES && !self.line.ends_with(b"\n");
        let read = read
            .and_then(|read| if too_long { self.input.skip_until(b'\n').map(|_| read) } else { Ok(read) });
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => self.number += 1,
            Err(source) => return Err(SourceError::Io { path: self.path.clone(), source }),
        }
        let mut line = self.line.as_slice();
        if self.number == 1 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        Ok(Some((self.number, if too_long { Err(TooLong(line)) } else { Ok(line.trim_ascii()) })))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says so by failing")]
mod tests {
    use super::*;

    /// A file that is gone when the test ends.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("typebus-webhooks-{}-{name}", std::process::id()));
            std::fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn lines_are_numbered_from_1_blank_ones_too_and_a_missing_last_newline_is_fine() {
        let file = Temporary::new("lines", b"\xef\xbb\xbf one \r\n\n\xff\xfe\nfour");
        let source = Source::open(&file.0).unwrap();
        assert_eq!(source.lines(), 4);
        let mut lines = source.read().unwrap();
        let mut seen = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            seen.push((number, line.unwrap().to_vec()));
        }
        let expected: [(u64, &[u8]); 4] = [(1, b"one"), (2, b""), (3, b"\xff\xfe"), (4, b"four")];
        assert_eq!(seen, expected.map(|(number, line)| (number, line.to_vec())));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_path_and_what_to_do() {
        let absent = Source::open("/no/such/webhooks.ndjson").unwrap_err().to_string();
        assert!(
            absent.contains("there is no file /no/such/webhooks.ndjson: name one with --file"),
            "{absent}"
        );
        let directory = Source::open("/").unwrap_err().to_string();
        assert!(directory.contains("/ is not a regular file"), "{directory}");
        for (name, bytes) in [("empty", "".as_bytes()), ("blank", b"\n  \r\n\n")] {
            let file = Temporary::new(name, bytes);
            let empty = Source::open(&file.0).unwrap_err().to_string();
            assert!(
                empty.contains(&format!("{} is empty: it should hold one JSON", file.0.display())),
                "{empty}"
            );
        }
    }

    #[test]
    fn a_line_that_is_too_long_costs_itself_only() {
        let mut bytes = vec![b'x'; MAX_LINE_BYTES + 10];
        bytes.extend_from_slice(b"\nshort\n");
        let file = Temporary::new("long", &bytes);
        let source = Source::open(&file.0).unwrap();
        assert_eq!(source.lines(), 2);
        let mut lines = source.read().unwrap();
        assert!(matches!(lines.next_line(), Ok(Some((1, Err(TooLong(_)))))));
        assert!(matches!(lines.next_line(), Ok(Some((2, Ok(b"short"))))));
        assert!(matches!(lines.next_line(), Ok(None)));
    }
}
