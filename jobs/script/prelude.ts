/**
 * What our own steps on a node share, in bash: nothing but what a bare Debian or Ubuntu has. Names carry a prefix, since the
 * build's variables may have any.
 */
export const prelude = String.raw`#!/bin/bash
# Puts the build's variables in the place of $NAME and \${NAME}, into __sg_text; one that is not set stays as it is written.
__sg_expand() {
  local __sg_rest=$1 __sg_name
  __sg_text=''
  while [[ $__sg_rest =~ ^([^$]*)[$]([$]|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))?(.*)$ ]]; do
    __sg_text+=\${BASH_REMATCH[1]}
    __sg_name=\${BASH_REMATCH[3]}\${BASH_REMATCH[4]}
    if [[ \${BASH_REMATCH[2]} == '$' ]]; then
      __sg_text+='$'
    elif [[ $__sg_name && -n \${!__sg_name+set} ]]; then
      __sg_text+=\${!__sg_name}
    else
      __sg_text+="$"\${BASH_REMATCH[2]}
    fi
    __sg_rest=\${BASH_REMATCH[5]}
  done
  __sg_text+=$__sg_rest
}
# Sets a variable for this step and those after it.
__sg_inject() {
  printf '%s=%s\0' "$1" "$2" >>"$STACKGATE_INJECT"
  [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] && export "$1=$2" 2>/dev/null
  return 0
}
# Java properties on stdin, as EnvInject reads them: calls "$1 NAME VALUE" for each.
__sg_properties() {
  local __sg_line __sg_more
  while IFS= read -r __sg_line || [[ $__sg_line ]]; do
    __sg_line=\${__sg_line%$'\r'}
    __sg_line=\${__sg_line#"\${__sg_line%%[![:space:]]*}"}
    while [[ $__sg_line == *\\ ]] && IFS= read -r __sg_more; do
      __sg_line=\${__sg_line%\\}\${__sg_more#"\${__sg_more%%[![:space:]]*}"}
    done
    [[ $__sg_line == '' || $__sg_line == [#!]* ]] && continue
    if [[ $__sg_line =~ ^([^=:[:space:]]+)[[:space:]]*[=:]?[[:space:]]*(.*)$ ]]; then
      local __sg_key=\${BASH_REMATCH[1]} __sg_value=\${BASH_REMATCH[2]}
      __sg_value=\${__sg_value%"\${__sg_value##*[![:space:]]}"}
      __sg_expand "$__sg_value"
      "$1" "$__sg_key" "$__sg_text"
    fi
  done
}
`.replaceAll('\\$', '$');

/** One word for a shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
