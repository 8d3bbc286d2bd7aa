//! What belongs to people: keys, sessions, activity, signing in.

use super::{ago, badge, shell};
use crate::auth::second::Asked;
use crate::pages::account::{passkeys, password, qr::Qr, second, sessions};
use crate::pages::look::Tone;
use crate::pages::reference::ReferencePage;
use crate::pages::shell::{Notice, Section, Theme};
use crate::pages::{activity, device, keys, prove, sign_in};
use askama::Template;

pub(in crate::pages::tests) fn keys(theme: Theme, name: &str) -> String {
    let mut shell = shell("API keys", Section::Keys, theme);
    shell.notice = Some(Notice {
        good: true,
        text: format!("The key {name} was revoked."),
    });
    let page = keys::KeysPage {
        shell,
        rows: vec![keys::Row {
            id: "key_1".to_owned(),
            name: name.to_owned(),
            reach: format!("looks and deploys: {name}"),
            made: ago(90_000),
            used: Some(ago(120)),
            badge: Some(badge(Tone::Warn, "Ends soon")),
            ends: Some("2026-12-01".to_owned()),
        }],
        made: Some("dfp_4J1v8mZk2uXq".to_owned()),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn activity(theme: Theme, subject: &str) -> String {
    let row = |sentence: &str, n| activity::Row {
        sentence: sentence.to_owned(),
        subject: subject.to_owned(),
        link: Some("/projects/prj_1".to_owned()),
        actor: "owner@example.com".to_owned(),
        detail: String::new(),
        when: ago(n),
    };
    let page = activity::ActivityPage {
        shell: shell("Activity", Section::Activity, theme),
        rows: vec![
            row("Asked for a deployment of", 60),
            row("Changed the environment of", 4_000),
        ],
        next: None,
        problem: Some("up to row 7: the rows are not those of segment 2".to_owned()),
        what: "project".to_owned(),
        who: subject.to_owned(),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn reference(theme: Theme) -> String {
    let page = ReferencePage::new(shell("API reference", Section::Keys, theme)).unwrap();
    page.render().unwrap()
}

pub(in crate::pages::tests) fn sign_in(theme: Theme, email: &str) -> String {
    let page = sign_in::SignInPage {
        theme,
        problem: Some("The e-mail address or the password is not right.".to_owned()),
        email: email.to_owned(),
        passkeys: true,
        next: "/".to_owned(),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn sign_in_code(theme: Theme, step: &str, passkey: bool) -> String {
    let page = sign_in::CodePage {
        theme,
        problem: Some("The code is wrong.".to_owned()),
        asked: Asked {
            step: step.to_owned(),
            app: !passkey,
            passkey,
        },
        next: "/".to_owned(),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn prove(theme: Theme, email: &str) -> String {
    let page = prove::ProvePage {
        theme,
        csrf: shell("", Section::Account, theme).csrf,
        problem: None,
        email: email.to_owned(),
        has_factor: true,
        app: true,
        passkey: true,
        next: "/people".to_owned(),
    };
    page.render().unwrap()
}

/// `stage`: nothing there, begun, there.
pub(in crate::pages::tests) fn second(theme: Theme, stage: u8) -> String {
    let page = second::SecondPage {
        shell: shell("Second factor", Section::Account, theme),
        required: stage == 1,
        secret: (stage == 1).then(|| second::Shown {
            qr: Qr::new(
                "otpauth://totp/DevFlow%20Pro:owner%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            ),
            text: "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ".to_owned(),
        }),
        there: (stage == 2).then(|| ago(90_000)),
        passkeys_possible: stage != 0,
        passkeys: usize::from(stage == 2),
        codes_left: 3,
        problem: (stage == 1).then(|| "the six digits that the app shows".to_owned()),
    };
    page.render().unwrap()
}

/// `many`: as many as there may be, else the first of which is to be made.
pub(in crate::pages::tests) fn passkeys(theme: Theme, name: &str, many: usize) -> String {
    let row = |n: usize| passkeys::Row {
        id: format!("psk_{n}"),
        name: name.to_owned(),
        kind: "signs you in alone · copied to your devices".to_owned(),
        added: ago(90_000),
        used: (n > 1).then(|| ago(60)),
    };
    let page = passkeys::PasskeysPage {
        shell: shell("Passkeys", Section::Account, theme),
        rows: (0..many).map(row).collect(),
        possible: true,
        first: many == 0,
        name: name.to_owned(),
        problem: (many == 2).then(|| format!("passkey: {name}")),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn codes(theme: Theme) -> String {
    let page = second::CodesPage {
        shell: shell("Recovery codes", Section::Account, theme),
        codes: vec!["a4dq-obyh-a4dq-obyh".to_owned(); 10],
    };
    page.render().unwrap()
}

/// `stage`: the code, what asks, what asks too much, it is in.
pub(in crate::pages::tests) fn device(theme: Theme, stage: u8, name: &str) -> String {
    let waiting = |scopes| {
        device::Stage::Decide(device::Device {
            code: "BCDF-GHJK".to_owned(),
            name: name.to_owned(),
            place: "192.0.2.1 · DE".to_owned(),
            asked: ago(20),
            scopes,
        })
    };
    let all = vec![("admin", "do all that you may"), ("deploy", "look and deploy")];
    let page = device::DevicePage {
        theme,
        csrf: shell("", Section::Account, theme).csrf,
        email: "owner@example.com".to_owned(),
        problem: (stage == 0).then(|| "No login waits with this code.".to_owned()),
        stage: match stage {
            0 => device::Stage::Ask(name.to_owned()),
            1 => waiting(all),
            2 => waiting(vec![]),
            _ => device::Stage::Done {
                name: name.to_owned(),
                is_in: stage == 3,
            },
        },
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn set_up(theme: Theme, token: &str) -> String {
    let page = sign_in::SetUpPage {
        theme,
        problem: None,
        email: String::new(),
        token: token.to_owned(),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn sessions(theme: Theme, device: &str) -> String {
    let row = |n: i64, device: &str, place: &str| sessions::Row {
        id: format!("lgn_{n}"),
        device: device.to_owned(),
        place: place.to_owned(),
        started: ago(n * 90_000),
        used: ago(n * 60),
        this: n == 1,
    };
    let page = sessions::AccountPage {
        shell: shell("Your account", Section::Account, theme),
        email: device.to_owned(),
        rows: vec![
            row(1, "Firefox on Linux", "192.0.2.1 · DE"),
            row(2, device, "2001:db8::7 · FR"),
        ],
        next: Some("/account?cursor=1.log_1".to_owned()),
    };
    page.render().unwrap()
}

pub(in crate::pages::tests) fn password(theme: Theme, email: &str) -> String {
    let page = password::PasswordPage {
        shell: shell("Change your password", Section::Account, theme),
        email: email.to_owned(),
        problem: Some("password: 12 to 256 characters".to_owned()),
    };
    page.render().unwrap()
}
