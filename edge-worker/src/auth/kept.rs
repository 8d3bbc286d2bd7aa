//! A value of a Durable Object that is in memory while the object is, and in its storage when that is asked for.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use worker::{Result, Storage};

/// The value, under a name of the storage. It is stored as JSON text.
pub(super) struct Kept<T> {
    name: &'static str,
    value: RefCell<Option<T>>,
}

impl<T: Default + Serialize + DeserializeOwned> Kept<T> {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            value: RefCell::default(),
        }
    }

    /// Reads it from the storage, unless it is in memory.
    pub(super) async fn load(&self, storage: &Storage) -> Result<()> {
        if self.value.borrow().is_some() {
            return Ok(());
        }
        let stored: Option<String> = storage.get(self.name).await?;
        let value = stored
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| {
                worker::Error::RustError(format!("{} is not what was stored: {error}", self.name))
            })?;
        // Somebody else may have been quicker, and have changed it.
        self.value.borrow_mut().get_or_insert(value.unwrap_or_default());
        Ok(())
    }

    /// Looks at it or changes it, in memory.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(self.value.borrow_mut().get_or_insert_default())
    }

    /// Writes it to the storage as it is now.
    pub(super) async fn store(&self, storage: &Storage) -> Result<()> {
        let text = self.with(|value| serde_json::to_string(value));
        let text = text.map_err(|error| worker::Error::RustError(error.to_string()))?;
        storage.put(self.name, text).await
    }
}
