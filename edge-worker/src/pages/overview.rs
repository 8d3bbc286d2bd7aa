//! The overview: counts, and a card for each project; all of them, by server, of one state, or found by a search.

use super::look;
use super::moment::Moment;
use super::project::Head;
use super::shell::{Mood, Section, Shell};
use super::spark::Spark;
use super::web::{self, Visitor};
use super::{assets, icon};
use crate::access::Access;
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::Query;
use crate::platform;
use crate::service::FLEET;
use crate::store::cards::{self, ProjectCard, Show};
use crate::store::dashboard::{self, COUNTED_TO, Counts};
use crate::store::{InBatch as _, Page, Statement, StoreError};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::search;
use devflow_protocol::time::UnixMillis;
use serde::Deserialize;

/// Projects on one page, and found by a search: so many that at most 200 rows are read.
const CARDS: usize = 20;
const FOUND: usize = 14;

/// The newest deployment of a project.
pub(crate) struct Last {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) commit: Option<String>,
    /// Its state in running text, such as `live`.
    pub(crate) word: String,
    pub(crate) when: Moment,
}

/// A project on the overview.
pub(crate) struct Card {
    pub(crate) project: Head,
    pub(crate) branch: String,
    pub(crate) last: Option<Last>,
    /// How fast it answered, where there is something to compare.
    pub(crate) answers: Option<Spark>,
}

/// Cards that belong together.
pub(crate) struct Group {
    /// Name and address of the server or tag, where the page is ordered by them.
    pub(crate) head: Option<(String, String)>,
    pub(crate) cards: Vec<Card>,
}

#[derive(Template)]
#[template(path = "overview.html")]
pub(crate) struct OverviewPage {
    pub(crate) shell: Shell,
    pub(crate) counts: Counts,
    pub(crate) may_create: bool,
    pub(crate) may_add_server: bool,
    pub(crate) groups: Vec<Group>,
    pub(crate) view: View,
    /// What was searched for.
    pub(crate) search: String,
    pub(crate) next: Option<String>,
    /// True where a search found more than is shown.
    pub(crate) more_found: bool,
}

/// What the overview can be asked to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum View {
    #[default]
    All,
    ByServer,
    ByTag,
    Deploying,
    Failing,
    Stopped,
}

impl View {
    const ALL: [Self; 6] = [
        Self::All,
        Self::ByServer,
        Self::ByTag,
        Self::Deploying,
        Self::Failing,
        Self::Stopped,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::All => "",
            Self::ByServer => "by_server",
            Self::ByTag => "by_tag",
            Self::Deploying => "deploying",
            Self::Failing => "failing",
            Self::Stopped => "stopped",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::ByServer => "By server",
            Self::ByTag => "By tag",
            Self::Deploying => "Deploying",
            Self::Failing => "Failing",
            Self::Stopped => "Stopped",
        }
    }

    /// What the page says where nothing is to be shown.
    fn none(self) -> &'static str {
        match self {
            Self::All | Self::ByServer => "There is no project",
            Self::ByTag => "No project has a tag",
            Self::Deploying => "Nothing is being deployed",
            Self::Failing => "Nothing fails",
            Self::Stopped => "Nothing is stopped",
        }
    }

    /// A project may come several times.
    fn repeats(self) -> bool {
        self == Self::ByTag
    }

    fn path(self) -> String {
        web::query("/", &[("view", self.name())])
    }
}

impl OverviewPage {
    /// The views: name, path, and whether it is the one that is shown.
    fn views(&self) -> [(&'static str, String, bool); 6] {
        View::ALL.map(|view| {
            let shown = view == self.view && self.search.is_empty();
            (view.words(), view.path(), shown)
        })
    }

    fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.cards.is_empty())
    }
}

/// A count as it is shown: `30+` where it stopped there.
fn counted(count: i64) -> String {
    if count >= COUNTED_TO {
        format!("{COUNTED_TO}+")
    } else {
        count.to_string()
    }
}

/// What is looked for, and where the page begins.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    view: View,
    cursor: Option<String>,
}

impl Asked {
    /// By server, a cursor is `server's name/slug`, by tag `tag's phrase/id`; slugs, tags and ids have no slash.
    fn statement(&self, prefix: &str, visible: Option<String>) -> Statement {
        let after = self.cursor.as_deref().unwrap_or_default();
        match self.view {
            _ if !prefix.is_empty() => cards::found(prefix, FOUND, visible),
            View::All => cards::page(Show::All, after, CARDS, visible),
            View::Deploying => cards::page(Show::Deploying, after, CARDS, visible),
            View::Failing => cards::page(Show::Failing, after, CARDS, visible),
            View::Stopped => cards::page(Show::Stopped, after, CARDS, visible),
            // Who sees some projects only has too few to need an order by servers.
            View::ByServer | View::ByTag if visible.is_some() => {
                cards::page(Show::All, after, CARDS, visible)
            }
            View::ByServer => {
                let (server, slug) = after.rsplit_once('/').unwrap_or_default();
                cards::by_server(server, slug, CARDS)
            }
            View::ByTag => {
                let (tag, project) = after.rsplit_once('/').unwrap_or_default();
                cards::by_tag(tag, project, CARDS)
            }
        }
    }
}

