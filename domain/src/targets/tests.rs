use super::*;
use crate::settings::ProjectSettings;
use std::fmt::Write as _;

/// A deployment before its first job ends: all servers are there, and have a release.
fn parts(count: usize) -> Vec<Part> {
    (0..count)
        .map(|number| Part {
            name: format!("web-{}", number + 1),
            state: if number == 0 {
                PartState::Working
            } else {
                PartState::Waiting
            },
            reason: None,
            online: true,
            has_before: true,
        })
        .collect()
}

/// Lets jobs end as `ends` says, one after the other; tells what followed each.
fn told(policy: Policy, parts: &mut [Part], ends: &[End]) -> String {
    let mut text = String::new();
    let mut at = 0;
    for end in ends {
        let reason = match end {
            End::Live => None,
            End::Failed => Some("step `ready` failed: /up answers 500".to_owned()),
            End::RolledBack => Some("it turned bad".to_owned()),
            End::Cancelled => Some("Cancelled by a person.".to_owned()),
            End::Superseded => Some("a newer one is live".to_owned()),
        };
        let next = advance(policy, parts, at, *end, reason);
        let states: Vec<&str> = parts.iter().map(|part| part.state.as_str()).collect();
        let next = match next {
            Next::Begin(part) => {
                at = part;
                format!("begin {}", parts[part].name)
            }
            Next::GoBack(part) => {
                at = part;
                format!("{} goes back", parts[part].name)
            }
            Next::End(state, reason) => {
                format!("over, {}: {}", state.as_str(), reason.unwrap_or_default())
            }
        };
        writeln!(text, "  {end:?} → {next}   [{}]", states.join(", ")).expect("writes to a string");
    }
    text
}

#[test]
fn what_follows_each_end_reads_as_documented() {
    use End::{Cancelled, Failed, Live, RolledBack, Superseded};
    let all_well: &[End] = &[Live, Live, Live];
    let second_fails = &[Live, Failed, Live];
    let third_turns_bad = &[Live, Live, RolledBack, Live, Live];
    let cases: [(&str, Policy, &[End]); 11] = [
        ("all well", Policy::All, all_well),
        ("the first fails", Policy::All, &[Failed]),
        ("the first turns bad", Policy::KeepGoing, &[RolledBack]),
        ("the first is overtaken", Policy::All, &[Superseded]),
        ("the second fails, all", Policy::All, second_fails),
        ("the second fails, keep going", Policy::KeepGoing, second_fails),
        ("the third turns bad, all", Policy::All, third_turns_bad),
        (
            "the third turns bad, keep going",
            Policy::KeepGoing,
            &[Live, Live, RolledBack],
        ),
        (
            "a way back fails",
            Policy::All,
            &[Live, Live, Failed, Failed, Live],
        ),
        (
            "cancelled on the second, all",
            Policy::All,
            &[Live, Cancelled, Live],
        ),
        (
            "cancelled on the second, keep going",
            Policy::KeepGoing,
            &[Live, Cancelled],
        ),
    ];
    let mut text = String::new();
    for (name, policy, ends) in cases {
        writeln!(text, "{name}\n{}", told(policy, &mut parts(3), ends)).expect("writes to a string");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn silent_server_has_failed_when_its_turn_comes() {
    let mut going = parts(3);
    going[1].online = false;
    let next = advance(Policy::KeepGoing, &mut going, 0, End::Live, None);
    assert_eq!((next, going[1].state), (Next::Begin(2), PartState::Failed));
    let next = advance(Policy::KeepGoing, &mut going, 2, End::Live, None);
    assert_eq!(
        next,
        Next::End(
            DeploymentState::Failed,
            Some(
                "web-2: The server was silent when its turn came. web-1, web-3 serve the new release."
                    .to_owned()
            )
        )
    );
    let mut back = parts(2);
    back[1].online = false;
    let next = advance(Policy::All, &mut back, 0, End::Live, None);
    assert_eq!((next, back[0].state), (Next::GoBack(0), PartState::GoingBack));
}

#[test]
fn server_without_a_release_before_keeps_the_new_one() {
    let mut first = parts(2);
    first[0].has_before = false;
    advance(Policy::All, &mut first, 0, End::Live, None);
    let next = advance(
        Policy::All,
        &mut first,
        1,
        End::Failed,
        Some("no disk".to_owned()),
    );
    let reason = "web-2: no disk. web-1 serves the new release.".to_owned();
    assert_eq!(next, Next::End(DeploymentState::Failed, Some(reason)));
}

/// Whatever jobs end with, a deployment comes to its end, no two servers are at work at once, and the states agree.
#[test]
fn every_sequence_of_ends_comes_to_an_end() {
    let ends = [End::Live, End::Failed, End::RolledBack, End::Cancelled];
    for policy in [Policy::All, Policy::KeepGoing] {
        for mut number in 0..4_usize.pow(6) {
            let (mut parts, mut at, mut jobs) = (parts(3), 0, 0);
            let state = loop {
                let end = ends[number % 4];
                number /= 4;
                jobs += 1;
                match advance(policy, &mut parts, at, end, None) {
                    Next::Begin(next) | Next::GoBack(next) => at = next,
                    Next::End(state, _) => break state,
                }
                let at_work = parts
                    .iter()
                    .filter(|part| matches!(part.state, PartState::Working | PartState::GoingBack));
                assert_eq!(at_work.count(), 1, "{parts:?}");
            };
            assert!(jobs <= 6, "{jobs} jobs");
            let live = parts.iter().filter(|part| part.state.has_release()).count();
            assert_eq!(
                state == DeploymentState::Live,
                live == 3 && !parts.iter().any(|part| part.state.is_bad())
            );
            assert!(state != DeploymentState::RolledBack || live == 0, "{parts:?}");
        }
    }
}

#[test]
fn follower_neither_migrates_nor_schedules() {
    let settings: ProjectSettings = serde_json::from_str(
        r#"{"framework":"laravel","repository":"https://h.test/a.git","domains":["shop.test"]}"#,
    )
    .expect("settings");
    let first = settings.to_spec("shop".parse().expect("a slug"));
    let other = of_follower(first.clone());
    let names = |spec: &ProjectSpec| -> Vec<String> {
        let steps = spec.steps.iter().map(|step| step.name.to_string());
        steps
            .chain(spec.processes.iter().map(|process| process.name.to_string()))
            .collect()
    };
    assert!(other.follower && !first.follower);
    let (first, other) = (names(&first), names(&other));
    let left_out: Vec<&String> = first.iter().filter(|name| !other.contains(name)).collect();
    assert_eq!(left_out, ["migrate", "scheduler"]);
}

#[test]
fn problem_tells_what_cannot_be() {
    let told = |servers: &[u8], services| problem(servers, services).unwrap_or_default();
    assert_eq!(told(&[1, 2], false), "");
    assert_eq!(told(&[1], true), "");
    assert_eq!(told(&[], false), "name at least one server");
    assert_eq!(told(&[2, 1, 2], false), "a server is named twice");
    assert_eq!(
        told(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], false),
        "at most 10 servers"
    );
    assert!(told(&[1, 2], true).contains("all of them reach"));
}

#[test]
fn names_are_those_of_serde() {
    for state in PartState::ALL {
        assert_eq!(serde_json::to_value(state).ok(), Some(state.as_str().into()));
    }
    for policy in [Policy::All, Policy::KeepGoing] {
        assert_eq!(serde_json::to_value(policy).ok(), Some(policy.as_str().into()));
    }
}
