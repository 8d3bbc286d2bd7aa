//! TLS in front of something that has none: Nginx with a certificate of an authority that nobody trusts by itself.

use crate::nginx::Nginx;
use crate::process::free_port;
use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// An authority of one's own, as companies have it.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    /// Makes it; `file` gets its certificate.
    pub fn new(file: &Path) -> Result<Self> {
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(about, KeyPair::generate()?)?;
        fs::write(file, issuer.pem())?;
        Ok(Self {
            issuer,
            file: file.to_owned(),
        })
    }

    /// The PEM file of its certificate.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// A door with TLS. Closed on drop.
#[derive(Debug)]
pub struct Door {
    _nginx: Nginx,
    port: u16,
}

impl Door {
    /// Opens it at `localhost`. `location` is what Nginx does with requests, such as `proxy_pass …;`.
    pub fn open(folder: &Path, authority: &Authority, location: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &authority.issuer)?;
        let mut nginx = Nginx::start(folder)?;
        fs::write(folder.join("door.pem"), certificate.pem())?;
        fs::write(folder.join("door.key"), key.serialize_pem())?;
        let port = free_port()?;
        let at = folder.display();
        let server = format!(
            "server {{ listen 127.0.0.1:{port} ssl; server_name localhost; ssl_certificate {at}/door.pem; \
             ssl_certificate_key {at}/door.key; client_max_body_size 32m; location / {{ {location} }} }}\n"
        );
        fs::write(folder.join("vhosts/door.conf"), server)?;
        nginx.restart()?;
        Ok(Self { _nginx: nginx, port })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// An address that it answers at, and that its certificate does not name.
    pub fn unnamed(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}
