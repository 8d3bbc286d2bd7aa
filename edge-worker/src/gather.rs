//! What requests of one isolate hand to each other: while one of them is sending, what others bring waits, and goes along
//! with its next round. Only values change hands: no request may wait for what another does, which the platform forbids.

use crate::platform;
use devflow_protocol::UnixMillis;
use std::cell::RefCell;
use std::mem;
use std::thread::LocalKey;

/// How long one request sends for others, in milliseconds; the platform ends what goes on for 30 s after an answer.
const TURN_MS: i64 = 10_000;

/// A place where values are gathered; one a kind and isolate.
pub(crate) type Place<T> = RefCell<Gathered<T>>;

/// Values that wait for the next round.
pub(crate) struct Gathered<T> {
    waiting: Vec<T>,
    /// Beyond so many another request sends too.
    most: usize,
    /// Until when somebody is at it. One that the platform ended before gives nothing back, so it is a time.
    turn_ends: Option<UnixMillis>,
}

impl<T> Gathered<T> {
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            waiting: Vec::new(),
            most,
            turn_ends: None,
        }
    }

    /// Adds a value; true where the one who adds has to send, because nobody is at it.
    fn add(&mut self, value: T, now: UnixMillis) -> bool {
        self.waiting.push(value);
        let free = self.turn_ends.is_none_or(|at| at <= now) || self.waiting.len() > self.most;
        if free {
            self.turn_ends = Some(now.plus(TURN_MS));
        }
        free
    }

    /// What goes along with a round. The turn is over where nothing waits, and before the last round, so that who comes
    /// during it begins one of their own.
    fn take(&mut self, last: bool) -> Vec<T> {
        if last || self.waiting.is_empty() {
            self.turn_ends = None;
        }
        mem::take(&mut self.waiting)
    }
}

/// Adds a value and, unless another request is at it, sends after the answer until nothing waits any more.
pub(crate) fn hand_over<T: 'static>(
    place: &'static LocalKey<Place<T>>,
    value: T,
    send: impl AsyncFn(Vec<T>) + 'static,
) {
    if !place.with_borrow_mut(|gathered| gathered.add(value, platform::now())) {
        return;
    }
    platform::after_answer(async move {
        let ends = platform::now().plus(TURN_MS);
        loop {
            let last = platform::now() >= ends;
            let values = place.with_borrow_mut(|gathered| gathered.take(last));
            if values.is_empty() {
                return;
            }
            send(values).await;
            if last {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_come_during_a_round_go_along_with_the_next() {
        let mut gathered = Gathered::new(9);
        assert!(gathered.add('a', UnixMillis(0)));
        assert_eq!(gathered.take(false), ['a']);
        assert_eq!(
            [gathered.add('b', UnixMillis(1)), gathered.add('c', UnixMillis(2))],
            [false; 2]
        );
        assert_eq!(gathered.take(false), ['b', 'c']);
        assert!(gathered.take(false).is_empty());
        assert!(gathered.add('d', UnixMillis(3)), "the turn was over");
    }

    #[test]
    fn values_that_come_during_the_last_round_begin_a_turn_of_their_own() {
        let mut gathered = Gathered::new(9);
        gathered.add('a', UnixMillis(0));
        assert_eq!(gathered.take(true), ['a']);
        assert!(gathered.add('b', UnixMillis(1)));
    }

    #[test]
    fn turn_that_was_cut_short_is_taken_over_with_all_that_waits() {
        let mut gathered = Gathered::new(9);
        gathered.add('a', UnixMillis(0));
        assert!(!gathered.add('b', UnixMillis(TURN_MS - 1)));
        assert!(gathered.add('c', UnixMillis(TURN_MS)));
        assert_eq!(gathered.take(false), ['a', 'b', 'c']);
    }

    #[test]
    fn more_than_the_most_is_sent_by_another_too() {
        let mut gathered = Gathered::new(2);
        let sends = ['a', 'b', 'c', 'd'].map(|value| gathered.add(value, UnixMillis(0)));
        assert_eq!(sends, [true, false, true, true]);
    }
}
