//! The raw bodies of deliveries, for a look at what a provider really sent. They are written after the answer: the delivery
//! is in the database, and without its body it can still be replayed, so a failure is only logged.

use crate::app::AppState;
use crate::gather::{self, Gathered};
use crate::platform;
use axum::body::Bytes;
use devflow_protocol::DeliveryId;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use std::cell::RefCell;
use std::io::{self, BufWriter, Write as _};
use worker::Bucket;

/// Larger ones are written alone, so that those that wait stay small in memory.
const GATHERED_BYTES: usize = 128 * 1024;
/// As many wait at most for the next write.
const AT_ONCE: usize = 64;

thread_local! {
    static BODIES: gather::Place<(DeliveryId, Bytes)> = const { RefCell::new(Gathered::new(AT_ONCE)) };
}

/// A line of an object.
#[derive(Serialize)]
struct Line<'a> {
    delivery: &'a DeliveryId,
    /// As text; bytes that are none stand as U+FFFD.
    body: &'a str,
}

/// Keeps a body after the answer was sent, together with those that come while the one before is being written.
pub(crate) fn keep(state: &AppState, delivery: &DeliveryId, raw: Bytes) {
    let bucket = match state.blobs() {
        Ok(bucket) => bucket,
        Err(error) => return platform::log_error(&format!("bodies cannot be kept: {error}")),
    };
    let body = (delivery.clone(), raw);
    if body.1.len() > GATHERED_BYTES {
        platform::after_answer(async move { put(&bucket, &[body]).await });
    } else {
        gather::hand_over(&BODIES, body, async move |bodies| put(&bucket, &bodies).await);
    }
}

/// The object is named after its first delivery: a body is in the one with the greatest name up to its delivery's.
fn key(bodies: &[(DeliveryId, Bytes)]) -> Option<String> {
    let first = bodies.iter().map(|(delivery, _)| delivery.as_str()).min()?;
    Some(format!("deliveries/{first}.jsonl.gz"))
}

async fn put(bucket: &Bucket, bodies: &[(DeliveryId, Bytes)]) {
    let Some(key) = key(bodies) else { return };
    let kept = match pack(bodies) {
        Ok(packed) => bucket.put(&key, packed).execute().await.map(drop),
        Err(error) => Err(worker::Error::RustError(error.to_string())),
    };
    if let Err(error) = kept {
        platform::log_error(&format!("the bodies {key} could not be kept: {error}"));
    }
}

/// A line of JSON for each body, compressed.
fn pack(bodies: &[(DeliveryId, Bytes)]) -> io::Result<Vec<u8>> {
    // JSON comes in pieces of a few bytes, and each write to the compressor costs as much as a whole page of text.
    let mut gzip = BufWriter::with_capacity(32 * 1024, GzEncoder::new(Vec::new(), Compression::fast()));
    for (delivery, raw) in bodies {
        let body = &String::from_utf8_lossy(raw);
        serde_json::to_writer(&mut gzip, &Line { delivery, body })?;
        gzip.write_all(b"\n")?;
    }
    gzip.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;
    use flate2::read::GzDecoder;
    use serde_json::{Value, json};

    #[test]
    fn object_has_a_line_for_each_body_and_the_name_of_the_first_delivery() {
        let delivery = |number| DeliveryId::new(UnixMillis(number), [0; 10]);
        let bodies = [
            (delivery(2), Bytes::from_static(b"{\"ref\":\"a\"}\n")),
            (delivery(1), Bytes::from_static(b"payload=\xff")),
        ];
        let text = io::read_to_string(GzDecoder::new(pack(&bodies).unwrap().as_slice())).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                json!({"delivery": delivery(2), "body": "{\"ref\":\"a\"}\n"}),
                json!({"delivery": delivery(1), "body": "payload=\u{fffd}"}),
            ]
        );
        assert_eq!(key(&bodies), Some(format!("deliveries/{}.jsonl.gz", delivery(1))));
    }
}
