//! The runner's own side of the protocol: the real binary against an edge that plays its part over HTTP and can
//! lose answers, go away, or say what a real edge says only on a bad day.

mod checks;
mod edge;
mod enrolment;
mod faults;
mod jobs;
mod keys;
mod runner;
mod update;
