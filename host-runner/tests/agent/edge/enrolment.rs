//! Enrolments as the edge takes them, or somebody in its place.

use super::{AUDIENCE, Edge, Inner, TOKEN, json, now, problem};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::dsse;
use devflow_protocol::enrol::{EnrolClaims, EnrolRequest, EnrolToken};
use devflow_protocol::runner_api::EnrolAnswer;
use ed25519_dalek::VerifyingKey;
use std::sync::Arc;

impl Edge {
    /// What enrolments held, as it was on the wire.
    pub(crate) fn enrolments(&self) -> Vec<String> {
        let bodies = self.inner.enrolments.lock().expect("sound");
        let text = |body: &Bytes| String::from_utf8(body.to_vec()).expect("text");
        bodies.iter().map(text).collect()
    }
}

pub(super) async fn enrol(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    inner.enrolments.lock().expect("sound").push(body.clone());
    if !inner.faults.lock().expect("sound").impostor {
        let request: EnrolRequest = serde_json::from_slice(&body).expect("an enrolment");
        let audience = dsse::fingerprint(&inner.key.verifying_key());
        let token: EnrolToken = TOKEN.parse().expect("a token");
        match request.open(&audience) {
            Ok(opened) if opened.token == token.fingerprint() => keep(&inner, &opened.claims),
            Ok(_) => return problem(401, "wrong_token", "the token is not known".into(), None),
            Err(error) => return problem(401, "bad_signature", error.to_string(), None),
        }
    }
    let answer = EnrolAnswer {
        server: inner.server.clone(),
        edge: AUDIENCE.into(),
        job_key: STANDARD.encode(inner.key.verifying_key().as_bytes()),
        now: now(&inner),
    };
    json(StatusCode::OK, &answer)
}

fn keep(inner: &Inner, claims: &EnrolClaims) {
    let key = |text: &str| -> [u8; 32] {
        let bytes = STANDARD.decode(text).expect("base64");
        bytes.try_into().expect("32 bytes")
    };
    let signing = VerifyingKey::from_bytes(&key(&claims.signing_key)).expect("a key");
    *inner.runner.lock().expect("sound") = Some((signing, key(&claims.sealing_key)));
}
