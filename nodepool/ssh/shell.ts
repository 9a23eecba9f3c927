import { randomBytes } from 'node:crypto';
import { Fault } from '../../pipelines/fault.ts';
import type { Clock, CollectedFile, Shell, ShellBuild } from '../../pipelines/ports.ts';
import type { Judgement, NodeNeeds } from '../preflight.ts';
import { quoted } from '../remote.ts';
import {
  defaultLimits,
  type FolderPlan,
  folderOf,
  type JobUser,
  planFolder,
  type SupervisorLimits,
} from '../supervisor/plan.ts';
import { whileAway } from './away.ts';
import { listFiles, readFiles } from './collect.ts';
import { NodeConnection } from './connection.ts';
import { followOver, placeAt } from './follow.ts';
import { entryFrames, lastFrame } from './frames.ts';
import { checkedUser, jobUserOf } from './jobuser.ts';
import { givenFrames, layDown } from './lay.ts';
import { preflight } from './probe.ts';
import { layRepositories } from './repositories.ts';
import { noSpace, saidBy, script } from './script.ts';
import type { SshTarget } from './session.ts';

/** A `Shell` on a node over ssh: the same supervisor in the same folders as on this machine, reached by scripts. */

export interface SshShellOptions {
  /** Folder of the workspaces on the node. */
  readonly root: string;
  /**
   * Account the steps run as: needed when we log in as root; otherwise ourselves where left out, and another one only with
   * `sudo` of the target.
   */
  readonly user?: string | undefined;
  /** Nothing but builds runs as that user, one at a time: whatever it left anywhere is cleared away. */
  readonly dedicatedUser?: boolean | undefined;
  /** Steps may gain privileges (sudo, setuid programs): DevStack's must. */
  readonly sudo?: boolean | undefined;
  /** Variables of every build, such as http_proxy. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly limits?: Partial<SupervisorLimits> | undefined;
  /** ms without a sign of life after which a build's node is lost; three minutes where left out. */
  readonly lostAfter?: number | undefined;
  /** Called with the names of the durable steps as they are passed: `shell.lay.before` and so on. */
  readonly passed?: ((name: string) => void) | undefined;
}

export interface SshShell extends Shell {
  /** The way to the node, for what is no build: node sets, networks. */
  readonly node: NodeConnection;
  /** Is the machine fit for builds as these options want them? */
  preflight(needs: Omit<NodeNeeds, 'root' | 'sudo'>, clock: Clock, signal: AbortSignal): Promise<Judgement>;
  /** Builds that something of is on the node. */
  leftovers(signal: AbortSignal): Promise<string[]>;
}

const minute = 60_000;

/** Connects when first asked for something. Throws Fault `job-user` when steps would run as root. */
export function openSshShell(target: SshTarget, options: SshShellOptions): SshShell {
  return new NodeShell(target, options);
}

class NodeShell implements SshShell {
  readonly node: NodeConnection;
  readonly #options: SshShellOptions;
  readonly #root: string;
  /** Empty: the account that logs in, without changing to it. */
  readonly #user: string;
  #known: Promise<JobUser | undefined> | undefined;
  readonly #limits: SupervisorLimits;
  readonly #patience: number;
  readonly #passed: (name: string) => void;

  constructor(target: SshTarget, options: SshShellOptions) {
    this.node = new NodeConnection(target);
    this.#options = options;
    this.#root = options.root;
    this.#user = jobUserOf(target, options.user);
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#passed = options.passed ?? (() => undefined);
    this.#patience = options.lostAfter ?? 3 * minute;
  }

  async start(build: ShellBuild, signal: AbortSignal): Promise<void> {
    await this.#persist(signal, async () => {
      const found = wordOf(await this.#run(this.#launch(build.build), signal, 'cannot start the build'));
      settle(found.word === 'absent' ? await this.#prepare(build, found.rest, signal) : found);
    });
    this.#passed('shell.launch.after');
  }

