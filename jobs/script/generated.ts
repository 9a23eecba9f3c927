import type { Copy, Trigger } from '../definition/builder.ts';
import type { Binding } from '../definition.ts';
import { prelude, quoted } from './prelude.ts';

/** Scripts of ours for builders that are no scripts themselves. */

/** EnvInject's build step. A file that is not there fails it. */
export function injectScript(file: string | undefined, content: string): string {
  const fromFile =
    file === undefined
      ? ''
      : `__sg_expand ${quoted(file)}
[[ -r $__sg_text ]] || { printf 'There is no properties file %q\\n' "$__sg_text"; exit 1; }
__sg_properties __sg_inject <"$__sg_text" || exit 1
`;
  return `${prelude}${fromFile}__sg_properties __sg_inject <<<${quoted(content)}\nexit 0\n`;
}

/** Where a trigger's parameters lie in the workspace until it is told to go on. */
export function parametersFile(step: number): string {
  return `.stackgate-trigger-${step}`;
}

/** Writes what the parameters of a trigger are now; `step` is the one that triggers. */
export function prepareScript(trigger: Trigger, step: number): string {
  const waiting = trigger.block === undefined ? '' : ', and waiting for them';
  return `${prelude}printf '%s\\n' ${quoted(`Asking for builds of ${trigger.jobs.join(', ')}${waiting}`)}
__sg_keep() { printf '%s=%s\\0' "$1" "$2"; }
__sg_properties __sg_keep <<<${quoted(trigger.parameters)} >${parametersFile(step)}\nexit 0\n`;
}

/** Says what became of a step that waited, and ends as it was told to. */
export function answeredScript(step: number): string {
  return `${prelude}rm -f ${parametersFile(step)}
__sg_given=$STACKGATE_GIVEN/${step}
cat "$__sg_given/message"
[[ -e $__sg_given/variables ]] && cat "$__sg_given/variables" >>"$STACKGATE_INJECT"
exit "$(cat "$__sg_given/code")"
`;
}

/** Takes the artifacts that were laid for it into the workspace. */
export function copyScript(copy: Copy, step: number): string {
  return `${prelude}__sg_given=$STACKGATE_GIVEN/${step}
cat "$__sg_given/message"
[[ -e $__sg_given/variables ]] && cat "$__sg_given/variables" >>"$STACKGATE_INJECT"
[[ $(cat "$__sg_given/code") == 0 ]] || exit 1
[[ -d $__sg_given/files ]] || exit 0
__sg_expand ${quoted(copy.target)}
mkdir -p -- "\${__sg_text:-.}" && cp -R -- "$__sg_given/files/." "\${__sg_text:-.}"
`;
}

/** Variable with the path of an agent's key. */
export function agentKey(index: number): string {
  return `STACKGATE_AGENT_KEY_${index}`;
}

/** An ssh-agent of the build's own, which ends with it, and its keys. */
export function agentScript(bindings: readonly Binding[]): string {
  const keys = bindings.flatMap((binding, index) => (binding.kind === 'ssh-agent' ? [agentKey(index)] : []));
  return `${prelude}eval "$(TMPDIR=/tmp ssh-agent -s)" >/dev/null || { echo 'ssh-agent is not on this node'; exit 1; }
__sg_inject SSH_AUTH_SOCK "$SSH_AUTH_SOCK"
__sg_inject SSH_AGENT_PID "$SSH_AGENT_PID"
for __sg_key in ${keys.join(' ')}; do
  [[ \${!__sg_key-} ]] || continue
  ssh-add -q "\${!__sg_key}" </dev/null || exit 1
  rm -f "\${!__sg_key}"
done
ssh-add -l
exit 0
`;
}
