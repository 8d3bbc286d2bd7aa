//! A virtual key for passkeys in a browser, as the extension of `WebDriver` in the specification of Web Authentication
//! (section 11) has it.

use crate::browser::Browser;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A key that is in reach of a browser.
#[derive(Debug)]
pub struct Authenticator<'a> {
    browser: &'a Browser,
    id: String,
}

/// A passkey in a key.
#[derive(Clone, Debug)]
pub struct Kept(Value);

impl Kept {
    /// The credential's id.
    pub fn id(&self) -> &str {
        self.0["credentialId"].as_str().unwrap_or_default()
    }

    /// The same as it was before it was used so often.
    #[must_use]
    pub fn with_count(&self, count: u32) -> Self {
        let mut earlier = self.0.clone();
        earlier["signCount"] = json!(count);
        Self(earlier)
    }
}

/// A page that asks has no field in which passkeys are offered. A virtual key takes the first offer at once.
const NO_OFFERS: &str = "if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false;";

impl<'a> Authenticator<'a> {
    /// The lock of the device itself: it checks who uses it, and keeps whose its passkeys are. It is used where a page asks for
    /// it, and not in fields.
    pub fn of_device(browser: &'a Browser) -> Result<Self> {
        browser.tell(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": NO_OFFERS }),
        )?;
        Self::that_is_offered(browser)
    }

    /// The same, offered in fields, too.
    pub fn that_is_offered(browser: &'a Browser) -> Result<Self> {
        Self::new(
            browser,
            &json!({
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
                "isUserVerified": true, "isUserConsenting": true,
            }),
        )
    }

    /// A security key without a PIN, which can only be touched.
    pub fn to_touch(browser: &'a Browser) -> Result<Self> {
        Self::new(
            browser,
            &json!({
                "protocol": "ctap2", "transport": "usb", "hasResidentKey": false, "hasUserVerification": false,
                "isUserVerified": false, "isUserConsenting": true,
            }),
        )
    }

    fn new(browser: &'a Browser, kind: &Value) -> Result<Self> {
        let made = browser.command("POST", "/webauthn/authenticator", Some(kind))?;
        let id = made.as_str().context("the browser made no authenticator")?;
        Ok(Self {
            browser,
            id: id.to_owned(),
        })
    }

    /// Its passkeys.
    pub fn kept(&self) -> Result<Vec<Kept>> {
        let path = format!("/webauthn/authenticator/{}/credentials", self.id);
        let found = self.browser.command("GET", &path, None)?;
        let list = found.as_array().context("no list of credentials")?;
        Ok(list.iter().cloned().map(Kept).collect())
    }

    /// Deletes a passkey from it.
    pub fn forget(&self, kept: &Kept) -> Result<()> {
        let path = format!("/webauthn/authenticator/{}/credentials/{}", self.id, kept.id());
        self.browser.command("DELETE", &path, None).map(drop)
    }

    /// Puts a passkey into it.
    pub fn put(&self, kept: &Kept) -> Result<()> {
        let path = format!("/webauthn/authenticator/{}/credential", self.id);
        self.browser.command("POST", &path, Some(&kept.0)).map(drop)
    }

    /// Whether its person is there, who takes what it offers from then on; what waits already stays waiting.
    pub fn attend(&self, there: bool) -> Result<()> {
        let parameters = json!({ "authenticatorId": self.id, "enabled": there });
        self.browser
            .tell("WebAuthn.setAutomaticPresenceSimulation", &parameters)
    }

    /// Takes it out of reach.
    pub fn unplug(self) -> Result<()> {
        let path = format!("/webauthn/authenticator/{}", self.id);
        self.browser.command("DELETE", &path, None).map(drop)
    }
}
