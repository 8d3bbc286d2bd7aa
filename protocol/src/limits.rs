//! Size caps. Each side checks what it receives, so that no peer can make the other hold more than this.

/// Largest webhook body, in bytes (GitHub's documented maximum).
pub const WEBHOOK_BODY_BYTES: usize = 25 * 1024 * 1024;
/// Largest normalised webhook event kept in a delivery row, in bytes.
pub const DELIVERY_EVENT_BYTES: usize = 8 * 1024;
/// Largest JSON body that the API and the runner routes accept, in bytes.
pub const REQUEST_BODY_BYTES: usize = 1024 * 1024;
/// Largest signed job envelope, in bytes.
pub const ENVELOPE_BYTES: usize = 1024 * 1024;
/// Largest answer a runner reads from the edge, in bytes.
pub const ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// Largest event batch, in bytes of JSON.
pub const EVENT_BATCH_BYTES: usize = 256 * 1024;
/// Most events in one batch.
pub const EVENTS_PER_BATCH: usize = 500;
/// Longest line of output kept in one event, in bytes; longer lines are cut and marked.
pub const OUTPUT_LINE_BYTES: usize = 8 * 1024;
/// Longest reason that a result may give, in bytes.
pub const REASON_BYTES: usize = 2 * 1024;
/// Largest environment of a project, in bytes of its JSON.
pub const ENVIRONMENT_BYTES: usize = 256 * 1024;
/// A commit's message as a runner reports it; skip markers are looked for in it.
pub const COMMIT_MESSAGE_BYTES: usize = 4 * 1024;
/// Releases of one project that a runner tells of, at most.
pub const RELEASES_TOLD: usize = 12;
/// Packages of one kind that a release's manifest names, at most.
pub const PACKAGES_TOLD: usize = 600;
/// Most services of a compose file that a manifest names.
pub const SERVICES_TOLD: usize = 16;
/// What a runner tells of its projects with one poll, in bytes of JSON; some 500 projects with their releases.
pub const STANDINGS_BYTES: usize = REQUEST_BODY_BYTES - 64 * 1024;
