//! Renders a project's Nginx server block. Pure: typed options in, text out; there are no raw snippets.
//!
//! Everything that is resolved at the moment of a request goes through `current`, and only there; see
//! `docs/ARCHITECTURE.md` on the switch for why `$realpath_root` and FPM keep-alive must not appear here.

mod proxy;

use super::error::{HostError, Result};
use devflow_protocol::project::{ProjectSpec, Web};
use devflow_protocol::text::{Fqdn, RelPath};
use std::fmt::Write as _;
use std::path::Path;

/// What visitors get while nothing of the project serves; browsers and robots are told to come again.
const AWAY: &str = "\n    location / {\n        default_type text/html;\n        add_header Retry-After 60 always;\n        \
    add_header Cache-Control no-store always;\n        return 503 \"<!doctype html><html lang=en><meta charset=utf-8>\
    <title>Not available</title><h1>This site is not available right now</h1><p>Please try again in a minute.</p></html>\";\n    \
    }\n}\n";

/// What a vhost is rendered from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vhost<'a> {
    pub(crate) spec: &'a ProjectSpec,
    /// The project's folder, which holds `current`.
    pub(crate) project_dir: &'a Path,
    /// Values of `listen`.
    pub(crate) listen: &'a [String],
    /// Where ACME challenges are answered from.
    pub(crate) acme_dir: &'a Path,
    /// The file of user names and hashes, when visitors must give a password.
    pub(crate) htpasswd: Option<&'a Path>,
    /// True while nothing of the project serves, because it is stopped or has no release yet: visitors get 503.
    pub(crate) away: bool,
}

/// The vhost that answers to host names that no project has: the connection is closed.
pub(crate) fn default_vhost(listen: &[String]) -> String {
    let mut text = header();
    text.push_str("server {\n");
    for address in listen {
        let _ = writeln!(text, "    listen {address} default_server;");
    }
    text.push_str("    server_name _;\n    access_log off;\n    return 444;\n}\n");
    text
}

fn header() -> String {
    "# Written by host-runner. Changes here are overwritten.\n".to_owned()
}

