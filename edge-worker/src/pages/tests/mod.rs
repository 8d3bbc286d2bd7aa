//! Each page is rendered: it says what it should, keeps to the content security policy, and nothing that a stranger
//! wrote becomes markup.

mod samples;

use super::shell::Theme;
use std::collections::BTreeSet;

const HOSTILE: &str = r#"</textarea></title><script>alert("1")</script><img src=x onerror='a'>"#;

#[test]
fn every_page_escapes_what_a_stranger_wrote() {
    for (name, html) in samples::all(Theme::Dark, HOSTILE) {
        let lower = html.to_lowercase();
        assert_eq!(lower.matches("<script>").count(), 0, "{name}");
        assert!(!lower.contains("<img"), "{name}");
        assert!(!html.contains(r#"alert("1")"#), "{name}");
        assert!(!html.contains("onerror='a'"), "{name}");
        assert_eq!(
            lower.matches("<title>").count(),
            lower.matches("</title>").count(),
            "{name}"
        );
        assert_eq!(
            lower.matches("<textarea").count(),
            lower.matches("</textarea>").count(),
            "{name}"
        );
    }
}

#[test]
fn notes_escape_the_reason_of_a_failure() {
    let html = samples::deployment::happened(HOSTILE);
    assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
    assert_eq!(html.matches("See the deployment").count(), 2);
}

#[test]
fn every_page_keeps_to_the_content_security_policy() {
    for (name, html) in samples::all(Theme::Light, "Shop") {
        assert!(!html.contains(" style="), "{name} has a style attribute");
        assert!(!html.contains("<style"), "{name} has a style element");
        for script in html.split("<script").skip(1) {
            assert!(script.contains(r#"src="/assets/"#), "{name} has an inline script");
        }
        for handler in [" onclick=", " onsubmit=", " onload=", " oninput=", "javascript:"] {
            assert!(!html.contains(handler), "{name} has {handler}");
        }
    }
}

#[test]
fn every_page_has_its_theme_before_anything_that_is_loaded() {
    for (theme, wanted) in [
        (Theme::System, "light dark"),
        (Theme::Light, "light"),
        (Theme::Dark, "dark"),
    ] {
        for (name, html) in samples::all(theme, "Shop") {
            let (head, _) = html.split_once("<link").unwrap();
            let meta = format!(r#"<meta name="color-scheme" content="{wanted}">"#);
            assert!(
                head.contains(&format!(r#" data-theme="{theme}">"#)) && head.contains(&meta),
                "{name}"
            );
        }
    }
}

#[test]
fn every_page_has_one_heading_unique_ids_and_labelled_fields() {
    for (name, html) in samples::all(Theme::System, "Shop") {
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        let mut seen = BTreeSet::new();
        for id in html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            assert!(seen.insert(id), "{name} has the id {id} twice");
        }
        for target in html
            .split(" for=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            assert!(
                seen.contains(target),
                "{name} has a label for {target}, which is not there"
            );
        }
    }
}

#[test]
fn every_form_that_changes_something_carries_the_token() {
    for (name, html) in samples::all(Theme::System, "Shop") {
        if ["sign-in", "sign-in-code", "sign-in-passkey", "set-up", "join"].contains(&name) {
            continue;
        }
        for form in html
            .split("<form")
            .skip(1)
            .filter(|form| form.contains(r#"method="post""#))
        {
            let body = form.split("</form>").next().unwrap_or_default();
            assert!(body.contains(r#"name="csrf" value="dG9rZW4""#), "{name}: {body}");
        }
    }
}

#[test]
fn passkeys_are_offered_only_where_browsers_have_them() {
    let [bare, named] = [0, 1].map(|stage| text(&samples::account::second(Theme::System, stage)));
    assert!(
        bare.contains("this installation is at a bare address") && !bare.to_lowercase().contains("a passkey"),
        "{bare}"
    );
    assert!(named.contains("Add a passkey"), "{named}");
}

/// What a page says, without its markup.
fn text(html: &str) -> String {
    let main = html.split("<main").nth(1).unwrap_or_default();
    let mut text = String::new();
    for part in main.split('<').skip(1) {
        text.push_str(part.split_once('>').map_or("", |(_, after)| after));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn empty_overview_says_what_to_do_first() {
    insta::assert_snapshot!(text(&samples::overview::overview(Theme::System, &[])));
}

#[test]
fn overview_shows_state_last_deployment_and_actions_of_each_project() {
    insta::assert_snapshot!(text(&samples::overview::overview(
        Theme::System,
        &["Shop", "Blog", "Old", "Paused", "New"]
    )));
}

#[test]
fn failed_deployment_says_why_and_what_serves() {
    insta::assert_snapshot!(text(&samples::deployment::deployment(
        Theme::System,
        true,
        "delivery_date"
    )));
}

#[test]
fn running_deployment_shows_its_step_and_can_be_cancelled() {
    insta::assert_snapshot!(text(&samples::deployment::deployment(
        Theme::System,
        false,
        "delivery_date"
    )));
}

#[test]
fn environment_masks_values_that_are_not_asked_for() {
    insta::assert_snapshot!(text(&samples::project::environment(Theme::System, "Our shop")));
}

#[test]
fn pipeline_tells_what_a_deployment_will_do() {
    insta::assert_snapshot!(text(&samples::project::pipeline(Theme::System, "it's")));
}

#[test]
fn form_names_each_problem_at_its_field() {
    let mut form = samples::project::project_form();
    form.problems = vec![
        ("domains".to_owned(), "a host name is listed twice".to_owned()),
        ("steps".to_owned(), "at most 40 steps".to_owned()),
    ];
    let html = samples::project::new_project(Theme::System, form);
    assert!(html.contains(r#"<span class="wrong" role="alert">a host name is listed twice</span>"#));
    assert!(html.contains(r#"<p class="notice bad" role="alert">steps: at most 40 steps</p>"#));
    assert_eq!(html.matches(r#"aria-invalid="true""#).count(), 1);
}
