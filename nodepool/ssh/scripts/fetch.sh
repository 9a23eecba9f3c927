# look SHA256 PATH: says `there`, or `absent`.
# fetch SHA256 PATH URL: downloads the file. Says `bytes N`.
# put SHA256 PATH: the same from stdin (as content).
# run: runs stdin as a script; what it says on either output is said here. Its exit code is ours.

umask 022
command=$1
shift

is_right() { [[ -f $2 ]] && [[ $(sha256sum -- "$2") == "$1 "* ]]; }

look() { if is_right "$1" "$2"; then echo there; else echo absent; fi; }

# Others see the file when it is whole and the right one, or not at all.
keep() {
  local sum
  sum=$(sha256sum -- "$2.part")
  if [[ $sum != "$1 "* ]]; then
    rm -f -- "$2.part"
    echo "what came has the sha256 ${sum%% *}" >&2
    exit 6
  fi
  mv -T -- "$2.part" "$2" && echo "bytes $(stat -c %s -- "$2")"
}

fetch() {
  local sha256=$1 path=$2 url=$3
  mkdir -p -- "${path%/*}" || exit 3
  rm -f -- "$path.part"
  if type -P curl >/dev/null; then
    curl -fsSL --proto '=http,https' --retry 3 --connect-timeout 30 --speed-time 60 --speed-limit 1 -o "$path.part" -- "$url" || exit 5
  elif type -P wget >/dev/null; then
    wget -q --tries=3 --timeout=60 -O "$path.part" -- "$url" || { code=$?; echo "wget ended with $code" >&2; exit 5; }
  else
    echo 'neither curl nor wget is there; `via: server` needs neither' >&2
    exit 5
  fi
  keep "$sha256" "$path"
}

put() {
  mkdir -p -- "${2%/*}" && rm -f -- "$2.part" || exit 3
  content "$2.part" || exit 4
  keep "$1" "$2"
}

run() {
  local file
  file=$(mktemp) && cat >"$file" && chmod 700 "$file" || exit 3
  trap 'rm -f -- "$file"' EXIT
  export HOME=${HOME:-/root}
  case $(head -c 2 -- "$file") in
    '#!') "$file" ;;
    *) bash "$file" ;;
  esac </dev/null 2>&1
}

"$command" "$@"
