//! How many of a worker run, as a field: where a project is made, and where it is scaled.

use askama::Template;
use askama::filters::HtmlSafe;

/// Of each worker, at most; see the settings' own check.
pub(super) const MOST: u8 = 32;

/// A field for a whole number.
#[derive(Template)]
#[template(path = "project/count.html")]
pub(crate) struct Count {
    /// Its name in the form.
    field: String,
    /// Whose number it is.
    of: String,
    pub(crate) value: String,
    /// Id of the form that it belongs to, where that is not around it.
    form: Option<&'static str>,
}

impl HtmlSafe for Count {}

impl Count {
    pub(crate) fn new(field: String, of: &str, value: String) -> Self {
        Self {
            field,
            of: of.to_owned(),
            value,
            form: None,
        }
    }

    pub(crate) fn in_form(self, id: &'static str) -> Self {
        Self {
            form: Some(id),
            ..self
        }
    }

    const fn most() -> u8 {
        MOST
    }

    fn id(&self) -> String {
        self.field.replace('.', "-")
    }
}
