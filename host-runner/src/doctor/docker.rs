//! The container engine: reachable, new enough, set up so that sites survive its restarts, with room for networks.

use super::Check;
use crate::config::Config;
use crate::policy::{Policy, glob};
use bollard::Docker;
use bollard::models::SystemInfoDefaultAddressPools;
use bollard::query_parameters::{ListImagesOptions, ListNetworksOptions};

/// Oldest API that the runner speaks (Docker 20.10).
const OLDEST: (u32, u32) = (1, 41);
/// How many networks Docker makes of its built-in pools.
const BUILT_IN: u64 = 31;
/// Fewer free networks than this are worth a word.
const FEW: u64 = 20;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let socket = config.docker.socket.display().to_string();
    match connect(&socket).await {
        Ok((docker, found)) => {
            let mut checks = vec![found];
            checks.extend(settings(&docker).await);
            checks.push(images(&docker, config).await);
            checks
        }
        Err(check) => vec![check],
    }
}

async fn connect(socket: &str) -> Result<(Docker, Check), Check> {
    let fail = |error: bollard::errors::Error| {
        Check::fail(
            "docker",
            format!("does not answer at {socket}: {error}"),
            "start it (systemctl start docker), install it (apt install docker.io), or correct `docker.socket`",
        )
    };
    let docker = Docker::connect_with_unix(socket, 10, bollard::API_DEFAULT_VERSION).map_err(fail)?;
    let docker = docker.negotiate_version().await.map_err(fail)?;
    let version = docker.version().await.map_err(fail)?;
    let engine = version.version.unwrap_or_default();
    let api = version.api_version.unwrap_or_default();
    if number(&api) < OLDEST {
        return Err(Check::fail(
            "docker",
            format!(
                "engine {engine} speaks API {api}, at least {}.{} is needed",
                OLDEST.0, OLDEST.1
            ),
            "update Docker",
        ));
    }
    let found = Check::ok("docker", format!("engine {engine}, API {api}, at {socket}"));
    Ok((docker, found))
}

fn number(api: &str) -> (u32, u32) {
    let mut parts = api.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

async fn settings(docker: &Docker) -> Vec<Check> {
    let info = match docker.info().await {
        Ok(info) => info,
        Err(error) => {
            return vec![Check::fail(
                "docker settings",
                error.to_string(),
                "look at Docker's log",
            )];
        }
    };
    let live_restore = if info.live_restore_enabled == Some(true) {
        Check::ok("live-restore", "containers go on while Docker restarts")
    } else {
        Check::warn(
            "live-restore",
            "off: sites are down for some seconds whenever Docker restarts or is updated",
            "add \"live-restore\": true to /etc/docker/daemon.json, then systemctl reload docker",
        )
    };
    let used = match docker.list_networks(None::<ListNetworksOptions>).await {
        Ok(networks) => networks
            .iter()
            .filter(|network| network.driver.as_deref() == Some("bridge"))
            .count() as u64,
        Err(_) => 0,
    };
    vec![
        live_restore,
        address_pools(info.default_address_pools.as_deref().unwrap_or_default(), used),
    ]
}

/// Each project has a network of its own, so their number ends with the pools.
fn address_pools(pools: &[SystemInfoDefaultAddressPools], used: u64) -> Check {
    let all = if pools.is_empty() {
        BUILT_IN
    } else {
        pools.iter().map(networks).sum()
    };
    let free = all.saturating_sub(used);
    let says = format!("room for {free} more networks of {all}; each project takes one");
    let fix = "add \"default-address-pools\": [{\"base\": \"10.200.0.0/16\", \"size\": 26}] to \
               /etc/docker/daemon.json, then systemctl restart docker";
    match free {
        0 => Check::fail("address pools", says, fix),
        1..FEW => Check::warn("address pools", says, fix),
        _ if pools.is_empty() => Check::warn("address pools", says, fix),
        _ => Check::ok("address pools", says),
    }
}

/// How many networks a pool gives.
fn networks(pool: &SystemInfoDefaultAddressPools) -> u64 {
    let prefix = pool
        .base
        .as_deref()
        .and_then(|base| base.split_once('/'))
        .and_then(|(_, prefix)| prefix.parse::<i64>().ok());
    match (prefix, pool.size) {
        (Some(prefix), Some(size)) if (0..=62).contains(&(size - prefix)) => 1 << (size - prefix),
        _ => 0,
    }
}

async fn images(docker: &Docker, config: &Config) -> Check {
    // What is wrong with the policy has a line of its own.
    let policy = Policy::load(&config.policy_file)
        .ok()
        .flatten()
        .unwrap_or_default();
    let allowed = &policy.general.images;
    let found: Vec<String> = match docker.list_images(None::<ListImagesOptions>).await {
        Ok(images) => images.into_iter().flat_map(|image| image.repo_tags).collect(),
        Err(error) => return Check::fail("images", error.to_string(), "look at Docker's log"),
    };
    let usable: Vec<&str> = found
        .iter()
        .map(String::as_str)
        .filter(|tag| allowed.iter().any(|pattern| glob::fits(pattern, tag)))
        .collect();
    if usable.is_empty() {
        Check::fail(
            "images",
            format!("no image that the policy allows ({}) is here", allowed.join(", ")),
            "pull or build one, such as devflow/php:8.4",
        )
    } else {
        Check::ok("images", usable.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn pool(base: &str, size: i64) -> SystemInfoDefaultAddressPools {
        SystemInfoDefaultAddressPools {
            base: Some(base.into()),
            size: Some(size),
        }
    }

    #[test]
    fn address_pools_counts_networks_of_every_pool() {
        let two = [pool("10.200.0.0/16", 26), pool("10.201.0.0/24", 26)];
        assert_eq!(
            address_pools(&two, 1),
            Check::ok(
                "address pools",
                "room for 1027 more networks of 1028; each project takes one"
            )
        );
        assert_eq!(address_pools(&[], 3).verdict, Verdict::Warn);
        assert_eq!(address_pools(&[], 31).verdict, Verdict::Fail);
        assert_eq!(address_pools(&[pool("nonsense", 26)], 0).verdict, Verdict::Fail);
    }

    #[test]
    fn number_compares_by_parts() {
        assert!(number("1.41") >= OLDEST && number("1.9") < OLDEST && number("") < OLDEST);
    }
}
