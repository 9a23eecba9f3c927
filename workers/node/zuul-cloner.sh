#!/bin/bash
# zuul-cloner: lays the repositories a job needs in its workspace, each at the speculative state that is tested. The options and the
# order of what is tried are those of Zuul 2; what is new is that nothing but bash and git is needed on the node.

set -u
export LC_ALL=C GIT_TERMINAL_PROMPT=0

usage() {
  cat <<'EOF'
usage: zuul-cloner [-m MAP] [--workspace DIR] [--cache-dir DIR] [--branch BRANCH] [--project-branch PROJECT=BRANCH]...
                   [--zuul-branch B] [--zuul-ref R] [--zuul-url U] [--zuul-project P] [--zuul-newrev C]
                   GIT_BASE_URL PROJECT...

Clones each PROJECT into the workspace: at its Zuul ref, else the tip of the branch, else master.

  -m, --map FILE          clone map: which project goes where (YAML: clonemap: [{name: REGEX, dest: PATH}])
  --workspace DIR         where to clone to (default: here)
  --cache-dir DIR         where repositories may lie already (default: $ZUUL_CACHE_DIR, else /opt/git; '': nowhere)
  --branch B              branch to use instead of ZUUL_BRANCH
  --project-branch P=B    the same for one project
  --zuul-*                default to $ZUUL_BRANCH, $ZUUL_REF, $ZUUL_URL, $ZUUL_PROJECT, $ZUUL_NEWREV

Example: zuul-cloner -m clonemap.yaml --cache-dir /opt/git https://opendev.org openstack/nova openstack/neutron
EOF
}

say() { printf 'zuul-cloner: %s\n' "$*"; }

die() {
  printf 'zuul-cloner: error: %s\n' "$*" >&2
  exit 1
}

wrong() {
  printf 'zuul-cloner: error: %s (--help shows how)\n' "$*" >&2
  exit 2
}

map='' workspace=$PWD cache=${ZUUL_CACHE_DIR-/opt/git} branch=''
zuul_branch=${ZUUL_BRANCH-} zuul_ref=${ZUUL_REF-} zuul_url=${ZUUL_URL-} zuul_project=${ZUUL_PROJECT-} zuul_newrev=${ZUUL_NEWREV-}
declare -A project_branches=() destinations=() takers=()
words=()

while (($#)); do
  option=$1
  shift
  case $option in
    -h | --help) usage; exit 0 ;;
    --version) echo 'zuul-cloner 2.6 (stackgate)'; exit 0 ;;
    -v | --verbose | --color | --cache-no-hardlinks) continue ;;
    --) words+=("$@"); break ;;
    -m?*) set -- "${option#-m}" "$@"; option=-m ;;
    --*=*) set -- "${option#*=}" "$@"; option=${option%%=*} ;;
    -?*) ;;
    *) words+=("$option"); continue ;;
  esac
  (($#)) || wrong "$option needs a value"
  case $option in
    -m | --map) map=$1 ;;
    --workspace) workspace=$1 ;;
    --cache-dir) cache=$1 ;;
    --branch) branch=$1 ;;
    --project-branch)
      [[ $1 == ?*=?* ]] || wrong "--project-branch wants PROJECT=BRANCH, not $1"
      project_branches[${1%%=*}]=${1#*=} ;;
    --zuul-branch) zuul_branch=$1 ;;
    --zuul-ref) zuul_ref=$1 ;;
    --zuul-url) zuul_url=$1 ;;
    --zuul-project) zuul_project=$1 ;;
    --zuul-newrev) zuul_newrev=$1 ;;
    *) wrong "there is no option $option" ;;
  esac
  shift
done

