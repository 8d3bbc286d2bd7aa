//! The server block of a project whose containers speak HTTP: everything is passed on.

use super::{AWAY, Vhost, header, quoted};
use crate::host::error::Result;
use crate::relay;
use std::fmt::Write as _;

impl Vhost<'_> {
    /// The server block of a project that speaks HTTP itself. Nothing of its files is served from here, and its headers are
    /// its own.
    pub(super) fn render_proxy(&self) -> Result<String> {
        let socket = quoted(&self.project_dir.join("current/run").join(relay::SOCKET))?;
        let socket = socket.trim_matches('"');
        // A variable of Nginx is all servers'. A slug has no underscore, so that no two projects share one.
        let upgrade = format!(
            "$devflow_{}_connection",
            self.spec.slug.as_str().replace('-', "_")
        );
        let mut text = header();
        let _ = write!(
            text,
            "map $http_upgrade {upgrade} {{\n    default upgrade;\n    \"\" close;\n}}\n\n"
        );
        self.open_server(&mut text, "");
        self.write_auth(&mut text)?;
        self.write_acme(&mut text)?;
        if self.away {
            text.push_str(AWAY);
            return Ok(text);
        }
        text.push_str("\n    location / {\n");
        for (name, value) in [
            ("Host", "$host"),
            ("X-Real-IP", "$remote_addr"),
            // Not what a visitor says of itself.
            ("X-Forwarded-For", "$remote_addr"),
            ("X-Forwarded-Host", "$host"),
            ("X-Forwarded-Port", "$server_port"),
            ("X-Forwarded-Proto", "$scheme"),
            ("Forwarded", "\"\""),
            ("Proxy", "\"\""),
            ("Upgrade", "$http_upgrade"),
            ("Connection", &upgrade),
        ] {
            let _ = writeln!(text, "        proxy_set_header {name} {value};");
        }
        let _ = write!(
            text,
            "        proxy_http_version 1.1;\n        proxy_hide_header X-Powered-By;\n        proxy_buffers 16 16k;\n        \
             proxy_buffer_size 32k;\n        proxy_connect_timeout 10s;\n        proxy_send_timeout 60s;\n        \
             proxy_read_timeout {}s;\n        proxy_next_upstream off;\n        proxy_redirect off;\n        \
             proxy_pass http://unix:{socket};\n    }}\n}}\n",
            u32::from(self.spec.limits.execution_s) + 10
        );
        Ok(text)
    }
}