/// `GET /`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let prefix = search::prefix(&asked.q);
    let visible = visitor.signed_in.access.visible();
    let answers = state
        .db
        .batch(vec![
            dashboard::counts(visible.clone()),
            asked.statement(&prefix, visible),
        ])
        .await?;
    let counts: Option<Counts> = answers.first().first_row()?;
    let rows: Vec<ProjectCard> = answers.get(1).rows()?;
    let page = view(&visitor, asked.view, prefix, counts.unwrap_or_default(), rows)?;
    visitor.page(&page)
}

fn view(
    visitor: &Visitor,
    view: View,
    search: String,
    counts: Counts,
    rows: Vec<ProjectCard>,
) -> Result<OverviewPage, StoreError> {
    let access = &visitor.signed_in.access;
    let size = if search.is_empty() { CARDS } else { FOUND };
    // What is found, and what somebody sees who sees some projects only, has the order of all.
    let order = if search.is_empty() && access.visible().is_none() {
        view
    } else {
        View::All
    };
    let page = Page::of(size, rows, |card| match order {
        View::ByServer => format!("{}/{}", card.server_name, card.project.slug),
        View::ByTag => format!("{}/{}", card.tag.as_deref().unwrap_or_default(), card.project.id),
        View::Deploying => card.project.id.to_string(),
        View::All | View::Failing | View::Stopped => card.project.slug.to_string(),
    });
    let mut shell = visitor.shell(title(&counts), Section::Projects, Some(FLEET.to_owned()));
    shell.mood = mood(&counts);
    let next = |cursor: String| web::query("/", &[("view", view.name()), ("cursor", &cursor)]);
    Ok(OverviewPage {
        shell,
        counts,
        groups: groups(&page.items, order, access)?,
        may_create: access.may(Action::CreateProject, None),
        may_add_server: access.may(Action::ManageServers, None),
        view,
        more_found: !search.is_empty() && page.next.is_some(),
        next: page.next.filter(|_| search.is_empty()).map(next),
        search,
    })
}

/// What stands above a card on a page in an order that has groups: name and address of its server or tag.
fn head(row: &ProjectCard, view: View) -> Option<(String, String)> {
    match view {
        View::ByServer => Some((
            row.server_name.clone(),
            format!("/servers/{}", row.project.server),
        )),
        View::ByTag => {
            let phrase = row.tag.as_deref()?;
            let from = format!("{phrase}/");
            let path = web::query("/", &[("view", view.name()), ("cursor", &from)]);
            Some((search::tag_of(phrase)?.to_owned(), path))
        }
        View::All | View::Deploying | View::Failing | View::Stopped => None,
    }
}

/// The cards in the order of their rows, under their servers or tags where the page is ordered by them.
fn groups(rows: &[ProjectCard], view: View, access: &Access) -> Result<Vec<Group>, StoreError> {
    let now = platform::now();
    rows.chunk_by(|one, next| head(one, view) == head(next, view))
        .map(|rows| {
            Ok(Group {
                head: rows.first().and_then(|row| head(row, view)),
                cards: rows
                    .iter()
                    .map(|row| card(row, now, access))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

fn title(counts: &Counts) -> String {
    match counts.deploying {
        0 => "Projects".to_owned(),
        deploying => format!("({} deploying) Projects", counted(deploying)),
    }
}

fn mood(counts: &Counts) -> Mood {
    if counts.deploying > 0 {
        Mood::Busy
    } else {
        Mood::Calm
    }
}

fn card(row: &ProjectCard, now: UnixMillis, access: &Access) -> Result<Card, StoreError> {
    let branch = row.project.ref_name.short().to_owned();
    let last = row
        .last_deployment
        .as_ref()
        .zip(row.last_state)
        .map(|(id, state)| Last {
            id: id.to_string(),
            subject: row
                .last_subject
                .clone()
                .unwrap_or_else(|| format!("The tip of {branch}")),
            commit: row.last_commit.as_ref().map(|commit| commit.short().to_owned()),
            word: look::deployment(state).word.to_lowercase(),
            when: Moment::new(row.last_finished_at.or(row.last_queued_at).unwrap_or(now), now),
        });
    Ok(Card {
        project: Head::new(row, None, access)?,
        branch,
        last,
        answers: Spark::of(&row.answer_times),
    })
}
