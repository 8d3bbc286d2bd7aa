//! What `BuildKit` tells of a build: messages in protocol buffers, of which a few fields are read.
//!
//! Source: `moby/buildkit`'s `api/services/control/control.proto`, the messages `StatusResponse`, `Vertex` and `VertexLog`,
//! and the encoding (<https://protobuf.dev/programming-guides/encoding/>). Unknown fields are skipped.

use super::exec::Lines;
use devflow_protocol::event::Stream;
use std::collections::{BTreeMap, BTreeSet};

/// A build so far.
#[derive(Default)]
pub(super) struct Progress {
    /// Steps whose names were told, by their digest.
    told: BTreeSet<String>,
    /// Lines of each step that have not ended.
    open: BTreeMap<String, Lines>,
}

impl Progress {
    /// Takes a message and hands on what it says by lines; what cannot be read is left out.
    pub(super) fn take(&mut self, message: &[u8], on_line: &mut impl FnMut(Stream, &str)) {
        for (number, value) in Fields(message) {
            match (number, value) {
                (1, Value::Bytes(vertex)) => self.vertex(vertex, on_line),
                (3, Value::Bytes(log)) => self.log(log, on_line),
                _ => {}
            }
        }
    }

    /// Hands on what is left.
    pub(super) fn finish(mut self, on_line: &mut impl FnMut(Stream, &str)) {
        for lines in self.open.values_mut() {
            lines.finish(on_line);
        }
    }

    fn vertex(&mut self, message: &[u8], on_line: &mut impl FnMut(Stream, &str)) {
        let (mut digest, mut name) = (String::new(), String::new());
        let (mut cached, mut begun, mut ended) = (false, false, false);
        for (number, value) in Fields(message) {
            match (number, value) {
                (1, Value::Bytes(bytes)) => digest = text(bytes),
                (3, Value::Bytes(bytes)) => name = text(bytes),
                (4, Value::Number(number)) => cached = number != 0,
                (5, Value::Bytes(_)) => begun = true,
                (6, Value::Bytes(_)) => ended = true,
                _ => {}
            }
        }
        if (begun || cached) && !is_internal(&name) && self.told.insert(digest.clone()) {
            let name = if cached { format!("{name} (kept)") } else { name };
            on_line(Stream::Out, &name);
        }
        if ended && let Some(mut lines) = self.open.remove(&digest) {
            lines.finish(on_line);
        }
    }

    fn log(&mut self, message: &[u8], on_line: &mut impl FnMut(Stream, &str)) {
        let (mut digest, mut stream, mut bytes) = (String::new(), Stream::Out, &[][..]);
        for (number, value) in Fields(message) {
            match (number, value) {
                (1, Value::Bytes(value)) => digest = text(value),
                (3, Value::Number(2)) => stream = Stream::Err,
                (4, Value::Bytes(value)) => bytes = value,
                _ => {}
            }
        }
        self.open.entry(digest).or_default().take(stream, bytes, on_line);
    }
}

/// What the builder does for itself.
fn is_internal(name: &str) -> bool {
    name.starts_with("[internal]") || name == "copy /context /"
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

enum Value<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// The fields of a message, up to the first that cannot be read.
struct Fields<'m>(&'m [u8]);

impl<'m> Iterator for Fields<'m> {
    type Item = (u64, Value<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let tag = self.number()?;
            let value = match tag & 7 {
                0 => Value::Number(self.number()?),
                2 => {
                    let length = usize::try_from(self.number()?).ok()?;
                    Value::Bytes(self.bytes(length)?)
                }
                1 => {
                    self.bytes(8)?;
                    continue;
                }
                5 => {
                    self.bytes(4)?;
                    continue;
                }
                _ => return None,
            };
            return Some((tag >> 3, value));
        }
    }
}

impl<'m> Fields<'m> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, length: usize) -> Option<&'m [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    /// What an engine sent while it built `RUN echo one && echo two >&2 && printf three`.
    const TRACE: &str = include_str!("build_trace.txt");

    fn told(messages: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut on_line = |stream: Stream, line: &str| lines.push(format!("{stream:?} {line}"));
        let mut progress = Progress::default();
        for message in messages {
            progress.take(&message, &mut on_line);
        }
        progress.finish(&mut on_line);
        lines
    }

    #[test]
    fn take_tells_steps_and_their_output_as_an_engine_sent_them() {
        let messages = TRACE.lines().map(|line| STANDARD.decode(line).expect("base64"));
        insta::assert_snapshot!(told(messages).join("\n"));
    }

    proptest::proptest! {
        /// Whatever comes, it is read as far as it can be.
        #[test]
        fn take_ends(message in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let lines = told(std::iter::once(message.clone()));
            proptest::prop_assert!(lines.len() <= message.len());
        }
    }
}
