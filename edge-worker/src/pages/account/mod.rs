//! One's own account: where one is signed in, the password, passkeys and the second factor.

pub(crate) mod passkeys;
pub(crate) mod password;
pub(crate) mod qr;
pub(crate) mod second;
pub(crate) mod sessions;

use crate::access::{Needs, Routes};
use devflow_domain::access::Action;

/// The pages of one's own account and what their forms are sent to.
pub(crate) fn router() -> Routes {
    Routes::new()
        .get("/account", Needs::may(Action::SeeAccount), sessions::show)
        .post(
            "/account/sessions/{id}/revoke",
            Needs::may(Action::SeeAccount),
            sessions::revoke,
        )
        .post(
            "/account/sessions/revoke",
            Needs::may(Action::SeeAccount),
            sessions::revoke_others,
        )
        .get(
            "/account/password",
            Needs::may(Action::ChangeAccount),
            password::show,
        )
        .post(
            "/account/password",
            Needs::may(Action::ChangeAccount),
            password::change,
        )
        .get(
            "/account/second-factor",
            Needs::may(Action::ChangeAccount),
            second::show,
        )
        .post(
            "/account/second-factor/begin",
            Needs::may(Action::ChangeAccount),
            second::begin,
        )
        .post(
            "/account/second-factor/confirm",
            Needs::may(Action::ChangeAccount),
            second::confirm,
        )
        .post(
            "/account/second-factor/codes",
            Needs::may(Action::ChangeAccount),
            second::codes,
        )
        .get(
            "/account/passkeys",
            Needs::may(Action::ChangeAccount),
            passkeys::show,
        )
        .post(
            "/account/passkeys/options",
            Needs::may(Action::ChangeAccount),
            passkeys::options,
        )
        .post(
            "/account/passkeys",
            Needs::may(Action::ChangeAccount),
            passkeys::add,
        )
        .post(
            "/account/passkeys/{id}/rename",
            Needs::may(Action::ChangeAccount),
            passkeys::rename,
        )
        .post(
            "/account/passkeys/{id}/remove",
            Needs::may(Action::ChangeAccount),
            passkeys::remove,
        )
        .post(
            "/account/second-factor/remove",
            Needs::may(Action::ChangeAccount),
            second::remove,
        )
}
