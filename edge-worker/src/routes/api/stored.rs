//! JSON that is shown as it is stored.

use serde::{Serialize, Serializer};
use serde_json::Value;
use std::marker::PhantomData;

/// A stored JSON text of a `T`, shown as it is; null where there is none.
pub(super) struct Stored<T>(Value, PhantomData<T>);

impl<T> Stored<T> {
    pub(super) fn new(json: Option<&str>) -> Self {
        let value = json.and_then(|text| serde_json::from_str(text).ok());
        Self(value.unwrap_or(Value::Null), PhantomData)
    }
}

impl<T> Serialize for Stored<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Stored<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(generator)
    }
}
