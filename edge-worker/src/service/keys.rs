//! API keys of a person: made, shown once, rotated, revoked.

use super::check_name;
use crate::access::Access;
use crate::app::AppState;
use crate::auth::{Caller, SignedIn, new_key};
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::keys::{self, KeyRow, SlugRow};
use crate::store::{StoreError, activity, users};
use devflow_domain::access::{Action, Scope};
use devflow_domain::api_key::{KEYS_EACH, ends_at, old_ends_at};
use devflow_protocol::{ApiKeyId, ProjectId};

/// What is asked for.
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    /// How long it lasts; the default where nothing is said.
    pub(crate) days: Option<u16>,
    /// The only projects that it reaches; None is all.
    pub(crate) projects: Option<Vec<ProjectId>>,
}

/// A key that was made.
pub(crate) struct Made {
    pub(crate) row: KeyRow,
    /// Told this once.
    pub(crate) token: String,
}

/// All keys of that person, newest first.
pub(crate) async fn list(state: &AppState, owner: &SignedIn) -> Result<Vec<KeyRow>, ApiError> {
    Ok(state.db.all(keys::of_user(&owner.user)).await?)
}

async fn get(state: &AppState, owner: &SignedIn, id: &ApiKeyId) -> Result<KeyRow, ApiError> {
    let row = state.db.first(keys::of_user_by_id(&owner.user, id)).await?;
    row.ok_or_else(|| ApiError::no_such("API key"))
}

fn json(ids: &[ProjectId]) -> String {
    serde_json::to_string(ids).expect("ids are plain texts")
}

/// The projects as they are stored. Each has to be there, and the person has to see it.
async fn check_projects(
    state: &AppState,
    owner: &SignedIn,
    projects: Option<&[ProjectId]>,
) -> Result<Option<String>, ApiError> {
    let Some(projects) = projects else {
        return Ok(None);
    };
    if !(1..=50).contains(&projects.len()) {
        return Err(ApiError::invalid(
            "projects",
            "1 to 50 projects; without the field the key reaches all",
        ));
    }
    let there: Vec<SlugRow> = state.db.all(keys::projects_of_ids(&json(projects))).await?;
    let reached = |id: &ProjectId| {
        there.iter().any(|row| row.id == *id) && owner.access.may(Action::SeeProject, Some(id))
    };
    match projects.iter().find(|id| !reached(id)) {
        Some(id) => Err(ApiError::invalid("projects", format!("there is no project {id}"))),
        None => Ok(Some(json(projects))),
    }
}

/// The slugs in what was typed, between spaces, commas or line ends; None where nothing was.
fn read_slugs(typed: &str) -> Result<Option<Vec<&str>>, ApiError> {
    if typed.trim().is_empty() {
        return Ok(None);
    }
    let slugs: Vec<&str> = typed
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|slug| !slug.is_empty())
        .collect();
    if slugs.is_empty() {
        // A key for all is wanted with an empty field only, and never by a slip.
        return Err(ApiError::invalid(
            "projects",
            "name projects, or leave the field empty for all",
        ));
    }
    Ok(Some(slugs))
}

/// The ids of the slugs among the projects of `rows` that one sees; of the others it says that they are not there.
fn pick(slugs: &[&str], rows: &[SlugRow], access: &Access) -> Result<Vec<ProjectId>, ApiError> {
    let found = |slug: &str| {
        rows.iter()
            .find(|row| row.slug == slug && access.may(Action::SeeProject, Some(&row.id)))
            .map(|row| row.id.clone())
    };
    let unknown = |slug: &str| ApiError::invalid("projects", format!("there is no project {slug}"));
    slugs
        .iter()
        .map(|slug| found(slug).ok_or_else(|| unknown(slug)))
        .collect()
}

/// The ids of slugs that were typed, between spaces, commas or line ends; None (all) where nothing was.
pub(crate) async fn projects_of(
    state: &AppState,
    owner: &SignedIn,
    typed: &str,
) -> Result<Option<Vec<ProjectId>>, ApiError> {
    let Some(slugs) = read_slugs(typed)? else {
        return Ok(None);
    };
    let list = serde_json::to_string(&slugs).expect("texts are JSON");
    let rows: Vec<SlugRow> = state.db.all(keys::projects_of_slugs(&list)).await?;
    pick(&slugs, &rows, &owner.access).map(Some)
}

/// Makes a key; it is told this once.
pub(crate) async fn create(state: &AppState, owner: &SignedIn, wanted: &Wanted) -> Result<Made, ApiError> {
    create_as(state, owner, wanted, "key.create").await
}