impl Vhost<'_> {
    /// The server block.
    ///
    /// # Errors
    /// A path holds a character that Nginx would read as syntax, or the project has no domain.
    pub(crate) fn render(&self) -> Result<String> {
        let web = &self.spec.web;
        if web.domains.is_empty() {
            return Err(HostError::new(
                "the project has no domain; add one to its settings",
            ));
        }
        if self.spec.container.is_some() {
            return self.render_proxy();
        }
        let app = quoted(&self.project_dir.join("current/app"))?;
        let root = match &web.public_dir {
            Some(public) => quoted(&self.project_dir.join("current/app").join(public.as_str()))?,
            None => app.clone(),
        };
        let mut text = header();
        let files = format!(
            "    root {root};\n    disable_symlinks if_not_owner from={app};\n    index index.php index.html;\n    charset utf-8;\n"
        );
        self.open_server(&mut text, &files);
        text.push_str(&security_headers("    "));
        self.write_auth(&mut text)?;
        self.write_acme(&mut text)?;
        if self.away {
            text.push_str(AWAY);
            return Ok(text);
        }
        text.push_str("\n    location ~ /\\.(?!well-known/) {\n        return 404;\n    }\n");
        self.write_assets(&mut text)?;
        self.write_php(&mut text)?;
        text.push_str("}\n");
        Ok(text)
    }

    fn open_server(&self, text: &mut String, files: &str) {
        let web = &self.spec.web;
        let names: Vec<&str> = web.domains.iter().map(Fqdn::as_str).collect();
        text.push_str("server {\n");
        for address in self.listen {
            let _ = writeln!(text, "    listen {address};");
        }
        let _ = write!(
            text,
            "    server_name {names};\n    server_tokens off;\n{files}    client_max_body_size {body}m;\n",
            names = names.join(" "),
            body = web.body_mib.max(1),
        );
    }

    fn write_auth(&self, text: &mut String) -> Result<()> {
        if let Some(file) = self.htpasswd {
            let file = quoted(file)?;
            let _ = writeln!(
                text,
                "    auth_basic \"Restricted\";\n    auth_basic_user_file {file};"
            );
        }
        Ok(())
    }

    fn write_acme(&self, text: &mut String) -> Result<()> {
        let acme = quoted(self.acme_dir)?;
        let _ = write!(
            text,
            "\n    location ^~ /.well-known/acme-challenge/ {{\n        auth_basic off;\n        root {acme};\n        \
             disable_symlinks on from={acme};\n        default_type text/plain;\n        try_files $uri =404;\n    }}\n"
        );
        Ok(())
    }

    // Hashed assets: cached for good, and a missing one is a 404 instead of the application's page.
    fn write_assets(&self, text: &mut String) -> Result<()> {
        for folder in &self.spec.carry_over {
            let Some(location) = public_location(&self.spec.web, folder) else {
                continue;
            };
            let location = quoted(Path::new(&location))?;
            let _ = write!(
                text,
                "\n    location ^~ {location} {{\n        location ~ /\\. {{\n            return 404;\n        }}\n        \
                 location ~ \\.php {{\n            return 404;\n        }}\n        try_files $uri =404;\n        \
                 expires 1y;\n        add_header Cache-Control \"public, immutable\";\n{}    }}\n",
                security_headers("        ")
            );
        }
        Ok(())
    }

    fn write_php(&self, text: &mut String) -> Result<()> {
        let socket = quoted(&self.project_dir.join("current/run/fpm.sock"))?;
        let socket = socket.trim_matches('"');
        // Not `try_files`: it would hand a symlink that is refused here on to the application, which then answers
        // for it. The static handler says 403.
        text.push_str(
            "\n    location / {\n        error_page 404 405 = @front;\n        log_not_found off;\n    }\n",
        );
        let _ = write!(
            text,
            "\n    location @front {{\n        fastcgi_param SCRIPT_FILENAME $document_root/index.php;\n        \
             fastcgi_param SCRIPT_NAME /index.php;\n{}    }}\n",
            self.fastcgi(socket)
        );
        let scripts = if self.spec.web.scripts {
            "\\.php(?:/|$)"
        } else {
            "^/index\\.php(?:/|$)"
        };
        let exists = if self.spec.web.scripts {
            // `try_files` empties the path info that was split off.
            "        set $devflow_path_info $fastcgi_path_info;\n        try_files $fastcgi_script_name =404;\n        \
             fastcgi_param PATH_INFO $devflow_path_info;\n"
        } else {
            "        fastcgi_param PATH_INFO $fastcgi_path_info;\n"
        };
        let _ = write!(
            text,
            "\n    location ~ {scripts} {{\n        fastcgi_split_path_info ^(.+?\\.php)(/.*)?$;\n{exists}        \
             fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n        \
             fastcgi_param SCRIPT_NAME $fastcgi_script_name;\n{}    }}\n",
            self.fastcgi(socket)
        );
        if !self.spec.web.scripts {
            text.push_str("\n    location ~ \\.php {\n        return 404;\n    }\n");
        }
        Ok(())
    }

    fn fastcgi(&self, socket: &str) -> String {
        let mut text = String::new();
        for (name, value) in [
            ("DOCUMENT_ROOT", "$document_root"),
            ("QUERY_STRING", "$query_string"),
            ("REQUEST_METHOD", "$request_method"),
            ("CONTENT_TYPE", "$content_type"),
            ("CONTENT_LENGTH", "$content_length"),
            ("REQUEST_URI", "$request_uri"),
            ("DOCUMENT_URI", "$document_uri"),
            ("SERVER_PROTOCOL", "$server_protocol"),
            ("REQUEST_SCHEME", "$scheme"),
            ("HTTPS", "$https if_not_empty"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("SERVER_SOFTWARE", "nginx"),
            ("REMOTE_ADDR", "$remote_addr"),
            ("REMOTE_PORT", "$remote_port"),
            ("REMOTE_USER", "$remote_user"),
            ("SERVER_ADDR", "$server_addr"),
            ("SERVER_PORT", "$server_port"),
            ("SERVER_NAME", "$server_name"),
            ("REDIRECT_STATUS", "200"),
            ("HTTP_PROXY", "\"\""),
        ] {
            let _ = writeln!(text, "        fastcgi_param {name} {value};");
        }
        let _ = write!(
            text,
            "        fastcgi_hide_header X-Powered-By;\n        fastcgi_buffers 16 16k;\n        fastcgi_buffer_size 32k;\n        \
             fastcgi_connect_timeout 10s;\n        fastcgi_send_timeout 60s;\n        fastcgi_read_timeout {}s;\n        \
             fastcgi_pass unix:{socket};\n",
            u32::from(self.spec.limits.execution_s) + 10
        );
        text
    }
}

// `add_header` in a location drops those of the server, so each location that adds one repeats these.
fn security_headers(indent: &str) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ] {
        let _ = writeln!(text, "{indent}add_header {name} \"{value}\" always;");
    }
    text
}

/// The URL folder under which a folder of the release is public, if it is.
fn public_location(web: &Web, folder: &RelPath) -> Option<String> {
    let below = match &web.public_dir {
        None => folder.as_str(),
        Some(public) => folder.as_str().strip_prefix(public.as_str())?.strip_prefix('/')?,
    };
    Some(format!("/{below}/"))
}

