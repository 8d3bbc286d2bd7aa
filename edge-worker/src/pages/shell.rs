//! The frame around a page: title, navigation, theme, account, and the notice about what was just done.

use super::{assets, icon};
use crate::access::Access;
use askama::filters::HtmlSafe;
use devflow_domain::access::Action;
use devflow_protocol::time::UnixMillis;
use std::fmt;

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Go,
    Projects,
    Servers,
    People,
    Activity,
    Endpoints,
    Keys,
    Account,
}

impl Section {
    /// Those that somebody may see.
    pub(crate) fn visible(access: &Access) -> Vec<Self> {
        let all = [
            (Self::Go, Action::Enter),
            (Self::Projects, Action::Enter),
            (Self::Servers, Action::SeeServers),
            (Self::People, Action::SeePeople),
            (Self::Activity, Action::SeeActivity),
            (Self::Endpoints, Action::ManageEndpoints),
            (Self::Keys, Action::SeeAccount),
            (Self::Account, Action::SeeAccount),
        ];
        all.into_iter()
            .filter(|(_, action)| access.may(*action, None))
            .map(|(section, _)| section)
            .collect()
    }
}

/// Light or dark, as a person chose it; the system's choice otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What the browser paints by until the styles are there.
    pub(crate) fn schemes(self) -> &'static str {
        match self {
            Self::System => "light dark",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn icon(self) -> icon::Icon {
        match self {
            Self::System => icon::SYSTEM,
            Self::Light => icon::LIGHT,
            Self::Dark => icon::DARK,
        }
    }
}

impl fmt::Display for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the tab's icon says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Calm,
    Busy,
    Failed,
}

/// The hidden field that each form carries.
#[derive(Clone, Default)]
pub(crate) struct CsrfField(pub(crate) String);

impl fmt::Display for CsrfField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let safe = self
            .0
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_=".contains(c));
        let value = if safe { self.0.as_str() } else { "" };
        write!(f, r#"<input type="hidden" name="csrf" value="{value}">"#)
    }
}

impl HtmlSafe for CsrfField {}

/// What was just done, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) good: bool,
    pub(crate) text: String,
}

/// What the frame of each page needs.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) title: String,
    pub(crate) section: Section,
    /// The sections that the person may see.
    pub(crate) sections: Vec<Section>,
    pub(crate) theme: Theme,
    pub(crate) csrf: CsrfField,
    /// The person's e-mail address.
    pub(crate) who: String,
    pub(crate) notice: Option<Notice>,
    /// What the page follows, such as `fleet`.
    pub(crate) topic: Option<String>,
    pub(crate) mood: Mood,
    /// When the page was made.
    pub(crate) now: UnixMillis,
    /// The page's own path, to come back to.
    pub(crate) path: String,
}

impl Shell {
    pub(crate) fn icon(&self) -> &'static str {
        match self.mood {
            Mood::Calm => assets::ICON,
            Mood::Busy => assets::ICON_BUSY,
            Mood::Failed => assets::ICON_FAILED,
        }
    }

    /// Icon, name, and whether it is the chosen one.
    pub(crate) fn themes(&self) -> [(icon::Icon, Theme, bool); 3] {
        Theme::ALL.map(|theme| (theme.icon(), theme, theme == self.theme))
    }

    /// The navigation: icon, name, path, and whether the page belongs to it.
    pub(crate) fn entries(&self) -> Vec<(icon::Icon, &'static str, &'static str, bool)> {
        let all = [
            (icon::SEARCH, "Go to", "/go", Section::Go),
            (icon::PROJECTS, "Projects", "/", Section::Projects),
            (icon::SERVERS, "Servers", "/servers", Section::Servers),
            (icon::PEOPLE, "People", "/people", Section::People),
            (icon::ACTIVITY, "Activity", "/activity", Section::Activity),
            (icon::BELL, "Notifications", "/endpoints", Section::Endpoints),
            (icon::KEY, "API keys", "/keys", Section::Keys),
            (icon::PERSON, "Your account", "/account", Section::Account),
        ];
        all.into_iter()
            .filter(|(.., section)| self.sections.contains(section))
            .map(|(icon, name, path, section)| (icon, name, path, section == self.section))
            .collect()
    }
}
