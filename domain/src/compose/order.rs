//! How services are run, and in which order they are started: what follows from all of them together.

use super::{Condition, Refused, Service, Source};
use devflow_protocol::outcome::ServiceKind;
use devflow_protocol::text::ComposeName;

/// Sets kinds and puts the services into the order in which they are started. `web` is the one that visitors reach.
///
/// # Errors
/// It is not there, services wait for each other in a circle, or for what cannot be waited for.
pub(super) fn arrange(services: &mut Vec<Service>, web: Option<&ComposeName>) -> Result<(), Refused> {
    if let Some(web) = web
        && !services.iter().any(|service| service.name == *web)
    {
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        return Err(Refused(format!(
            "it has no service `{web}`, which the settings name as the one that visitors reach; there are: {}",
            names.join(", ")
        )));
    }
    let awaited: Vec<ComposeName> = services.iter().flat_map(completed).cloned().collect();
    for service in services.iter_mut() {
        let task = awaited.contains(&service.name);
        service.kind = if web == Some(&service.name) {
            if task {
                return Err(refused(
                    service,
                    "is what visitors reach, so nothing can wait for its end",
                ));
            }
            ServiceKind::Web
        } else if task {
            ServiceKind::Task
        } else if !service.volumes.is_empty() && matches!(service.source, Source::Image(_)) {
            ServiceKind::Kept
        } else {
            ServiceKind::Release
        };
    }
    check(services)?;
    sort(services)
}

fn completed(service: &Service) -> impl Iterator<Item = &ComposeName> {
    let awaited = service.depends_on.iter();
    awaited
        .filter(|(_, condition)| **condition == Condition::Completed)
        .map(|(name, _)| name)
}

fn refused(service: &Service, what: &str) -> Refused {
    Refused(format!("service `{}` {what}", service.name))
}

fn check(services: &[Service]) -> Result<(), Refused> {
    for service in services {
        for name in service.depends_on.keys() {
            let Some(other) = services.iter().find(|other| other.name == *name) else {
                let what = format!(
                    "waits for `{name}`, which is not in the file, or has `profiles` and is left out; name another one"
                );
                return Err(refused(service, &what));
            };
            if service.kind == ServiceKind::Kept && other.kind != ServiceKind::Kept {
                let what = format!(
                    "goes on from release to release (it has a volume and an image that is not built), so it cannot wait for \
                     `{name}`, which is started for each release; turn `depends_on` round"
                );
                return Err(refused(service, &what));
            }
        }
    }
    Ok(())
}

/// By what they wait for, and else as the file has them; those that are kept come first.
fn sort(services: &mut Vec<Service>) -> Result<(), Refused> {
    let mut waiting = std::mem::take(services);
    waiting.sort_by_key(|service| service.kind != ServiceKind::Kept);
    while !waiting.is_empty() {
        let there = |name: &ComposeName| services.iter().any(|service| service.name == *name);
        let Some(next) = waiting
            .iter()
            .position(|service| service.depends_on.keys().all(there))
        else {
            let names: Vec<&str> = waiting.iter().map(|service| service.name.as_str()).collect();
            return Err(Refused(format!(
                "services wait for each other in a circle, so none of them can be the first: {}",
                names.join(", ")
            )));
        };
        let mut service = waiting.remove(next);
        service.late = services.iter().any(|other| {
            service.depends_on.contains_key(&other.name) && (other.late || other.kind == ServiceKind::Web)
        });
        services.push(service);
    }
    Ok(())
}