// Nginx reads `$` as a variable, and there is no way to escape it: such a path is refused.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_string_lossy();
    if text
        .chars()
        .any(|c| c.is_control() || matches!(c, '$' | '"' | '\\' | '{' | '}' | ';' | '\u{fffd}'))
    {
        return Err(HostError::new(format!(
            "the path `{}` holds a character that Nginx would misread; use letters, digits, `-`, `_`, `.` and `/`",
            text.escape_debug()
        )));
    }
    if text.contains([' ', '\'', '#']) {
        return Ok(format!("\"{text}\""));
    }
    Ok(text.into_owned())
}

/// Checks a user name and a crypt(3) hash for the password file.
///
/// # Errors
/// A character would end the field or the line, or the hash is of no known kind.
pub(crate) fn htpasswd_line(user: &str, hash: &str) -> Result<String> {
    let plain = |text: &str| {
        !text.is_empty() && text.len() <= 255 && !text.chars().any(|c| c.is_control() || c == ':')
    };
    if !plain(user) {
        return Err(HostError::new(
            "the user name for the password must not hold a colon or a line break",
        ));
    }
    let known = ["$2y$", "$2a$", "$2b$", "$5$", "$6$", "$apr1$", "$y$"];
    if !plain(hash) || !known.iter().any(|kind| hash.starts_with(kind)) {
        return Err(HostError::new(
            "the password hash is of no kind that Nginx reads; make it with `htpasswd -nB` or `openssl passwd -6`",
        ));
    }
    Ok(format!("{user}:{hash}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use devflow_protocol::project::{BasicAuth, ContainerSpec};

    fn render(spec: &ProjectSpec, away: bool) -> Result<String> {
        Vhost {
            spec,
            project_dir: Path::new("/srv/devflow/projects/shop"),
            listen: &["80".to_owned(), "[::]:80".to_owned()],
            acme_dir: Path::new("/var/lib/devflow/acme"),
            htpasswd: spec
                .web
                .basic_auth
                .as_ref()
                .map(|_| Path::new("/etc/nginx/devflow/shop.htpasswd")),
            away,
        }
        .render()
    }

    #[test]
    fn laravel_vhost_reads_as_documented() {
        let mut spec = samples::spec("shop");
        spec.carry_over = vec![
            "public/build".parse().expect("a path"),
            "storage/x".parse().expect("a path"),
        ];
        insta::assert_snapshot!(render(&spec, false).expect("renders"));
    }

    #[test]
    fn plain_php_vhost_with_a_password_reads_as_documented() {
        let mut spec = samples::spec("shop");
        spec.web.scripts = true;
        spec.web.public_dir = None;
        spec.web.basic_auth = Some(BasicAuth {
            user: "ada".into(),
            password_hash: "$2y$05$x".into(),
        });
        insta::assert_snapshot!(render(&spec, false).expect("renders"));
    }

    #[test]
    fn vhost_of_a_dockerfile_reads_as_documented() {
        let mut spec = samples::spec("my-shop");
        spec.container = Some(ContainerSpec::default());
        insta::assert_snapshot!(render(&spec, false).expect("renders"));
        let away = render(&spec, true).expect("renders");
        assert!(
            away.contains("return 503 ") && !away.contains("proxy_pass"),
            "{away}"
        );
    }

    #[test]
    fn vhost_of_a_project_that_is_away_answers_503_and_runs_nothing() {
        let text = render(&samples::spec("shop"), true).expect("renders");
        for part in ["return 503 ", "Retry-After 60 always"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("fastcgi_pass"), "{text}");
    }

    #[test]
    fn vhost_refuses_what_nginx_would_misread() {
        let mut spec = samples::spec("shop");
        for public in ["a$document_root", "a;b", "a\"b", "a{b"] {
            spec.web.public_dir = Some(public.parse().expect("a path"));
            assert!(render(&spec, false).is_err(), "{public}");
        }
        spec.web.public_dir = Some("my public".parse().expect("a path"));
        let text = render(&spec, false).expect("renders");
        assert!(
            text.contains("root \"/srv/devflow/projects/shop/current/app/my public\";"),
            "{text}"
        );
        spec.web.domains.clear();
        assert!(render(&spec, false).is_err());
    }

    #[test]
    fn htpasswd_line_refuses_what_would_end_it() {
        assert_eq!(
            htpasswd_line("ada", "$2y$05$x").expect("a line"),
            "ada:$2y$05$x\n"
        );
        for (user, hash) in [
            ("a:b", "$2y$x"),
            ("a\nb", "$2y$x"),
            ("", "$2y$x"),
            ("a", "plain"),
            ("a", "$2y$x\nb:c"),
        ] {
            assert!(htpasswd_line(user, hash).is_err(), "{user:?} {hash:?}");
        }
    }
}
