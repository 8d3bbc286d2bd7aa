//! `host-runner enrol`: keys are made and signed with the one-time token, the edge's key is compared and pinned.

use crate::config::{self, Config};
use crate::edge;
use crate::facts;
use crate::identity::{self, Identity, Keys, deploy_key};
use anyhow::{Context as _, bail};
use devflow_protocol::dsse;
use devflow_protocol::enrol::{EnrolClaims, EnrolRequest, EnrolToken};
use devflow_protocol::keys::read_key;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Longest text that is read where a token is expected, in bytes.
const TOKEN_BYTES: u64 = 1024;

/// Options of `enrol`. The token comes by standard input or a file: arguments are visible to all users.
#[derive(Debug, clap::Args)]
pub(super) struct Enrol {
    /// Address of the edge; the configuration's, where left out
    #[arg(long)]
    edge: Option<String>,
    /// Fingerprint of the edge's job key, `sha256:` and 64 hex digits
    #[arg(long)]
    fingerprint: String,
    /// File with the one-time token; standard input, where left out
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Replace an enrolment that is there
    #[arg(long)]
    force: bool,
}

impl Enrol {
    pub(super) fn execute(&self, config: &Config) -> anyhow::Result<ExitCode> {
        let base = match (&self.edge, &config.edge) {
            (Some(edge), _) => {
                config::edge_address(edge).map_err(|reason| anyhow::anyhow!("--edge {reason}"))?
            }
            (None, Some(edge)) => edge.clone(),
            (None, None) => bail!("give the edge's address with --edge"),
        };
        let state_dir = &config.state_dir;
        let there = identity::path(state_dir);
        if there.exists() && !self.force {
            bail!(
                "this server is enrolled already ({}); add --force to replace that enrolment",
                there.display()
            );
        }
        let token = self.token()?;
        let deploy_key = deploy_key::ensure(state_dir, &facts::hostname())
            .context("cannot make the key for repositories")?;
        let keys = Keys::generate();
        let (signing_key, sealing_key) = keys.public();
        let expected = self.fingerprint.trim().to_ascii_lowercase();
        let claims = EnrolClaims {
            audience: expected.clone(),
            signing_key,
            sealing_key,
            facts: facts::collect(Some(deploy_key.clone())),
        };
        let request = EnrolRequest::sign(&claims, &token).context("cannot sign the enrolment")?;
        let answer = super::runtime()?
            .block_on(edge::enrol(&base, config.ca_file.as_deref(), &request))
            .context("the enrolment failed; a token works once and for a short time, the dashboard makes a new one")?;
        let job_key = read_key(&answer.job_key)
            .context("the edge's answer holds no valid job key; is it an edge of this version?")?;
        let found = dsse::fingerprint(&job_key);
        if found != expected {
            bail!(
                "the edge's job key is {found}, expected {}; nothing was stored. Something between this server and \
                 the edge may be answering in its place: check the address, then make a new token",
                self.fingerprint
            );
        }
        let identity = Identity::new(&base, answer, job_key, keys);
        identity.save(state_dir)?;
        println!("This server is enrolled at {base} as {}.", identity.server);
        println!("Repositories over SSH must know this key (read access is enough):\n  {deploy_key}");
        println!("Next: host-runner doctor, then systemctl enable --now devflow-runner");
        Ok(ExitCode::SUCCESS)
    }

    fn token(&self) -> anyhow::Result<EnrolToken> {
        let mut text = Zeroizing::new(String::new());
        if let Some(path) = &self.token_file {
            std::fs::File::open(path)
                .and_then(|file| file.take(TOKEN_BYTES).read_to_string(&mut text))
                .with_context(|| format!("cannot read {}", path.display()))?;
        } else {
            if std::io::stdin().is_terminal() {
                eprintln!("Paste the one-time token and end with Ctrl-D:");
            }
            std::io::stdin()
                .take(TOKEN_BYTES)
                .read_to_string(&mut text)
                .context("cannot read the token from standard input")?;
        }
        let token = text.trim();
        if token.is_empty() {
            bail!("there is no token; give it on standard input or with --token-file");
        }
        Ok(token.parse()?)
    }
}
