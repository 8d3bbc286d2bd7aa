//! host-runner
