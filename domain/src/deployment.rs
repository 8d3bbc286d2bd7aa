//! The life of a deployment as a closed state machine. The names of the states are those of the database.

use devflow_protocol::DeploymentId;
pub use devflow_protocol::event::DeploymentState;
use devflow_protocol::event::DeploymentState as State;

/// Something that moves a deployment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentEvent {
    /// A runner has acknowledged the job.
    Acknowledged,
    /// The runner says that its journal does not have the job.
    Returned,
    /// A newer push took the place of a queued one.
    Superseded,
    /// A person ended a queued one.
    CancelledInQueue,
    /// The runner reports a running state.
    Reported(State),
    /// The runner reports the end.
    Completed(End),
    /// The runner has been silent for too long.
    ContactLost,
    /// A person gave up on a silent runner.
    Abandoned,
}

/// How a runner says that a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The release is live.
    Live,
    /// It failed before the switch.
    Failed,
    /// It was switched back.
    RolledBack,
    /// It was ended by a person.
    Cancelled,
    /// A newer commit is live or queued.
    Superseded,
}

/// The event does not fit the state; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a deployment that is {} cannot be {event:?}", state.as_str())]
pub struct IllegalTransition {
    state: State,
    event: DeploymentEvent,
}

/// True while a runner works on it (or may do so unheard): one per project at a time.
pub fn is_running(state: State) -> bool {
    match state {
        State::Preparing
        | State::Building
        | State::Starting
        | State::Migrating
        | State::Checking
        | State::Switching
        | State::Observing
        | State::OutOfContact => true,
        State::Queued
        | State::Live
        | State::Failed
        | State::RolledBack
        | State::Cancelled
        | State::Superseded => false,
    }
}

/// True when nothing moves it any more.
pub fn is_final(state: State) -> bool {
    state != State::Queued && !is_running(state)
}

/// True while a person may still cancel it: until the switch begins.
pub fn can_cancel(state: State) -> bool {
    match state {
        State::Queued
        | State::Preparing
        | State::Building
        | State::Starting
        | State::Migrating
        | State::Checking => true,
        State::Switching
        | State::Observing
        | State::Live
        | State::Failed
        | State::RolledBack
        | State::Cancelled
        | State::Superseded
        | State::OutOfContact => false,
    }
}

/// The release to go back to when nobody names one: the newest kept one that is older than what is live, and the newest
/// of all where nothing is live. Ids sort by time.
pub fn release_before<'k>(live: Option<&DeploymentId>, kept: &'k [DeploymentId]) -> Option<&'k DeploymentId> {
    kept.iter()
        .filter(|release| live.is_none_or(|live| *release < live))
        .max()
}

/// The state after `event`.
pub fn apply(state: State, event: DeploymentEvent) -> Result<State, IllegalTransition> {
    let illegal = Err(IllegalTransition { state, event });
    if is_final(state) {
        return illegal;
    }
    let queued = state == State::Queued;
    match event {
        DeploymentEvent::Acknowledged if queued => Ok(State::Preparing),
        DeploymentEvent::Superseded if queued => Ok(State::Superseded),
        DeploymentEvent::CancelledInQueue if queued => Ok(State::Cancelled),
        DeploymentEvent::Returned if !queued => Ok(State::Queued),
        // Reports come in order; an earlier state can only come from a batch that was sent again.
        DeploymentEvent::Reported(next) if !queued && is_running(next) && next != State::OutOfContact => {
            if state == State::OutOfContact || next >= state {
                Ok(next)
            } else {
                illegal
            }
        }
        DeploymentEvent::Completed(end) if !queued => Ok(match end {
            End::Live => State::Live,
            End::Failed => State::Failed,
            End::RolledBack => State::RolledBack,
            End::Cancelled => State::Cancelled,
            End::Superseded => State::Superseded,
        }),
        DeploymentEvent::ContactLost if !queued => Ok(State::OutOfContact),
        DeploymentEvent::Abandoned if state == State::OutOfContact => Ok(State::Failed),
        DeploymentEvent::Acknowledged
        | DeploymentEvent::Superseded
        | DeploymentEvent::CancelledInQueue
        | DeploymentEvent::Returned
        | DeploymentEvent::Reported(_)
        | DeploymentEvent::Completed(_)
        | DeploymentEvent::ContactLost
        | DeploymentEvent::Abandoned => illegal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_before_is_the_newest_older_one() {
        use devflow_protocol::UnixMillis;
        let [one, two, three] = [1, 2, 3].map(|ms| DeploymentId::new(UnixMillis(ms), [0; 10]));
        let kept = [three.clone(), two.clone(), one.clone()];
        assert_eq!(release_before(Some(&three), &kept), Some(&two));
        assert_eq!(release_before(Some(&two), &kept), Some(&one));
        assert_eq!(release_before(Some(&one), &kept), None);
        assert_eq!(release_before(None, &kept), Some(&three));
        assert_eq!(release_before(Some(&two), &[]), None);
    }

    fn events() -> Vec<DeploymentEvent> {
        let mut events = vec![
            DeploymentEvent::Acknowledged,
            DeploymentEvent::Returned,
            DeploymentEvent::Superseded,
            DeploymentEvent::CancelledInQueue,
            DeploymentEvent::ContactLost,
            DeploymentEvent::Abandoned,
        ];
        events.extend(State::ALL.into_iter().map(DeploymentEvent::Reported));
        let ends = [
            End::Live,
            End::Failed,
            End::RolledBack,
            End::Cancelled,
            End::Superseded,
        ];
        events.extend(ends.into_iter().map(DeploymentEvent::Completed));
        events
    }

    #[test]
    fn every_state_and_event_has_its_one_outcome() {
        use std::fmt::Write as _;
        let mut table = String::new();
        for state in State::ALL {
            let moves: Vec<String> = events()
                .into_iter()
                .filter_map(|event| {
                    apply(state, event)
                        .ok()
                        .map(|next| format!("{event:?} → {}", next.as_str()))
                })
                .collect();
            writeln!(table, "{}:", state.as_str()).expect("writes to a string");
            for line in moves {
                writeln!(table, "  {line}").expect("writes to a string");
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn final_states_refuse_everything() {
        for state in State::ALL.into_iter().filter(|state| is_final(*state)) {
            for event in events() {
                assert!(apply(state, event).is_err(), "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn names_of_states_are_those_of_serde() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).ok(), Some(state.as_str().into()));
            assert_eq!(State::from_name(state.as_str()), Some(state));
        }
    }
}
