# have PROJECT...: for each project a line `= PROJECT` and the commits that its repository in /opt/git has.
# take PROJECT HEAD ORIGIN UID GID: makes /opt/git/PROJECT what stdin says: its packed-refs (as content), then a pack of what it lacks.
# drop ROOT PROJECT: removes it, and what builds keep of it below ROOT.
# seal ROOT: makes the machine fit to be copied: nothing of ours, nothing that two machines may not share.
#
# The repositories are as images of Nodepool have them, whole clones with a working tree and all branches as their own (refs/heads),
# for zuul-cloner --cache-dir, `git clone /opt/git/PROJECT`, or devstack-gate, which takes them away whole. A killed `take` leaves the
# repository as it was, or with new objects that nothing names yet; the next one goes on.

umask 022
command=$1
shift
git() { command git -c safe.directory='*' -c core.hooksPath=/dev/null -c gc.auto=0 "$@"; }

# Has everything that its branches and tags need: one that was copied by halves has not, and would be sand to build on.
whole() { [[ -e $1/.git/HEAD ]] && git --git-dir="$1/.git" rev-list --objects --quiet --all 2>/dev/null; }

have() {
  local project path
  type -P git >/dev/null || { echo 'git: not found' >&2; exit 127; }
  for project; do
    path=/opt/git/$project
    printf '= %s\n' "$project"
    whole "$path" || continue
    git --git-dir="$path/.git" for-each-ref --format='%(objectname)' refs/heads refs/tags | sort -u
  done
}

take() {
  local project=$1 head=$2 origin=$3 uid=$4 gid=$5 into=/opt/git/$1 at=/opt/git/$1 refs
  mkdir -p -- /opt/git || exit 3
  exec 9</opt/git || exit 3
  flock 9
  refs=$(mktemp) || exit 3
  trap 'rm -f -- "$refs"' EXIT
  content "$refs" || exit 4
  if ! whole "$into"; then
    at=/opt/git/.new
    rm -rf -- "$at" || exit 3
    git init -q -- "$at" || exit 3
  fi
  # What a killed git left; nobody else is at work here.
  find "$at/.git" -name '*.lock' -delete
  rm -f -- "$at"/.git/objects/pack/tmp_*
  git -C "$at" index-pack --stdin --fix-thin >/dev/null || exit 5
  # Loose refs would win over packed ones.
  cat -- "$refs" >"$at/.git/packed-refs.lock" && mv -T -- "$at/.git/packed-refs.lock" "$at/.git/packed-refs" || exit 3
  rm -rf -- "$at"/.git/refs/{heads,tags,remotes} && mkdir -p -- "$at"/.git/refs/{heads,tags} || exit 3
  printf 'ref: %s\n' "$head" >"$at/.git/HEAD" || exit 3
  git -C "$at" config remote.origin.url "$origin" || exit 3
  git -C "$at" config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*' || exit 3
  if git -C "$at" rev-parse -q --verify HEAD >/dev/null; then git -C "$at" reset -q --hard || exit 5; fi
  if [[ $uid ]]; then chown -R -- "$uid:$gid" "$at" || exit 3; fi
  [[ $at == "$into" ]] && return
  mkdir -p -- "${into%/*}" && rm -rf -- "${into:?}" && mv -T -- "$at" "$into" || exit 3
}

drop() { rm -rf -- "/opt/git/${2:?}" "$1/.cache/git/${2:?}"; }

seal() {
  shopt -s nullglob dotglob
  rm -rf -- "${1:?}"/*
  # Two machines with one id get one address from a DHCP server. An empty file is filled at the next boot.
  [[ -e /etc/machine-id ]] && : >/etc/machine-id
  rm -f -- /var/lib/systemd/random-seed
  sync
}

"$command" "$@"
