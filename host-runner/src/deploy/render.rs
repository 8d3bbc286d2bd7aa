//! Renders a project's limits: PHP-FPM's pool and php.ini. Pure.

use crate::host::{HostError, Result, fastcgi::PING_PATH};
use devflow_protocol::project::ProjectSpec;
use std::fmt::Write as _;

/// The configuration of PHP-FPM for one release: one pool, whose socket is in `/run/devflow`.
pub(crate) fn pool(spec: &ProjectSpec) -> String {
    let limits = &spec.limits;
    let body = spec.web.body_mib.max(1);
    // `process_control_timeout` lets running requests end after SIGQUIT: without it each of them dies.
    format!(
        "; Written by host-runner.\n[global]\nerror_log = /proc/self/fd/2\nlog_level = warning\ndaemonize = no\n\
         process_control_timeout = {drain}s\n\n[www]\nlisten = /run/devflow/fpm.sock\nlisten.mode = 0660\n\
         listen.backlog = 4096\npm = ondemand\npm.max_children = {children}\npm.process_idle_timeout = 60s\n\
         pm.max_requests = 1000\nping.path = {PING_PATH}\nping.response = pong\nclear_env = no\n\
         catch_workers_output = yes\ndecorate_workers_output = no\nrequest_terminate_timeout = {terminate}s\n\
         security.limit_extensions = .php\nphp_admin_value[memory_limit] = {memory}M\n\
         php_admin_value[post_max_size] = {body}M\nphp_admin_value[upload_max_filesize] = {body}M\n\
         php_value[max_execution_time] = {execution}\n",
        drain = spec.release.drain_s.max(1),
        children = limits.max_children.max(1),
        terminate = u32::from(limits.execution_s) + 5,
        memory = limits.php_memory_mib.max(16),
        execution = limits.execution_s,
    )
}

/// What all PHP of the project reads behind the image's own settings.
///
/// # Errors
/// A setting's name or value cannot be written into an INI file.
pub(crate) fn php_ini(spec: &ProjectSpec) -> Result<String> {
    let mut text = String::from(
        "; Written by host-runner.\nexpose_php = Off\nrealpath_cache_size = 4096K\nrealpath_cache_ttl = 600\n",
    );
    for (name, value) in &spec.limits.php_ini {
        let named = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b));
        if !named
            || value.len() > 1024
            || value
                .chars()
                .any(|c| c.is_control() || matches!(c, '"' | '\\' | '$'))
        {
            return Err(HostError::new(format!(
                "the php.ini setting `{}` cannot be written; names have lower-case letters, digits, `_` and `.`, \
                 values no quote, backslash, `$` or line break",
                name.escape_debug()
            )));
        }
        let _ = writeln!(text, "{name} = \"{value}\"");
    }
    Ok(text)
}

/// What starts PHP-FPM in a container: images name the program differently.
pub(crate) fn fpm_argv(spec: &ProjectSpec) -> Vec<String> {
    const FIND: &str = "for fpm in php-fpm$1 php-fpm; do command -v $fpm >/dev/null && \
                        exec $fpm --nodaemonize --fpm-config /etc/devflow/fpm.conf; done; \
                        echo \"no php-fpm$1 and no php-fpm in this image\" >&2; exit 127";
    ["sh", "-c", FIND, "sh", spec.php.as_str()]
        .map(str::to_owned)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn pool_follows_the_projects_limits() {
        insta::assert_snapshot!(pool(&samples::spec("shop")));
    }

    #[test]
    fn php_ini_writes_settings_and_refuses_what_would_end_them() {
        let mut spec = samples::spec("shop");
        spec.limits
            .php_ini
            .insert("opcache.memory_consumption".into(), "192".into());
        let text = php_ini(&spec).expect("renders");
        assert!(
            text.ends_with("\nopcache.memory_consumption = \"192\"\n"),
            "{text}"
        );
        for (name, value) in [
            ("a b", "1"),
            ("", "1"),
            ("a", "1\nb = 2"),
            ("a", "\""),
            ("a", "${HOME}"),
            ("[PATH", "1"),
        ] {
            let mut bad = spec.clone();
            bad.limits.php_ini.insert(name.into(), value.into());
            assert!(php_ini(&bad).is_err(), "{name:?} {value:?}");
        }
    }
}
