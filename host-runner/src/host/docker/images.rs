//! Images: their ids, where they come from when they are missing, their end.

use super::description::{PROJECT, RELEASE, ROOT};
use super::{Docker, status, words};
use crate::host::error::{HostError, Result};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use futures_util::StreamExt;
use std::collections::HashMap;

impl Docker {
    /// Whether an image is on this server.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn has_image(&self, image: &str) -> Result<bool> {
        match self.client().await?.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(404) => Ok(false),
            Err(error) => Err(HostError::because(
                format!("look at the image `{image}`"),
                words(&error),
            )),
        }
    }

    /// Gets an image from its registry, without credentials.
    ///
    /// # Errors
    /// The registry does not have it, or does not give it to everybody.
    pub(crate) async fn pull(&self, image: &str) -> Result<()> {
        let last = image.rsplit('/').next().unwrap_or_default();
        // Without one the engine would get all tags that there are.
        let tag = if last.contains([':', '@']) { "" } else { "latest" };
        let options = CreateImageOptionsBuilder::new()
            .from_image(image)
            .tag(tag)
            .build();
        let mut told = Box::pin(self.client().await?.create_image(Some(options), None, None));
        while let Some(line) = told.next().await {
            line.map_err(|error| {
                HostError::because(
                    format!("get the image `{image}`, which is not on this server; pull or build it there, or name another one"),
                    words(&error),
                )
            })?;
        }
        Ok(())
    }

    /// The content id of an image, `sha256:…`.
    ///
    /// # Errors
    /// The image is not on this server.
    pub(crate) async fn image_id(&self, image: &str) -> Result<String> {
        match self.client().await?.inspect_image(image).await {
            Ok(found) => found
                .id
                .ok_or_else(|| HostError::new(format!("the image `{image}` has no id"))),
            Err(error) if status(&error) == Some(404) => Err(HostError::new(format!(
                "the image `{image}` is not on this server; pull or build it there, then deploy again"
            ))),
            Err(error) => Err(HostError::because(
                format!("look at the image `{image}`"),
                words(&error),
            )),
        }
    }

    /// Takes a name of an image away, and the image where that was its last; one that is not there is fine.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn remove_image(&self, name: &str) -> Result<()> {
        let options = RemoveImageOptionsBuilder::new().force(true).build();
        match self.client().await?.remove_image(name, Some(options), None).await {
            // 409: a container still has it, which keeps the image without its name.
            Err(error) if !matches!(status(&error), Some(404 | 409)) => Err(HostError::because(
                format!("remove the image `{name}`"),
                words(&error),
            )),
            _ => Ok(()),
        }
    }

    /// The names of the images that were built for a project of this runner; of one release where `release` is given.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn images(&self, project: &str, release: Option<&str>) -> Result<Vec<String>> {
        let mut labels = vec![format!("{ROOT}={}", self.root), format!("{PROJECT}={project}")];
        labels.extend(release.map(|id| format!("{RELEASE}={id}")));
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let listed = self.client().await?.list_images(Some(options)).await;
        let listed = listed.map_err(|error| HostError::because("list the images", words(&error)))?;
        let tags = listed.into_iter().flat_map(|image| image.repo_tags);
        Ok(tags.filter(|tag| tag != "<none>:<none>").collect())
    }
}
