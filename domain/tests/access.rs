//! Who may do what, cell by cell: the expected answers are written down here, not computed.

use devflow_domain::access::{
    Action, Area, Grants, KeyLimits, Role, Scope, Through, Verdict, decide, may_change_role,
};
use devflow_protocol::{ProjectId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

fn project(number: i64) -> ProjectId {
    ProjectId::new(UnixMillis(number), [0; 10])
}

fn session(fleet: Option<Role>, projects: &[(i64, Role)], proven: bool) -> Grants {
    Grants {
        fleet,
        projects: projects
            .iter()
            .map(|(number, role)| (project(*number), *role))
            .collect(),
        through: Through::Session {
            proven,
            lacks_factor: false,
        },
    }
}

fn key(fleet: Option<Role>, scope: Scope, projects: Option<&[i64]>) -> Grants {
    let projects = projects.map(|list| list.iter().map(|number| project(*number)).collect());
    Grants {
        fleet,
        projects: BTreeMap::new(),
        through: Through::Key(KeyLimits { scope, projects }),
    }
}

/// One letter an answer.
fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Allowed => 'y',
        Verdict::Prove => 'p',
        Verdict::Refused => 'n',
        Verdict::SetUpFactor => 'f',
        Verdict::Hidden => '-',
    }
}

/// One line an action: for nobody, viewer, maintainer, admin, owner (`y` allowed, `p` allowed after proof, `n`
/// refused, `-` as if it were not there), then whether a key of scope read, deploy, admin covers it.
const CELLS: &str = "\
enter              yyyyy yyy
own_session        yyyyy nnn
see_account        yyyyy nnn
change_account     ppppp nnn
make_keys          ppppp nnn
see_servers        -yyyy yyy
ping_server        -nyyy nyy
manage_servers     -nnpp nny
create_project     -nnyy nny
see_people         -nnyy nny
manage_people      -nnpp nny
see_activity       -nnyy nny
manage_security    -nnnp nny
manage_endpoints   -nnyy nny
see_project        -yyyy yyy
deploy             -nyyy nyy
operate            -nyyy nyy
change_environment -nyyy nny
see_secrets        -nnpp nny
change_settings    -nyyy nny
remove_project     -nnpp nny
manage_members     -nnpp nny
change_endpoints   -nnyy nny
";

fn about(action: Action) -> Option<ProjectId> {
    (action.area() == Area::Project).then(|| project(1))
}

#[test]
fn decide_answers_every_cell_for_roles_of_the_fleet() {
    let roles = [
        None,
        Some(Role::Viewer),
        Some(Role::Maintainer),
        Some(Role::Admin),
        Some(Role::Owner),
    ];
    let mut cells = String::new();
    for action in Action::ALL {
        let project = about(action);
        let of_roles: String = roles
            .iter()
            .map(|role| letter(decide(&session(*role, &[], false), action, project.as_ref())))
            .collect();
        let of_scopes: String = Scope::ALL
            .iter()
            .map(|scope| {
                letter(decide(
                    &key(Some(Role::Owner), *scope, None),
                    action,
                    project.as_ref(),
                ))
            })
            .collect();
        writeln!(cells, "{:<18} {of_roles} {of_scopes}", action.as_str()).expect("a text takes more");
    }
    assert_eq!(cells, CELLS);
}

#[test]
fn decide_answers_every_cell_for_roles_of_a_project() {
    for action in Action::ALL {
        let expected = CELLS
            .lines()
            .find(|line| line.split(' ').next() == Some(action.as_str()))
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap();
        for (column, role) in Role::ALL.into_iter().enumerate() {
            let grants = session(None, &[(1, role)], false);
            let (own, other) = (
                letter(decide(&grants, action, about(action).as_ref())),
                letter(decide(&grants, action, Some(&project(2)))),
            );
            let column = expected.chars().nth(column + 1).unwrap();
            match action.area() {
                Area::Project => assert_eq!((own, other), (column, '-'), "{action:?} {role:?}"),
                Area::Fleet => assert_eq!((own, other), ('-', '-'), "{action:?} {role:?}"),
                Area::Account => assert_eq!((own, other), (column, column), "{action:?} {role:?}"),
            }
        }
    }
}

