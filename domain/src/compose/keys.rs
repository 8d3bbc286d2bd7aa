//! Keys of the Compose Specification that are not taken, and what to do instead of each.

const MORE_OF_THE_SERVER: &str =
    "is refused: it gives a container more of the server than any may have; remove it";
const OWN_NETWORK: &str =
    "is not taken: services reach each other by their names in networks of the project alone; remove it";
const SETTINGS: &str =
    "is not taken: memory, CPU and the number of containers are settings of the project; remove it";
const WRITE_OUT: &str = "is not followed: only the one file is read; write out in it what is needed";
const ENVIRONMENT: &str = "is not taken: put values into the project's environment, and files into an image that is built; remove it";
const UNKNOWN: &str = "is not known here, and what is not known is not deployed; remove it";

/// Why a key of the file itself is refused.
pub(super) fn top(key: &str) -> &'static str {
    match key {
        "networks" => OWN_NETWORK,
        "secrets" | "configs" => ENVIRONMENT,
        "include" => WRITE_OUT,
        _ => UNKNOWN,
    }
}

/// Why a key of a service is refused.
pub(super) fn of_service(key: &str) -> &'static str {
    match key {
        "privileged"
        | "cap_add"
        | "cap_drop"
        | "security_opt"
        | "devices"
        | "device_cgroup_rules"
        | "cgroup"
        | "cgroup_parent"
        | "userns_mode"
        | "pid"
        | "ipc"
        | "uts"
        | "runtime"
        | "gpus"
        | "sysctls"
        | "isolation"
        | "credential_spec"
        | "group_add"
        | "use_api_socket"
        | "volumes_from"
        | "oom_score_adj"
        | "oom_kill_disable" => MORE_OF_THE_SERVER,
        "networks" | "network_mode" | "links" | "external_links" | "extra_hosts" | "dns" | "dns_opt"
        | "dns_search" | "hostname" | "domainname" | "mac_address" => OWN_NETWORK,
        "container_name" => "is not taken: each release has containers of its own; remove it",
        "secrets" | "configs" => ENVIRONMENT,
        "extends" => WRITE_OUT,
        "deploy" | "scale" | "cpus" | "cpu_count" | "cpu_percent" | "cpu_period" | "cpu_quota"
        | "cpu_shares" | "cpu_rt_period" | "cpu_rt_runtime" | "cpuset" | "mem_limit" | "mem_reservation"
        | "mem_swappiness" | "memswap_limit" | "pids_limit" | "shm_size" | "ulimits" | "blkio_config"
        | "storage_opt" => SETTINGS,
        "logging" => "is not taken: of each container 3 × 10 MB of output are kept; remove it",
        _ => UNKNOWN,
    }
}
