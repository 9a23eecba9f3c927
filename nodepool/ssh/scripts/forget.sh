# forget ROOT BUILD GRACE UID: removes what a build left, and before it what followed that build. UID is given when nothing but
# builds runs as that user. Says `gone`, `alive` when processes would not die, `stuck PATH` when something cannot be removed.

root=$1 build=$2 grace=$3 uid=$4

# A path as /proc/self/mountinfo writes it, back.
unescaped() { printf -v path '%b' "${1//\\/\\0}"; }

# What is mounted in there, the deepest first: removing through a bind mount would empty somebody else's folder.
unmount_below() {
  local path points=() index
  while read -r _ _ _ _ path _; do
    unescaped "$path"
    [[ $path == "$1"/* ]] && points+=("$path")
  done </proc/self/mountinfo
  for ((index = ${#points[@]} - 1; index >= 0; index--)); do umount -l -- "${points[index]}" 2>/dev/null; done
}

# Processes that sit in there without the build's cookie: started by a daemon on the job's behalf.
kill_inside() {
  local link pid
  while IFS= read -rd '' link; do
    pid=${link#/proc/}
    pid=${pid%/*}
    [[ $pid == "$$" || $pid == "$BASHPID" ]] || kill -KILL "$pid" 2>/dev/null
  done < <(find /proc -maxdepth 2 -regex '/proc/[0-9]+/\(cwd\|root\)' \( -lname "$1" -o -lname "$1/*" \) -print0 2>/dev/null)
}

remove() {
  local attempt
  for attempt in 1 2 3; do
    kill_inside "$1"
    unmount_below "$1"
    rm -rf --one-file-system -- "$1" 2>/dev/null
    [[ -e $1 || -L $1 ]] || return 0
    chattr -R -f -i -a -- "$1" 2>/dev/null
    find "$1" -xdev -type d ! -perm -700 -exec chmod u+rwx -- {} + 2>/dev/null
    sleep 0.1
  done
  rm -rf --one-file-system -- "$1" 2>/dev/null
  [[ -e $1 || -L $1 ]] || return 0
  echo "stuck $(find "$1" -depth 2>/dev/null | head -n 1 | tr -dc '[:print:]' | cut -c 1-300)"
  exit
}

shopt -s nullglob dotglob
for dir in "$root/$build".* "$root/$build"; do
  [[ -d $dir ]] || continue
  stop_build "$dir" cancel "$grace" || { echo alive; exit; }
  # Renamed away first: what is half removed is no build any more.
  mv -T -- "$dir" "$root/.gone.${dir##*/}.$$" 2>/dev/null || remove "$dir"
done
if [[ $uid && $EUID == 0 ]]; then
  setpriv --reuid "$uid" --regid "$uid" --clear-groups /bin/bash -c 'kill -KILL -1' 2>/dev/null
  find /tmp /var/tmp /dev/shm -xdev -mindepth 1 -user "$uid" -delete 2>/dev/null
  rm -f -- "/var/spool/cron/crontabs/$(id -un -- "$uid")" "/var/spool/cron/$(id -un -- "$uid")"
fi
for dir in "$root/.gone.$build."* "$root/.$build."*; do remove "$dir"; done
echo gone
