//! What holds for every body of a webhook.

use devflow_domain::webhook::{Delivery, Event, Provider, concerning, decide, read};
use devflow_protocol::limits::DELIVERY_EVENT_BYTES;

fn event_name(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Github => ("x-github-event", "push"),
        Provider::Gitlab => ("x-gitlab-event", "Push Hook"),
        Provider::Bitbucket => ("x-event-key", "repo:push"),
        Provider::Gitea => ("x-gitea-event", "push"),
        Provider::Generic => ("x-devflow-event", "push"),
    }
}

/// An event or an error, and what is kept of it is small and reads the same.
pub(crate) fn read_or_refused(provider: Provider, body: &[u8]) {
    let (name, value) = event_name(provider);
    let header = |wanted: &str| (wanted == name).then(|| value.to_owned());
    if let Ok(events) = read(Delivery {
        provider,
        header: &header,
        body,
    }) {
        let event = concerning(events, &"refs/heads/main".parse().expect("a ref"));
        let kept = serde_json::to_vec(&event).expect("an event is JSON");
        assert!(kept.len() <= DELIVERY_EVENT_BYTES, "{} bytes", kept.len());
        assert_eq!(
            serde_json::from_slice::<Event>(&kept).expect("reads what it wrote"),
            event
        );
        assert!(!decide(&event, &[]).reason().is_empty());
    }
}
