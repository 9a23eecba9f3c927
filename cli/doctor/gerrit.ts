import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { scanHostKeys } from '../../nodepool/ssh/scan.ts';
import { asFault, Fault } from '../../pipelines/fault.ts';
import { type GitBridge, openGitBridge } from '../../workers/gerrit/bridge.ts';
import { type Commands, commandFault } from '../../workers/gerrit/commands.ts';
import { readPrivateKey } from '../../workers/gerrit/privatekey.ts';
import type { GerritSettings } from '../../workers/gerrit/settings.ts';
import { nameInGreeting, nameWarning } from '../../workers/gerrit/visibility.ts';
import { git } from '../../workers/git/command.ts';
import { openConnection } from '../../workers/intake.ts';
import { type Finding, isGood, look } from './finding.ts';

/** What one Gerrit must let us do. A login that is refused is tried once: people lock accounts that knock too often. */

/** ms */
const deadline = 30_000;
/** ms that a stream lives which Gerrit does not want to give. */
const refusedWithin = 2_000;
/** Projects that are asked for; who may read so many may read the rest. */
const mostProjects = 20;

export async function lookAtGerrit(
  settings: GerritSettings,
  projects: readonly string[],
): Promise<Finding[]> {
  const { connection, keyFile, host, port, user } = settings;
  const named = (what: string) => `${connection}: ${what}`;
  const key = await look(named('key'), async () => {
    await readPrivateKey(keyFile);
    return keyFile;
  });
  if (!isGood(key)) return [key];
  const opened = openConnection(settings);
  const { commands } = opened;
  try {
    const login = await look(named('login'), () => loginTo(settings, commands));
    if (!isGood(login)) return [key, login];
    const rest = await Promise.all([
      look(named('name'), () => nameOf(settings, commands)),
      look(named('event stream'), () => streamOf(commands)),
      look(named('projects'), () => readable(commands, projects)),
    ]);
    return [key, { ...login, says: `${user} at ${host}:${port}, ${login.says}` }, ...rest];
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

async function loginTo({ host, port }: GerritSettings, commands: Commands): Promise<string> {
  const signal = AbortSignal.timeout(deadline);
  try {
    const said = await commands.exec('gerrit version', { signal });
    if (said.code !== 0) throw commandFault('gerrit version', said);
    return said.stdout.trim().replace('gerrit version ', 'Gerrit ');
  } catch (caught) {
    const fault = asFault(caught);
    if (fault.code !== 'config-invalid' && fault.code !== 'gerrit-host-key') throw fault;
    const keys = await scanHostKeys(host, port, signal).catch(() => []);
    if (keys.length === 0) throw fault;
    throw new Fault(fault.code, fault.message, {
      hint: `It shows the keys below. Compare them with what its administrators publish, then put them into \`host-key:\`.\n${keys.join('\n')}`,
    });
  }
}

async function nameOf(
  { fullName, user }: GerritSettings,
  commands: Commands,
): Promise<string | Omit<Finding, 'what'>> {
  const name = nameInGreeting(await commands.greeting(AbortSignal.timeout(deadline))) ?? fullName ?? user;
  const warning = nameWarning(name);
  if (warning === undefined) return name;
  return { state: 'warning', says: warning, hint: 'Change it in the settings of the account.' };
}

/** A stream that may not be had ends at once, with a sentence. */
async function streamOf(commands: Commands): Promise<string> {
  const channel = await commands.channel('gerrit stream-events', {});
  try {
    channel.resume();
    const ended = once(channel, 'close').then(() => true);
    if (!(await Promise.race([ended, sleep(refusedWithin, false)]))) return 'may be followed';
    throw commandFault('gerrit stream-events', { code: 1, stdout: '', stderr: channel.complaint() });
  } finally {
    channel.destroy();
  }
}

async function readable(
  commands: Commands,
  projects: readonly string[],
): Promise<string | Omit<Finding, 'what'>> {
  if (projects.length === 0) return 'the layout names none';
  await using bridge = await openGitBridge((command, env) => commands.channel(command, env));
  const asked = projects.slice(0, mostProjects);
  const wrong: string[] = [];
  for (const project of asked) {
    const why = await unreadable(bridge, project);
    if (why !== undefined) wrong.push(`${project}: ${why}`);
  }
  if (wrong.length > 0)
    return {
      state: 'bad',
      says: `${wrong.length} of ${asked.length} cannot be read`,
      hint: `Check their names in the layout, and ask for Read on them.\n${wrong.join('\n')}`,
    };
  return asked.length === projects.length
    ? `all ${asked.length} can be read`
    : `the first ${asked.length} of ${projects.length} can be read`;
}

async function unreadable(bridge: GitBridge, project: string): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(deadline);
    await git(['ls-remote', '--heads', bridge.url(project)], { dir: '/', signal });
    return undefined;
  } catch (caught) {
    return asFault(caught)
      .message.split('\n')
      .findLast((line) => line.trim() !== '');
  }
}
