//! Files that are not deployed, and what is said of them.

use super::*;

#[test]
fn read_refuses_what_could_reach_the_server() {
    for (keys, expected) in [
        (
            "privileged: true",
            "`privileged` is refused: it gives a container more of the server than any may have",
        ),
        ("cap_add: [NET_ADMIN]", "`cap_add` is refused"),
        ("network_mode: host", "`network_mode` is not taken"),
        ("pid: host", "`pid` is refused"),
        ("ipc: host", "`ipc` is refused"),
        ("devices: [/dev/kvm]", "`devices` is refused"),
        ("security_opt: [seccomp:unconfined]", "`security_opt` is refused"),
        ("use_api_socket: true", "`use_api_socket` is refused"),
        ("user: root", "`user` is root, which no container may be"),
        ("user: \"0:0\"", "`user` is root"),
        (
            "volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]",
            "`volumes` mounts a file or folder from outside",
        ),
        (
            "volumes: [\".:/app\"]",
            "`volumes` mounts a file or folder from outside",
        ),
        (
            "volumes: [{type: bind, source: /, target: /host}]",
            "`volumes` mounts a file or folder from outside",
        ),
        ("volumes: [/data]", "`volumes` has no name before the path"),
        (
            "volumes: [other:/data]",
            "`volumes` names `other`, which is not among the file's `volumes`",
        ),
        (
            "volumes: [\"data:/a\", \"data:/a/\"]",
            "`volumes` mounts twice onto /a",
        ),
        (
            "volumes: [{type: volume, source: data, target: /a, bind: {}}]",
            "has `bind`, which is not taken",
        ),
        ("extends: { service: b }", "`extends` is not followed"),
        ("secrets: [a]", "`secrets` is not taken"),
        ("container_name: a", "`container_name` is not taken"),
        ("deploy: { replicas: 2 }", "`deploy` is not taken"),
        (
            "build: { context: .., dockerfile: a }",
            "`build` names nothing inside the repository",
        ),
        (
            "build: https://github.com/acme/shop.git",
            "`build` names nothing inside the repository",
        ),
        (
            "build: { args: { BUILDKIT_SYNTAX: evil } }",
            "`build` has an argument of the builder itself",
        ),
        (
            "build: { network: host }",
            "`build` has `network`, which is not taken",
        ),
        (
            "build: { additional_contexts: { a: b } }",
            "`build` has `additional_contexts`",
        ),
        (
            "build: { dockerfile_inline: FROM a }",
            "`build` has `dockerfile_inline`",
        ),
        ("tmpfs: [\"/tmp:exec\"]", "`tmpfs` is no absolute path"),
    ] {
        let said = refusal(keys);
        assert!(said.contains(expected), "{keys}: {said}");
    }
}

#[test]
fn read_refuses_what_it_does_not_understand() {
    for (keys, expected) in [
        ("restart: sometimes", "`restart` is none of"),
        ("ports: [a]", "`ports` is no port"),
        ("command: []", "`command` is empty"),
        (
            "command: echo a | cat",
            "`command` cannot be split into arguments: `|` does nothing without a shell",
        ),
        (
            "environment: [\"a b=1\"]",
            "`environment` cannot be taken: `a b` is not a variable name",
        ),
        (
            "environment: { A: [1] }",
            "`environment` is a list, and has to be a single value",
        ),
        ("environment: { A: \"\\0\" }", "`environment` has a NUL character"),
        (
            "healthcheck: { test: [true] }",
            "`healthcheck` has a `test` that begins with none of",
        ),
        (
            "healthcheck: { interval: 1ms }",
            "`healthcheck` asks more often than each 100ms",
        ),
        (
            "stop_grace_period: 2h",
            "`stop_grace_period` is longer than an hour",
        ),
        (
            "depends_on: [nobody]",
            "service `web` waits for `nobody`, which is not in the file",
        ),
        (
            "depends_on: { web: { condition: service_started } }",
            "services wait for each other in a circle",
        ),
        (
            "depends_on: { web: { condition: ready } }",
            "has `condition: ready`, which is not known here",
        ),
        (
            "frobnicate: 1",
            "`frobnicate` is not known here, and what is not known is not deployed",
        ),
        ("\"a\\nb\": 1", "`a␣b` is not known here"),
    ] {
        let said = refusal(keys);
        assert!(said.contains(expected), "{keys}: {said}");
    }
}

#[test]
fn read_refuses_files_that_are_none() {
    let web = name("web");
    for (text, expected) in [
        (
            "",
            "it is nothing, and a compose file is a mapping with `services`",
        ),
        (
            "- a\n",
            "it is a list, and a compose file is a mapping with `services`",
        ),
        ("services:\n", "it has no `services`"),
        (
            "services: { web: }\n",
            "line 1: service `web`: `services` has nothing in its place, and has to have a mapping",
        ),
        (
            "services: { web: {} }\n",
            "line 1: service `web`: `services` has neither `image` nor `build`; give it one of them",
        ),
        (
            "services: { web: { image: \"$X\" } }\n",
            "`image` cannot be taken: `` is not an image",
        ),
        (
            "services: { app: { image: a } }\n",
            "it has no service `web`, which the settings name as the one that visitors reach; there are: app",
        ),
        (
            "include: [a.yaml]\nservices: {}\n",
            "line 1: `include` is not followed",
        ),
        ("networks: {}\nservices: {}\n", "line 1: `networks` is not taken"),
        ("secrets: {}\n", "line 1: `secrets` is not taken"),
        (
            "services: {}\nvolumes: { a: { external: true } }\n",
            "line 2: volume `a` has `external`, which is not taken",
        ),
        (
            "services: {}\nvolumes: { a: { driver_opts: { type: nfs } } }\n",
            "line 2: volume `a` has `driver_opts`",
        ),
        (
            "services: {}\nvolumes: { ../a: }\n",
            "line 2: volume `../a` is named badly",
        ),
        (
            "services: { ../x: { image: a } }\n",
            "has a bad name: `../x` is not a name of 1 to 40",
        ),
    ] {
        let error = read(text, &web, &Environment::default(), &mut no_file).expect_err(text);
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    let many: Vec<String> = (0..17).map(|n| format!("  s{n}: {{ image: a }}\n")).collect();
    let error = outline(&format!("services:\n{}", many.concat())).expect_err("too many");
    assert!(error.to_string().contains("at most 16 services"), "{error}");
    let large = format!("services: {{}}\n# {}\n", "x".repeat(FILE_BYTES));
    assert!(
        outline(&large)
            .expect_err("too large")
            .to_string()
            .contains("larger than 64 KiB")
    );
}