/// The same, recorded as `action`.
pub(crate) async fn create_as(
    state: &AppState,
    owner: &SignedIn,
    wanted: &Wanted,
    action: &str,
) -> Result<Made, ApiError> {
    let name = check_name(&wanted.name, 60, "give the key a name of 1 to 60 characters")?;
    let now = platform::now();
    let end = ends_at(now, wanted.days).map_err(|error| ApiError::invalid("days", error.to_string()))?;
    let projects = check_projects(state, owner, wanted.projects.as_deref()).await?;
    let (id, token) = (platform::new_id(ApiKeyId::new), new_key());
    let insert = users::insert_key(&users::NewKey {
        token_hash: &crypt::token_hash(&token),
        id: &id,
        user: &owner.user,
        name,
        scope: wanted.scope,
        projects,
        expires_at: Some(end),
        now,
    });
    let told = activity::record(now, &owner.actor().0, action, id.as_str(), name);
    state.db.batch(vec![insert, told]).await.map_err(refused)?;
    let row = get(state, owner, &id).await?;
    Ok(Made { row, token })
}

fn refused(error: StoreError) -> ApiError {
    if error.is_null("api_keys.name") {
        return ApiError::Conflict(
            "too_many_keys",
            format!("You have {KEYS_EACH} keys; revoke one that is not needed any more."),
        );
    }
    error.into()
}

/// Makes a key with the name, scope and projects of another, which ends `overlap_hours` later: time to bring the new
/// one to all that use it. 0 ends the old one at once, as when it leaked.
pub(crate) async fn rotate(
    state: &AppState,
    owner: &SignedIn,
    id: &ApiKeyId,
    days: Option<u16>,
    overlap_hours: Option<u16>,
) -> Result<Made, ApiError> {
    let old = get(state, owner, id).await?;
    let now = platform::now();
    let end = ends_at(now, days).map_err(|error| ApiError::invalid("days", error.to_string()))?;
    let old_end = old_ends_at(now, overlap_hours, old.expires_at)
        .map_err(|error| ApiError::invalid("overlap_hours", error.to_string()))?;
    let (new, token) = (platform::new_id(ApiKeyId::new), new_key());
    let insert = users::insert_key(&users::NewKey {
        token_hash: &crypt::token_hash(&token),
        id: &new,
        user: &owner.user,
        name: &old.name,
        scope: old.scope,
        projects: old.projects,
        expires_at: Some(end),
        now,
    });
    let told = activity::record(now, &owner.actor().0, "key.rotate", new.as_str(), id.as_str());
    let batch = vec![insert, keys::end(id, old_end), told];
    state.db.batch(batch).await.map_err(refused)?;
    let row = get(state, owner, &new).await?;
    Ok(Made { row, token })
}

/// Revokes a key of that person.
pub(crate) async fn revoke(state: &AppState, owner: &SignedIn, id: &ApiKeyId) -> Result<(), ApiError> {
    get(state, owner, id).await?;
    let now = platform::now();
    let told = activity::record(now, &owner.actor().0, "key.revoke", id.as_str(), "");
    state
        .db
        .batch(vec![users::delete_key(id, &owner.user), told])
        .await?;
    Ok(())
}

/// Revokes the key with which this is asked.
pub(crate) async fn revoke_itself(state: &AppState, caller: &Caller) -> Result<(), ApiError> {
    let row: Option<KeyRow> = state.db.first(keys::by_id(&caller.actor.0)).await?;
    let row = row.ok_or_else(|| ApiError::NotFound("A session is no key.".to_owned()))?;
    // In the name of its person: the key is gone then, and its name with it.
    let told = activity::record(
        platform::now(),
        caller.user.as_str(),
        "key.log_out",
        row.id.as_str(),
        &row.name,
    );
    let batch = vec![users::delete_key(&row.id, &caller.user), told];
    state.db.batch(batch).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_domain::access::{Grants, Role, Through};
    use devflow_protocol::UnixMillis;

    fn project(number: i64) -> ProjectId {
        ProjectId::new(UnixMillis(number), [0; 10])
    }

    #[test]
    fn read_slugs_gives_all_for_an_empty_field_alone() {
        for empty in ["", " ", "\n"] {
            assert_eq!(read_slugs(empty).unwrap(), None, "{empty:?}");
        }
        assert_eq!(
            read_slugs(" shop,blog\nwiki ").unwrap(),
            Some(vec!["shop", "blog", "wiki"])
        );
        for nothing in [",", " , ,\n"] {
            assert!(
                matches!(read_slugs(nothing), Err(ApiError::Invalid(_))),
                "{nothing:?}"
            );
        }
    }

    #[test]
    fn pick_says_the_same_of_a_hidden_project_as_of_none() {
        let row = |number, slug: &str| SlugRow {
            id: project(number),
            slug: slug.to_owned(),
        };
        let rows = [row(1, "shop"), row(2, "hidden")];
        let access = Access(Grants {
            fleet: None,
            projects: [(project(1), Role::Viewer)].into(),
            through: Through::Session {
                proven: true,
                lacks_factor: false,
            },
        });
        assert_eq!(pick(&["shop"], &rows, &access).unwrap(), [project(1)]);
        let refused = |slug: &str| match pick(&["shop", slug], &rows, &access) {
            Err(ApiError::Invalid(problems)) => problems,
            other => panic!("{slug}: {other:?}"),
        };
        for slug in ["hidden", "unknown"] {
            let problem = format!("there is no project {slug}");
            assert_eq!(refused(slug), [("projects".to_owned(), problem)]);
        }
    }
}
