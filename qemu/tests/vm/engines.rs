//! Containers on a live root: engines whose storage driver is overlay run one.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::build;
use crate::common::disks::{assert_unmounted, partition};
use crate::common::small::{self, Guest};
use isolde_qemu::fixtures::{Init, root_of};
use isolde_qemu::machine::{Bus, Disk};
use isolde_qemu::store::{FileSystem, Store};

/// An image of one static program, made where there is no network.
const IMPORT: &str = "mkdir -p /tmp/box/bin; cp /bin/busybox /tmp/box/bin/; \
    tar -C /tmp/box -c . | podman import --quiet - box";
/// A container with as little as this kernel's modules allow: neither network nor control groups.
const RUN: &str = "podman run --rm --network none --cgroups disabled --security-opt seccomp=unconfined box \
    /bin/busybox sh -c 'busybox mkdir /new; busybox mount' | grep ' on / '";

fn boot(name: &str, words: &str, image: &std::path::Path) -> Guest {
    let disk = Disk::new("stick", image, Bus::Virtio).kept();
    let machine = small::machine(name, &format!("isolde.image=/root.squashfs {words}")).memory(1024);
    let mut guest = Guest::boot(&machine.disk(disk));
    // Of the scripts that would do so none runs in this root.
    guest.ask("mkdir -p /dev/shm; mount -t tmpfs tmpfs /dev/shm; mount -t cgroup2 cgroup2 /sys/fs/cgroup");
    guest
}

fn store() -> Store {
    Store::new(FileSystem::Ext4, "STICK").free(256).copy("/root.squashfs", &root_of(Init::Engines).unwrap())
}

#[test]
#[ignore = "long: `make test-long`"]
fn podman_runs_a_container_in_memory_with_its_overlay_driver() {
    let image = build("engines-memory", &store());
    let mut guest = boot("engines-memory", "", &image);
    assert_eq!(guest.mount_at("/").1, "overlay");
    assert_eq!(guest.mount_at("/var/lib/containers").1, "tmpfs");
    assert_eq!(guest.ask("podman info --format '{{.Store.GraphDriverName}}'"), "overlay");
    guest.ask(IMPORT);
    assert!(guest.ask(RUN).starts_with("overlay on / type overlay"));
}

/// With a daemon that has as little: no bridge, no rules of a firewall.
#[test]
#[ignore = "long: `make test-long`"]
fn docker_runs_a_container_in_memory_with_its_overlay_driver() {
    let image = build("engines-docker", &store());
    let mut guest = boot("engines-docker", "", &image);
    for folder in ["/var/lib/docker", "/var/lib/containerd"] {
        assert_eq!(guest.mount_at(folder).1, "tmpfs");
    }
    guest.ask("dockerd --bridge none --iptables=false --ip6tables=false >/var/log/dockerd 2>&1 &");
    let wait = "for i in $(seq 60); do docker info >/dev/null 2>&1 && break; sleep 1; done; tail -n 5 /var/log/dockerd";
    let text = guest.shell.run_within(wait, small::BOOT).unwrap().output;
    assert!(text.contains("API listen on"), "{text}");
    assert_eq!(guest.ask("docker info --format '{{.Driver}}'"), "overlay2");
    guest.ask(&IMPORT.replace("podman import --quiet", "docker import"));
    let run = "docker run --rm --network none box /bin/busybox mount | grep ' on / '";
    assert!(guest.ask(run).starts_with("overlay on / type overlay"));
}

/// What was made is there after the next boot, and the store is clean.
#[test]
#[ignore = "long: `make test-long`"]
fn an_image_of_podman_stays_where_what_is_changed_stays() {
    let image = build("engines-saved", &store());
    let words = "isolde.persist=default";
    let mut guest = boot("engines-saved-1", words, &image);
    guest.ask(IMPORT);
    assert!(guest.ask(RUN).starts_with("overlay on / type overlay"));
    guest.ask("poweroff >/dev/null 2>&1 &");
    guest.vm.wait_for_end(small::BOOT).unwrap();
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition(&image));
    let mut guest = boot("engines-saved-2", words, &image);
    assert_eq!(guest.ask("podman images --format '{{.Repository}}'"), "localhost/box");
    assert!(guest.ask(RUN).starts_with("overlay on / type overlay"));
}
