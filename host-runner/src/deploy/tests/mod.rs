//! Deployments on the real parts: Docker, Nginx, git, PHP-FPM. They need root, Nginx, and the engine that
//! `DEVFLOW_DOCKER_SOCKET` names, with the image `devflow/php:8.4`; so they only run when they are asked for
//! (`cargo test -p host-runner -- --ignored`), and fail where a part is missing. They share the engine, so each names its
//! projects by other slugs.

mod compose;
mod containers;
mod failures;
mod hooks;
mod hostile;
mod lab;
mod laravel;
mod load;
mod plain;
mod recovery;
mod services;
mod shopware;
mod tenants;

use lab::Lab;