((${#words[@]} >= 2)) || wrong 'a base URL and at least one project are needed'
[[ $zuul_ref && ! $zuul_url ]] && wrong 'a Zuul ref needs a Zuul URL'
[[ $zuul_newrev && ! $zuul_project ]] && wrong 'a new revision needs a Zuul project'
base=${words[0]%/}
projects=("${words[@]:1}")
for project in "${projects[@]}"; do
  [[ $project == /* || $project == -* || "/$project/" == */../* ]] && wrong "$project is no project"
done
[[ $map && ! -r $map ]] && die "there is no clone map $map"

# --- the clone map ---------------------------------------------------------------------------------------------------

names=() dests=()

# A YAML scalar without its quotes and comment, into `scalar`.
scalar_of() {
  scalar=$1
  scalar=${scalar#"${scalar%%[![:space:]]*}"}
  scalar=${scalar%"${scalar##*[![:space:]]}"}
  case $scalar in
    \'*\'*) scalar=${scalar#\'} scalar=${scalar%\'*} scalar=${scalar//\'\'/\'} ;;
    \"*\"*) scalar=${scalar#\"} scalar=${scalar%\"*} scalar=${scalar//\\\\/\\} scalar=${scalar//\\\"/\"} ;;
    *) scalar=${scalar%% \#*} scalar=${scalar%"${scalar##*[![:space:]]}"} ;;
  esac
}

key() {
  scalar_of "$2"
  case $1 in
    name) names[${#names[@]} - 1]=$scalar ;;
    dest) dests[${#dests[@]} - 1]=$scalar ;;
  esac
}

read_map() {
  local line rest number=0
  while IFS= read -r line || [[ $line ]]; do
    number=$((number + 1))
    line=${line%$'\r'}
    rest=${line#"${line%%[![:space:]]*}"}
    [[ $rest == '' || $rest == '#'* || $rest == '---'* || $rest == clonemap:* ]] && continue
    if [[ $rest == -* ]]; then
      names+=('') dests+=('')
      rest=${rest#-}
      rest=${rest#"${rest%%[![:space:]]*}"}
      [[ $rest == '' ]] && continue
      if [[ $rest =~ ^\{[[:space:]]*name:[[:space:]]*(.*),[[:space:]]*dest:[[:space:]]*(.*)\}[[:space:]]*$ ]]; then
        local first=${BASH_REMATCH[1]} second=${BASH_REMATCH[2]}
        key name "$first"
        key dest "$second"
        continue
      fi
    fi
    if ((${#names[@]})) && [[ $rest =~ ^(name|dest):[[:space:]]*(.*)$ ]]; then
      key "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    else
      die "$map:$number: cannot read ${rest:0:60}"
    fi
  done <"$map"
}

# A Python pattern for bash; what bash does not know is an error.
pattern_of() {
  pattern=$1
  pattern=${pattern//\\d/[0-9]} pattern=${pattern//\\w/[A-Za-z0-9_]} pattern=${pattern//\\s/[[:space:]]}
  pattern=${pattern//(\?:/(}
  while [[ $pattern =~ \(\?P\<[A-Za-z0-9_]+\> ]]; do pattern=${pattern/"${BASH_REMATCH[0]}"/(}; done
  [[ $pattern == *'(?'* ]] && die "clone map: $1 has what only Python knows"
  pattern="^(${pattern})$"
}

# Where a project goes, relative to the workspace, into `dest`.
destination_of() {
  local project=$1 index found='' matched number
  dest=$project
  for index in "${!names[@]}"; do
    pattern_of "${names[index]}"
    [[ $project =~ $pattern ]] || continue
    matched=("${BASH_REMATCH[@]}")
    [[ $found ]] && die "clone map: $project is matched by $found and ${names[index]}"
    found=${names[index]}
    dest=${dests[index]}
    for ((number = ${#matched[@]} - 1; number > 1; number--)); do
      dest=${dest//"\\g<$((number - 1))>"/"${matched[number]}"}
      dest=${dest//"\\$((number - 1))"/"${matched[number]}"}
    done
  done
  dest=${dest#./}
  [[ $dest == '.' || $dest == '' ]] && dest=''
  dest=${dest%/}
  [[ $dest == /* || "/$dest/" == */../* ]] && die "clone map: $project would go to $dest, outside the workspace"
  [[ ${takers["=$dest"]-} ]] && die "clone map: ${takers["=$dest"]} and $project would share ${dest:-the workspace}"
  takers["=$dest"]=$project
  destinations[$project]=$dest
}

# --- one repository --------------------------------------------------------------------------------------------------

# Fetches; a ref that is not there is answered with 1, a server that cannot be reached ends everything.
fetch() {
  local said
  said=$(git -C "$path" fetch --quiet "$@" 2>&1) && return 0
  case $said in
    *"couldn't find remote ref"* | *"does not appear to be a git repository"* | *"not found"* | *"no such remote ref"* | \
      *"unadvertised object"* | *"not our ref"*) return 1 ;;
  esac
  die "cannot fetch into $path: $said"
}

all_heads='+refs/heads/*:refs/remotes/origin/*'
all_tags='+refs/tags/*:refs/tags/*'

prepare() {
  local project=$1 origin=$base/$1
  [[ $zuul_url && $project == "$zuul_project" ]] && origin=${zuul_url%/}/$project
  if [[ ! -e $path/.git ]]; then
    mkdir -p -- "$path" && git -C "$path" init --quiet || die "cannot make a repository in $path"
    if [[ $cache && -d $cache/$project ]]; then
      say "$project: from the cache $cache/$project"
      # The cache is the operator's, not ours; git wants to be told that this is meant.
      git -C "$path" fetch --quiet --upload-pack "git -c safe.directory='*' upload-pack" \
        "file://$(cd "$cache/$project" && pwd)" "$all_heads" "$all_tags" || say "$project: that is of no use; all of it is fetched"
    fi
  fi
  git -C "$path" remote set-url origin "$origin" 2>/dev/null || git -C "$path" remote add origin "$origin" ||
    die "cannot set the origin of $path"
  fetch --prune origin "$all_heads" "$all_tags" || die "there is no repository $origin"
}

has_branch() { git -C "$path" rev-parse --quiet --verify "refs/remotes/origin/$1" >/dev/null; }

from_zuul() {
  local project=$1 ref=$2
  [[ $ref && $zuul_url ]] || return 1
  fetch "${zuul_url%/}/$project" "$ref" || return 1
  git -C "$path" checkout --quiet --force --detach FETCH_HEAD || die "cannot check out $ref of $project"
  say "$project: $ref"
}

clone_project() {
  local project=$1 indicated fallback=master override='' second=''
  path=$workspace/${destinations[$project]}
  path=${path%/}
  prepare "$project"
  indicated=${project_branches[$project]-${branch:-$zuul_branch}}
  [[ $indicated ]] && has_branch "$indicated" && fallback=$indicated
  if [[ $zuul_ref && $zuul_branch ]]; then
    override=${zuul_ref//"$zuul_branch"/"${indicated:-$zuul_branch}"}
    second=${zuul_ref//"$zuul_branch"/"$fallback"}
  else
    override=$zuul_ref
  fi
  if [[ $zuul_newrev && $project == "$zuul_project" ]]; then
    git -C "$path" rev-parse --quiet --verify "$zuul_newrev^{commit}" >/dev/null || fetch origin "$zuul_newrev" || true
    git -C "$path" checkout --quiet --force --detach "$zuul_newrev" || die "$project has no commit $zuul_newrev"
    say "$project: commit $zuul_newrev"
  elif from_zuul "$project" "$override"; then
    :
  elif [[ $second != "$override" ]] && from_zuul "$project" "$second"; then
    :
  else
    has_branch "$fallback" || die "$project has no branch $fallback"
    git -C "$path" checkout --quiet --force -B "$fallback" "refs/remotes/origin/$fallback" || die "cannot check out $fallback"
    say "$project: branch $fallback"
  fi
}

[[ $map ]] && read_map
for project in "${projects[@]}"; do
  [[ ${destinations[$project]+set} ]] || destination_of "$project"
done
mkdir -p -- "$workspace" || die "cannot make $workspace"
workspace=$(cd "$workspace" && pwd) || exit 1
# A project inside another one comes after it.
while IFS=$'\t' read -r _ project; do
  clone_project "$project"
done < <(for project in "${!destinations[@]}"; do printf '/%s\t%s\n' "${destinations[$project]}" "$project"; done | sort -u)