#[test]
fn decide_takes_the_higher_of_two_roles() {
    let grants = session(Some(Role::Viewer), &[(1, Role::Maintainer)], true);
    assert_eq!(
        decide(&grants, Action::Deploy, Some(&project(1))),
        Verdict::Allowed
    );
    assert_eq!(
        decide(&grants, Action::Deploy, Some(&project(2))),
        Verdict::Refused
    );
    let grants = session(Some(Role::Admin), &[(1, Role::Viewer)], true);
    assert_eq!(
        decide(&grants, Action::SeeSecrets, Some(&project(1))),
        Verdict::Allowed
    );
}

#[test]
fn decide_lets_proof_open_what_needs_it_and_nothing_else() {
    for action in Action::ALL {
        for role in Role::ALL {
            let (before, after) = (
                decide(&session(Some(role), &[], false), action, about(action).as_ref()),
                decide(&session(Some(role), &[], true), action, about(action).as_ref()),
            );
            let expected = if before == Verdict::Prove {
                Verdict::Allowed
            } else {
                before
            };
            assert_eq!(after, expected, "{action:?} {role:?}");
        }
    }
}

#[test]
fn decide_opens_only_the_own_account_to_who_lacks_the_factor_that_all_must_have() {
    let mut open = Vec::new();
    for action in Action::ALL {
        let mut grants = session(Some(Role::Owner), &[], true);
        grants.through = Through::Session {
            proven: true,
            lacks_factor: true,
        };
        match decide(&grants, action, about(action).as_ref()) {
            Verdict::Allowed => open.push(action),
            verdict => assert_eq!(verdict, Verdict::SetUpFactor, "{action:?}"),
        }
    }
    assert_eq!(
        open,
        [Action::OwnSession, Action::SeeAccount, Action::ChangeAccount]
    );
}

#[test]
fn decide_keeps_a_key_to_its_projects_and_to_its_person_s_role() {
    let limited = key(Some(Role::Owner), Scope::Admin, Some(&[1]));
    assert_eq!(
        decide(&limited, Action::Deploy, Some(&project(1))),
        Verdict::Allowed
    );
    assert_eq!(
        decide(&limited, Action::SeeProject, Some(&project(2))),
        Verdict::Hidden
    );
    assert_eq!(decide(&limited, Action::SeeServers, None), Verdict::Hidden);
    assert_eq!(decide(&limited, Action::ManagePeople, None), Verdict::Hidden);
    let viewer = key(Some(Role::Viewer), Scope::Admin, None);
    assert_eq!(
        decide(&viewer, Action::Deploy, Some(&project(1))),
        Verdict::Refused
    );
}

#[test]
fn visible_projects_are_what_role_and_key_both_reach() {
    let set = |numbers: &[i64]| {
        Some(
            numbers
                .iter()
                .map(|number| project(*number))
                .collect::<BTreeSet<_>>(),
        )
    };
    assert_eq!(session(Some(Role::Viewer), &[], false).visible_projects(), None);
    let two = session(None, &[(1, Role::Viewer), (2, Role::Admin)], false);
    assert_eq!(two.visible_projects(), set(&[1, 2]));
    assert_eq!(
        key(Some(Role::Viewer), Scope::Read, Some(&[3])).visible_projects(),
        set(&[3])
    );
    let mut both = key(None, Scope::Read, Some(&[2, 3]));
    both.projects = two.projects;
    assert_eq!(both.visible_projects(), set(&[2]));
    assert_eq!(key(None, Scope::Read, None).visible_projects(), set(&[]));
}

#[test]
fn may_change_role_never_reaches_above_the_actor() {
    let (admin, owner) = (Some(Role::Admin), Some(Role::Owner));
    assert!(may_change_role(admin, Some(Role::Viewer), admin));
    assert!(may_change_role(admin, None, Some(Role::Maintainer)));
    assert!(may_change_role(owner, owner, None));
    assert!(!may_change_role(admin, owner, Some(Role::Viewer)));
    assert!(!may_change_role(admin, Some(Role::Viewer), owner));
    assert!(!may_change_role(Some(Role::Maintainer), None, Some(Role::Viewer)));
    assert!(!may_change_role(None, None, None));
}
