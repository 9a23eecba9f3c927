# have ROOT PROJECT...: for each project a line `= PROJECT` and the commits that the node has of it.
# take ROOT PROJECT BASE UID GID HEAD: lays the repository BASE/PROJECT down; stdin is its packed-refs (as content), then a pack of
# what the node has not.
# tidy ROOT: packs caches anew that have grown many packs; what only old builds needed goes.
#
# What builds bring stays in a cache below the root, so that the next one brings only what is new; repositories prepared in
# /opt/git (as devstack-gate's images have them) are borrowed from. A build's repository shares the cache's packs by hard links and
# borrows from nothing that the cache could drop.

umask 022
command=$1 root=$2
shift 2
git() { command git -c safe.directory='*' -c core.hooksPath=/dev/null "$@"; }

prepared() {
  local path
  for path in "/opt/git/$1/.git" "/opt/git/$1" "/opt/git/$1.git"; do
    [[ -d $path/objects && -e $path/HEAD ]] && { printf '%s\n' "$path"; return; }
  done
  return 1
}

cache_of() {
  cache=$root/.cache/git/$1
  [[ -e $cache/HEAD ]] && return
  local lender aside=$root/.cache/new.$BASHPID
  ready_root "$root"
  # Closed to jobs: other builds' states are in there.
  mkdir -p -- "${cache%/*}" && chmod 700 "$root/.cache" || exit 3
  git init -q --bare "$aside" || exit 3
  if lender=$(prepared "$1"); then printf '%s\n' "$lender/objects" >"$aside/objects/info/alternates"; fi
  # Somebody else may have been faster.
  mv -T -- "$aside" "$cache" 2>/dev/null || rm -rf -- "${aside:?}"
}

have() {
  local project lender
  type -P git >/dev/null || { echo 'git: not found' >&2; exit 127; }
  for project; do
    cache_of "$project"
    printf '= %s\n' "$project"
    {
      git --git-dir="$cache" for-each-ref --format='%(objectname)' refs/have
      lender=$(prepared "$project") &&
        git --git-dir="$lender" for-each-ref --format='%(objectname)' refs/heads refs/remotes refs/tags
    } | sort -u | head -n 4000
  done
}

take() {
  local project=$1 base=$2 uid=$3 gid=$4 head=$5 into=$2/$1 pack path
  cache_of "$project"
  mkdir -p -- "$into/objects/pack" "$into/objects/info" "$into/refs/heads" || exit 3
  content "$into/packed-refs" || exit 4
  exec 9>>"$cache/lock"
  flock -s 9
  git --git-dir="$cache" index-pack --stdin --fix-thin >/dev/null || exit 3
  sed -n 's/^\([0-9a-f]\{40,64\}\) .*/update refs\/have\/\1 \1/p' "$into/packed-refs" | sort -u |
    git --git-dir="$cache" update-ref --stdin || exit 3
  for pack in "$cache"/objects/pack/pack-*.{pack,idx,rev}; do
    [[ -e $pack ]] || continue
    ln -- "$pack" "$into/objects/pack/" 2>/dev/null || cp -- "$pack" "$into/objects/pack/" || exit 3
  done
  exec 9>&-
  [[ -e $cache/objects/info/alternates ]] && cp -- "$cache/objects/info/alternates" "$into/objects/info/"
  printf '[core]\n\trepositoryformatversion = 0\n\tbare = true\n' >"$into/config"
  printf 'ref: %s\n' "$head" >"$into/HEAD" || exit 3
  [[ $uid ]] || return 0
  # Folders and what says what is shown; the packs stay ours, and read-only.
  chown -- "$uid:$gid" "$into/packed-refs" "$into/config" "$into/HEAD" || exit 3
  find "$base" -type d -exec chown -- "$uid:$gid" {} + || exit 3
}

tidy() {
  local pack cache
  while IFS= read -r pack; do
    cache=${pack%/objects/pack}
    set -- "$pack"/*.pack
    (($# > 40)) || continue
    (
      exec 9>>"$cache/lock"
      flock -n 9 || exit
      git --git-dir="$cache" for-each-ref --sort=-committerdate --format='delete %(refname)' refs/have |
        tail -n +201 | git --git-dir="$cache" update-ref --stdin
      nice -n 19 git --git-dir="$cache" repack -adlq
    ) </dev/null >/dev/null 2>&1 &
  done < <(find "$root/.cache/git" -type d -path '*/objects/pack' 2>/dev/null)
}

"$command" "$@"
