//! What holds for all bytes that claim to be a body of the runner's protocol.

use devflow_protocol::dsse::Envelope;
use devflow_protocol::enrol::{EnrolClaims, EnrolRequest};
use devflow_protocol::job::Job;
use devflow_protocol::request::{RequestClaims, UnverifiedRequest};
use devflow_protocol::runner_api::{CompleteRequest, EventsRequest, HeadFound, PollRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is read is written back as what reads the same.
fn as_one<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&read).expect("what was read can be written");
        assert_eq!(
            serde_json::from_slice::<T>(&written).expect("reads what it wrote"),
            read
        );
    }
}

/// Every body and signature: read or refused, never a panic.
pub(crate) fn read_or_refused(bytes: &[u8]) {
    as_one::<CompleteRequest>(bytes);
    as_one::<EventsRequest>(bytes);
    as_one::<HeadFound>(bytes);
    as_one::<PollRequest>(bytes);
    as_one::<Envelope>(bytes);
    as_one::<EnrolRequest>(bytes);
    as_one::<EnrolClaims>(bytes);
    as_one::<Job>(bytes);
    as_one::<RequestClaims>(bytes);
    let _ = UnverifiedRequest::from_header(&String::from_utf8_lossy(bytes));
}
