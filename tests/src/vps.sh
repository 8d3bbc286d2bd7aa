#!/bin/sh
# sh vps.sh FOLDER DEBIAN NAME   boots a server: an overlay of DEBIAN in FOLDER, systemd as the first process
# sh vps.sh end - NAME           removes its control groups when all its processes are gone
set -eu
folder=$1 debian=$2 name=$3 groups=/sys/fs/cgroup

# Version 2 has one tree, version 1 one for each of these.
if [ -e $groups/cgroup.controllers ]; then trees=$groups; else
  trees=
  for tree in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
    if [ -d $groups/$tree ]; then trees="$trees $groups/$tree"; fi
  done
fi

if [ "$folder" = end ]; then
  for tree in $trees; do
    for try in 1 2 3 4 5 6 7 8 9 10; do
      [ -d "$tree/$name" ] || break
      find "$tree/$name" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
    done
    [ ! -d "$tree/$name" ] || { echo "$tree/$name stays" >&2; exit 1; }
  done
  exit 0
fi

if [ -z "${4:-}" ]; then
  for tree in $trees; do
    mkdir "$tree/$name"
    for set in cpus mems; do
      if [ -e $tree/cpuset.$set ] && [ -e "$tree/$name/tasks" ]; then cat $tree/cpuset.$set > "$tree/$name/cpuset.$set"; fi
    done
    echo $$ > "$tree/$name/cgroup.procs"
  done
  exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child --propagation private \
    sh "$0" "$folder" "$debian" "$name" inside
fi

root=$folder/root
mkdir -p "$folder/up" "$folder/work" "$root"
mount -t overlay overlay -o "lowerdir=$debian,upperdir=$folder/up,workdir=$folder/work" "$root"
cd "$root"
hostname "$name"
echo "$name" > etc/hostname
printf '127.0.0.1 localhost %s\n' "$name" > etc/hosts
: > etc/machine-id
: > etc/fstab
# What works on the machine's own devices, kernel and network, or waits for a terminal.
mkdir -p etc/systemd/system
for unit in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount systemd-sysctl.service \
  systemd-modules-load.service systemd-firstboot.service systemd-networkd.service systemd-networkd-wait-online.service \
  systemd-resolved.service systemd-timesyncd.service systemd-logind.service getty.target console-getty.service; do
  ln -sf /dev/null etc/systemd/system/$unit
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
for place in run dev; do mount -t tmpfs -o mode=755 tmpfs $place; done
mount -t tmpfs tmpfs tmp
for device in null zero full random urandom tty; do
  : > dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
: > dev/console
mount --bind /dev/null dev/console
mount -t tmpfs tmpfs dev/shm
if [ "$trees" = $groups ]; then mount -t cgroup2 cgroup2 sys/fs/cgroup; else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  for tree in $trees; do
    kind=${tree##*/}
    mkdir sys/fs/cgroup/$kind
    if [ $kind = systemd ]; then options=none,name=systemd; else options=$kind; fi
    mount -t cgroup -o $options cgroup sys/fs/cgroup/$kind
  done
fi
mkdir .before
pivot_root . .before
exec env -i container=devflow PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  sh -c 'umount -l /.before && exec /lib/systemd/systemd --log-target=journal --show-status=0'
