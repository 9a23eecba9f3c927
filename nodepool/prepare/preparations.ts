import { asFault, Fault } from '../../pipelines/fault.ts';
import type { Lease, LeasedNode } from '../../pipelines/ports.ts';
import type { Told } from '../admin.ts';
import type { Prepare } from '../config/prepare.ts';
import { type Context, leaseFrom } from '../context.ts';
import { defaultRoot, defaultUser } from '../reach.ts';
import type { NodeConnection } from '../ssh/connection.ts';
import type { CacheOwner } from '../ssh/gitcache.ts';
import { borrow, giveBack, giveBackAll, type Lender, requestOf } from './borrow.ts';
import { openImageKeeper } from './keeper.ts';
import { type Place, type Project, prepareMachine, sealMachine, type Work } from './machine.ts';
import { digestOf, planTargets, type Target, type Wish } from './plan.ts';
import { type ImageRecord, isOver, type PreparationRecord } from './record.ts';
import { recordOf, type Teller, tellerOf } from './teller.ts';

/**
 * `stackgate node prepare`: one machine of a label's base image is borrowed as a build would borrow it (so quotas, tests, leaks and
 * deleting are the pool's own), filled, and its disk saved; or the places of a host that stays are all borrowed, so that no build
 * runs there meanwhile, and it is filled where it stands.
 *
 * A preparation that was cut by a restart is over: its machine goes the usual way, what was saved of its image is deleted, and
 * somebody asks again. Done again it costs on a host that stays what is new, and a new machine is clean.
 */
export interface Preparations extends AsyncDisposable {
  start(label: string, wish: Wish, by: string): Promise<Told | Started>;
  list(): readonly PreparationRecord[];
  images(): readonly ImageRecord[];
  /** A person wants an image gone: its label uses the one before, or its base. */
  dropImage(id: string): Promise<Told>;
}

export interface Started {
  readonly kind: 'started';
  readonly preparations: readonly PreparationRecord[];
  readonly remarks: readonly string[];
}

export interface PreparationTools {
  readonly pool: Lender;
  readonly context: Context;
  /** Resolves when the pool has taken the nodepool.yaml that is in force. */
  readonly current: () => Promise<void>;
  readonly connect: (node: LeasedNode) => Promise<NodeConnection>;
  readonly projects: (label: string, wanted: Prepare['projects']) => readonly Project[];
}

/** Preparations that ended and can still be looked at. */
const mostOver = 50;
/** ms that one waits for its machine; a host may have long builds. */
const patience = 24 * 60 * 60_000;

