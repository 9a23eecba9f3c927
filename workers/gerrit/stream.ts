import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import type { GerritEvent } from '../../pipelines/event.ts';
import { asFault, backoff, Fault } from '../../pipelines/fault.ts';
import { commandFault } from './commands.ts';
import { DROPPED, isNoise, naturalKey, toFact } from './event.ts';
import type { Filer } from './filer.ts';
import { createLineReader } from './lines.ts';
import type { GerritSettings } from './settings.ts';
import { connectSsh, isRefusal, type LoginGuard, type SshSession } from './ssh.ts';

/**
 * `gerrit stream-events`, kept up for ever on a connection of its own.
 *
 * What it promises is little: each line that reaches us goes to the ledger before anything else happens with it. What it
 * cannot promise is that every event reaches us: Gerrit replays nothing after a cut, and drops events for a slow reader. So
 * every time that could have cost an event is noted as a gap, and reconciliation (reconcile.ts) closes it by asking.
 *
 * A stream may also be half dead: TCP stands, no byte comes, nobody says so. Silence is therefore questioned: after
 * `probeInterval` without a byte Gerrit must answer `gerrit version` on the same connection in `probeDeadline`.
 */
export interface EventStream extends AsyncDisposable {
  state(): StreamState;
  /** Drops the connection and starts over. Reconciliation does that when it finds what a live stream should have brought. */
  restart(reason: string): void;
  /** Every gap that ended by now is closed: a sweep asked Gerrit about it. */
  reconciled(at: number): void;
}

export type StreamPhase =
  | { readonly kind: 'connecting'; readonly since: number }
  | { readonly kind: 'connected'; readonly since: number }
  | { readonly kind: 'waiting'; readonly until: number; readonly fault: Fault }
  | { readonly kind: 'closed' };

/** Events between `from` and `to` may not have reached us. */
export interface Gap {
  readonly from: number;
  to?: number;
  readonly reason: string;
  reconciledAt?: number;
}

export interface StreamState {
  readonly phase: StreamPhase;
  readonly lastEventAt: number | undefined;
  readonly queued: number;
  readonly counts: {
    readonly lines: number;
    readonly noise: number;
    readonly events: number;
    readonly odd: number;
    readonly filed: number;
    readonly connects: number;
  };
  /** The newest last, at most 100. */
  readonly gaps: readonly Gap[];
}

export interface StreamOptions {
  readonly settings: GerritSettings;
  readonly guard: LoginGuard;
  readonly filer: Filer;
  /** The ledger key of an event; reconciliation may know it under another key already. */
  readonly keyOf?: (event: GerritEvent) => string;
  /** The stream stands (again): everything before now may have been missed. */
  readonly onConnected: (first: boolean) => void;
  readonly onDropped: () => void;
  readonly onTrouble: (what: string, fault: Fault) => void;
  readonly onOddity?: (kind: string, bytes: number) => void;
  readonly now?: () => number;
  readonly random?: () => number;
}

const MAX_GAPS = 100;
/** A line longer than this is not kept beside its fact. */
const MAX_RAW = 65_536;
/** A connection that stood so long starts its backoff from the beginning. */
const PROVEN_UP = 300_000;

