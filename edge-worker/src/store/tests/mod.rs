//! The Worker's statements on `SQLite`, against the real migrations.

mod archives;
mod audit;
mod cards;
mod dashboard;
mod idempotency;
mod inbox;
mod leases;
mod members;
mod outgoing;
mod passkeys;
mod people;
mod plans;
mod projects;
mod reencryption;
mod reports;
mod repository_tokens;
mod second_factors;
mod servers;
mod standing;
mod targets;
