//! What every page handler needs: who looks, in which theme, the notice about what was just done; and the answers:
//! a page, a redirect with a notice, an error as a page.

use super::shell::{CsrfField, Mood, Notice, Section, Shell, Theme};
use crate::app::AppState;
use crate::auth::{SignedIn, request_cookie};
use crate::error::ApiError;
use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const THEME_COOKIE: &str = "theme";
const NOTICE_COOKIE: &str = "__Host-notice";
/// A cookie has to stay below 4 kB; a sentence does.
const NOTICE_CHARS: usize = 500;

/// A signed-in person who looks at a page.
pub(crate) struct Visitor {
    pub(crate) signed_in: SignedIn,
    pub(crate) theme: Theme,
    notice: Option<Notice>,
    path: String,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let signed_in = SignedIn::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self::new(signed_in, &parts.headers, path))
    }
}

impl Visitor {
    /// The sender of a form, to whom a page is answered at once.
    pub(crate) fn new(signed_in: SignedIn, headers: &HeaderMap, path: &str) -> Self {
        // A page that fetches itself again takes over its content only; the notice is for the next whole page.
        let refresh = headers.contains_key("x-refresh");
        Self {
            signed_in,
            theme: theme(headers),
            notice: request_cookie(headers, NOTICE_COOKIE)
                .filter(|_| !refresh)
                .and_then(|value| read_notice(&value)),
            path: path.to_owned(),
        }
    }

    /// The frame of a page.
    pub(crate) fn shell(&self, title: impl Into<String>, section: Section, topic: Option<String>) -> Shell {
        Shell {
            title: title.into(),
            section,
            sections: Section::visible(&self.signed_in.access),
            theme: self.theme,
            csrf: CsrfField(self.signed_in.csrf.clone()),
            who: self.signed_in.email.clone(),
            notice: self.notice.clone(),
            topic,
            mood: Mood::Calm,
            now: crate::platform::now(),
            path: self.path.clone(),
        }
    }