export function openStream(options: StreamOptions): EventStream {
  const { settings, guard, filer, keyOf = naturalKey, now = Date.now, random = Math.random } = options;
  const closing = new AbortController();
  const counts = { lines: 0, noise: 0, events: 0, odd: 0, connects: 0 };
  const gaps: Gap[] = [];
  let phase: StreamPhase = { kind: 'connecting', since: now() };
  let lastEventAt: number | undefined;
  /** The last moment we know the stream to have been whole. */
  let wholeAt = now();
  let end: (fault: Fault) => void = () => undefined;

  function openGap(from: number, reason: string): void {
    gaps.push({ from, reason });
    if (gaps.length > MAX_GAPS) gaps.shift();
  }

  function take(line: string): void {
    counts.lines += 1;
    if (isNoise(line)) {
      counts.noise += 1;
      return;
    }
    const fact = toFact(line, settings.connection, now());
    if (fact === undefined) {
      odd('not-an-event', line.length);
      return;
    }
    counts.events += 1;
    lastEventAt = fact.at;
    const raw = line.length > MAX_RAW || line.includes('\0') ? {} : { raw: line };
    if (!filer.push({ key: keyOf(fact), fact, ...raw }))
      end(new Fault('gerrit-away', 'the ledger is behind: our own queue of events is full', { retry: true }));
    if (fact.type !== DROPPED) return;
    openGap(wholeAt, DROPPED);
    closeGaps();
    options.onDropped();
  }

  function odd(kind: string, bytes: number): void {
    counts.odd += 1;
    options.onOddity?.(kind, bytes);
  }

  function closeGaps(): void {
    for (const gap of gaps) gap.to ??= now();
  }

  /** One life of the connection; always ends with the Fault that ended it. */
  async function live(): Promise<never> {
    const session = await connectSsh(settings, guard, closing.signal);
    let finish: (fault: Fault) => void = () => undefined;
    const ended = new Promise<Fault>((resolve) => {
      finish = resolve;
    });
    end = finish;
    void session.ended.then(finish);
    const onClose = () => finish(new Fault('stopped', 'the stream is closed'));
    closing.signal.addEventListener('abort', onClose);
    let lastByteAt = now();
    const prober = setInterval(() => {
      if (now() - lastByteAt < settings.probeInterval) return;
      void isAlive(session, settings.probeDeadline).then((alive) => {
        if (alive) {
          lastByteAt = now();
          wholeAt = lastByteAt;
        } else finish(silent(settings.probeDeadline));
        return alive;
      });
    }, settings.probeInterval);
    try {
      const reader = createLineReader({ line: take, oddity: odd });
      const attach = (channel: ClientChannel) => {
        channel.on('data', (chunk: Buffer) => {
          lastByteAt = now();
          reader.push(chunk);
          wholeAt = lastByteAt;
        });
        void channelEnd(channel).then(finish);
      };
      await Promise.race([session.open(streamCommand(settings), attach), ended.then(raise)]);
      counts.connects += 1;
      phase = { kind: 'connected', since: now() };
      closeGaps();
      options.onConnected(counts.connects === 1);
      return raise(await ended);
    } finally {
      clearInterval(prober);
      closing.signal.removeEventListener('abort', onClose);
      end = () => undefined;
      session.destroy();
    }
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!closing.signal.aborted) {
      const startedAt = now();
      phase = { kind: 'connecting', since: startedAt };
      try {
        await live();
      } catch (caught) {
        const fault = asFault(caught);
        if (closing.signal.aborted) break;
        if (!gaps.some((gap) => gap.to === undefined)) openGap(wholeAt, fault.message);
        failures = now() - startedAt > PROVEN_UP ? 1 : failures + 1;
        const wait = Math.max(patience(fault, failures), guard.pause());
        phase = { kind: 'waiting', until: now() + wait, fault };
        options.onTrouble('stream', fault);
        await Promise.all([filer.drained(), pause(wait, closing.signal)]);
      }
    }
    phase = { kind: 'closed' };
  }

  function patience(fault: Fault, failures: number): number {
    const slow = isRefusal(fault) || fault.code === 'gerrit-permission' || fault.code === 'config-invalid';
    return slow
      ? backoff(failures, settings.refusedFirst, settings.refusedMost, random())
      : backoff(failures, settings.reconnectFirst, settings.reconnectMost, random());
  }

  const running = run();
  return {
    state: () => ({
      phase,
      lastEventAt,
      queued: filer.size,
      counts: { ...counts, filed: filer.filed },
      gaps: gaps.map((gap) => ({ ...gap })),
    }),
    restart: (reason) => end(new Fault('gerrit-away', reason, { retry: true })),
    reconciled(at) {
      for (const gap of gaps) if (gap.to !== undefined && gap.to <= at) gap.reconciledAt ??= now();
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}

function streamCommand(settings: GerritSettings): string {
  return ['gerrit stream-events', ...settings.subscribe.map((type) => `-s ${type}`)].join(' ');
}

function raise(fault: Fault): never {
  throw fault;
}

function silent(deadline: number): Fault {
  return new Fault('gerrit-away', `Gerrit was silent and did not answer a probe within ${deadline} ms`, {
    retry: true,
  });
}

/** Asks for the version on the stream's own connection. */
async function isAlive(session: SshSession, deadline: number): Promise<boolean> {
  const answered = new Promise<boolean>((resolve) => {
    const late = setTimeout(() => resolve(false), deadline);
    const over = (alive: boolean) => {
      clearTimeout(late);
      resolve(alive);
    };
    const attach = (channel: ClientChannel) => {
      channel.stderr.resume();
      channel.on('data', () => over(true));
      channel.on('exit', () => over(true));
      channel.on('close', () => over(false));
      channel.on('error', () => over(false));
      channel.end();
    };
    session.open('gerrit version', attach).catch(() => over(false));
  });
  return await answered;
}

/** Why the stream's channel closed: refused (it says why and exits), or cut (no exit status). */
function channelEnd(channel: ClientChannel): Promise<Fault> {
  return new Promise((resolve) => {
    let said = '';
    let code: number | undefined;
    channel.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 4_096) said += chunk.toString('utf8');
    });
    channel.on('exit', (status: number | null) => {
      code = status ?? 255;
    });
    channel.on('error', () => undefined);
    channel.on('close', () => {
      const refused = code !== undefined && said.trim() !== '';
      if (refused)
        resolve(commandFault('gerrit stream-events', { code: code ?? 1, stdout: '', stderr: said }));
      else resolve(new Fault('gerrit-away', 'Gerrit ended the stream of events', { retry: true }));
    });
  });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
