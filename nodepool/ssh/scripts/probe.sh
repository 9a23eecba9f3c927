# probe ROOT USER: what one must know of a machine before builds run on it, a line `name=value` each. USER is the account of the
# steps, empty for the one that logs in. Nothing is changed, and what cannot be found out is left out.

root=$1 user=$2
say() { printf '%s=%s\n' "$1" "$(printf %s "$2" | tr -d '\n' | cut -c 1-200)"; }

say bash "${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]}"
say clock "$(date +%s%3N)"
say euid "$EUID"
say os "$(. /etc/os-release 2>/dev/null && echo "$ID ${VERSION_ID-}")"
say cpus "$(nproc)"
while read -r name amount _; do
  case $name in
    MemTotal:) say memory "$((amount / 1024))" ;;
    MemAvailable:) say available "$((amount / 1024))" ;;
  esac
done </proc/meminfo

near=$root
until [[ -d $near ]]; do near=${near%/*} near=${near:-/}; done
say near "$near"
[[ -w $near ]] && say writable yes
read -r blocks size inodes all < <(stat -f -c '%a %S %d %c' -- "$near")
say disk "$((blocks * size / 1048576))"
# Some file systems (btrfs) count no inodes.
((all)) && say inodes "$inodes"
case ,$(findmnt -no OPTIONS -T "$near"), in *,noexec,*) say noexec yes ;; esac

for name in git python3 tar setpriv setsid flock find grep dd stat; do
  type -P "$name" >/dev/null || say missing "$name"
done

if [[ $user ]] && uid=$(id -u -- "$user" 2>/dev/null) && gid=$(id -g -- "$user"); then
  say uid "$uid"
  ((EUID == 0)) && setpriv --reuid "$uid" --regid "$gid" --init-groups sudo -n true </dev/null >/dev/null 2>&1 && say sudo yes
elif [[ ! $user ]]; then
  say uid "$EUID"
  sudo -n true </dev/null >/dev/null 2>&1 && say sudo yes
fi

container=$(systemd-detect-virt --container 2>/dev/null)
if [[ ! $container || $container == none ]]; then
  container=''
  [[ -e /.dockerenv ]] && container=docker
  [[ -e /run/.containerenv ]] && container=podman
  # A namespace of its own for processes shows two levels.
  while read -r name _ inner _; do [[ $name == NSpid: && $inner ]] && container=${container:-namespace}; done </proc/self/status
fi
[[ $container ]] && say container "$container"
[[ -d /sys/class/iscsi_transport || -d /sys/module/iscsi_tcp ]] || modinfo iscsi_tcp >/dev/null 2>&1 && say iscsi yes
[[ -e /dev/kvm ]] && say kvm yes
[[ $(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses 2>/dev/null) == 'b true' ]] &&
  say killed yes
exit 0