  async attach(...[build, offset, sink, signal]: Parameters<Shell['attach']>): ReturnType<Shell['attach']> {
    const folder = folderOf(this.#root, build);
    const place = placeAt(offset);
    this.#passed('shell.attach.before');
    // A way of its own: a console that fills it must not hold up commands, nor be cut with theirs.
    const way = new NodeConnection(this.node.target);
    const cut = () => void way.drop();
    signal.addEventListener('abort', cut, { once: true });
    try {
      const end = await this.#persist(signal, (alive) => followOver(way, folder, place, sink, alive, signal));
      this.#passed('shell.attach.after');
      if (end.kind === 'ended') return end.exit;
      if (end.why === 'dead') await this.stop(build, 'cancel', signal);
      throw new Fault('node-lost', lostWords[end.why], { hint: lostHints[end.why] });
    } finally {
      signal.removeEventListener('abort', cut);
      await way[Symbol.asyncDispose]();
    }
  }

  async stop(build: string, reason: 'timeout' | 'cancel', signal: AbortSignal): Promise<boolean> {
    const { grace } = this.#limits;
    const text = script('stop', [folderOf(this.#root, build), reason, grace]);
    this.#passed('shell.stop.before');
    const said = await this.#persist(signal, () =>
      this.#run(text, signal, 'cannot stop the build', grace + minute),
    );
    this.#passed('shell.stop.after');
    return said.trim() === 'quiet';
  }

  async held(build: string, signal: AbortSignal): Promise<number | undefined> {
    const text = script('step', ['held', folderOf(this.#root, build)]);
    const said = await this.#persist(signal, () => this.#run(text, signal, 'cannot look at the build'));
    return /^\d+\n$/.test(said) ? Number(said) : undefined;
  }

  async resume(...[build, step, files, signal]: Parameters<Shell['resume']>): Promise<void> {
    if ((await this.held(build, signal)) !== step) return;
    const folder = folderOf(this.#root, build);
    // The files come once: a connection that is cut while they are sent is the caller's to repeat.
    await layDown(this.node, `${folder}/job`, givenFrames(step, files), await this.#jobUser(signal), signal);
    const text = script('step', ['go', folder, step]);
    await this.#persist(signal, () => this.#run(text, signal, `cannot answer step ${step}`));
  }

  async *collect(
    ...[build, include, exclude, signal]: Parameters<Shell['collect']>
  ): AsyncIterable<CollectedFile> {
    const workspace = `${folderOf(this.#root, build)}/job/workspace`;
    const [paths, user] = await this.#persist(signal, () =>
      Promise.all([listFiles(this.node, workspace, include, exclude, signal), this.#jobUser(signal)]),
    );
    this.#passed('shell.collect.before');
    for await (const file of readFiles(this.node, workspace, user?.uid, paths, signal)) {
      yield file;
      this.#passed('shell.collect.file');
    }
  }

  async forget(build: string, signal: AbortSignal): Promise<void> {
    folderOf(this.#root, build);
    const { grace } = this.#limits;
    const uid = this.#options.dedicatedUser === true ? ((await this.#jobUser(signal))?.uid ?? '') : '';
    const text = `${script('git', ['tidy', this.#root])}${script('forget', [this.#root, build, grace, uid])}`;
    this.#passed('shell.forget.before');
    const said = await this.#run(text, signal, `cannot clear away ${build}`, grace + 5 * minute);
    this.#passed('shell.forget.after');
    const [word = '', ...words] = said.trim().split(' ');
    if (word === 'gone') return;
    throw new Fault(
      'node-lost',
      word === 'alive' ? 'processes of the build do not die' : `cannot remove ${words.join(' ')} on the node`,
      {
        retry: true,
        hint:
          word === 'alive'
            ? 'Look for processes in state D; a restart of the machine ends them.'
            : 'Files of other users need root (or sudo: true) to be removed.',
      },
    );
  }

  preflight(...[needs, clock, signal]: Parameters<SshShell['preflight']>): Promise<Judgement> {
    const { root, sudo } = this.#options;
    return preflight(this.node, { ...needs, root, sudo }, this.#user, clock, signal);
  }

  async leftovers(signal: AbortSignal): Promise<string[]> {
    const said = await this.#run(script('leftovers', [this.#root]), signal, 'cannot list leftovers');
    return [...new Set(said.split('\0'))].filter((name) => /^build-[\w-]+$/.test(name)).toSorted();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.node[Symbol.asyncDispose]();
  }

  #launch(build: string, aside = ''): string {
    folderOf(this.#root, build);
    return script('launch', [this.#root, build, aside, this.#user]);
  }

  /** Lays everything down aside, puts it into its place and starts it. `facts` is what launch.sh said of the node. */
  async #prepare(build: ShellBuild, facts: string, signal: AbortSignal): Promise<Word> {
    const [boot = '', ...ids] = facts.split(' ');
    const user = this.#user === '' ? undefined : checkedUser(this.#user, ids, this.node.where);
    this.#known ??= Promise.resolve(user);
    const repositories = build.within === undefined ? ((await build.repositories?.(signal)) ?? []) : [];
    const plan: FolderPlan = {
      limits: this.#limits,
      user,
      exclusive: this.#options.dedicatedUser === true,
      noNewPrivileges: this.#options.sudo !== true,
      environment: this.#options.environment ?? {},
    };
    const entries = planFolder(this.#root, build, plan, {
      boot,
      cookie: randomBytes(16).toString('hex'),
      staged:
        repositories.length > 0 || (build.within !== undefined && (await this.#hasGit(build.within, signal))),
    });
    const aside = `.${build.build}.${randomBytes(6).toString('hex')}`;
    const launch = this.#launch(build.build, aside);
    const frames = [...entryFrames(entries), lastFrame];
    const base = `${this.#root}/${aside}`;
    this.#passed('shell.lay.before');
    if (repositories.length === 0)
      return wordOf(await layDown(this.node, base, frames, user, signal, launch));
    await layDown(this.node, base, frames, user, signal);
    this.#passed('shell.push.before');
    await layRepositories(
      repositories,
      { connection: this.node, root: this.#root, aside, owner: user },
      signal,
    );
    this.#passed('shell.launch.before');
    return wordOf(await this.#run(launch, signal, 'cannot start the build'));
  }

  async #hasGit(build: string, signal: AbortSignal): Promise<boolean> {
    const path = quoted(`${folderOf(this.#root, build)}/job/git`);
    const said = await this.#run(`[[ -d ${path} ]] && echo yes; exit 0`, signal, 'cannot look at the build');
    return said.trim() === 'yes';
  }

  #persist<T>(signal: AbortSignal, attempt: (alive: () => void) => Promise<T>): Promise<T> {
    return whileAway(this.#patience, signal, attempt);
  }

  async #run(text: string, signal: AbortSignal, what: string, deadline = minute): Promise<string> {
    return saidBy(await this.node.run(text, { signal, deadline }), what);
  }

  /** The account of the steps there; undefined for the one that logs in. */
  #jobUser(signal: AbortSignal): Promise<JobUser | undefined> {
    if (this.#user === '') return Promise.resolve(undefined);
    this.#known ??= this.#lookUp(this.#user, signal).catch((caught: unknown) => {
      this.#known = undefined;
      throw caught;
    });
    return this.#known;
  }

  async #lookUp(name: string, signal: AbortSignal): Promise<JobUser> {
    const text = `echo "$EUID"; id -u -- ${quoted(name)} && id -g -- ${quoted(name)}; exit 0`;
    const said = await this.#run(text, signal, `cannot look for the user ${name}`);
    return checkedUser(name, said.split('\n'), this.node.where);
  }
}

interface Word {
  readonly word: string;
  readonly rest: string;
}

function wordOf(said: string): Word {
  const line = said.trim();
  const blank = line.indexOf(' ');
  return blank < 0 ? { word: line, rest: '' } : { word: line.slice(0, blank), rest: line.slice(blank + 1) };
}

function settle(said: Word): void {
  switch (said.word) {
    case 'running':
    case 'ended':
      return;
    case 'lost':
      throw new Fault('node-lost', 'the build had begun, and its supervisor is gone without a result');
    default:
      if (said.rest.includes('No space left on device')) throw noSpace('cannot start the build');
      throw new Fault(
        'node-lost',
        `the supervisor did not start: ${said.rest || said.word || 'it said nothing'}`,
        {
          hint: 'It needs bash, setsid, setpriv, flock and grep on the node, and room on the disk.',
        },
      );
  }
}

const lostWords = {
  none: 'there is no such build on the node',
  prepared: 'no step of the build ever began',
  dead: 'the supervisor of the build died without a result',
  rebooted: 'the machine was restarted while the build ran',
};
const lostHints = {
  none: 'Was the machine installed anew, or its workspace emptied?',
  prepared: undefined,
  dead: 'Look for the out-of-memory killer in the system log of the node.',
  rebooted: 'Look into the system log of the node, and at its power.',
};
