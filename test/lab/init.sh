#!/bin/bash
# The first process of a lab node: makes a host out of a copy of this machine's root, and stays. It is started in namespaces of its
# own (mounts, processes, network, host name, IPC); when it is killed the kernel takes all of them away, and nothing is left.
#
#   init.sh DIR NAME USER [IMAGE]
#
# IMAGE is a tar file of what another node had written, as `cloud snapshot` makes it. DIR has authorized_keys, the host's ssh keys, and an empty folder `root`.
set -eu
dir=$1 name=$2 user=$3 image=${4:-}

mount --make-rprivate /
# What the node writes is kept in memory: an overlay cannot have its upper layer below its lower one.
mount -t tmpfs -o mode=755,size=4g lab "$dir/root"
mkdir "$dir"/root/{upper,work,root}
[ -z "$image" ] || tar --extract --file "$image" --directory "$dir/root/upper" --xattrs --xattrs-include='*' --numeric-owner -p
# What the node writes can be read through this descriptor, however it mounts: for snapshots.
exec 9<"$dir/root/upper"
mount -t overlay -o "lowerdir=/,upperdir=$dir/root/upper,workdir=$dir/root/work" overlay "$dir/root/root"
cd "$dir/root/root"

mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 dev dev
mkdir dev/{pts,shm,net}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
while read -r node major minor; do
  mknod -m 666 "dev/$node" c "$major" "$minor"
done <<'NODES'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
NODES
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
# Nothing of this machine's people is in there.
for folder in run tmp var/tmp root home srv mnt; do
  [ ! -d "$folder" ] || mount -t tmpfs -o "mode=$(stat -c %a "$folder")" lab "$folder"
done

hostname "$name"
echo "$name" >etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n' "$name" >etc/hosts
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
cat /proc/sys/kernel/random/uuid >run/boot_id
mount --bind run/boot_id proc/sys/kernel/random/boot_id
rm -rf etc/nodepool etc/openvswitch/conf.db* etc/openvswitch/.conf.db* etc/ssh/ssh_host_* var/log/openvswitch/*

mkdir -p run/sshd run/netns
install -m 600 "$dir"/keys/ssh_host_*_key etc/ssh
install -m 644 "$dir"/keys/ssh_host_*_key.pub etc/ssh
cat >etc/ssh/sshd_config <<'CONFIG'
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
MaxStartups 200
MaxSessions 200
Subsystem sftp internal-sftp
CONFIG

# The user CI systems log in as. `*` is no password; `!` would be a locked account.
if ! grep -q "^$user:" etc/passwd; then
  echo "$user:x:2900:2900::/home/$user:/bin/bash" >>etc/passwd
  echo "$user:x:2900:" >>etc/group
  echo "$user:*:19000:0:99999:7:::" >>etc/shadow
fi
install -d -m 755 -o "$(awk -F: -v u="$user" '$1==u{print $3}' etc/passwd)" "home/$user"
mkdir -p etc/sudoers.d
echo "$user ALL=(ALL) NOPASSWD: ALL" >etc/sudoers.d/lab
chmod 440 etc/sudoers.d/lab
for home in root "home/$user"; do
  owner=$(stat -c %u:%g "$home")
  install -d -m 700 -o "${owner%:*}" "$home/.ssh"
  install -m 600 -o "${owner%:*}" "$dir/authorized_keys" "$home/.ssh/authorized_keys"
done

mkdir run/old
pivot_root . run/old
cd /
umount -l /run/old
rmdir /run/old
ip link set lo up
# Nothing of the lab is in the environment of what runs on the node.
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /usr/sbin/sshd -D -e 9<&- &
# Whatever is orphaned here is reaped by bash.
while :; do wait -n || sleep 1; done
