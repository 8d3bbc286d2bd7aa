//! The runner's programs, as the edge hands them out.

use super::{EdgeClient, EdgeError, unreachable};
use devflow_protocol::release::{Program, RunnerVersion};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

/// For a program of some megabytes over a slow line.
const FETCH: Duration = Duration::from_mins(15);

/// Why a program is not here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The edge does not give it.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// It cannot be kept.
    #[error("it cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// The bytes are others than those that were signed.
    #[error("what the edge sent is not the program that was signed; publish it again")]
    Other,
}

impl EdgeClient {
    /// Fetches a program into a file; on disk when this returns.
    pub(crate) async fn fetch(
        &self,
        version: RunnerVersion,
        program: &Program,
        file: &mut File,
    ) -> Result<(), FetchError> {
        let url = format!("{}/runner/{version}/{}", self.base, program.target);
        let mut response = self
            .http
            .get(url)
            .timeout(FETCH)
            .send()
            .await
            .map_err(|error| unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(EdgeError::of_answer(status.as_u16(), b"").into());
        }
        let (mut size, mut hash) = (0, Sha256::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            size += chunk.len() as u64;
            if size > program.size {
                return Err(FetchError::Other);
            }
            hash.update(&chunk);
            file.write_all(&chunk)?;
        }
        if size != program.size || hex::encode(hash.finalize()) != program.sha256 {
            return Err(FetchError::Other);
        }
        Ok(file.sync_all()?)
    }
}