export async function openPreparations(tools: PreparationTools): Promise<Preparations> {
  const { context, pool } = tools;
  const { book, desks, options, log, stop } = context;
  const { timer } = options;
  const running = new Map<string, Promise<void>>();
  const saving = new Set<string>();
  const keeper = openImageKeeper(context, saving);

  await clearCut();
  const keeping = keeper.run();

  return {
    async start(label, wish, by) {
      await tools.current();
      const planned = planTargets(label, wish, context.standing.wanted, desks.all);
      if (planned.kind === 'absent') return { kind: 'absent', reason: hinted(planned) };
      if (planned.kind === 'conflict') return planned;
      const { prepare, targets, remarks } = planned;
      const busy = targets.find((target) =>
        [...book.preparations.values()].some(
          (each) =>
            !isOver(each) &&
            each.provider === target.provider &&
            (target.host === undefined ? each.label === label : each.host === target.host),
        ),
      );
      if (busy !== undefined) {
        const where = busy.host ?? busy.provider;
        return { kind: 'conflict', reason: `${label} is being prepared at ${where} already` };
      }
      const work = workOf(label, prepare);
      if ('kind' in work) return work;
      const records = targets.map(
        (target): PreparationRecord => ({
          id: book.next(),
          label,
          provider: target.provider,
          ...(target.host === undefined ? {} : { host: target.host }),
          snapshot: target.host === undefined && wish.snapshot,
          keep: wish.keep,
          by,
          at: timer.now(),
          state: { phase: 'waiting' },
          lines: [],
        }),
      );
      await book.write({ put: { preparations: records } });
      for (const [index, record] of records.entries()) {
        const target = targets[index];
        if (target === undefined) continue;
        const done = run(record.id, target, prepare, work).catch((caught: unknown) => {
          if (!stop.aborted) context.broken(caught);
        });
        running.set(
          record.id,
          done.finally(() => running.delete(record.id)),
        );
      }
      return { kind: 'started', preparations: records, remarks };
    },
    list: () => [...book.preparations.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    images: () => [...book.images.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    dropImage: (id) => keeper.drop(id),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([keeping, ...running.values()]);
    },
  };

  interface Filled extends Work {
    readonly digest: string;
    /** What each provider makes the label from, when it is asked for. */
    readonly bases: ReadonlyMap<string, string>;
  }

  /** Read before any machine is asked for. */
  function workOf(label: string, prepare: Prepare): Filled | (Told & { kind: 'conflict' }) {
    const { labels, files } = context.standing.wanted;
    const script = labels.get(label)?.readyScript;
    const missing = [...prepare.scripts, ...(script === undefined ? [] : [script])].filter(
      (name) => files.scripts[name] === undefined,
    );
    if (missing.length > 0) {
      const hint = 'put it beside nodepool.yaml, and `stackgate reload`';
      return { kind: 'conflict', reason: `there is no script ${missing.join(', ')}`, hint };
    }
    const scripts = prepare.scripts.map((name) => ({ name, text: files.scripts[name] ?? '' }));
    const ready = script === undefined ? undefined : files.scripts[script];
    const repositories = tools.projects(label, prepare.projects);
    const { downloads } = prepare;
    const projects = repositories.map(({ project }) => project);
    const bases = new Map(
      [...desks.all].map(([name, { config }]) => [name, config.kinds.get(label)?.kind.image ?? label]),
    );
    const digest = digestOf({ scripts, downloads, projects, ready });
    return { repositories, downloads, scripts, digest, bases };
  }

  async function run(id: string, target: Target, prepare: Prepare, work: Filled): Promise<void> {
    const teller = tellerOf(context, id);
    let late = AbortSignal.timeout(patience);
    try {
      const waiting = AbortSignal.any([stop, late]);
      const leases = await borrow(context, pool, recordOf(book, id), target, waiting, teller);
      late = AbortSignal.timeout(prepare.timeout);
      const place = await fill(id, leases, work, AbortSignal.any([stop, late]), teller);
      const image =
        place === undefined ? undefined : await save(recordOf(book, id), place, prepare, work, teller);
      const state = { phase: 'done' as const, ...(image === undefined ? {} : { image: image.id }) };
      // The image and the end of its preparation are one: nobody is told that it failed when it is there.
      await end(id, state, teller, image === undefined ? [] : [image]);
      if (image !== undefined) saving.delete(image.id);
    } catch (caught) {
      if (stop.aborted) return;
      const { message, hint } = asFault(caught);
      const why = hint === undefined ? message : `${message} (${hint})`;
      await end(id, { phase: 'failed', reason: late.aborted ? 'it took too long' : why }, teller);
    } finally {
      if (!stop.aborted) await giveBack(context, pool, recordOf(book, id));
    }
    if (!stop.aborted) await keeper.look();
  }

  async function end(
    id: string,
    state: PreparationRecord['state'],
    teller: Teller,
    images: readonly ImageRecord[] = [],
  ): Promise<void> {
    const record = book.preparations.get(id);
    if (record === undefined) return;
    teller.say(state.phase === 'failed' ? `failed: ${state.reason}` : 'done');
    const { label, provider, host } = record;
    log('a preparation ended', { preparation: id, label, provider, host, ...state });
    await teller.close({ state, until: timer.now() }, images);
    const over = [...book.preparations.values()].filter(isOver).sort((a, b) => (a.id < b.id ? 1 : -1));
    await book.write({ drop: { preparations: over.slice(mostOver).map((each) => each.id) } });
  }

  /** Answers the machine when its disk is to be saved. */
  async function fill(
    id: string,
    leases: readonly Lease[],
    work: Filled,
    signal: AbortSignal,
    teller: Teller,
  ): Promise<LeasedNode | undefined> {
    const record = recordOf(book, id);
    const node = leases[0]?.nodes[0];
    if (node === undefined) throw new Fault('bug', 'a lease without a node');
    if (node.ssh?.user !== 'root' && node.ssh?.sudo !== true) {
      throw new Fault('node-login', `${node.name} is prepared as root, and we are not root there`, {
        hint: 'Set `sudo: true` of the node in nodepool.yaml, or log in as root.',
      });
    }
    await teller.put({ state: { phase: 'preparing' } });
    teller.say(`on ${node.name} (${node.address ?? 'without an address'})`);
    await using connection = await tools.connect(node);
    // A machine that serves one build gives that its repositories; one that stays keeps them from every build.
    const owner = record.host === undefined ? await ownerOf(node, connection, signal) : undefined;
    const root = node.ssh.workspaces ?? defaultRoot;
    const place: Place = { connection, root, owner, say: teller.say };
    await prepareMachine(work, place, signal);
    if (!record.snapshot) return undefined;
    await part(id, signal);
    await sealMachine(place, signal);
    return node;
  }

  async function save(
    { label, provider }: PreparationRecord,
    node: LeasedNode,
    { imageTimeout }: Prepare,
    { digest, bases }: Filled,
    teller: Teller,
  ): Promise<ImageRecord> {
    const desk = desks.all.get(provider);
    const snapshot = desk?.provider.snapshot?.bind(desk.provider);
    if (desk === undefined || snapshot === undefined) {
      throw new Fault('config-invalid', `${provider} cannot save images`);
    }
    const number = book.next();
    const name = `stackgate-${options.site.slice(0, 8)}-${label}-${number}`;
    const base = bases.get(provider) ?? label;
    const at = timer.now();
    const image: ImageRecord = {
      id: number,
      label,
      provider,
      name,
      base,
      digest,
      at,
      state: { phase: 'saving' },
    };
    saving.add(number);
    try {
      await book.write({ put: { images: [image] } });
      await teller.put({ state: { phase: 'saving' } });
      teller.say(`saving its disk as ${name}`);
      const of = { node: node.node ?? node.id, id: node.machine };
      const saved = await desk.call('snapshot', (signal) => snapshot(of, name, signal), stop, imageTimeout);
      if (saved.kind !== 'saved') throw new Fault('node-lost', `${provider}: ${saved.reason}`);
      await keeper.readBack(desk, name);
      teller.say(`new machines of ${label} at ${provider} are made from ${name}`);
      return { ...image, state: { phase: 'ready', image: saved.image } };
    } catch (caught) {
      saving.delete(number);
      throw caught;
    }
  }

  /** Takes off a machine what joining it put there. */
  async function part(id: string, signal: AbortSignal): Promise<void> {
    const request = book.requests.get(requestOf(id, 0));
    if (request?.state.phase !== 'granted') return;
    await options.join?.down({ network: request.state.network }, leaseFrom(context, request), signal);
  }

  /** What a life before this one did not end. */
  async function clearCut(): Promise<void> {
    const reason = 'Stackgate was restarted meanwhile; start it again';
    const cut = [...book.preparations.values()].filter((each) => !isOver(each));
    const at = timer.now();
    const ended = cut.map((each): PreparationRecord => {
      const n = (each.lines.at(-1)?.n ?? 0) + 1;
      const lines = [...each.lines, { n, at, text: `failed: ${reason}` }];
      return { ...each, lines, until: at, state: { phase: 'failed', reason } };
    });
    await book.write({ put: { preparations: ended } });
    giveBackAll(context, pool);
  }
}

/** The account that jobs run as there. */
async function ownerOf(
  node: LeasedNode,
  connection: NodeConnection,
  signal: AbortSignal,
): Promise<CacheOwner | undefined> {
  const name = node.ssh?.jobUser ?? node.ssh?.user ?? defaultUser;
  if (name === 'root' || !/^[a-z_][\w.-]*$/i.test(name)) return undefined;
  const { code, stdout } = await connection.run(`id -u -- ${name} && id -g -- ${name}`, {
    signal,
    deadline: 60_000,
  });
  const [uid = Number.NaN, gid = Number.NaN] = stdout.trim().split('\n').map(Number);
  return code === 0 && Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : undefined;
}

function hinted({ reason, hint }: { readonly reason: string; readonly hint?: string }): string {
  return hint === undefined ? reason : `${reason}: ${hint}`;
}
