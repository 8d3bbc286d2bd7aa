//! What scripts of a page do, without the page's own: forms, the API, passkeys.

use crate::api::Api;
use crate::browser::Browser;
use crate::contract;
use crate::http::Answer;
use crate::process::wait_for;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Gives the fields of an answer, or what was answered in place of options.
const ANSWER: &str = r"
const [options, fields, only] = given;
const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const asked = await (await fetch(options, { method: 'POST', body: new URLSearchParams(fields) })).json();
if (!asked.state) return asked;
const allowed = only ? [{ type: 'public-key', id: bytes(only) }] : [];
const publicKey = { ...asked.publicKey, challenge: bytes(asked.publicKey.challenge), allowCredentials: allowed,
  ...(only ? { userVerification: 'discouraged' } : {}) };
const found = await navigator.credentials.get({ publicKey });
const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
const response = { clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData),
  signature: text(signature), userHandle: userHandle && text(userHandle) };
return { state: asked.state, credential: JSON.stringify({ id: found.id, type: found.type, response }) };
";

const SEND: &str = r"
const [path, fields] = given;
const reply = await fetch(path, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
return [reply.status, await reply.text()];
";

const CALL: &str = r"
const [method, path, csrf, body] = given;
const headers = { 'content-type': 'application/json', ...(csrf ? { 'x-csrf-token': csrf } : {}) };
const reply = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
return [reply.status, await reply.text(), [...reply.headers]];
";

/// Status and text of an answer.
fn answered(answer: &Value) -> Result<(u64, String)> {
    let status = answer[0]
        .as_u64()
        .with_context(|| format!("no answer: {answer}"))?;
    Ok((status, answer[1].as_str().unwrap_or_default().to_owned()))
}

impl Browser {
    /// Waits until the deployment whose page opens is live, another one than `before`; gives its id.
    pub fn goes_live(&self, api: &Api, before: &str) -> Result<String> {
        let id = wait_for("the page of a new deployment", SOON, || {
            let url = self.url()?;
            let id = url.split_once("/deployments/").map(|(_, id)| id.to_owned());
            Ok(id.filter(|id| id != before))
        })?;
        api.live(&id, Duration::from_mins(2))?;
        self.shows("Live", SOON)?;
        Ok(id)
    }

    /// Asks for a passkey as our script does, and gives the fields that it would send: `options` is where it asks,
    /// `fields` are sent along, and `only` is the one credential that may answer, also without
    /// checking who uses it.
    pub fn ask_passkey(&self, options: &str, fields: &Value, only: Option<&str>) -> Result<Value> {
        self.later(ANSWER, &json!([options, fields, only]))
    }

    /// Sends a form; gives status (0 for a redirect, which a page may not look into) and text.
    pub fn send(&self, path: &str, fields: &Value) -> Result<(u64, String)> {
        answered(&self.later(SEND, &json!([path, fields]))?)
    }

    /// Asks the API with the session's token, where one is given; gives status and text. It has to be what the API's document
    /// says.
    pub fn api(&self, method: &str, path: &str, csrf: Option<&str>, body: &Value) -> Result<(u64, String)> {
        let given = self.later(CALL, &json!([method, path, csrf, body]))?;
        let (status, text) = answered(&given)?;
        let answer = Answer {
            status: u16::try_from(status)?,
            headers: serde_json::from_value(given[2].clone())?,
            body: text.clone().into_bytes(),
        };
        contract::check(method, path, &answer)?;
        Ok((status, text))
    }

    /// The token that the forms of the page carry.
    pub fn csrf(&self) -> Result<String> {
        let found = self.script(
            "return document.querySelector('input[name=csrf]').value",
            &json!([]),
        )?;
        Ok(found.as_str().context("the page has no form")?.to_owned())
    }

    /// Adds a passkey of that name to the account of who is signed in.
    pub fn add_passkey(&self, base: &str, name: &str) -> Result<()> {
        self.open(&format!("{base}/account/passkeys"))?;
        self.fill("#name", name)?;
        self.click("pass-key button")
    }

    /// The same for the first factor of an account; gives the recovery codes.
    pub fn add_first_passkey(&self, base: &str, name: &str) -> Result<Vec<String>> {
        self.add_passkey(base, name)?;
        self.shows("They are shown once", SOON)?;
        let codes = self.script(
            "return document.querySelector('copy-text code').textContent",
            &json!([]),
        )?;
        let codes = codes.as_str().context("no codes")?;
        Ok(codes.split_whitespace().map(str::to_owned).collect())
    }

    /// Signs out where passkeys are offered.
    pub fn sign_out(&self) -> Result<()> {
        self.click("form[action='/sign-out'] button")?;
        self.shows("Sign in with a passkey", SOON)
    }
}
