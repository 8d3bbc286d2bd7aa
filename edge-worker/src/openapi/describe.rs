//! What goes into a handler and what comes out, read from its type.

#[cfg(test)]
pub(crate) use reading::{Described, Operation};

/// Every handler, where no document is made.
#[cfg(not(test))]
pub(crate) trait Described<T> {}

#[cfg(not(test))]
impl<H> Described<()> for H {}

#[cfg(test)]
mod reading {
    use crate::answer::{Accepted, AcceptedOrDone, Created, Done, Versioned};
    use crate::app::AppState;
    use crate::auth::{Caller, SignedIn};
    use crate::error::ApiError;
    use crate::extract::{Id, IfMatch, Json as Body, OptionalJson, Query};
    use crate::openapi::Document;
    use axum::Json;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use schemars::generate::SchemaSettings;
    use schemars::{JsonSchema, SchemaGenerator};
    use serde_json::{Map, Value, json};
    use std::future::Future;

    /// One operation of the document, as far as the handler's type says it.
    pub(crate) struct Operation {
        /// Makes schemas of what is read.
        pub(crate) inputs: SchemaGenerator,
        /// Makes schemas of what is written.
        pub(crate) outputs: SchemaGenerator,
        pub(crate) parameters: Vec<Value>,
        pub(crate) body: Option<Value>,
        /// By status.
        pub(crate) answers: Map<String, Value>,
    }

    impl Operation {
        pub(crate) fn new() -> Self {
            let settings = SchemaSettings::draft2020_12()
                .with(|settings| settings.definitions_path = "/components/schemas".into());
            Self {
                inputs: settings.clone().for_deserialize().into_generator(),
                outputs: settings.for_serialize().into_generator(),
                parameters: vec![],
                body: None,
                answers: Map::new(),
            }
        }

        fn body<T: JsonSchema>(&mut self, required: bool) {
            let schema = self.inputs.subschema_for::<T>();
            let content = json!({ "application/json": { "schema": schema } });
            self.body = Some(json!({ "required": required, "content": content }));
        }

        fn answer<T: JsonSchema>(&mut self, status: u16, description: &str) {
            let schema = self.outputs.subschema_for::<T>();
            let content = json!({ "application/json": { "schema": schema } });
            self.answers.insert(
                status.to_string(),
                json!({ "description": description, "content": content }),
            );
        }
    }

    /// What a handler takes.
    pub(crate) trait Input {
        fn describe(_operation: &mut Operation) {}
    }

    impl Input for State<AppState> {}
    impl Input for Caller {}
    impl Input for SignedIn {}
    impl Input for HeaderMap {}

    impl<T: JsonSchema> Input for Id<T> {
        fn describe(operation: &mut Operation) {
            let schema = operation.inputs.subschema_for::<T>();
            operation
                .parameters
                .push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
        }
    }

    impl<T: JsonSchema> Input for Query<T> {
        fn describe(operation: &mut Operation) {
            let schema = T::json_schema(&mut operation.inputs).to_value();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let mut field = field.clone();
                let description = field
                    .as_object_mut()
                    .and_then(|field| field.remove("description"));
                operation.parameters.push(json!({
                    "name": name,
                    "in": "query",
                    "required": required.contains(&json!(name)),
                    "description": description.unwrap_or_default(),
                    "schema": field,
                }));
            }
        }
    }

    impl<T: JsonSchema> Input for Body<T> {
        fn describe(operation: &mut Operation) {
            operation.body::<T>(true);
        }
    }

    impl<T: JsonSchema> Input for OptionalJson<T> {
        fn describe(operation: &mut Operation) {
            operation.body::<T>(false);
        }
    }

    impl Input for IfMatch {
        fn describe(operation: &mut Operation) {
            operation
                .parameters
                .push(json!({ "$ref": "#/components/parameters/IfMatch" }));
        }
    }

    /// What a handler gives.
    pub(crate) trait Output {
        fn describe(operation: &mut Operation);
    }

    impl<T: JsonSchema> Output for Json<T> {
        fn describe(operation: &mut Operation) {
            operation.answer::<T>(200, "As it is now.");
        }
    }

    impl<T: JsonSchema> Output for Created<T> {
        fn describe(operation: &mut Operation) {
            operation.answer::<T>(201, "It was made.");
        }
    }

    impl<T: JsonSchema> Output for Accepted<T> {
        fn describe(operation: &mut Operation) {
            operation.answer::<T>(202, "It was asked for.");
        }
    }

    impl<T: JsonSchema> Output for AcceptedOrDone<T> {
        fn describe(operation: &mut Operation) {
            operation.answer::<T>(202, "It was asked for.");
            let done = json!({ "description": "There was nothing left to do." });
            operation.answers.insert("204".to_owned(), done);
        }
    }

    impl Output for Done {
        fn describe(operation: &mut Operation) {
            let done = json!({ "description": "It is done." });
            operation.answers.insert("204".to_owned(), done);
        }
    }

    impl<T: JsonSchema> Output for Versioned<T> {
        fn describe(operation: &mut Operation) {
            operation.answer::<T>(200, "As it is now.");
            let tag = json!({ "$ref": "#/components/headers/ETag" });
            operation.answers["200"]["headers"] = json!({ "ETag": tag });
        }
    }

    impl Output for Document {
        fn describe(operation: &mut Operation) {
            operation.answer::<Map<String, Value>>(200, "OpenAPI 3.1.");
        }
    }

    /// A handler whose type says all that its operation is described by.
    pub(crate) trait Described<T> {
        fn describe(operation: &mut Operation);
    }

    macro_rules! described {
        ($($input:ident),*) => {
            impl<H, F, R, $($input),*> Described<($($input,)*)> for H
            where
                H: Fn($($input),*) -> F,
                F: Future<Output = Result<R, ApiError>>,
                R: Output,
                $($input: Input),*
            {
                fn describe(operation: &mut Operation) {
                    $($input::describe(operation);)*
                    R::describe(operation);
                }
            }
        };
    }

    described!();
    described!(A);
    described!(A, B);
    described!(A, B, C);
    described!(A, B, C, D);
    described!(A, B, C, D, E);
}
