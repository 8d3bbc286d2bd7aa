//! The Worker's statements on `SQLite`, against the real migrations.

mod dashboard;
mod inbox;
mod leases;
mod people;
mod plans;
mod reports;
mod servers;