    /// Answers with a page; a notice has been shown then.
    pub(crate) fn page(&self, page: &impl Template) -> Result<Response, ApiError> {
        let mut response = html(StatusCode::OK, page)?;
        if self.notice.is_some() {
            let gone =
                HeaderValue::from_static("__Host-notice=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
            response.headers_mut().append(header::SET_COOKIE, gone);
        }
        Ok(response)
    }
}

/// A template as a response.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Result<Response, ApiError> {
    let text = page
        .render()
        .map_err(|error| ApiError::Internal(format!("a page cannot be rendered: {error}")))?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    Ok((status, [(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Answers an error with a page that says it in its place; a refusal goes on record all the same.
pub(crate) fn answered(error: &ApiError, page: &impl Template) -> Result<Response, ApiError> {
    let mut response = html(error.status(), page)?;
    if let Some(refused) = error.refusal() {
        response.extensions_mut().insert(refused);
    }
    Ok(response)
}

/// Answers a form that cannot be taken with the page that says why.
pub(crate) fn refused(page: &impl Template) -> Result<Response, ApiError> {
    html(StatusCode::UNPROCESSABLE_ENTITY, page)
}

/// What is wrong with what somebody filled in, in sentences: fields have other names on a page than in the API.
pub(crate) fn wrong(error: &ApiError) -> String {
    let ApiError::Invalid(problems) = error else {
        return error.detail();
    };
    let sentences = problems.iter().map(|(_, message)| {
        let first: String = message.chars().take(1).flat_map(char::to_uppercase).collect();
        let rest: String = message.chars().skip(1).collect();
        let end = if rest.ends_with(['.', '!', '?']) { "" } else { "." };
        format!("{first}{rest}{end}")
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// The theme that a browser has chosen.
pub(crate) fn theme(headers: &HeaderMap) -> Theme {
    request_cookie(headers, THEME_COOKIE)
        .and_then(|name| Theme::from_name(&name))
        .unwrap_or_default()
}

/// The `Set-Cookie` header that keeps a theme for a year.
pub(crate) fn theme_cookie(theme: Theme) -> String {
    format!("{THEME_COOKIE}={theme}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly; Secure")
}

fn notice_cookie(notice: &Notice) -> String {
    let text: String = notice.text.chars().take(NOTICE_CHARS).collect();
    let kind = if notice.good { 'g' } else { 'b' };
    let value = URL_SAFE_NO_PAD.encode(text);
    format!("{NOTICE_COOKIE}={kind}{value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60")
}

fn read_notice(value: &str) -> Option<Notice> {
    let good = match value.chars().next()? {
        'g' => true,
        'b' => false,
        _ => return None,
    };
    let bytes = URL_SAFE_NO_PAD.decode(&value[1..]).ok()?;
    let text = String::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    Some(Notice { good, text })
}

/// Sends a browser to another page with a GET.
pub(crate) fn go(path: &str) -> Response {
    let place = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

/// The same, with a header that sets a cookie.
pub(crate) fn go_with_cookie(path: &str, cookie: &str) -> Result<Response, ApiError> {
    let mut response = go(path);
    set_cookie(&mut response, cookie)?;
    Ok(response)
}

/// Sends somebody on who has just come in, with the cookies that say so.
pub(crate) fn enter(path: &str, cookies: &[String]) -> Result<Response, ApiError> {
    let mut response = go(path);
    for cookie in cookies {
        set_cookie(&mut response, cookie)?;
    }
    Ok(response)
}

/// Adds a header that sets a cookie.
pub(crate) fn set_cookie(response: &mut Response, cookie: &str) -> Result<(), ApiError> {
    let value = HeaderValue::from_str(cookie)
        .map_err(|error| ApiError::Internal(format!("a cookie cannot be set: {error}")))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

/// After an action: back to a page that says that it was done, or why it was not.
pub(crate) fn done<T>(
    result: Result<T, ApiError>,
    path: &str,
    text: impl FnOnce(&T) -> String,
) -> Result<Response, ApiError> {
    let notice = match &result {
        Ok(value) => Notice {
            good: true,
            text: text(value),
        },
        Err(ApiError::Conflict(_, text)) => Notice {
            good: false,
            text: text.clone(),
        },
        Err(error @ ApiError::Invalid(_)) => Notice {
            good: false,
            text: error.detail(),
        },
        Err(_) => return result.map(|_| go(path)),
    };
    go_with_cookie(path, &notice_cookie(&notice))
}

/// A path with a query; fields without a value are left out.
pub(crate) fn query(path: &str, fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// A path of this site that a form asked to be sent back to, else `otherwise`.
pub(crate) fn back_or(back: Option<&str>, otherwise: &str) -> String {
    let safe = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.len() <= 1_000
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    back.filter(safe).unwrap_or(otherwise).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notice_survives_its_cookie() {
        let notice = Notice {
            good: false,
            text: "“Shop” has no release; deploy it first.".to_owned(),
        };
        let set = notice_cookie(&notice);
        let value = set
            .split_once('=')
            .and_then(|(_, rest)| rest.split(';').next())
            .unwrap();
        assert_eq!(read_notice(value), Some(notice));
        assert_eq!(["", "x", "gé", "g", "g!!"].map(read_notice), [const { None }; 5]);
    }

    #[test]
    fn wrong_fields_are_told_in_sentences() {
        let problem = |field: &str, message: &str| (field.to_owned(), message.to_owned());
        let invalid = ApiError::Invalid(vec![
            problem("email", "give an e-mail address, such as ops@example.com"),
            problem("password", "Is that a word?"),
        ]);
        assert_eq!(
            wrong(&invalid),
            "Give an e-mail address, such as ops@example.com. Is that a word?"
        );
        let conflict = ApiError::Conflict("taken", "It is taken.".to_owned());
        assert_eq!(wrong(&conflict), "It is taken.");
    }

    #[test]
    fn back_leads_to_this_site_only() {
        let back = |path| back_or(Some(path), "/");
        assert_eq!(back("/projects/a?x=1"), "/projects/a?x=1");
        for elsewhere in [
            "https://evil.test",
            "//evil.test",
            "/\\evil.test",
            "/a\nb",
            "",
            "javascript:x",
        ] {
            assert_eq!(back(elsewhere), "/", "{elsewhere}");
        }
    }

    #[test]
    fn theme_is_read_from_its_cookie() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; theme=dark"));
        assert_eq!(theme(&headers), Theme::Dark);
        headers.insert(header::COOKIE, HeaderValue::from_static("theme=neon"));
        assert_eq!(theme(&headers), Theme::System);
    }
}
